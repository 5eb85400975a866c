//! What of the queue goes to the spool, and what comes from there.
//!
//! Part of the queue, for the delivery thread.

use std::sync::atomic::Ordering::SeqCst;

use tokio::time::Instant as Clock;

use super::{Out, Queue, SPOOL_REST, State, Ticket, Welcome};
use crate::{
    deliver::{lane::Job, later, overflow::Replayed},
    encode::Request,
    settings::Signal,
};

impl Queue {
    /// From now on there is a spool to give requests to.
    pub(crate) fn spills(&self) {
        self.spills.store(true, SeqCst);
    }

    /// Whether memory is so full that the oldest should go to disk: three quarters, so that there is
    /// room for what comes while they are on their way.
    pub(super) fn is_crowded(&self, state: &State) -> bool {
        (state.records - state.leaving_records) > self.max_records / 4 * 3
            || (state.bytes - state.leaving_bytes) > self.max_bytes / 4 * 3
    }

    /// Whether a request from the spool would be welcome, for a signal that has somewhere to go.
    pub(crate) fn replay_welcome(&self, now: Clock, has_way: impl Fn(Signal) -> bool) -> Welcome {
        let state = self.lock();
        let has_room = !state.closing
            && state.is_online()
            && state.records <= self.max_records / 2
            && state.bytes <= self.max_bytes / 2;
        if !has_room {
            return Welcome::No;
        }
        let open = |signal: &Signal| {
            let lane = &state.lanes[*signal as usize];
            has_way(*signal) && lane.gate.welcomes_replay(now, lane.has_fresh())
        };
        let mut signals: Vec<Signal> = Signal::ALL.into_iter().filter(open).collect();
        if signals.is_empty() {
            return Welcome::No;
        }
        signals.retain(|signal| {
            let replays = state.replays[*signal as usize];
            replays.inside < replays.most
        });
        if signals.is_empty() {
            Welcome::Enough
        } else {
            Welcome::Yes(signals)
        }
    }

    /// Waits until one of them has left.
    pub(crate) async fn replay_ended(&self) {
        self.replay_ended.notified().await;
    }

    /// Takes in a request from the spool, unless it is too late.
    pub(crate) fn push_replay(&self, request: Request, replayed: Replayed) {
        {
            let mut state = self.lock();
            if state.closing {
                return;
            }
            state.records += request.records;
            state.bytes += request.bytes();
            let lane = request.signal as usize;
            state.replays[lane].inside += 1;
            state.lanes[lane].put_back(Job::replayed(request, replayed), None);
        }
        self.wake();
    }

    /// Gives a request back to the spool where it came from; says whether that is all there is to do.
    pub(crate) fn give_back(&self, ticket: Ticket) -> bool {
        let given = {
            let mut state = self.lock();
            let whole = |out: &Out| out.job.replayed.as_ref().is_some_and(|r| !r.is_part);
            if !state.out.get(&ticket).is_some_and(whole) {
                return false;
            }
            let out = state.take(ticket);
            if let Some(out) = &out {
                state.forget(&out.job);
            }
            self.changed.notify_all();
            out
        };
        // Outside of the lock: the spool hears of it.
        drop(given);
        self.replay_ended.notify_one();
        self.wake();
        true
    }

    /// Keeps a request in memory that the spool did not take, for another round of attempts. The
    /// answer is no when everything ends.
    pub(crate) fn keep(&self, ticket: Ticket, now: Clock) -> bool {
        {
            let mut state = self.lock();
            let state = &mut *state;
            if state.closing {
                return false;
            }
            state.spool_rests = Some(now + SPOOL_REST);
            let Some(mut out) = state.take(ticket) else {
                return true;
            };
            out.job.expires = None;
            let due = later(now, self.retry.max_backoff);
            state.lanes[out.job.request.signal as usize].put_back(out.job, Some(due));
            self.changed.notify_all();
        }
        self.wake();
        true
    }
}

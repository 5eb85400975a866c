//! The bounded queue of encoded requests, and the account of each until it is settled.
//!
//! Entrance of `deliver`. A request waits, is in flight, perhaps waits again, and is settled;
//! settling and counting happen under one lock, so a flush that finds nothing left finds everything
//! counted. Whatever is tried again stays in the account, so an outage cannot fill the memory.
//!
//! Whoever waits here (a flush, a shutdown) waits with a deadline. Once finished, what was pending
//! has been written off, and whatever comes later changes no count.

mod answers;
mod endings;
mod spilling;
mod state;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant as Clock};

use self::state::{Out, State};
use super::lane::{Job, Offer, earlier};
use crate::{
    admit::Tally,
    encode::Request,
    event::DeliveryEvent,
    ledger::{Ledger, LossReason},
    settings::{DeliverySettings, RetrySettings, Signal},
    wire::Answer,
};

/// How long a spool that refused something is left alone.
const SPOOL_REST: Duration = Duration::from_secs(1);

/// What became of a request: some delivered, some on disk, the others lost for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) delivered: u64,
    pub(crate) spooled: u64,
    pub(crate) lost: u64,
    pub(crate) reason: LossReason,
}

impl Outcome {
    pub(crate) fn taken(records: u64, rejected: u64) -> Self {
        // A server that rejects more than it was sent is wrong, not we.
        let rejected = rejected.min(records);
        Self {
            delivered: records - rejected,
            spooled: 0,
            lost: rejected,
            reason: LossReason::Rejected,
        }
    }

    pub(crate) fn spooled(records: u64) -> Self {
        Self {
            spooled: records,
            ..Self::taken(0, 0)
        }
    }

    pub(crate) fn lost(records: u64, reason: LossReason) -> Self {
        Self {
            delivered: 0,
            spooled: 0,
            lost: records,
            reason,
        }
    }
}

/// Why a request did not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Finished,
}

/// The ticket of a request in the hands of the delivery thread.
pub(crate) type Ticket = u64;

/// What the delivery thread should do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send the request, in parts if it is larger than the limit.
    Send {
        ticket: Ticket,
        request: Request,
        limit: Option<usize>,
        event: Option<DeliveryEvent>,
    },
    /// Spool the request or count it as lost.
    GiveUp {
        ticket: Ticket,
        request: Request,
        reason: LossReason,
    },
    /// Wait until then or until woken.
    Wait(Option<Clock>),
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Settle(Outcome),
    Retry(Option<Clock>),
    GiveUp(LossReason),
    Split,
    /// Written off meanwhile.
    Nothing,
}

/// Whether one more request from the spool would be welcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// One of these signals.
    Yes(Vec<Signal>),
    /// As many are in here as may; one has to leave first.
    Enough,
    /// Nobody would take it now, or there is no room.
    No,
}

/// The queue, shared by the batch processors' workers, the delivery thread and those who flush.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    wake: Notify,
    replay_ended: Notify,
    ledger: Arc<Ledger>,
    max_records: u64,
    max_bytes: usize,
    retry: RetrySettings,
    /// How many requests of a signal from the spool may be in here at once, when all goes well.
    max_replays: usize,
    spills: AtomicBool,
}

impl Queue {
    pub(crate) fn new(settings: &DeliverySettings, ledger: Arc<Ledger>) -> Self {
        Self {
            state: Mutex::new(State::new(settings)),
            changed: Condvar::new(),
            wake: Notify::new(),
            replay_ended: Notify::new(),
            ledger,
            max_records: settings.max_queued_records().get() as u64,
            max_bytes: settings.max_queued_bytes().get(),
            retry: settings.retry.clone(),
            max_replays: settings.max_in_flight.get(),
            spills: AtomicBool::new(false),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in, or counts its records as lost. Never waits for room.
    pub(crate) fn push(&self, request: Request) -> Result<(), Refusal> {
        let pushed = {
            let mut state = self.lock();
            let records = state.records + request.records;
            let bytes = state.bytes + request.bytes();
            if state.finished {
                Err(Refusal::Finished)
            } else if records > self.max_records || bytes > self.max_bytes {
                self.ledger
                    .signal(request.signal)
                    .lost(LossReason::DeliveryQueueFull, request.severities);
                Err(Refusal::Full)
            } else {
                state.records = records;
                state.bytes = bytes;
                let number = state.next_number;
                state.next_number += 1;
                state.lanes[request.signal as usize].push(Job::new(number, request));
                Ok(())
            }
        };
        self.wake();
        pushed
    }

    /// Counts records that never became a request.
    pub(crate) fn lose(&self, signal: Signal, reason: LossReason, records: impl Into<Tally>) {
        {
            let state = self.lock();
            if !state.finished {
                self.ledger.signal(signal).lost(reason, records);
            }
        }
        self.wake();
    }

    /// Lets the delivery thread look around: for requests, and for losses to tell of.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for the next [`wake`](Self::wake); one that came before counts.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether the process can reach the network, as the application says.
    pub(crate) fn set_online(&self, online: bool) {
        self.lock().online[0] = online;
        self.wake();
    }

    /// The same, as its callback says; tells of a change of the whole.
    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.lock().online[1] = reachable;
    }

    pub(crate) fn is_online(&self) -> bool {
        self.lock().is_online()
    }

    /// What the delivery thread should do next.
    pub(crate) fn next(&self, now: Clock) -> Step {
        let mut state = self.lock();
        let state = &mut *state;
        let moment = state.moment(now);
        if state.evacuating {
            if let Some(step) = state.evacuate() {
                return step;
            }
        }
        let spill_again = state.spool_rests.filter(|until| now < *until);
        let spills = self.is_crowded(state) && self.spills.load(SeqCst);
        if spills && spill_again.is_none() {
            if let Some(job) = state.take_oldest() {
                let reason = job.last_failure.unwrap_or(LossReason::DeliveryQueueFull);
                return state.give_up(job, reason);
            }
        }
        // The destination with the least under way comes first.
        let mut order = Signal::ALL;
        order.sort_by_key(|signal| state.lanes[*signal as usize].in_flight());
        let mut until = spill_again.filter(|_| spills);
        for signal in order {
            let lane = &mut state.lanes[signal as usize];
            let (job, slot, probe, event) = match lane.offer(moment) {
                Offer::Send {
                    job,
                    slot,
                    probe,
                    event,
                } => (job, slot, probe, event),
                Offer::GiveUp(job, reason) => return state.give_up(job, reason),
                Offer::Nothing(time) => {
                    until = earlier(until, time);
                    continue;
                }
            };
            let limit = lane.gate.limit(now);
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let request = job.request.clone();
            let slot = Some(slot);
            state.out.insert(
                ticket,
                Out {
                    job,
                    slot,
                    probe,
                    leaving: false,
                },
            );
            return Step::Send {
                ticket,
                request,
                limit,
                event,
            };
        }
        state.looks += 1;
        self.changed.notify_all();
        Step::Wait(until)
    }
}

/// What went wrong, for people.
pub(super) fn cause(answer: &Answer) -> String {
    match answer {
        Answer::Accepted { .. } => String::new(),
        Answer::Refused {
            status, message, ..
        } if message.is_empty() => status.to_string(),
        Answer::Refused {
            status, message, ..
        } => format!("{status}, {message}"),
        Answer::Unreachable(reason) => reason.clone(),
        Answer::TimedOut(timeout) => format!("no answer within {timeout:?}"),
    }
}

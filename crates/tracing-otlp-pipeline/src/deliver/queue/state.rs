//! What the queue holds: every request that is not settled yet, waiting or under way.
//!
//! Part of the queue, behind its lock. Bookkeeping only: nobody waits here and nothing is counted.

use std::{collections::BTreeMap, thread::ThreadId};

use tokio::time::Instant as Clock;

use super::{Step, Ticket};
use crate::{
    deliver::{
        clock::OnlineClock,
        lane::{Job, Lane, Moment, Slot},
    },
    ledger::LossReason,
    settings::{DeliverySettings, Signal},
};

const SIGNALS: usize = Signal::ALL.len();

/// A request in the hands of the delivery thread, and what it occupies.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) job: Job,
    pub(super) slot: Option<Slot>,
    pub(super) probe: bool,
    /// Whether it is being given up.
    pub(super) leaving: bool,
}

/// How many requests of a signal came from the spool and are in here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replays {
    pub(super) inside: usize,
    /// How many may be, as far as the destination's answers have shown: one more with each that was
    /// taken, and one alone after a failure.
    pub(super) most: usize,
}

impl Default for Replays {
    fn default() -> Self {
        Self { inside: 0, most: 1 }
    }
}

#[derive(Debug)]
pub(super) struct State {
    /// One lane per signal, so that a destination that hangs holds up only its own.
    pub(super) lanes: [Lane; SIGNALS],
    pub(super) out: BTreeMap<Ticket, Out>,
    pub(super) records: u64,
    pub(super) bytes: usize,
    pub(super) next_number: u64,
    pub(super) next_ticket: Ticket,
    pub(super) clock: OnlineClock,
    /// As the application says, and as its callback says.
    pub(super) online: [bool; 2],
    /// The requests from the spool that are in here, of each signal.
    pub(super) replays: [Replays; SIGNALS],
    /// What is being given up.
    pub(super) leaving_records: u64,
    pub(super) leaving_bytes: usize,
    /// The spool has refused something: it is left alone until then.
    pub(super) spool_rests: Option<Clock>,
    /// Everything goes to the spool, now.
    pub(super) evacuating: bool,
    /// How often the delivery thread found nothing more to do.
    pub(super) looks: u64,
    pub(super) closing: bool,
    pub(super) finished: bool,
    /// The delivery thread, until it has said its last word.
    pub(super) speaker: Option<ThreadId>,
}

impl State {
    pub(super) fn new(settings: &DeliverySettings) -> Self {
        Self {
            lanes: Signal::ALL.map(|signal| Lane::new(signal, settings)),
            out: BTreeMap::new(),
            records: 0,
            bytes: 0,
            next_number: 0,
            next_ticket: 0,
            clock: OnlineClock::default(),
            online: [true; 2],
            replays: [Replays::default(); SIGNALS],
            leaving_records: 0,
            leaving_bytes: 0,
            spool_rests: None,
            evacuating: false,
            looks: 0,
            closing: false,
            finished: false,
            speaker: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty() && self.lanes.iter().all(Lane::is_empty)
    }

    pub(super) fn is_online(&self) -> bool {
        self.online.iter().all(|online| *online)
    }

    pub(super) fn moment(&mut self, now: Clock) -> Moment {
        let online = self.is_online();
        Moment {
            now,
            elapsed: self.clock.turn(now, online),
            online,
            closing: self.closing,
        }
    }

    pub(super) fn out_before(&self, signal: Signal, mark: u64) -> bool {
        self.out
            .values()
            .any(|out| out.job.request.signal == signal && out.job.number < mark)
    }

    /// Whether a request of the signal with a number below the mark is not settled yet.
    pub(super) fn has_before(&self, signal: Signal, mark: u64) -> bool {
        self.lanes[signal as usize].has_before(mark) || self.out_before(signal, mark)
    }

    /// Whether one of them is being sent, or would be if it were its turn.
    pub(super) fn moves_before(&self, signal: Signal, mark: u64) -> bool {
        self.lanes[signal as usize].moves_before(mark) || self.out_before(signal, mark)
    }

    /// Takes a request out of the hands of the thread.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Out> {
        let out = self.out.remove(&ticket)?;
        if let Some(slot) = out.slot {
            self.lanes[out.job.request.signal as usize].free(slot);
        }
        if out.leaving {
            self.leaving_records -= out.job.request.records;
            self.leaving_bytes -= out.job.request.bytes();
        }
        Some(out)
    }

    /// Ends the account of a request.
    pub(super) fn forget(&mut self, job: &Job) {
        self.records -= job.request.records;
        self.bytes -= job.request.bytes();
        let replays = &mut self.replays[job.request.signal as usize];
        replays.inside -= usize::from(job.replayed.is_some());
    }

    /// Makes a request one that is given up.
    pub(super) fn give_up(&mut self, job: Job, reason: LossReason) -> Step {
        let request = job.request.clone();
        self.leaving_records += request.records;
        self.leaving_bytes += request.bytes();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.out.insert(
            ticket,
            Out {
                job,
                slot: None,
                probe: false,
                leaving: true,
            },
        );
        Step::GiveUp {
            ticket,
            request,
            reason,
        }
    }

    /// Takes the oldest request that waits.
    pub(super) fn take_oldest(&mut self) -> Option<Job> {
        let lanes = self.lanes.iter_mut();
        let lane = lanes
            .filter_map(|lane| lane.oldest().map(|number| (number, lane)))
            .min_by_key(|(number, _)| *number);
        lane.and_then(|(_, lane)| lane.take_oldest())
    }

    /// Lets what came from the spool, and waits here for its turn, go back there.
    pub(super) fn give_back_waiting(&mut self, signal: Signal) {
        for job in self.lanes[signal as usize].take_replayed() {
            self.forget(&job);
        }
    }

    /// Takes what came from the spool out of the hands of the thread.
    pub(super) fn take_replays(&mut self) -> Vec<Out> {
        let replays = self
            .out
            .iter()
            .filter(|(_, out)| out.job.replayed.is_some());
        let tickets: Vec<Ticket> = replays.map(|(ticket, _)| *ticket).collect();
        let replays = tickets.into_iter().filter_map(|ticket| self.take(ticket));
        let replays: Vec<Out> = replays.collect();
        for out in &replays {
            self.forget(&out.job);
        }
        replays
    }

    /// Takes requests out of the lanes and then from under way, until there are none.
    pub(super) fn evacuate(&mut self) -> Option<Step> {
        if let Some(job) = self.take_oldest() {
            let reason = job.last_failure.unwrap_or(LossReason::ShutdownDeadline);
            return Some(self.give_up(job, reason));
        }
        let sending = |out: &Out| !out.leaving && out.job.replayed.is_none();
        let (ticket, _) = self.out.iter().find(|(_, out)| sending(out))?;
        let ticket = *ticket;
        let out = self.take(ticket)?;
        let reason = out.job.last_failure.unwrap_or(LossReason::ShutdownDeadline);
        Some(self.give_up(out.job, reason))
    }
}

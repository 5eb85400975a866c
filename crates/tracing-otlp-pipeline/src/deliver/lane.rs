//! The requests that wait for one destination, and which of them goes next.
//!
//! Part of the queue. Fresh requests and those that failed before take turns, and the latter never
//! occupy every way out: a destination that chokes on old data still gets the new. Pure: told the
//! time, never asks for it.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{breaker::Permit, gate::Gate, later, overflow::Replayed};
use crate::{
    encode::Request,
    event::DeliveryEvent,
    ledger::LossReason,
    settings::{DeliverySettings, Signal},
};

/// A request with its history.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The place in the order of arrival; both halves of a request have the same.
    pub(super) number: u64,
    pub(super) request: Request,
    pub(super) attempts: u32,
    /// When it is given up, on the online clock; set at the first attempt.
    pub(super) expires: Option<Duration>,
    pub(super) last_failure: Option<LossReason>,
    /// Whether it had its last chance.
    pub(super) tried_while_closing: bool,
    /// Where it came from if it was on disk before.
    pub(super) replayed: Option<Replayed>,
}

impl Job {
    pub(super) fn new(number: u64, request: Request) -> Self {
        Self {
            number,
            request,
            attempts: 0,
            expires: None,
            last_failure: None,
            tried_while_closing: false,
            replayed: None,
        }
    }

    /// A request from the spool. Nobody who flushes waits for it.
    pub(super) fn replayed(request: Request, replayed: Replayed) -> Self {
        Self {
            replayed: Some(replayed),
            ..Self::new(u64::MAX, request)
        }
    }
}

/// What a request in flight occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Fresh,
    Retry,
}

/// The moment in which somebody looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    /// The same on the online clock.
    pub(super) elapsed: Duration,
    pub(super) online: bool,
    pub(super) closing: bool,
}

/// What a lane has to offer.
#[derive(Debug)]
pub(super) enum Offer {
    Send {
        job: Job,
        slot: Slot,
        probe: bool,
        event: Option<DeliveryEvent>,
    },
    GiveUp(Job, LossReason),
    /// Nothing before this time, or before something changes.
    Nothing(Option<Instant>),
}

#[derive(Debug)]
pub(super) struct Lane {
    fresh: VecDeque<Job>,
    /// By the time at which it may go; none means at once.
    retry: BTreeMap<(Option<Instant>, u64), Job>,
    next_key: u64,
    fresh_in_flight: usize,
    retries_in_flight: usize,
    max_in_flight: usize,
    batch_deadline: Duration,
    retry_came_last: bool,
    pub(super) gate: Gate,
    /// Whether the gate was shut when somebody looked last.
    held: bool,
}

impl Lane {
    pub(super) fn new(signal: Signal, settings: &DeliverySettings) -> Self {
        Self {
            fresh: VecDeque::new(),
            retry: BTreeMap::new(),
            next_key: 0,
            fresh_in_flight: 0,
            retries_in_flight: 0,
            max_in_flight: settings.max_in_flight.get(),
            batch_deadline: settings.retry.batch_deadline(),
            retry_came_last: false,
            gate: Gate::new(signal, settings),
            held: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.retry.is_empty()
    }

    pub(super) fn push(&mut self, job: Job) {
        self.fresh.push_back(job);
    }

    /// Takes a request back, to be sent again at that time; none means at once.
    pub(super) fn put_back(&mut self, job: Job, due: Option<Instant>) {
        self.retry.insert((due, self.next_key), job);
        self.next_key += 1;
    }

    pub(super) fn free(&mut self, slot: Slot) {
        match slot {
            Slot::Fresh => self.fresh_in_flight -= 1,
            Slot::Retry => self.retries_in_flight -= 1,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.fresh_in_flight + self.retries_in_flight
    }

    /// Forgets everything that waits, and what is in flight.
    pub(super) fn clear(&mut self) {
        self.fresh.clear();
        self.retry.clear();
        (self.fresh_in_flight, self.retries_in_flight) = (0, 0);
    }

    /// Takes out the oldest request that was not on disk before.
    pub(super) fn take_oldest(&mut self) -> Option<Job> {
        let fresh = self.fresh.front().map(|job| job.number);
        let waiting = self.retry.iter().filter(|(_, job)| job.replayed.is_none());
        let tried = waiting.map(|(key, job)| (job.number, *key)).min();
        match (fresh, tried) {
            (Some(fresh), Some((tried, _))) if fresh < tried => self.fresh.pop_front(),
            (_, Some((_, key))) => self.retry.remove(&key),
            (_, None) => self.fresh.pop_front(),
        }
    }

    /// The number of the oldest of them.
    pub(super) fn oldest(&self) -> Option<u64> {
        let tried = self.retry.values().filter(|job| job.replayed.is_none());
        let tried = tried.map(|job| job.number).min();
        let fresh = self.fresh.front().map(|job| job.number);
        fresh.into_iter().chain(tried).min()
    }

    /// Takes out what was on disk before.
    pub(super) fn take_replayed(&mut self) -> Vec<Job> {
        let (replayed, others): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.retry)
            .into_iter()
            .partition(|(_, job)| job.replayed.is_some());
        self.retry = others;
        replayed.into_values().collect()
    }

    /// Whether something waits that was never tried.
    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Makes what came from the spool go at once: the destination is back.
    pub(super) fn hurry_replays(&mut self) {
        for ((due, key), job) in std::mem::take(&mut self.retry) {
            let due = due.filter(|_| job.replayed.is_none());
            self.retry.insert((due, key), job);
        }
    }

    /// Makes those below the mark go at once that wait for their time.
    pub(super) fn hurry(&mut self, mark: u64) {
        for ((due, key), job) in std::mem::take(&mut self.retry) {
            let due = due.filter(|_| job.number >= mark);
            self.retry.insert((due, key), job);
        }
    }

    /// Whether a request below the mark waits.
    pub(super) fn has_before(&self, mark: u64) -> bool {
        self.fresh.front().is_some_and(|job| job.number < mark)
            || self.retry.values().any(|job| job.number < mark)
    }

    /// Whether a request below the mark waits for nothing but its turn.
    pub(super) fn moves_before(&self, mark: u64) -> bool {
        !self.held
            && (self.fresh.front().is_some_and(|job| job.number < mark)
                || self
                    .retry
                    .iter()
                    .any(|((due, _), job)| due.is_none() && job.number < mark))
    }

    /// Decides what happens next.
    pub(super) fn offer(&mut self, moment: Moment) -> Offer {
        self.held = false;
        if self.is_empty() {
            return Offer::Nothing(None);
        }
        if !moment.online {
            return self.hold(None, moment, Some(LossReason::Unreachable));
        }
        let probe = match self.gate.permit(moment.now) {
            Permit::Free => false,
            Permit::Probe => true,
            Permit::Until(until) => return self.hold(Some(until), moment, self.gate.reason()),
            Permit::Busy => {
                self.held = true;
                return self.nothing_before(None, moment);
            }
        };
        if self.in_flight() >= self.max_in_flight {
            return self.nothing_before(None, moment);
        }
        // While everything ends nothing from the spool waits here any more.
        let spares_replays = probe && self.gate.probes_for_credentials();
        let Some((mut job, slot)) = self.pick(moment.now, spares_replays) else {
            let due = self
                .retry
                .keys()
                .find_map(|(due, _)| due.filter(|due| *due > moment.now));
            return self.nothing_before(due, moment);
        };
        match slot {
            Slot::Fresh => self.fresh_in_flight += 1,
            Slot::Retry => self.retries_in_flight += 1,
        }
        self.retry_came_last = slot == Slot::Retry;
        job.attempts = job.attempts.saturating_add(1);
        job.expires = job
            .expires
            .or(Some(moment.elapsed.saturating_add(self.batch_deadline)));
        job.tried_while_closing = moment.closing;
        Offer::Send {
            job,
            slot,
            probe,
            event: if probe { self.gate.probe() } else { None },
        }
    }

    /// The gate is shut. While everything ends that is the end of what waits before it.
    fn hold(
        &mut self,
        until: Option<Instant>,
        moment: Moment,
        reason: Option<LossReason>,
    ) -> Offer {
        if !moment.closing {
            self.held = true;
            return self.nothing_before(until, moment);
        }
        let job = match self.retry.pop_first() {
            Some((_, job)) => Some(job),
            None => self.fresh.pop_front(),
        };
        match job {
            Some(job) => {
                let reason = job.last_failure.or(reason);
                Offer::GiveUp(job, reason.unwrap_or(LossReason::ShutdownDeadline))
            }
            None => Offer::Nothing(None),
        }
    }

    /// Takes turns between a request that failed before and a fresh one. What came from the spool
    /// may be spared: it is safe there.
    fn pick(&mut self, now: Instant, spares_replays: bool) -> Option<(Job, Slot)> {
        // One way out is kept for fresh data.
        let room = self.retries_in_flight < self.max_in_flight.saturating_sub(1).max(1);
        let due = self
            .retry
            .iter()
            .take_while(|((due, _), _)| due.is_none_or(|due| due <= now))
            .find(|(_, job)| !(spares_replays && job.replayed.is_some()))
            .map(|(key, _)| *key);
        if let Some(due) = due.filter(|_| room && (self.fresh.is_empty() || !self.retry_came_last))
        {
            return self.retry.remove(&due).map(|job| (job, Slot::Retry));
        }
        self.fresh.pop_front().map(|job| (job, Slot::Fresh))
    }

    /// Nothing can be sent, but something may have waited for too long.
    fn nothing_before(&mut self, until: Option<Instant>, moment: Moment) -> Offer {
        let expired = |job: &Job| job.expires.is_some_and(|expires| expires < moment.elapsed);
        let key = self
            .retry
            .iter()
            .find(|(_, job)| expired(job))
            .map(|(key, _)| *key);
        if let Some(job) = key.and_then(|key| self.retry.remove(&key)) {
            let reason = job.last_failure.unwrap_or(LossReason::Unavailable);
            return Offer::GiveUp(job, reason);
        }
        Offer::Nothing(earlier(until, self.next_expiry(moment)))
    }

    /// When the next of those that wait is to be given up, if nothing happens before.
    fn next_expiry(&self, moment: Moment) -> Option<Instant> {
        if !moment.online {
            return None;
        }
        let expires = self.retry.values().filter_map(|job| job.expires).min()?;
        let left = expires.saturating_sub(moment.elapsed) + Duration::from_millis(1);
        Some(later(moment.now, left))
    }
}

#[cfg(test)]
impl Lane {
    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.fresh.iter().chain(self.retry.values())
    }
}

/// The earlier of two times, where none means never.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

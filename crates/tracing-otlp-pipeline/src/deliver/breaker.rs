//! The circuit breaker: closed, open, half-open with a single probe.
//!
//! Part of `deliver`, at the gate of a destination. Pure: told the time, never asks for it.
//!
//! What stops an export for want of credentials is the same machine with a limit of one failure.

use std::time::Duration;

use tokio::time::Instant;

use super::later;
use crate::event::BreakerState;

#[derive(Debug)]
pub(super) struct Breaker {
    limit: u32,
    open_for: Duration,
    failures: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    /// Until then, or until somebody asks.
    Open(Option<Instant>),
    /// A probe is under way.
    HalfOpen,
}

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    Free,
    /// One may, alone.
    Probe,
    /// Not before the probe is back.
    Busy,
    Until(Instant),
}

impl Breaker {
    pub(super) fn new(limit: u32, open_for: Duration) -> Self {
        Self {
            limit,
            open_for,
            failures: 0,
            state: State::Closed,
        }
    }

    pub(super) fn permit(&self, now: Instant) -> Permit {
        match self.state {
            State::Closed => Permit::Free,
            State::Open(Some(until)) if now < until => Permit::Until(until),
            State::Open(_) => Permit::Probe,
            State::HalfOpen => Permit::Busy,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The request that a [`Permit::Probe`] was for sets out.
    pub(super) fn probe(&mut self) -> BreakerState {
        self.state = State::HalfOpen;
        BreakerState::HalfOpen
    }

    /// The destination is fine; tells of a change.
    pub(super) fn success(&mut self) -> Option<BreakerState> {
        self.failures = 0;
        let was_closed = self.is_closed();
        self.state = State::Closed;
        (!was_closed).then_some(BreakerState::Closed)
    }

    /// The destination is not; tells of a change. Only the probe's own failure ends its turn: what
    /// set out before the breaker opened says nothing new.
    pub(super) fn failure(&mut self, now: Instant, was_probe: bool) -> Option<BreakerState> {
        let opens = match self.state {
            State::Closed => {
                self.failures = self.failures.saturating_add(1);
                self.failures >= self.limit
            }
            State::HalfOpen => was_probe,
            State::Open(_) => false,
        };
        if opens {
            self.state = State::Open(Some(later(now, self.open_for)));
        }
        opens.then_some(BreakerState::Open)
    }

    /// The probe ended without an answer that says anything: the next one may go at once.
    pub(super) fn inconclusive(&mut self, was_probe: bool) {
        if was_probe && matches!(self.state, State::HalfOpen) {
            self.state = State::Open(None);
        }
    }

    /// Lets a probe go at once if the breaker is open.
    pub(super) fn hurry(&mut self) {
        if matches!(self.state, State::Open(_)) {
            self.state = State::Open(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_probe() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, WAIT);
        assert_eq!(breaker.failure(now, false), None);
        assert_eq!(breaker.failure(now, false), None);
        // A success in between starts the count anew.
        assert_eq!(breaker.success(), None);
        assert_eq!(breaker.failure(now, false), None);
        assert_eq!(breaker.failure(now, false), None);
        assert_eq!(breaker.permit(now), Permit::Free);
        assert_eq!(breaker.failure(now, false), Some(BreakerState::Open));
        assert_eq!(breaker.permit(now), Permit::Until(now + WAIT));
        // Stragglers do not make it longer.
        assert_eq!(breaker.failure(now + WAIT / 2, false), None);
        assert_eq!(breaker.permit(now + WAIT), Permit::Probe);
        assert_eq!(breaker.probe(), BreakerState::HalfOpen);
        assert_eq!(breaker.permit(now + WAIT), Permit::Busy);
        assert_eq!(breaker.failure(now + WAIT, false), None);
        assert_eq!(breaker.permit(now + WAIT), Permit::Busy);
        let failed = breaker.failure(now + WAIT, true);
        assert_eq!(failed, Some(BreakerState::Open));
        assert_eq!(breaker.permit(now + WAIT), Permit::Until(now + 2 * WAIT));
        breaker.probe();
        assert_eq!(breaker.success(), Some(BreakerState::Closed));
        assert_eq!(breaker.permit(now), Permit::Free);
    }

    #[test]
    fn a_probe_that_says_nothing_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = Breaker::new(1, WAIT);
        breaker.failure(now, false);
        breaker.probe();
        breaker.inconclusive(true);
        assert_eq!(breaker.permit(now), Permit::Probe);
    }
}

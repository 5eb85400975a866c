//! The gate of one destination: may a request go now?
//!
//! Part of `deliver`, in front of the wire. Remembers what the destination's answers said about all
//! requests: that it is down (breaker), that it wants other credentials, that it wants to be left
//! alone for a while, how large a request may be. Pure: told the time, never asks for it.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    breaker::{Breaker, Permit},
    later,
    limit::Limit,
    retry::Verdict,
};
use crate::{
    event::{BreakerState, DeliveryEvent},
    ledger::LossReason,
    settings::{DeliverySettings, Signal},
    wire::Answer,
};

#[derive(Debug)]
pub(super) struct Gate {
    signal: Signal,
    breaker: Breaker,
    credentials: Breaker,
    quiet_until: Option<Instant>,
    quiet_at_most: Duration,
    /// How large requests may be, and those of a single record.
    many: Limit,
    single: Limit,
    last_failure: Option<LossReason>,
}

impl Gate {
    pub(super) fn new(signal: Signal, settings: &DeliverySettings) -> Self {
        let limit = || Limit::new(settings.limit_memory, settings.max_request_bytes.get());
        Self {
            signal,
            breaker: Breaker::new(settings.breaker.failures.get(), settings.breaker.open_for),
            credentials: Breaker::new(1, settings.authorization_probe),
            quiet_until: None,
            quiet_at_most: settings.retry.batch_deadline(),
            many: limit(),
            single: limit(),
            last_failure: None,
        }
    }

    pub(super) fn permit(&self, now: Instant) -> Permit {
        if let Some(until) = self.quiet_until.filter(|until| now < *until) {
            return Permit::Until(until);
        }
        match (self.credentials.permit(now), self.breaker.permit(now)) {
            (Permit::Free, permit) | (permit, Permit::Free) => permit,
            (Permit::Until(one), Permit::Until(other)) => Permit::Until(one.max(other)),
            (Permit::Until(until), _) | (_, Permit::Until(until)) => Permit::Until(until),
            (Permit::Busy, _) | (_, Permit::Busy) => Permit::Busy,
            (Permit::Probe, Permit::Probe) => Permit::Probe,
        }
    }

    /// Whether the breaker lets requests through.
    pub(super) fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    /// Whether a request from the spool may go. Where nothing else is left to send it asks whether the
    /// destination is back, but not whether that accepts the credentials now: it costs the records
    /// to ask.
    pub(super) fn welcomes_replay(&self, now: Instant, others_wait: bool) -> bool {
        match self.permit(now) {
            Permit::Free => true,
            Permit::Probe if others_wait => false,
            Permit::Probe => !self.probes_for_credentials(),
            Permit::Until(_) | Permit::Busy => false,
        }
    }

    /// Whether the next probe asks for credentials, and costs its records if the answer is no again.
    pub(super) fn probes_for_credentials(&self) -> bool {
        !self.credentials.is_closed()
    }

    /// The request that a [`Permit::Probe`] was for sets out.
    pub(super) fn probe(&mut self) -> Option<DeliveryEvent> {
        if !self.credentials.is_closed() {
            self.credentials.probe();
        }
        if self.breaker.is_closed() {
            return None;
        }
        let state = self.breaker.probe();
        Some(self.breaker_is(state))
    }

    /// Takes note of an answer; tells of changes.
    pub(super) fn see(
        &mut self,
        answer: &Answer,
        verdict: Verdict,
        now: Instant,
        was_probe: bool,
        closing: bool,
    ) -> Vec<DeliveryEvent> {
        let signal = self.signal;
        let mut events = Vec::new();
        let answered = matches!(answer, Answer::Accepted { .. } | Answer::Refused { .. });
        if verdict == Verdict::Unauthorized {
            self.last_failure = Some(LossReason::Unauthorized);
            let was_fine = self.credentials.is_closed();
            let _ = self.credentials.failure(now, was_probe);
            if let (
                true,
                Answer::Refused {
                    status, message, ..
                },
            ) = (was_fine, answer)
            {
                events.push(DeliveryEvent::ExportStopped {
                    signal,
                    status: status.to_string(),
                    message: message.clone(),
                });
            }
        } else if answered && !matches!(verdict, Verdict::Again { .. }) {
            // Whatever it says, it has looked at the request.
            if self.credentials.success().is_some() {
                events.push(DeliveryEvent::ExportResumed { signal });
            }
        } else {
            self.credentials.inconclusive(was_probe);
        }
        let change = match verdict {
            // The destination is there. Without valid credentials the other breaker shuts the gate.
            Verdict::Taken { .. } | Verdict::TooLarge | Verdict::Unauthorized => {
                self.breaker.success()
            }
            Verdict::Again { after: Some(_), .. } => {
                self.breaker.inconclusive(was_probe);
                None
            }
            Verdict::Again {
                after: None,
                reason,
            } => {
                self.last_failure = Some(reason);
                self.breaker.failure(now, was_probe)
            }
            Verdict::Never => {
                self.last_failure = Some(LossReason::Rejected);
                self.breaker.failure(now, was_probe)
            }
        };
        events.extend(change.map(|state| self.breaker_is(state)));
        if let (
            Verdict::Again {
                after: Some(after), ..
            },
            false,
        ) = (verdict, closing)
        {
            // An absurd wait does not silence the export for longer than a batch would wait.
            let until = later(now, after.min(self.quiet_at_most));
            self.quiet_until = self.quiet_until.max(Some(until));
        }
        events
    }

    fn breaker_is(&self, state: BreakerState) -> DeliveryEvent {
        DeliveryEvent::Breaker {
            signal: self.signal,
            state,
        }
    }

    /// The request ended without an answer that says anything about the destination.
    pub(super) fn inconclusive(&mut self, was_probe: bool) {
        self.breaker.inconclusive(was_probe);
        self.credentials.inconclusive(was_probe);
    }

    /// Forgets all waits: whoever asks next may go, though alone if something was wrong.
    pub(super) fn hurry(&mut self) {
        self.quiet_until = None;
        self.breaker.hurry();
        self.credentials.hurry();
    }

    /// Why nothing goes through a gate that is shut.
    pub(super) fn reason(&self) -> Option<LossReason> {
        if !self.credentials.is_closed() {
            return Some(LossReason::Unauthorized);
        }
        if !self.breaker.is_closed() {
            return self.last_failure;
        }
        None
    }

    /// A request of so many bytes, uncompressed, was too large.
    pub(super) fn too_large(&mut self, bytes: usize, now: Instant) {
        self.many.too_large(bytes, now);
    }

    /// The same of a request of a single record; says how large it may be to be tried again. It
    /// says little about requests of many, which go on as they are.
    pub(super) fn single_too_large(&mut self, bytes: usize, now: Instant) -> usize {
        self.single.too_large(bytes, now);
        let limits = [self.single.get(now), self.many.get(now)];
        limits.into_iter().flatten().min().unwrap_or(bytes / 2)
    }

    /// How large a request may be, uncompressed, as far as that is known.
    pub(super) fn limit(&mut self, now: Instant) -> Option<usize> {
        self.many.get(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{deliver::retry, wire::Status};

    fn gate() -> Gate {
        Gate::new(Signal::Logs, &DeliverySettings::default())
    }

    #[test]
    fn the_limit_is_learned_and_relaxes_until_it_is_forgotten() {
        let (mut gate, start) = (gate(), Instant::now());
        assert_eq!(gate.limit(start), None);
        gate.too_large(8 * 1024 * 1024, start);
        assert_eq!(gate.limit(start), Some(4 * 1024 * 1024));
        gate.too_large(16 * 1024 * 1024, start);
        assert_eq!(gate.limit(start), Some(4 * 1024 * 1024));
        let memory = Duration::from_secs(600);
        assert_eq!(gate.limit(start + memory), Some(8 * 1024 * 1024));
        assert_eq!(gate.limit(start + memory), Some(8 * 1024 * 1024));
        assert_eq!(gate.limit(start + 2 * memory), Some(16 * 1024 * 1024));
        assert_eq!(gate.limit(start + 3 * memory), Some(32 * 1024 * 1024));
        assert_eq!(gate.limit(start + 4 * memory), None);
    }

    #[test]
    fn a_single_record_is_to_be_half_as_large_or_as_large_as_others_may_be() {
        let (mut gate, now) = (gate(), Instant::now());
        assert_eq!(gate.single_too_large(100_000, now), 50_000);
        assert_eq!(gate.limit(now), None);
        assert_eq!(gate.single_too_large(50_000, now), 25_000);
        assert_eq!(gate.single_too_large(80_000, now), 25_000);
        gate.too_large(32_000, now);
        assert_eq!(gate.single_too_large(80_000, now), 16_000);
        let later = now + Duration::from_secs(600);
        assert_eq!(gate.single_too_large(80_000, later), 32_000);
    }

    #[test]
    fn the_spool_asks_whether_a_destination_is_back_and_not_for_credentials() {
        let refused = |status| Answer::Refused {
            status: Status::Http(status),
            message: String::new(),
            retry_after: None,
        };
        let now = Instant::now();
        let later = now + Duration::from_secs(3600);
        for (status, welcome) in [(401, false), (400, true)] {
            let mut gate = gate();
            assert!(gate.welcomes_replay(now, false));
            let answer = refused(status);
            for _ in 0..5 {
                let _ = gate.see(&answer, retry::judge(&answer), now, false, false);
            }
            assert!(!gate.welcomes_replay(now, false));
            assert_eq!(gate.permit(later), Permit::Probe);
            assert_eq!(gate.welcomes_replay(later, false), welcome, "{status}");
            assert!(!gate.welcomes_replay(later, true));
            let _ = gate.probe();
            assert!(!gate.welcomes_replay(later, false));
        }
    }

    #[test]
    fn an_absurd_wait_is_cut_to_the_life_of_a_batch() {
        let (mut gate, now) = (gate(), Instant::now());
        let answer = Answer::Unreachable(String::new());
        let after = Some(Duration::from_secs(u64::MAX));
        let reason = LossReason::Unavailable;
        let _ = gate.see(&answer, Verdict::Again { after, reason }, now, false, false);
        assert_eq!(
            gate.permit(now),
            Permit::Until(now + Duration::from_secs(300))
        );
    }
}

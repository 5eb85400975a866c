//! What an answer does to the account of its request.
//!
//! Part of the queue: the request is judged under the lock, people are told without it, and then the
//! decision is carried out.

use std::time::Duration;

use tokio::time::Instant as Clock;

use super::{Decision, Outcome, Queue, Ticket, cause};
use crate::{
    deliver::{
        lane::{Job, Moment},
        later,
        retry::{self, Verdict},
    },
    encode::Request,
    event::DeliveryEvent,
    ledger::LossReason,
    settings::Signal,
    wire::Answer,
};

impl Queue {
    /// Takes note of an answer and decides. `chance` is between 0 and 1, for the jitter.
    pub(crate) fn judge(
        &self,
        ticket: Ticket,
        answer: &Answer,
        now: Clock,
        chance: f64,
    ) -> (Decision, Vec<DeliveryEvent>) {
        let mut state = self.lock();
        let state = &mut *state;
        let moment = state.moment(now);
        let Some(out) = state.out.get_mut(&ticket) else {
            return (Decision::Nothing, Vec::new());
        };
        let signal = out.job.request.signal;
        let job = &mut out.job;
        let records = job.request.records;
        let lane = &mut state.lanes[signal as usize];
        let gate = &mut lane.gate;
        let was_closed = gate.is_closed();
        let verdict = retry::judge(answer);
        let no_answer = matches!(answer, Answer::Unreachable(_) | Answer::TimedOut(_));
        if no_answer && !moment.online && !moment.closing {
            // No wonder. It costs neither an attempt nor the destination's reputation.
            gate.inconclusive(out.probe);
            job.attempts = job.attempts.saturating_sub(1);
            return (Decision::Retry(None), Vec::new());
        }
        let mut events = gate.see(answer, verdict, now, out.probe, moment.closing);
        out.probe = false;
        if !was_closed && gate.is_closed() {
            // One of them may have asked in vain, and stands in front of all others on the disk.
            lane.hurry_replays();
        }
        if job.replayed.is_some() {
            let most = &mut state.replays[signal as usize].most;
            *most = match verdict {
                Verdict::Taken { .. } => (*most + 1).min(self.max_replays),
                Verdict::TooLarge => *most,
                // Each that is refused costs its records: no more of them than have to be.
                Verdict::Again { .. } | Verdict::Unauthorized | Verdict::Never => 1,
            };
        }
        let mut rejected = |count, reason, answer: &Answer| {
            let (status, message) = match answer {
                Answer::Refused {
                    status, message, ..
                } => (status.to_string(), message.clone()),
                Answer::Accepted { message, .. } => (String::new(), message.clone()),
                _ => Default::default(),
            };
            events.push(DeliveryEvent::Rejected {
                signal,
                records: count,
                status,
                message,
                reason,
            });
        };
        let decision = match verdict {
            Verdict::Taken { rejected: count } => {
                let outcome = Outcome::taken(records, count);
                if outcome.lost > 0 {
                    rejected(outcome.lost, outcome.reason, answer);
                }
                if outcome.delivered > 0 {
                    events.push(DeliveryEvent::Delivered {
                        signal,
                        records: outcome.delivered,
                        attempts: job.attempts,
                    });
                }
                Decision::Settle(outcome)
            }
            Verdict::Never | Verdict::Unauthorized => {
                let reason = if verdict == Verdict::Never {
                    LossReason::Rejected
                } else {
                    LossReason::Unauthorized
                };
                rejected(records, reason, answer);
                Decision::Settle(Outcome::lost(records, reason))
            }
            Verdict::TooLarge => Decision::Split,
            Verdict::Again { after, reason } => {
                job.last_failure = Some(reason);
                self.again(job, after, reason, moment, chance)
            }
        };
        if let Decision::Retry(due) = &decision {
            events.push(DeliveryEvent::Retrying {
                signal,
                records,
                attempts: job.attempts,
                wait: due.map_or(Duration::ZERO, |due| due - now),
                cause: cause(answer),
            });
        }
        if verdict == Verdict::Unauthorized {
            // Nobody knows for how long: what came from the spool waits there, where it is safe.
            state.give_back_waiting(signal);
            self.replay_ended.notify_one();
        }
        (decision, events)
    }

    /// When the request is sent again, if ever.
    fn again(
        &self,
        job: &Job,
        after: Option<Duration>,
        reason: LossReason,
        moment: Moment,
        chance: f64,
    ) -> Decision {
        let left = job
            .expires
            .unwrap_or_default()
            .saturating_sub(moment.elapsed);
        if left.is_zero() {
            return Decision::GiveUp(reason);
        }
        if moment.closing {
            return if job.replayed.is_some() || job.tried_while_closing {
                Decision::GiveUp(reason)
            } else {
                Decision::Retry(None)
            };
        }
        let left = job
            .expires
            .unwrap_or_default()
            .saturating_sub(moment.elapsed);
        let wanted = after.unwrap_or_default();
        if wanted > left {
            return Decision::GiveUp(reason);
        }
        // The last attempt is made at the deadline, not after it.
        let wait = retry::backoff(&self.retry, job.attempts, chance).max(wanted);
        Decision::Retry(Some(later(moment.now, wait.min(left))))
    }

    /// Ends the account of a request. Without effect when it was written off before.
    pub(crate) fn settle(&self, ticket: Ticket, outcome: Outcome) {
        {
            let mut state = self.lock();
            let Some(out) = state.take(ticket) else {
                return;
            };
            let request = &out.job.request;
            state.lanes[request.signal as usize]
                .gate
                .inconclusive(out.probe);
            let account = self.ledger.signal(request.signal);
            let (lost, taken) = request.severities.split(outcome.lost);
            let (spooled, delivered) = taken.split(outcome.spooled);
            match &out.job.replayed {
                None => {
                    account.spooled(spooled);
                    account.delivered(delivered);
                    account.lost(outcome.reason, lost);
                }
                // It was spooled all the time; what is spooled anew is so still.
                Some(replayed) => {
                    account.unspooled(delivered.plus(&lost));
                    account.delivered(delivered);
                    account.lost(outcome.reason, lost);
                    replayed.done(request.severities);
                }
            }
            state.forget(&out.job);
            if out.job.replayed.is_some() {
                self.replay_ended.notify_one();
            }
            self.changed.notify_all();
        }
        self.wake();
    }

    /// Takes a request back, to be sent again.
    pub(crate) fn put_back(&self, ticket: Ticket, due: Option<Clock>) {
        {
            let mut state = self.lock();
            let Some(out) = state.take(ticket) else {
                return;
            };
            // A shutdown that began meanwhile waits for nothing.
            let due = due.filter(|_| !state.closing);
            state.lanes[out.job.request.signal as usize].put_back(out.job, due);
            self.changed.notify_all();
        }
        self.wake();
    }

    /// Puts requests in the place of one: two halves, or a smaller one.
    pub(crate) fn replace(&self, ticket: Ticket, parts: Vec<Request>) {
        {
            let mut state = self.lock();
            let Some(out) = state.take(ticket) else {
                return;
            };
            let old = &out.job.request;
            let lane = old.signal as usize;
            // The probe was not sent, or its answer has been seen.
            state.lanes[lane].gate.inconclusive(out.probe);
            state.bytes -= old.bytes();
            let mut replayed = out.job.replayed.clone();
            if let Some(replayed) = &mut replayed {
                for _ in 1..parts.len() {
                    replayed.split();
                    state.replays[lane].inside += 1;
                }
            }
            for request in parts {
                state.bytes += request.bytes();
                let part = Job {
                    request,
                    attempts: 0,
                    tried_while_closing: false,
                    replayed: replayed.clone(),
                    ..out.job.clone()
                };
                state.lanes[lane].put_back(part, None);
            }
        }
        self.wake();
    }

    /// Learns that a request of so many bytes, uncompressed, was too large.
    pub(crate) fn was_too_large(&self, signal: Signal, bytes: usize, now: Clock) {
        self.lock().lanes[signal as usize]
            .gate
            .too_large(bytes, now);
    }

    /// Learns the same of a single record, and says how large it should be.
    pub(crate) fn single_was_too_large(&self, signal: Signal, bytes: usize, now: Clock) -> usize {
        self.lock().lanes[signal as usize]
            .gate
            .single_too_large(bytes, now)
    }
}

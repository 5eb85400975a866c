//! Decides what an answer means for the records of a request and for the people who run it.
//!
//! Between `wire` and the ledger. What remembers lives here too: which destination is down, which
//! answer it repeats, so that each is said once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::queue::Outcome;
use crate::{
    ledger::{Ledger, LossReason},
    notice::{Notice, Notifier},
    settings::Signal,
    wire::{Answer, Wire},
};

/// The outcome of an answer for a request with this many records.
pub(crate) fn of(answer: &Answer, records: u64) -> Outcome {
    let lost = |reason| Outcome {
        delivered: 0,
        lost: records,
        reason,
    };
    match answer {
        Answer::Accepted { rejected, .. } => {
            let rejected = (*rejected).min(records);
            Outcome {
                delivered: records - rejected,
                lost: rejected,
                reason: LossReason::Rejected,
            }
        }
        Answer::Refused { .. } => lost(LossReason::Rejected),
        Answer::Unreachable(_) => lost(LossReason::Unreachable),
        Answer::TimedOut(_) => lost(LossReason::Timeout),
    }
}

/// What is known about one server.
#[derive(Debug)]
struct Health {
    /// While it is down: how many records were lost there since.
    down: Option<u64>,
    /// The status it keeps answering with, by signal.
    refusing: [Option<String>; Signal::ALL.len()],
    answered: Option<Instant>,
}

/// Watches the destinations, and tells of changes only.
#[derive(Debug)]
pub(crate) struct Watch {
    notifier: Notifier,
    servers: Mutex<BTreeMap<String, Health>>,
    told: Mutex<Vec<(Signal, LossReason)>>,
}

impl Watch {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            notifier,
            servers: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Looks at an answer to a request that set out at `sent`.
    pub(crate) fn see(
        &self,
        signal: Signal,
        wire: &Wire,
        answer: &Answer,
        outcome: Outcome,
        sent: Instant,
    ) {
        let url = || wire.url().to_owned();
        let mut notices = Vec::new();
        {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let health = servers
                .entry(wire.origin().to_owned())
                .or_insert_with(|| Health {
                    down: None,
                    refusing: [const { None }; Signal::ALL.len()],
                    answered: None,
                });
            if let Some(reason) = no_answer(answer) {
                match &mut health.down {
                    Some(lost) => *lost += outcome.lost,
                    // A straggler from before the last answer says nothing new.
                    None if health.answered.is_some_and(|answered| answered > sent) => {}
                    None => {
                        health.down = Some(outcome.lost);
                        notices.push(Notice::DestinationDown {
                            signal,
                            url: url(),
                            reason,
                        });
                    }
                }
            } else {
                health.answered = Some(Instant::now());
                if let Some(lost_meanwhile) = health.down.take() {
                    notices.push(Notice::DestinationUp {
                        signal,
                        url: url(),
                        lost_meanwhile,
                    });
                }
            }
            let refusing = &mut health.refusing[signal as usize];
            match answer {
                Answer::Accepted { rejected, message } => {
                    *refusing = None;
                    if *rejected > 0 || !message.is_empty() {
                        notices.push(Notice::PartialSuccess {
                            signal,
                            url: url(),
                            rejected: *rejected,
                            message: message.clone(),
                        });
                    }
                }
                Answer::Refused { status, message } if refusing.as_ref() != Some(status) => {
                    *refusing = Some(status.clone());
                    notices.push(Notice::Rejected {
                        signal,
                        url: url(),
                        status: status.clone(),
                        message: message.clone(),
                    });
                }
                _ => {}
            }
        }
        for notice in &notices {
            self.notifier.say(notice);
        }
    }

    /// Tells of losses inside the process, once for each reason.
    pub(crate) fn look_at(&self, ledger: &Ledger) {
        let inside = [
            LossReason::QueueFull,
            LossReason::QueueBytesFull,
            LossReason::DeliveryQueueFull,
            LossReason::Encode,
            LossReason::Panic,
        ];
        for signal in Signal::ALL {
            for reason in inside {
                if ledger.signal(signal).lost_by(reason) == 0 {
                    continue;
                }
                let news = {
                    let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                    let news = !told.contains(&(signal, reason));
                    if news {
                        told.push((signal, reason));
                    }
                    news
                };
                if news {
                    self.notifier.say(&Notice::Losing { signal, reason });
                }
            }
        }
    }
}

/// Why there was no answer, if there was none.
fn no_answer(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Accepted { .. } | Answer::Refused { .. } => None,
        Answer::Unreachable(reason) => Some(reason.clone()),
        Answer::TimedOut(timeout) => Some(format!("no answer within {timeout:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_record_is_counted_twice_or_forgotten() {
        let accepted = |rejected| Answer::Accepted {
            rejected,
            message: String::new(),
        };
        for (answer, delivered, reason) in [
            (accepted(0), 10, LossReason::Rejected),
            (accepted(3), 7, LossReason::Rejected),
            // A server that rejects more than it was sent is wrong, not we.
            (accepted(99), 0, LossReason::Rejected),
            (
                Answer::Unreachable(String::new()),
                0,
                LossReason::Unreachable,
            ),
            (Answer::TimedOut(Duration::ZERO), 0, LossReason::Timeout),
        ] {
            let outcome = of(&answer, 10);
            assert_eq!(outcome.delivered, delivered);
            assert_eq!(outcome.delivered + outcome.lost, 10);
            assert_eq!(outcome.reason, reason);
        }
    }
}

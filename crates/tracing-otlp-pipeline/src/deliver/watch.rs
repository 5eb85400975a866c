//! Decides what people should hear of an answer.
//!
//! Part of `deliver`, between the answer and the notices. Remembers which destination is down, and
//! which answer it repeats, so that each is said once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use super::{
    queue::cause,
    retry::{self, Verdict},
};
use crate::{
    event::DeliveryEvent,
    ledger::{Ledger, LossReason},
    notice::{Notice, Notifier},
    settings::Signal,
    wire::{Answer, Transport},
};

/// What is known about one server.
#[derive(Debug)]
struct Health {
    /// While it is down: how many records were lost there since.
    down: Option<u64>,
    /// The status it keeps answering with, by signal.
    refusing: [Option<String>; Signal::ALL.len()],
    /// What it said last of records that it left out, by signal.
    partly: [Option<String>; Signal::ALL.len()],
    /// Whether it is without valid credentials, by signal.
    stopped: [bool; Signal::ALL.len()],
    answered: Option<Instant>,
}

/// Watches the destinations, and tells of changes only.
#[derive(Debug)]
pub(crate) struct Watch {
    notifier: Notifier,
    servers: Mutex<BTreeMap<String, Health>>,
    told: Mutex<Vec<(Signal, LossReason)>>,
    /// How many losses have been events.
    events: Mutex<[[u64; LossReason::ALL.len()]; Signal::ALL.len()]>,
}

impl Watch {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self {
            notifier,
            servers: Mutex::default(),
            told: Mutex::default(),
            events: Mutex::default(),
        }
    }

    /// Looks at an answer to a request that set out at `sent`.
    pub(crate) fn see(&self, signal: Signal, wire: &dyn Transport, answer: &Answer, sent: Instant) {
        let url = || wire.url().to_owned();
        let mut notices = Vec::new();
        {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            let health = servers
                .entry(wire.origin().to_owned())
                .or_insert_with(|| Health {
                    down: None,
                    refusing: [const { None }; Signal::ALL.len()],
                    partly: [const { None }; Signal::ALL.len()],
                    stopped: [false; Signal::ALL.len()],
                    answered: None,
                });
            if let Some(reason) = no_answer(answer) {
                match &mut health.down {
                    Some(_) => {}
                    // A straggler from before the last answer says nothing new.
                    None if health.answered.is_some_and(|answered| answered > sent) => {}
                    None => {
                        health.down = Some(0);
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
            let stopped = &mut health.stopped[signal as usize];
            match (answer, retry::judge(answer)) {
                (Answer::Accepted { rejected, message }, _) => {
                    *refusing = None;
                    if std::mem::take(stopped) {
                        notices.push(Notice::ExportResumed { signal, url: url() });
                    }
                    let partly = &mut health.partly[signal as usize];
                    let is_news = partly.as_ref() != Some(message);
                    if is_news && (*rejected > 0 || !message.is_empty()) {
                        *partly = Some(message.clone());
                        notices.push(Notice::PartialSuccess {
                            signal,
                            url: url(),
                            rejected: *rejected,
                            message: message.clone(),
                        });
                    }
                }
                (
                    Answer::Refused {
                        status, message, ..
                    },
                    verdict,
                ) => {
                    let status = status.to_string();
                    if refusing.as_ref() != Some(&status) {
                        notices.extend(refusal(signal, url(), &status, message, verdict, stopped));
                        *refusing = Some(status);
                    }
                }
                _ => {}
            }
        }
        for notice in &notices {
            self.notifier.say(notice);
        }
    }

    /// Takes note of records that were given up after attempts.
    pub(crate) fn lost(&self, wire: &dyn Transport, records: u64) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(lost)) = servers
            .get_mut(wire.origin())
            .map(|health| health.down.as_mut())
        {
            *lost += records;
        }
    }

    /// The callbacks, for what is said every time.
    pub(crate) fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Tells of records that are lost with their request.
    pub(crate) fn tell_lost(&self, signal: Signal, reason: LossReason, records: u64) {
        {
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            events[signal as usize][reason as usize] += records;
        }
        self.notifier.tell(&[DeliveryEvent::Lost {
            signal,
            records,
            reason,
        }]);
    }

    /// Tells of the losses of delivery that no request told of: what did not get into its queue, what
    /// the disk lost, and what a shutdown wrote off.
    fn tell_what_nobody_told(&self, ledger: &Ledger) {
        let untold = [
            LossReason::DeliveryQueueFull,
            LossReason::Encode,
            LossReason::Panic,
            LossReason::ShutdownDeadline,
            LossReason::SpoolFull,
            LossReason::SpoolExpired,
            LossReason::SpoolCorrupt,
        ];
        for signal in Signal::ALL {
            for reason in untold {
                let lost = ledger.signal(signal).lost_by(reason);
                let told = {
                    let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
                    events[signal as usize][reason as usize]
                };
                // What is told with its request is counted a moment later.
                if lost > told {
                    self.tell_lost(signal, reason, lost - told);
                }
            }
        }
    }

    /// Tells of losses inside the process: each to programs, and to people once for each reason.
    pub(crate) fn look_at(&self, ledger: &Ledger) {
        self.tell_what_nobody_told(ledger);
        let inside = [
            LossReason::QueueFull,
            LossReason::QueueBytesFull,
            LossReason::DeliveryQueueFull,
            LossReason::Encode,
            LossReason::Panic,
            LossReason::TooLarge,
            LossReason::SpoolFull,
            LossReason::SpoolExpired,
            LossReason::SpoolCorrupt,
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

/// What to say of a refusal that was not said before.
fn refusal(
    signal: Signal,
    url: String,
    status: &str,
    message: &str,
    verdict: Verdict,
    stopped: &mut bool,
) -> Option<Notice> {
    let (status, message) = (status.to_owned(), message.to_owned());
    match verdict {
        Verdict::Again { .. } => Some(Notice::Unavailable {
            signal,
            url,
            status,
            message,
        }),
        Verdict::Unauthorized => {
            let said = std::mem::replace(stopped, true);
            (!said).then_some(Notice::ExportStopped {
                signal,
                url,
                status,
                message,
            })
        }
        // It goes on in parts; what is lost then is told as a loss.
        Verdict::TooLarge => None,
        Verdict::Never | Verdict::Taken { .. } => Some(Notice::Rejected {
            signal,
            url,
            status,
            message,
        }),
    }
}

/// Why there was no answer, if there was none.
fn no_answer(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Accepted { .. } | Answer::Refused { .. } => None,
        Answer::Unreachable(_) | Answer::TimedOut(_) => Some(cause(answer)),
    }
}

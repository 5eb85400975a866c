//! What the pipeline has to say to people, said through a callback.
//!
//! Stands beside `deliver`: a collector that goes down is one notice, and one when it is back. The
//! library itself prints nothing.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::{event::DeliveryEvent, ledger::LossReason, settings::Signal, unwind::caught};

/// Something that a person who runs the program should know. `Display` gives one line.
///
/// URLs come without user information and query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A destination cannot be reached; said once until it is back.
    #[non_exhaustive]
    DestinationDown {
        /// The signal whose request failed first.
        signal: Signal,
        /// Where the request went.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A destination that was down has answered.
    #[non_exhaustive]
    DestinationUp {
        /// The signal whose request was answered first.
        signal: Signal,
        /// Where the request went.
        url: String,
        /// How many records of all signals were lost there in between.
        lost_meanwhile: u64,
    },
    /// A destination took a request but not all of its records, or had something to say about it
    /// (OTLP specification, "Partial Success"); said once until it says something else. Each one is a
    /// [`DeliveryEvent::Rejected`], and in the counts.
    #[non_exhaustive]
    PartialSuccess {
        /// The signal of the request.
        signal: Signal,
        /// Where the request went.
        url: String,
        /// How many records were not taken.
        rejected: u64,
        /// What the destination said.
        message: String,
    },
    /// A destination answers with an error; said once until the answer changes.
    #[non_exhaustive]
    Rejected {
        /// The signal of the request.
        signal: Signal,
        /// Where the request went.
        url: String,
        /// The status, for example `HTTP 401` or `gRPC UNAUTHENTICATED`.
        status: String,
        /// What the destination said, if anything.
        message: String,
    },
    /// A destination answers that it cannot take requests now, and they are tried again; said once
    /// until the answer changes.
    #[non_exhaustive]
    Unavailable {
        /// The signal of the request.
        signal: Signal,
        /// Where the request went.
        url: String,
        /// The status, for example `HTTP 503` or `gRPC UNAVAILABLE`.
        status: String,
        /// What the destination said, if anything.
        message: String,
    },
    /// A destination does not accept the credentials, and the export to it stops, but for a slow
    /// probe; said once until it resumes.
    #[non_exhaustive]
    ExportStopped {
        /// The signal whose export stops.
        signal: Signal,
        /// Where the request went.
        url: String,
        /// The status, for example `HTTP 401` or `gRPC UNAUTHENTICATED`.
        status: String,
        /// What the destination said, if anything.
        message: String,
    },
    /// A destination whose export had stopped accepts the credentials again.
    #[non_exhaustive]
    ExportResumed {
        /// The signal whose export resumes.
        signal: Signal,
        /// Where the request went.
        url: String,
    },
    /// The spool cannot be used, or cannot write for now: records stay in memory.
    #[non_exhaustive]
    SpoolFailing {
        /// What is wrong.
        reason: String,
    },
    /// The spool writes again.
    SpoolRestored,
    /// Not everything that earlier processes left in the spool can be read; said once, at the start.
    #[non_exhaustive]
    SpoolDamaged {
        /// How many bytes are no whole requests and were cut off: what a crash interrupted, or damage.
        /// Nobody knows how many records they were, so these are in no count.
        torn_bytes: u64,
        /// How many files cannot be read now; they are tried again.
        unreadable_files: u64,
        /// How many files are of another version of the format; they stay as they are.
        foreign_files: u64,
    },
    /// Records of an earlier process stay in the spool, because their signal has no destination in
    /// this one; said once. A process that has one sends them, as long as they are not too old.
    #[non_exhaustive]
    SpoolKeeps {
        /// Their signal.
        signal: Signal,
        /// How many they are.
        records: u64,
    },
    /// Records of a signal are lost for a reason inside this process; said once per reason.
    #[non_exhaustive]
    Losing {
        /// The signal of the records.
        signal: Signal,
        /// Why they are lost.
        reason: LossReason,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DestinationDown {
                signal,
                url,
                reason,
            } => write!(f, "cannot deliver {signal} to {url}: {}", one_line(reason)),
            Self::DestinationUp {
                signal,
                url,
                lost_meanwhile,
            } => write!(
                f,
                "delivering {signal} to {url} again, {lost_meanwhile} records were lost meanwhile"
            ),
            Self::PartialSuccess {
                signal,
                url,
                rejected,
                message,
            } => write!(
                f,
                "{url} did not take {rejected} records of {signal}: {}",
                one_line(message)
            ),
            Self::Rejected {
                signal,
                url,
                status,
                message,
            } if message.is_empty() => write!(f, "{url} rejects {signal}: {status}"),
            Self::Rejected {
                signal,
                url,
                status,
                message,
            } => write!(f, "{url} rejects {signal}: {status}, {}", one_line(message)),
            Self::Losing { signal, reason } => write!(f, "losing {signal}: {reason}"),
            Self::Unavailable {
                signal,
                url,
                status,
                message,
            } => {
                write!(f, "{url} cannot take {signal} now: {status}")?;
                comma(message, f)
            }
            Self::ExportStopped {
                signal,
                url,
                status,
                message,
            } => {
                write!(
                    f,
                    "export of {signal} stopped, {url} does not accept the credentials: {status}"
                )?;
                comma(message, f)
            }
            Self::SpoolFailing { reason } => {
                write!(
                    f,
                    "the spool cannot write, records stay in memory: {}",
                    one_line(reason)
                )
            }
            Self::SpoolRestored => f.write_str("the spool writes again"),
            Self::SpoolDamaged {
                torn_bytes,
                unreadable_files,
                foreign_files,
            } => {
                let parts = [
                    (*torn_bytes, "bytes are cut off, by a crash or by damage"),
                    (*unreadable_files, "files cannot be read now"),
                    (*foreign_files, "files are of another version"),
                ];
                let parts = parts.iter().filter(|(number, _)| *number > 0);
                let parts: Vec<_> = parts.map(|(n, what)| format!("{n} {what}")).collect();
                write!(f, "the spool is not whole: {}", parts.join(", "))
            }
            Self::SpoolKeeps { signal, records } => write!(
                f,
                "{records} records of {signal} stay in the spool, there is no destination for them"
            ),
            Self::ExportResumed { signal, url } => {
                write!(
                    f,
                    "export of {signal} resumed, {url} accepts the credentials"
                )
            }
        }
    }
}

fn comma(message: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if message.is_empty() {
        return Ok(());
    }
    write!(f, ", {}", one_line(message))
}

/// A message of a stranger, fit for one line of a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The callback, as the builder takes it.
pub(crate) type Callback = Arc<dyn Fn(&Notice) + Send + Sync>;

/// The callback for events, as the builder takes it.
pub(crate) type EventCallback = Arc<dyn Fn(&DeliveryEvent) + Send + Sync>;

/// Carries notices and events to the callbacks, if there are any, and survives their panics.
#[derive(Clone, Default)]
pub(crate) struct Notifier {
    callback: Option<Callback>,
    on_event: Option<EventCallback>,
    after_shutdown_said: Arc<AtomicBool>,
}

impl Notifier {
    pub(crate) fn new(callback: Option<Callback>) -> Self {
        Self {
            callback,
            ..Self::default()
        }
    }

    pub(crate) fn with_events(mut self, callback: Option<EventCallback>) -> Self {
        self.on_event = callback;
        self
    }

    /// Must be called without holding a lock: the callback is other people's code.
    pub(crate) fn tell(&self, events: &[DeliveryEvent]) {
        if let Some(callback) = &self.on_event {
            for event in events {
                let _ = caught(|| callback(event));
            }
        }
    }

    /// Must be called without holding a lock: the callback is other people's code.
    pub(crate) fn say(&self, notice: &Notice) {
        if let Some(callback) = &self.callback {
            let _ = caught(|| callback(notice));
        }
    }

    /// The one notice for all records that come after the shutdown.
    pub(crate) fn say_after_shutdown(&self, signal: Signal) {
        if self.after_shutdown_said.swap(true, Relaxed) {
            return;
        }
        self.say(&Notice::Losing {
            signal,
            reason: LossReason::AfterShutdown,
        });
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}

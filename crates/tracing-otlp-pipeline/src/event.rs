//! What becomes of requests, told to the application as it happens.
//!
//! Stands beside `deliver`, like `notice`: a notice is for people and said once, an event is for
//! programs and said every time.

use std::{fmt, time::Duration};

use crate::{ledger::LossReason, settings::Signal};

/// Something that happened in delivery.
///
/// Events come in order from the delivery thread, outside of any lock and with telemetry suppressed.
/// Records that never reach delivery (a full batch queue, a batch that cannot be encoded) are not
/// told here; the [counts](crate::Counts) have them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryEvent {
    /// A destination took a request, or all of it but the records of a
    /// [`Rejected`](Self::Rejected) that follows.
    #[non_exhaustive]
    Delivered {
        /// The signal of the request.
        signal: Signal,
        /// How many records it took.
        records: u64,
        /// How many attempts it needed.
        attempts: u32,
    },
    /// A destination did not take records, and will not: a partial success, or an answer after which
    /// a request must not be sent again.
    #[non_exhaustive]
    Rejected {
        /// The signal of the request.
        signal: Signal,
        /// How many records it did not take.
        records: u64,
        /// The status, for example `HTTP 400`; empty for a partial success.
        status: String,
        /// What the destination said, if anything.
        message: String,
        /// How they are counted.
        reason: LossReason,
    },
    /// An attempt failed, and another will be made.
    #[non_exhaustive]
    Retrying {
        /// The signal of the request.
        signal: Signal,
        /// How many records it holds.
        records: u64,
        /// How many attempts were made.
        attempts: u32,
        /// The wait before the next one.
        wait: Duration,
        /// What went wrong.
        cause: String,
    },
    /// A request was too large and goes on as two.
    #[non_exhaustive]
    Split {
        /// The signal of the request.
        signal: Signal,
        /// How many records it holds.
        records: u64,
        /// How large it is, uncompressed.
        bytes: usize,
    },
    /// A record was too large alone and goes on cut: its longest values have lost their ends, and its
    /// attribute `tracing_otlp.cut_bytes` says how many bytes that were.
    #[non_exhaustive]
    Cut {
        /// The signal of the record.
        signal: Signal,
        /// How large its request was, uncompressed.
        bytes: usize,
        /// How large it is now.
        left: usize,
    },
    /// Records are lost: a request was given up, did not get into the queue of delivery or was written
    /// off by a shutdown, or the disk lost it.
    #[non_exhaustive]
    Lost {
        /// The signal of the records.
        signal: Signal,
        /// How many they are.
        records: u64,
        /// Why.
        reason: LossReason,
    },
    /// A request could not be delivered in time and was written to the spool.
    #[non_exhaustive]
    Spooled {
        /// The signal of the request.
        signal: Signal,
        /// How many records it holds.
        records: u64,
    },
    /// A circuit breaker changed.
    #[non_exhaustive]
    Breaker {
        /// The signal whose destination it protects.
        signal: Signal,
        /// What it is now.
        state: BreakerState,
    },
    /// A destination does not accept the credentials: the export to it stops, but for a slow probe.
    #[non_exhaustive]
    ExportStopped {
        /// The signal of the destination.
        signal: Signal,
        /// The status, for example `HTTP 401`.
        status: String,
        /// What the destination said, if anything.
        message: String,
    },
    /// A destination accepts the credentials again.
    #[non_exhaustive]
    ExportResumed {
        /// The signal of the destination.
        signal: Signal,
    },
    /// The process went offline or came back, as far as it was told.
    #[non_exhaustive]
    Connectivity {
        /// Whether it is online.
        online: bool,
    },
}

impl fmt::Display for DeliveryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered {
                signal,
                records,
                attempts,
            } => write!(f, "{records} of {signal} delivered, attempt {attempts}"),
            Self::Rejected {
                signal,
                records,
                status,
                message,
                reason,
            } => {
                write!(f, "{records} of {signal} {reason}")?;
                for part in [status, message] {
                    if !part.is_empty() {
                        write!(f, ", {}", crate::notice::one_line(part))?;
                    }
                }
                Ok(())
            }
            Self::Retrying {
                signal,
                records,
                attempts,
                wait,
                cause,
            } => write!(
                f,
                "{records} of {signal} failed attempt {attempts}, next in {wait:?}: {}",
                crate::notice::one_line(cause)
            ),
            Self::Split {
                signal,
                records,
                bytes,
            } => write!(f, "{records} of {signal} split, {bytes} bytes are too many"),
            Self::Cut {
                signal,
                bytes,
                left,
            } => write!(f, "1 of {signal} cut from {bytes} bytes to {left}"),
            Self::Lost {
                signal,
                records,
                reason,
            } => write!(f, "{records} of {signal} lost: {reason}"),
            Self::Spooled { signal, records } => write!(f, "{records} of {signal} spooled"),
            Self::Breaker { signal, state } => write!(f, "breaker of {signal} {state}"),
            Self::ExportStopped {
                signal,
                status,
                message,
            } => write!(
                f,
                "export of {signal} stopped: {status}, {}",
                crate::notice::one_line(message)
            ),
            Self::ExportResumed { signal } => write!(f, "export of {signal} resumed"),
            Self::Connectivity { online: true } => f.write_str("online"),
            Self::Connectivity { online: false } => f.write_str("offline"),
        }
    }
}

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// Requests wait.
    Open,
    /// One request goes through to see.
    HalfOpen,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

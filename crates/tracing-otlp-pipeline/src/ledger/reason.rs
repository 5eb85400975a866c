//! Why records are lost.
//!
//! Part of `ledger`: one enum for the whole way.

use std::fmt;

/// Why a record was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LossReason {
    /// The queue in front of the batch processor held as many records as this severity may fill.
    QueueFull,
    /// The queue in front of the batch processor held as many bytes as this severity may fill.
    QueueBytesFull,
    /// It was emitted after the pipeline had been shut down.
    AfterShutdown,
    /// The delivery queue held as many records or bytes as it may.
    DeliveryQueueFull,
    /// The batch could not be encoded, or was larger than a request may be.
    Encode,
    /// No connection, or the connection broke before an answer came.
    Unreachable,
    /// No answer within the destination's timeout.
    Timeout,
    /// The destination answered that it does not take the records.
    Rejected,
    /// Neither answered nor sent when the deadline of the shutdown came.
    ShutdownDeadline,
    /// Code that handled the record or its batch panicked.
    Panic,
    /// A single record that the destination, or its limit, found too large.
    TooLarge,
    /// The destination did not accept the credentials.
    Unauthorized,
    /// The destination answered that it cannot take anything now, until its time was over.
    Unavailable,
    /// The spool on disk was full, and it was among the oldest there.
    SpoolFull,
    /// It waited on disk for longer than the spool keeps anything.
    SpoolExpired,
    /// It could not be read back from the disk.
    SpoolCorrupt,
    /// It arose while another record was being emitted on the same thread.
    Reentrant,
    /// It came from a thread that was ending, where nothing can be emitted any more.
    ThreadEnd,
}

impl LossReason {
    /// Every reason, in the order of the way of a record; those of the layer last.
    pub const ALL: [Self; 18] = [
        Self::QueueFull,
        Self::QueueBytesFull,
        Self::AfterShutdown,
        Self::DeliveryQueueFull,
        Self::Encode,
        Self::Unreachable,
        Self::Timeout,
        Self::Rejected,
        Self::ShutdownDeadline,
        Self::Panic,
        Self::TooLarge,
        Self::Unauthorized,
        Self::Unavailable,
        Self::SpoolFull,
        Self::SpoolExpired,
        Self::SpoolCorrupt,
        Self::Reentrant,
        Self::ThreadEnd,
    ];

    /// The name used in reports and as `error.type` of metrics: `queue_full`, `queue_bytes_full`,
    /// `after_shutdown`, `delivery_queue_full`, `encode`, `unreachable`, `timeout`, `rejected`,
    /// `shutdown_deadline`, `panic`, `too_large`, `unauthorized`, `unavailable`, `spool_full`,
    /// `spool_expired`, `spool_corrupt`, `reentrant` or `thread_end`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueBytesFull => "queue_bytes_full",
            Self::AfterShutdown => "after_shutdown",
            Self::DeliveryQueueFull => "delivery_queue_full",
            Self::Encode => "encode",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::ShutdownDeadline => "shutdown_deadline",
            Self::Panic => "panic",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
            Self::Unavailable => "unavailable",
            Self::SpoolFull => "spool_full",
            Self::SpoolExpired => "spool_expired",
            Self::SpoolCorrupt => "spool_corrupt",
            Self::Reentrant => "reentrant",
            Self::ThreadEnd => "thread_end",
        }
    }

    /// Whether a destination did not want the record, rather than nobody could take it.
    pub const fn is_rejection(self) -> bool {
        matches!(self, Self::Rejected | Self::TooLarge | Self::Unauthorized)
    }

    /// Whether the record never came into the queue of the batch processor.
    pub(crate) const fn is_before_admission(self) -> bool {
        matches!(
            self,
            Self::QueueFull
                | Self::QueueBytesFull
                | Self::AfterShutdown
                | Self::Reentrant
                | Self::ThreadEnd
        )
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_slot_and_name() {
        for (index, reason) in LossReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        let names: std::collections::BTreeSet<_> =
            LossReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), LossReason::ALL.len());
    }
}

//! Counts every record and names the reason of every loss.
//!
//! Stands beside the whole way: `batch` writes what enters, `encode` and `deliver` write what
//! becomes of it, the report reads.
//!
//! The invariant: `emitted == delivered + lost + spooled + pending`, where a record is counted as lost under
//! exactly one reason. `emitted` is never stored: it is the sum of the admitted, the refused for a
//! full queue and the refused after shutdown, so no reader can catch a record between two counters.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use crate::settings::Signal;

/// Why a record was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LossReason {
    /// The queue in front of the batch processor was full.
    QueueFull,
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
    /// Code that handled the batch panicked.
    Panic,
    /// One record alone was larger than the destination takes.
    TooLarge,
    /// The destination did not accept the credentials.
    Unauthorized,
    /// The destination kept answering that it cannot take the records now.
    Unavailable,
    /// It was among the oldest in a full spool.
    SpoolFull,
    /// It was in the spool for longer than it may be.
    SpoolExpired,
    /// What was read back from the spool was not what had been written.
    SpoolCorrupt,
}

impl LossReason {
    /// Every reason, in the order of the way of a record.
    pub const ALL: [Self; 15] = [
        Self::QueueFull,
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
    ];

    /// The name used in reports: `queue_full`, `after_shutdown`, `delivery_queue_full`, `encode`,
    /// `unreachable`, `timeout`, `rejected`, `shutdown_deadline`, `panic`, `too_large`,
    /// `unauthorized`, `unavailable`, `spool_full`, `spool_expired` or `spool_corrupt`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
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
        }
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of the records of one signal so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignalCounts {
    emitted: u64,
    delivered: u64,
    spooled: u64,
    replayed: u64,
    replayed_lost: u64,
    lost: [u64; LossReason::ALL.len()],
}

impl SignalCounts {
    /// How many records (or sampled spans) reached the pipeline.
    pub fn emitted(&self) -> u64 {
        self.emitted
    }

    /// How many of them a destination acknowledged.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How many of them are on disk: written to the spool, and not delivered from there yet.
    pub fn spooled(&self) -> u64 {
        self.spooled
    }

    /// How many records that an earlier process had left in the spool a destination acknowledged.
    ///
    /// They were not emitted by this process, so they are in none of the other counts.
    pub fn replayed(&self) -> u64 {
        self.replayed
    }

    /// How many records that an earlier process had left in the spool were lost.
    pub fn replayed_lost(&self) -> u64 {
        self.replayed_lost
    }

    /// How many were lost, for any reason.
    pub fn lost(&self) -> u64 {
        self.lost.iter().sum()
    }

    /// How many were lost for this reason.
    pub fn lost_by(&self, reason: LossReason) -> u64 {
        self.lost[reason as usize]
    }

    /// How many are still on their way: waiting for a batch, for delivery or for an answer.
    pub fn pending(&self) -> u64 {
        self.emitted
            .saturating_sub(self.delivered + self.lost() + self.spooled)
    }

    /// The losses by [name of the reason](LossReason::as_str); reasons without a loss are absent.
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        LossReason::ALL
            .iter()
            .filter(|reason| self.lost_by(**reason) > 0)
            .map(|reason| (reason.as_str(), self.lost_by(*reason)))
            .collect()
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.emitted += other.emitted;
        sum.delivered += other.delivered;
        sum.spooled += other.spooled;
        sum.replayed += other.replayed;
        sum.replayed_lost += other.replayed_lost;
        for (mine, theirs) in sum.lost.iter_mut().zip(other.lost) {
            *mine += theirs;
        }
        sum
    }
}

impl fmt::Display for SignalCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} emitted, {} delivered, {} lost",
            self.emitted,
            self.delivered,
            self.lost()
        )?;
        let mut separator = " (";
        for (reason, count) in self.by_reason() {
            write!(f, "{separator}{reason} {count}")?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        for (count, what) in [
            (self.spooled, "spooled"),
            (self.pending(), "pending"),
            (self.replayed, "replayed"),
            (self.replayed_lost, "lost in replay"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// A look at the ledger: what became of the records of every signal so far.
///
/// Taken while records are on their way it may be a moment old; it is exact at every quiet moment
/// and in the report of a shutdown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    signals: [SignalCounts; Signal::ALL.len()],
}

impl Counts {
    /// The counts of log records.
    pub fn logs(&self) -> &SignalCounts {
        self.signal(Signal::Logs)
    }

    /// The counts of spans; spans that were not sampled are not counted.
    pub fn traces(&self) -> &SignalCounts {
        self.signal(Signal::Traces)
    }

    /// The counts of one signal.
    pub fn signal(&self, signal: Signal) -> &SignalCounts {
        &self.signals[signal as usize]
    }

    /// The counts of all signals together.
    pub fn total(&self) -> SignalCounts {
        self.signals
            .iter()
            .fold(SignalCounts::default(), |sum, one| sum.plus(one))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logs: {}", self.logs())?;
        match self.traces() {
            traces if traces.emitted() == 0 => Ok(()),
            traces => write!(f, "; spans: {traces}"),
        }
    }
}

/// The live counters of one signal.
#[derive(Debug, Default)]
pub(crate) struct SignalLedger {
    /// Let in to the batch processor.
    pub(crate) admitted: AtomicU64,
    /// Taken out of the batch processor by its worker.
    pub(crate) handed: AtomicU64,
    delivered: AtomicU64,
    /// On disk, of what this process emitted.
    spooled: AtomicU64,
    /// Delivered and lost, of what an earlier process emitted.
    replayed: AtomicU64,
    replayed_lost: AtomicU64,
    lost: [AtomicU64; LossReason::ALL.len()],
}

impl SignalLedger {
    pub(crate) fn delivered(&self, records: u64) {
        self.delivered.fetch_add(records, SeqCst);
    }

    pub(crate) fn spooled(&self, records: u64) {
        self.spooled.fetch_add(records, SeqCst);
    }

    /// Takes records out of the count of the spooled, because they count as something else now;
    /// returns how many it could take.
    pub(crate) fn unspooled(&self, records: u64) -> u64 {
        let take = |spooled: u64| Some(spooled.saturating_sub(records));
        let before = self.spooled.fetch_update(SeqCst, SeqCst, take);
        before.unwrap_or_default().min(records)
    }

    /// Counts what became of records that an earlier process emitted.
    pub(crate) fn replayed(&self, delivered: u64, lost: u64) {
        self.replayed.fetch_add(delivered, SeqCst);
        self.replayed_lost.fetch_add(lost, SeqCst);
    }

    /// Counts a loss; returns how many were lost for the reason before.
    pub(crate) fn lost(&self, reason: LossReason, records: u64) -> u64 {
        self.lost[reason as usize].fetch_add(records, SeqCst)
    }

    pub(crate) fn lost_by(&self, reason: LossReason) -> u64 {
        self.lost[reason as usize].load(SeqCst)
    }

    pub(crate) fn counts(&self) -> SignalCounts {
        // What has become of records is read before what was admitted: the other way round, a
        // record delivered in between would make the pending negative.
        let mut counts = SignalCounts {
            delivered: self.delivered.load(SeqCst),
            spooled: self.spooled.load(SeqCst),
            replayed: self.replayed.load(SeqCst),
            replayed_lost: self.replayed_lost.load(SeqCst),
            ..SignalCounts::default()
        };
        for (count, live) in counts.lost.iter_mut().zip(&self.lost) {
            *count = live.load(SeqCst);
        }
        counts.emitted = self.admitted.load(SeqCst)
            + counts.lost_by(LossReason::QueueFull)
            + counts.lost_by(LossReason::AfterShutdown);
        counts
    }
}

/// The live counters of all signals.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    signals: [SignalLedger; Signal::ALL.len()],
}

impl Ledger {
    pub(crate) fn signal(&self, signal: Signal) -> &SignalLedger {
        &self.signals[signal as usize]
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for signal in Signal::ALL {
            counts.signals[signal as usize] = self.signal(signal).counts();
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emitted_is_delivered_and_lost_and_pending() {
        let ledger = SignalLedger::default();
        ledger.admitted.fetch_add(7, SeqCst);
        ledger.lost(LossReason::QueueFull, 2);
        ledger.lost(LossReason::AfterShutdown, 1);
        ledger.lost(LossReason::Rejected, 3);
        ledger.delivered(2);
        let counts = ledger.counts();
        assert_eq!(counts.emitted(), 10);
        assert_eq!(counts.lost(), 6);
        assert_eq!(counts.pending(), 2);
        assert_eq!(
            counts.to_string(),
            "10 emitted, 2 delivered, 6 lost (after_shutdown 1, queue_full 2, rejected 3), 2 pending"
        );
    }

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

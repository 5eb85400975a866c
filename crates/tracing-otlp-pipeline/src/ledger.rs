//! Counts every record and names the reason of every loss.
//!
//! Stands beside the whole way: the `door` writes what enters, `encode` and `deliver` write what
//! becomes of it, the report and `metrics` read.
//!
//! The invariant, for every severity: emitted and recovered records are delivered, filtered,
//! sampled, limited, lost, spooled or pending, each of them exactly one of these, where a record is
//! counted as lost under exactly one reason. What is on disk stays spooled while it is replayed,
//! until it is delivered or lost. What an earlier process left there enters as recovered when the
//! spool finds it.
//! `emitted` is never stored: it is the sum of the admitted and of those turned away before, so no
//! reader can catch a record between two counters.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{
            AtomicU64,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
};

use crate::{
    admit::{SeverityBand, Tally, helper::Bell, room::Apart},
    settings::Signal,
};

mod counts;
mod reason;

pub use counts::{Counts, SignalCounts, SourceCounts};
pub use reason::LossReason;

/// One counter for each severity.
#[derive(Debug, Default)]
struct Meter([AtomicU64; SeverityBand::ALL.len()]);

impl Meter {
    fn add(&self, tally: &Tally) {
        for (band, records) in tally.iter() {
            self.0[band as usize].fetch_add(records, Release);
        }
    }

    /// Takes away what was added, or will be in a moment.
    fn sub(&self, tally: &Tally) {
        for (band, records) in tally.iter() {
            self.0[band as usize].fetch_sub(records, AcqRel);
        }
    }

    fn read(&self) -> Tally {
        let mut tally = Tally::default();
        for band in SeverityBand::ALL {
            let records = self.0[band as usize].load(Acquire);
            // Below zero, for that moment.
            let is_ahead = records > u64::MAX / 2;
            tally.add(band, if is_ahead { 0 } else { records });
        }
        tally
    }
}

/// The live counters of one signal.
#[derive(Debug, Default)]
pub(crate) struct SignalLedger {
    /// Let in to the batch processor; the only counter that every record touches on the
    /// application's threads, so it shares no cache line with the others.
    admitted: Apart<Meter>,
    /// Taken out of the batch processor by its worker.
    handed: Meter,
    delivered: Meter,
    /// Refused by somebody else's decision.
    filtered: Meter,
    /// On disk now.
    spooled: Meter,
    /// Found on disk, left by an earlier process.
    recovered: Meter,
    lost: [Meter; LossReason::ALL.len()],
    /// Of the admitted, those that the pipeline itself made.
    summaries: AtomicU64,
    /// Rung when something is lost.
    bell: OnceLock<Arc<Bell>>,
}

impl SignalLedger {
    /// Has a bell rung at every loss from now on.
    pub(crate) fn ring_at_loss(&self, bell: Arc<Bell>) {
        let _only_once = self.bell.set(bell);
    }

    /// Counts a record that is let in.
    #[inline]
    pub(crate) fn admit(&self, band: SeverityBand) {
        self.admitted.0.0[band as usize].fetch_add(1, AcqRel);
    }

    /// Counts records that are let in together.
    #[cfg(feature = "relay")]
    pub(crate) fn admit_all(&self, records: &Tally) {
        self.admitted.0.add(records);
    }

    /// Counts a record of the pipeline itself, which is let in.
    pub(crate) fn admit_summary(&self, band: SeverityBand) {
        self.summaries.fetch_add(1, AcqRel);
        self.admit(band);
    }

    /// Counts records that the worker of the batch processor has taken.
    pub(crate) fn handed(&self, records: &Tally) {
        self.handed.add(records);
    }

    /// Counts records that a destination has acknowledged.
    pub(crate) fn delivered(&self, records: impl Into<Tally>) {
        self.delivered.add(&records.into());
    }

    /// Counts records that nobody wanted.
    pub(crate) fn filtered(&self, records: impl Into<Tally>) {
        self.filtered.add(&records.into());
    }

    /// Counts records that are on disk now and not in memory any more.
    pub(crate) fn spooled(&self, records: impl Into<Tally>) {
        self.spooled.add(&records.into());
    }

    /// Takes records out of the count of the spooled, because they count as something else now.
    ///
    /// The spool may give out or let go what was not counted as spooled yet, because its owner has
    /// not heard that it is on disk: the count is below zero then, until that has been made up for.
    pub(crate) fn unspooled(&self, records: impl Into<Tally>) {
        self.spooled.sub(&records.into());
    }

    /// Counts records on disk as lost there.
    pub(crate) fn lost_on_disk(&self, reason: LossReason, records: impl Into<Tally>) {
        let records = records.into();
        self.unspooled(records);
        self.lost(reason, records);
    }

    /// Counts records that an earlier process left on disk; they are spooled now.
    pub(crate) fn recovered(&self, records: impl Into<Tally>) {
        let records = records.into();
        self.recovered.add(&records);
        self.spooled.add(&records);
    }

    /// Counts the loss of one record; returns how many of the same severity were lost for the
    /// reason before. The short way for those who turn away by the thousand.
    #[inline]
    pub(crate) fn lost_one(&self, reason: LossReason, band: SeverityBand) -> u64 {
        let before = self.count_lost_one(reason, band);
        self.ring();
        before
    }

    /// The same without the bell.
    #[inline]
    pub(crate) fn count_lost_one(&self, reason: LossReason, band: SeverityBand) -> u64 {
        self.lost[reason as usize].0[band as usize].fetch_add(1, AcqRel)
    }

    /// Whether the bell for losses is there and has not been rung.
    #[inline]
    pub(crate) fn has_to_ring(&self) -> bool {
        self.bell.get().is_some_and(|bell| !bell.has_rung_loss())
    }

    #[inline]
    pub(crate) fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            bell.ring_loss();
        }
    }

    /// Counts losses; returns how many of the same severities were lost for the reason before.
    pub(crate) fn lost(&self, reason: LossReason, records: impl Into<Tally>) -> u64 {
        let mut before = 0;
        let records = records.into();
        // Nothing was lost of most requests: nobody needs to be woken for that.
        if records.total() == 0 {
            return 0;
        }
        for (band, records) in records.iter() {
            before += self.lost[reason as usize].0[band as usize].fetch_add(records, AcqRel);
        }
        self.ring();
        before
    }

    pub(crate) fn lost_by(&self, reason: LossReason) -> u64 {
        self.lost[reason as usize].read().total()
    }

    /// What the batch processor holds.
    pub(crate) fn in_batch(&self) -> Tally {
        let handed = self.handed.read();
        self.admitted.0.read().minus(&handed)
    }

    /// What the worker of the batch processor has taken so far.
    pub(crate) fn handed_total(&self) -> u64 {
        self.handed.read().total()
    }

    pub(crate) fn counts(&self) -> SignalCounts {
        // What has become of records is read before what was admitted: the other way round, a
        // record delivered in between would make the pending negative.
        let mut counts = SignalCounts {
            delivered: self.delivered.read(),
            filtered: self.filtered.read(),
            ..SignalCounts::default()
        };
        for (count, live) in counts.lost.iter_mut().zip(&self.lost) {
            *count = live.read();
        }
        // After what the spooled become, for the same reason.
        counts.spooled = self.spooled.read();
        counts.summaries = self.summaries.load(Acquire);
        counts.recovered = self.recovered.read();
        counts.emitted = self.admitted.0.read().plus(&counts.filtered);
        for reason in LossReason::ALL {
            if reason.is_before_admission() {
                counts.emitted = counts.emitted.plus(&counts.lost[reason as usize]);
            }
        }
        counts
    }
}

type Source = Arc<dyn Fn(&mut SourceCounts) + Send + Sync>;

/// The live counters of all signals.
#[derive(Default)]
pub(crate) struct Ledger {
    signals: [Arc<SignalLedger>; Signal::ALL.len()],
    /// Who counts log records that never came as far as the pipeline.
    sources: Mutex<Vec<Source>>,
}

impl Ledger {
    pub(crate) fn signal(&self, signal: Signal) -> &Arc<SignalLedger> {
        &self.signals[signal as usize]
    }

    pub(crate) fn add_source(&self, source: Source) {
        self.lock().push(source);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for signal in Signal::ALL {
            counts.signals[signal as usize] = self.signal(signal).counts();
        }
        // Other people's code runs outside of the lock.
        let sources = self.lock().clone();
        for source in sources {
            let mut theirs = SourceCounts::default();
            source(&mut theirs);
            counts.signals[Signal::Logs as usize].add_source(&theirs);
        }
        counts
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("signals", &self.signals)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emitted_is_everything_that_became_of_records() {
        let ledger = Ledger::default();
        let logs = ledger.signal(Signal::Logs);
        for _ in 0..7 {
            logs.admit(SeverityBand::Warn);
        }
        logs.lost(LossReason::QueueFull, Tally::of(SeverityBand::Trace, 2));
        logs.lost(LossReason::AfterShutdown, 1);
        logs.lost(LossReason::Rejected, Tally::of(SeverityBand::Warn, 3));
        logs.delivered(Tally::of(SeverityBand::Warn, 2));
        ledger.add_source(Arc::new(|source| {
            source.sampled(SeverityBand::Debug, 4);
            source.filtered(SeverityBand::Debug, 5);
            source.limited(SeverityBand::Debug, 6);
            source.lost(LossReason::Reentrant, SeverityBand::Error, 1);
            source.dropped_attributes(9);
        }));
        let counts = *ledger.counts().logs();
        assert_eq!(counts.emitted(), 10 + 4 + 5 + 6 + 1);
        assert_eq!(counts.emitted_of(SeverityBand::Debug), 15);
        assert_eq!(
            (counts.sampled(), counts.filtered(), counts.limited()),
            (4, 5, 6)
        );
        assert_eq!(counts.lost(), 7);
        assert_eq!(
            counts.lost_of(LossReason::QueueFull, SeverityBand::Trace),
            2
        );
        assert_eq!(counts.lost_of(LossReason::QueueFull, SeverityBand::Warn), 0);
        assert_eq!((counts.rejected(), counts.dropped()), (3, 4));
        assert_eq!(counts.pending(), 2);
        assert_eq!(counts.dropped_attributes(), 9);
        assert_eq!(
            counts.to_string(),
            "26 emitted, 2 delivered, 5 filtered, 4 sampled, 6 limited, 7 lost (after_shutdown 1, \
             queue_full 2, reentrant 1, rejected 3), 2 pending"
        );
        assert_eq!(
            format!("{:#}", ledger.counts()),
            "logs
  emitted                      26
  delivered                     2
  filtered                      5
  sampled                       4
  limited                       6
  queue_full                    2  lost: 2 trace
  after_shutdown                1  lost: 1 info
  rejected                      3  lost: 3 warn
  reentrant                     1  lost: 1 error
  pending                       2
  dropped attributes            9"
        );
    }

    #[test]
    fn what_is_on_disk_is_neither_lost_nor_pending() {
        let ledger = SignalLedger::default();
        ledger.admit(SeverityBand::Info);
        ledger.spooled(1);
        ledger.recovered(5);
        let counts = ledger.counts();
        assert_eq!((counts.emitted(), counts.recovered()), (1, 5));
        assert_eq!(
            (counts.spooled(), counts.pending(), counts.lost()),
            (6, 0, 0)
        );
        ledger.unspooled(5);
        ledger.delivered(5);
        assert_eq!(
            (ledger.counts().spooled(), ledger.counts().pending()),
            (1, 0)
        );
    }

    #[test]
    fn what_leaves_the_disk_before_it_was_counted_there_is_counted_once() {
        let ledger = SignalLedger::default();
        for _ in 0..6 {
            ledger.admit(SeverityBand::Error);
        }
        ledger.recovered(4);
        // The spool has evicted what its owner does not know to be there.
        ledger.lost_on_disk(LossReason::SpoolFull, Tally::of(SeverityBand::Error, 6));
        assert_eq!(ledger.counts().spooled(), 4);
        ledger.spooled(Tally::of(SeverityBand::Error, 6));
        let counts = ledger.counts();
        assert_eq!((counts.spooled(), counts.pending()), (4, 0), "{counts}");
        ledger.lost_on_disk(LossReason::SpoolFull, 4);
        let counts = ledger.counts();
        assert_eq!((counts.spooled(), counts.pending()), (0, 0), "{counts}");
        let lost = |band| counts.lost_of(LossReason::SpoolFull, band);
        assert_eq!(
            (lost(SeverityBand::Error), lost(SeverityBand::Info)),
            (6, 4)
        );
    }
}

//! What the ledger says when asked.
//!
//! Part of `ledger`: plain values, for programs and, printed, for people.

use std::{collections::BTreeMap, fmt};

use super::LossReason;
use crate::{
    admit::{SeverityBand, Tally},
    settings::Signal,
};

/// What became of the records of one signal so far.
///
/// Every record is in exactly one place: `emitted + recovered = delivered + filtered + sampled +
/// limited + lost + spooled + pending`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignalCounts {
    pub(super) emitted: Tally,
    pub(super) recovered: Tally,
    pub(super) delivered: Tally,
    pub(super) filtered: Tally,
    pub(super) sampled: Tally,
    pub(super) limited: Tally,
    pub(super) spooled: Tally,
    pub(super) lost: [Tally; LossReason::ALL.len()],
    pub(super) summaries: u64,
    pub(super) dropped_attributes: u64,
}

impl SignalCounts {
    /// How many records (or sampled spans) set out, including [`summaries`](Self::summaries).
    pub fn emitted(&self) -> u64 {
        self.emitted.total()
    }

    /// How many of this severity set out.
    pub fn emitted_of(&self, band: SeverityBand) -> u64 {
        self.emitted.get(band)
    }

    /// How many more were taken over from the spool of an earlier process.
    ///
    /// They are in [`spooled`](Self::spooled) until they are delivered or lost.
    pub fn recovered(&self) -> u64 {
        self.recovered.total()
    }

    /// How many of this severity were taken over from the spool of an earlier process.
    pub fn recovered_of(&self, band: SeverityBand) -> u64 {
        self.recovered.get(band)
    }

    /// How many a destination acknowledged.
    pub fn delivered(&self) -> u64 {
        self.delivered.total()
    }

    /// How many of this severity a destination acknowledged.
    pub fn delivered_of(&self, band: SeverityBand) -> u64 {
        self.delivered.get(band)
    }

    /// How many were left out because somebody decided that they are not wanted.
    pub fn filtered(&self) -> u64 {
        self.filtered.total()
    }

    /// How many were left out by sampling, for example with their unsampled trace.
    pub fn sampled(&self) -> u64 {
        self.sampled.total()
    }

    /// How many were left out by a limit on their rate.
    pub fn limited(&self) -> u64 {
        self.limited.total()
    }

    /// How many are on disk, to be delivered later.
    pub fn spooled(&self) -> u64 {
        self.spooled.total()
    }

    /// How many were lost, for any reason: [`dropped`](Self::dropped) or
    /// [`rejected`](Self::rejected).
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(Tally::total).sum()
    }

    /// How many were lost for this reason.
    pub fn lost_by(&self, reason: LossReason) -> u64 {
        self.lost[reason as usize].total()
    }

    /// How many of this severity were lost for this reason.
    ///
    /// Where a destination rejects a part of a request without saying which records, each severity
    /// in it counts with its share.
    pub fn lost_of(&self, reason: LossReason, band: SeverityBand) -> u64 {
        self.lost[reason as usize].get(band)
    }

    /// How many were lost although nobody rejected them.
    pub fn dropped(&self) -> u64 {
        self.lost() - self.rejected()
    }

    /// How many a destination did not take.
    pub fn rejected(&self) -> u64 {
        LossReason::ALL
            .into_iter()
            .filter(|reason| reason.is_rejection())
            .map(|reason| self.lost_by(reason))
            .sum()
    }

    /// How many are still on their way: waiting for a batch, for delivery or for an answer.
    pub fn pending(&self) -> u64 {
        self.pending_tally().total()
    }

    pub(crate) fn pending_tally(&self) -> Tally {
        let gone = self
            .lost
            .iter()
            .fold(self.delivered, Tally::plus)
            .plus(&self.filtered)
            .plus(&self.sampled)
            .plus(&self.limited)
            .plus(&self.spooled);
        self.emitted.plus(&self.recovered).minus(&gone)
    }

    /// How many of the emitted the pipeline made itself, to tell of losses.
    pub fn summaries(&self) -> u64 {
        self.summaries
    }

    /// How many attributes the layer's limits cut off records.
    pub fn dropped_attributes(&self) -> u64 {
        self.dropped_attributes
    }

    /// The losses by [name of the reason](LossReason::as_str); reasons without a loss are absent.
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.losses()
            .map(|(reason, lost)| (reason.as_str(), lost.total()))
            .collect()
    }

    /// The losses by reason and severity; what is zero is absent.
    pub fn by_reason_and_severity(&self) -> BTreeMap<(LossReason, SeverityBand), u64> {
        self.losses()
            .flat_map(|(reason, lost)| {
                lost.iter()
                    .map(move |(band, records)| ((reason, band), records))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    pub(crate) fn losses(&self) -> impl Iterator<Item = (LossReason, Tally)> {
        LossReason::ALL
            .into_iter()
            .zip(self.lost)
            .filter(|(_, lost)| lost.total() > 0)
    }

    pub(super) fn add_source(&mut self, source: &SourceCounts) {
        *self = self.plus(&source.counts);
        let theirs = &source.counts;
        for tally in [&theirs.filtered, &theirs.sampled, &theirs.limited]
            .into_iter()
            .chain(&theirs.lost)
        {
            self.emitted = self.emitted.plus(tally);
        }
    }

    fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for (mine, theirs) in [
            (&mut sum.emitted, &other.emitted),
            (&mut sum.recovered, &other.recovered),
            (&mut sum.delivered, &other.delivered),
            (&mut sum.filtered, &other.filtered),
            (&mut sum.sampled, &other.sampled),
            (&mut sum.limited, &other.limited),
            (&mut sum.spooled, &other.spooled),
        ] {
            *mine = mine.plus(theirs);
        }
        for (mine, theirs) in sum.lost.iter_mut().zip(&other.lost) {
            *mine = mine.plus(theirs);
        }
        sum.summaries += other.summaries;
        sum.dropped_attributes += other.dropped_attributes;
        sum
    }

    /// What a person wants to know besides emitted, delivered and lost, where there is any.
    fn elsewhere(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("filtered", self.filtered()),
            ("sampled", self.sampled()),
            ("limited", self.limited()),
            ("spooled", self.spooled()),
        ]
        .into_iter()
        .filter(|(_, records)| *records > 0)
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, records: u64| {
            write!(f, "\n  {name:<20} {records:>10}")
        };
        row(f, "emitted", self.emitted())?;
        if self.recovered() > 0 {
            row(f, "recovered", self.recovered())?;
        }
        row(f, "delivered", self.delivered())?;
        for (name, records) in self.elsewhere() {
            row(f, name, records)?;
        }
        for (reason, lost) in self.losses() {
            row(f, reason.as_str(), lost.total())?;
            let mut separator = "  lost: ";
            for (band, records) in lost.iter() {
                write!(f, "{separator}{records} {band}")?;
                separator = ", ";
            }
        }
        row(f, "pending", self.pending())?;
        if self.summaries > 0 {
            row(f, "summaries", self.summaries)?;
        }
        if self.dropped_attributes > 0 {
            row(f, "dropped attributes", self.dropped_attributes)?;
        }
        Ok(())
    }
}

/// One line; with `{:#}` a table with a line for each number.
impl fmt::Display for SignalCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.table(f);
        }
        write!(f, "{} emitted, ", self.emitted())?;
        if self.recovered() > 0 {
            write!(f, "{} recovered, ", self.recovered())?;
        }
        write!(f, "{} delivered, ", self.delivered())?;
        for (name, records) in self.elsewhere() {
            write!(f, "{records} {name}, ")?;
        }
        write!(f, "{} lost", self.lost())?;
        let mut separator = " (";
        for (reason, count) in self.by_reason() {
            write!(f, "{separator}{reason} {count}")?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        match self.pending() {
            0 => Ok(()),
            pending => write!(f, ", {pending} pending"),
        }
    }
}

/// A look at the ledger: what became of the records of every signal so far.
///
/// Taken while records are on their way it may be a moment old; it is exact at every quiet moment
/// and in the report of a shutdown. `Display` writes one line, and with `{:#}` a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub(super) signals: [SignalCounts; Signal::ALL.len()],
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

    /// The counts of data points; only a relay has some.
    pub fn metrics(&self) -> &SignalCounts {
        self.signal(Signal::Metrics)
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
        if f.alternate() {
            write!(f, "logs{:#}", self.logs())?;
        } else {
            write!(f, "logs: {}", self.logs())?;
        }
        let others = [("spans", self.traces()), ("data points", self.metrics())];
        for (name, counts) in others {
            if counts.emitted() + counts.recovered() == 0 {
                continue;
            }
            if f.alternate() {
                write!(f, "\n{name}{counts:#}")?;
            } else {
                write!(f, "; {name}: {counts}")?;
            }
        }
        Ok(())
    }
}

/// What somebody in front of the pipeline has counted: records that never came as far.
///
/// Given to the closure of [`Pipeline::add_source`](crate::Pipeline::add_source), which fills it
/// with totals since the start.
#[derive(Debug, Clone, Default)]
pub struct SourceCounts {
    counts: SignalCounts,
}

impl SourceCounts {
    /// Records left out because they are not wanted.
    pub fn filtered(&mut self, band: SeverityBand, records: u64) {
        self.counts.filtered.add(band, records);
    }

    /// Records left out by sampling.
    pub fn sampled(&mut self, band: SeverityBand, records: u64) {
        self.counts.sampled.add(band, records);
    }

    /// Records left out by a limit on their rate.
    pub fn limited(&mut self, band: SeverityBand, records: u64) {
        self.counts.limited.add(band, records);
    }

    /// Records lost for this reason.
    pub fn lost(&mut self, reason: LossReason, band: SeverityBand, records: u64) {
        self.counts.lost[reason as usize].add(band, records);
    }

    /// Attributes that limits cut off records.
    pub fn dropped_attributes(&mut self, attributes: u64) {
        self.counts.dropped_attributes += attributes;
    }
}

//! The answer of a flush or a shutdown.
//!
//! Stands at the end of the way: built from the ledger when the last record has been answered, or
//! when the deadline came first.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::ledger::{Counts, SignalCounts};

/// What a flush or a shutdown achieved, and what was lost since the pipeline was built.
///
/// The counts are totals since the pipeline was built, so that the report of a shutdown is the
/// balance of the whole run; [`lost_meanwhile`](Self::lost_meanwhile) tells what this call added.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a report may tell of lost records"]
pub struct Report {
    counts: Counts,
    lost_before: u64,
    settled: bool,
    elapsed: Duration,
}

impl Report {
    pub(crate) fn new(counts: &Counts, before: &Counts, settled: bool, elapsed: Duration) -> Self {
        Self {
            counts: *counts,
            lost_before: before.total().lost(),
            settled,
            elapsed,
        }
    }

    /// The counts of every signal when the call ended.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The counts of log records when the call ended.
    pub fn logs(&self) -> &SignalCounts {
        self.counts.logs()
    }

    /// The counts of spans when the call ended.
    pub fn traces(&self) -> &SignalCounts {
        self.counts.traces()
    }

    /// Whether everything emitted before the call was delivered or counted as lost in time.
    ///
    /// A shutdown counts what is left at its deadline as lost, so its report is settled unless
    /// another thread is still shutting down.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether nothing was lost since the pipeline was built and the call reached its end in time.
    pub fn is_complete(&self) -> bool {
        self.settled && self.counts.total().lost() == 0
    }

    /// How many records of all signals were lost since the pipeline was built.
    pub fn lost(&self) -> u64 {
        self.counts.total().lost()
    }

    /// How many records of all signals are on disk, to be delivered by a later process.
    pub fn spooled(&self) -> u64 {
        self.counts.total().spooled()
    }

    /// How many records of all signals were lost while the call was under way.
    pub fn lost_meanwhile(&self) -> u64 {
        self.lost().saturating_sub(self.lost_before)
    }

    /// The losses of all signals by [name of the reason](crate::LossReason::as_str).
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        self.counts.total().by_reason()
    }

    /// How long the call took.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (in {} ms{})",
            self.counts,
            self.elapsed.as_millis(),
            if self.settled {
                ""
            } else {
                ", deadline reached"
            }
        )
    }
}

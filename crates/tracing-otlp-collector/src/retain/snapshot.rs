//! The store as it stood at one moment.
//!
//! The store makes it under its lock; the audit, the tree and a waiter's question read it outside.

use crate::{Audit, Counts, StoredLog, StoredSpan, TraceTree};

/// Logs, spans and counts that belong together.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The log records kept, in the order of their arrival.
    pub logs: Vec<StoredLog>,
    /// The spans kept, in the order of their arrival.
    pub spans: Vec<StoredSpan>,
    /// The counts at that moment.
    pub counts: Counts,
}

impl Snapshot {
    /// Audits this snapshot; see [`Collector::audit`](crate::Collector::audit).
    pub fn audit(&self) -> Audit {
        let evicted = self.counts.evicted_logs + self.counts.evicted_spans;
        Audit {
            evicted,
            ..Audit::of(&self.logs, &self.spans)
        }
    }

    /// Draws this snapshot; see [`Collector::trace_tree`](crate::Collector::trace_tree).
    pub fn trace_tree(&self) -> TraceTree {
        TraceTree::of(&self.logs, &self.spans)
    }
}

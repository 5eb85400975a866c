//! Proves how well log records are linked to spans.
//!
//! It stands behind the store and reads one snapshot of it. A record is *linked* when a span with
//! exactly its two ids arrived, *unlinked* when it carries no id at all, and *orphaned* in every
//! other case, so the three always add up to the number of records.

use std::collections::HashSet;
use std::fmt;

use crate::retain::head::{Flags, Head, Ids, SpanKey};
use crate::retain::id::hex;
use crate::show::value;
use crate::{StoredLog, StoredSpan};

/// How the log records of a run are linked to its spans; `Display` prints
/// `records=N linked=N unlinked=N orphaned=N`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Audit {
    /// Log records looked at.
    pub records: usize,
    /// Records with ids of a span that arrived.
    pub linked: usize,
    /// Records without a trace id and without a span id.
    pub unlinked: usize,
    /// Records with ids that no arrived span has, or with ids that are no ids.
    pub orphaned: usize,
    /// Spans looked at.
    pub spans: usize,
    /// The orphaned records, in the order of their arrival.
    pub orphans: Vec<Orphan>,
    /// Spans whose parent is of the same process and never arrived, in the order of their arrival.
    pub orphan_spans: Vec<OrphanSpan>,
    /// Records and spans that left the bounded store before the audit and could not be looked at.
    ///
    /// When this is not zero, an orphan's span may have been among them.
    pub evicted: u64,
}

/// A log record that points at no span that arrived.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Orphan {
    /// Why it counts as one.
    pub reason: OrphanReason,
    /// Its body, shortened and on one line.
    pub body: String,
    /// Its trace id in hex, empty when it has none.
    pub trace_id: String,
    /// Its span id in hex, empty when it has none.
    pub span_id: String,
}

/// Why a record counts as orphaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrphanReason {
    /// The ids are sound, but no span with them arrived.
    SpanMissing,
    /// One id is missing, has a wrong length or is all zeros.
    MalformedIds,
}

/// A span whose local parent never arrived.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OrphanSpan {
    /// The span's name.
    pub name: String,
    /// Its trace id in hex.
    pub trace_id: String,
    /// Its span id in hex.
    pub span_id: String,
    /// The id in hex of the parent that never arrived.
    pub parent_span_id: String,
}

impl Audit {
    /// Audits these records against these spans.
    pub fn of(logs: &[StoredLog], spans: &[StoredSpan]) -> Self {
        let arrived: HashSet<SpanKey> = spans
            .iter()
            .filter_map(StoredSpan::head)
            .filter(|head| head.ids == Ids::Sound)
            .map(Head::key)
            .collect();
        let mut audit = Self {
            records: logs.len(),
            spans: spans.len(),
            ..Self::default()
        };
        for log in logs {
            match log.head().map(|head| (head.ids, head.key())) {
                None | Some((Ids::None, _)) => audit.unlinked += 1,
                Some((Ids::Malformed, _)) => audit.add_orphan(log, OrphanReason::MalformedIds),
                Some((Ids::Sound, key)) if arrived.contains(&key) => audit.linked += 1,
                Some(_) => audit.add_orphan(log, OrphanReason::SpanMissing),
            }
        }
        audit.orphan_spans = spans
            .iter()
            .filter(|span| lost_its_parent(span, &arrived))
            .map(|span| OrphanSpan {
                name: span.name().to_owned(),
                trace_id: hex(&span.span().trace_id),
                span_id: hex(&span.span().span_id),
                parent_span_id: hex(&span.span().parent_span_id),
            })
            .collect();
        audit
    }

    /// Whether every record and every parent was found, and nothing had left before.
    ///
    /// Unlinked records are no fault: they were logged outside any span.
    pub fn is_clean(&self) -> bool {
        self.orphaned == 0 && self.orphan_spans.is_empty() && self.evicted == 0
    }

    fn add_orphan(&mut self, log: &StoredLog, reason: OrphanReason) {
        self.orphaned += 1;
        self.orphans.push(Orphan {
            reason,
            body: value::body(log),
            trace_id: hex(&log.record().trace_id),
            span_id: hex(&log.record().span_id),
        });
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            records,
            linked,
            unlinked,
            orphaned,
            ..
        } = self;
        write!(
            f,
            "records={records} linked={linked} unlinked={unlinked} orphaned={orphaned}"
        )
    }
}

/// Without the "is remote" bits nobody knows where the parent lives, so it is taken for local.
fn lost_its_parent(span: &StoredSpan, arrived: &HashSet<SpanKey>) -> bool {
    span.head().is_some_and(|head| {
        head.flags.has(Flags::LOCAL_PARENT) && !arrived.contains(&(head.trace, head.parent))
    })
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;

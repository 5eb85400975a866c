//! How one log record is linked to its span, as it looks now.
//!
//! The audit of a finished run knows three answers; while a program runs there is a fourth: the
//! record's span has not ended yet.

use crate::retain::Store;
use crate::retain::head::{Head, Ids, Kind, SpanKey};
use crate::retain::id::is_set;
use crate::retain::span_index::Presence;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Its span has arrived.
    Linked,
    /// It was logged outside any span.
    Unlinked,
    /// Its span is announced and open, or the record is so young that it may still be.
    Pending,
    /// Its ids are malformed, or of a span that did not arrive in time.
    Orphaned,
}

impl Link {
    pub(crate) const ALL: [Self; 4] = [Self::Linked, Self::Unlinked, Self::Pending, Self::Orphaned];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
            Self::Pending => "pending",
            Self::Orphaned => "orphaned",
        }
    }

    pub(crate) fn of(store: &Store, head: &Head, received: u64, now: u64) -> Self {
        let key = match (target(head), head.ids) {
            (_, Ids::Malformed) => return Self::Orphaned,
            (None, _) => return Self::Unlinked,
            (Some(key), _) => key,
        };
        match store.presence(&key) {
            Presence::Ended => Self::Linked,
            Presence::Pending => Self::Pending,
            Presence::Unknown if now.saturating_sub(received) <= PATIENCE => Self::Pending,
            Presence::Unknown => Self::Orphaned,
        }
    }
}

/// The span that a log record belongs to; a record that travels as a span belongs to its parent.
pub(crate) fn target(head: &Head) -> Option<SpanKey> {
    match (head.kind, head.ids) {
        (_, Ids::None | Ids::Malformed) => None,
        (Kind::SpanLog, _) => is_set(&head.parent).then_some((head.trace, head.parent)),
        _ => Some(head.key()),
    }
}

/// How long a record waits for its span: 60 seconds, in nanoseconds.
const PATIENCE: u64 = 60_000_000_000;

//! Which spans are kept, by their ids.
//!
//! The store keeps it in step with its spans: it says whether a record's span has arrived. It grows
//! and shrinks with them, and its weight counts as theirs.

use std::collections::HashMap;

use super::chunk::Chunk;
use super::head::{Head, Ids, Kind, SpanKey};

#[derive(Debug, Default)]
pub(crate) struct SpanIndex {
    spans: HashMap<SpanKey, Known>,
}

/// How often a span was heard of.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    ended: u32,
    pending: u32,
}

/// What is known about a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Unknown,
    /// Its beginning was announced.
    Pending,
    Ended,
}

impl SpanIndex {
    pub(super) fn add(&mut self, chunk: &Chunk) {
        for (key, kind) in chunk.heads.iter().filter_map(entry) {
            let known = self.spans.entry(key).or_default();
            match kind {
                Kind::PendingSpan => known.pending += 1,
                _ => known.ended += 1,
            }
        }
    }

    pub(super) fn remove(&mut self, heads: &[Head]) {
        for (key, kind) in heads.iter().filter_map(entry) {
            let Some(known) = self.spans.get_mut(&key) else {
                continue;
            };
            match kind {
                Kind::PendingSpan => known.pending = known.pending.saturating_sub(1),
                _ => known.ended = known.ended.saturating_sub(1),
            }
            if known.ended + known.pending == 0 {
                self.spans.remove(&key);
            }
        }
        if self.spans.len() < self.spans.capacity() / 4 {
            self.spans.shrink_to(self.spans.len() * 2);
        }
    }

    pub(crate) fn presence(&self, key: &SpanKey) -> Presence {
        match self.spans.get(key) {
            Some(Known { ended: 1.., .. }) => Presence::Ended,
            Some(_) => Presence::Pending,
            None => Presence::Unknown,
        }
    }
}

/// Whose presence an item proves.
fn entry(head: &Head) -> Option<(SpanKey, Kind)> {
    if head.ids != Ids::Sound {
        return None;
    }
    match head.kind {
        Kind::PendingSpan => {
            super::id::is_set(&head.parent).then_some(((head.trace, head.parent), head.kind))
        }
        Kind::Span | Kind::SpanLog => Some((head.key(), head.kind)),
        Kind::Log | Kind::Metric => None,
    }
}

/// What a span in the index weighs: key, counts, and the room that a hash table leaves.
pub(super) const WEIGHT: usize = 2 * (size_of::<SpanKey>() + size_of::<Known>() + 1);

//! The chunks of one signal in the order of their arrival.
//!
//! The store has one for each signal. The oldest chunk leaves as a whole when bytes are short; when
//! it is the number of items that is bounded, it gives up its items one by one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chunk::Chunk;
use super::head::Head;

#[derive(Debug, Default)]
pub(crate) struct Lane {
    chunks: VecDeque<Kept>,
    items: usize,
    /// The order number of the last item that has left.
    last_gone: u64,
}

/// A chunk, and how many of its items have left already.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) gone: usize,
}

impl Kept {
    /// The items that are still kept, each with its index in the chunk.
    pub(crate) fn heads(&self) -> impl DoubleEndedIterator<Item = (u32, &Head)> {
        let heads = self.chunk.heads.get(self.gone..).unwrap_or_default();
        let first = u32::try_from(self.gone).unwrap_or(u32::MAX);
        let end = first.saturating_add(u32::try_from(heads.len()).unwrap_or(u32::MAX));
        (first..end).zip(heads)
    }

    /// The order number after that of the last item.
    pub(crate) fn end(&self) -> u64 {
        self.chunk.first + self.chunk.heads.len() as u64
    }
}

impl Lane {
    pub(super) fn push(&mut self, chunk: Arc<Chunk>) {
        self.items += chunk.heads.len();
        self.chunks.push_back(Kept { chunk, gone: 0 });
    }

    pub(crate) fn len(&self) -> usize {
        self.items
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.chunks.iter()
    }

    /// The order number of the oldest item; greater than any other when there is none.
    pub(super) fn oldest(&self) -> u64 {
        self.chunks
            .front()
            .map_or(u64::MAX, |kept| kept.chunk.first + kept.gone as u64)
    }

    /// Lets the oldest chunk go; returns it with the number of items that had gone before.
    pub(super) fn evict_chunk(&mut self) -> Option<Kept> {
        let kept = self.chunks.pop_front()?;
        self.items -= kept.chunk.heads.len() - kept.gone;
        self.note_gone(kept.end() - 1);
        Some(kept)
    }

    /// Lets up to `n` of the oldest items go, all of one chunk; says which, and whether the chunk
    /// went with them.
    pub(super) fn evict_items(&mut self, n: usize) -> Option<(Kept, usize, bool)> {
        let front = self.chunks.front_mut()?;
        let before = front.clone();
        let n = n.min(front.chunk.heads.len() - front.gone);
        front.gone += n;
        self.items -= n;
        let last_gone = front.chunk.first + front.gone as u64 - 1;
        let is_over = front.gone == front.chunk.heads.len();
        if is_over {
            self.chunks.pop_front();
        }
        self.note_gone(last_gone);
        Some((before, n, is_over))
    }

    pub(super) fn note_gone(&mut self, number: u64) {
        self.last_gone = self.last_gone.max(number);
    }

    pub(crate) fn last_gone(&self) -> u64 {
        self.last_gone
    }

    /// The order number of the first item that arrived at or after this time.
    pub(crate) fn first_since(&self, received: u64) -> Option<u64> {
        let at = self
            .chunks
            .partition_point(|kept| kept.chunk.received < received);
        self.chunks
            .get(at)
            .map(|kept| kept.chunk.first + kept.gone as u64)
    }

    /// At most `n` chunks with items at or after this order number, oldest first.
    pub(crate) fn after(&self, number: u64, n: usize) -> Vec<Kept> {
        let start = self.chunks.partition_point(|kept| kept.end() <= number);
        self.chunks.range(start..).take(n).cloned().collect()
    }

    /// At most `n` chunks with items before this order number, newest first.
    pub(crate) fn before(&self, number: u64, n: usize) -> Vec<Kept> {
        let end = self
            .chunks
            .partition_point(|kept| kept.chunk.first < number);
        self.chunks.range(..end).rev().take(n).cloned().collect()
    }
}

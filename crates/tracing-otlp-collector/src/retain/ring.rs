//! A queue that remembers when each item came and what it weighs.
//!
//! The store has one for each kind of item; the order numbers run through all of them, so the
//! oldest of any kind can be found.

use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Ring<T> {
    items: VecDeque<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    order: u64,
    bytes: usize,
    item: T,
}

impl<T: Clone> Ring<T> {
    pub(super) fn new() -> Self {
        Self {
            items: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, order: u64, bytes: usize, item: T) {
        self.items.push_back(Kept { order, bytes, item });
    }

    /// Lets the oldest go and returns its weight.
    pub(super) fn evict(&mut self) -> Option<usize> {
        self.items.pop_front().map(|kept| kept.bytes)
    }

    /// The order number of the oldest item; greater than any other when there is none.
    pub(super) fn oldest(&self) -> u64 {
        self.items.front().map_or(u64::MAX, |kept| kept.order)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn to_vec(&self) -> Vec<T> {
        self.items.iter().map(|kept| kept.item.clone()).collect()
    }
}

//! Bounds what all requests that are on their way take together.
//!
//! `body` holds a part of it for each request until it is stored: one limit for each body is no limit
//! when a thousand of them come at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    used: Arc<AtomicUsize>,
    limit: usize,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            used: Arc::default(),
            limit,
        }
    }

    pub(super) fn hold(&self) -> Held {
        Held {
            used: Arc::clone(&self.used),
            limit: self.limit,
            bytes: 0,
        }
    }
}

impl Held {
    /// Takes more; `false`, and nothing taken, when there is not as much.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let before = self.used.fetch_add(more, Ordering::Relaxed);
        if before.saturating_add(more) > self.limit {
            self.used.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back_when_it_is_dropped() {
        let budget = Budget::new(10);
        let (mut one, mut two) = (budget.hold(), budget.hold());
        assert!(one.grow(6) && two.grow(4));
        assert!(!two.grow(1));
        drop(one);
        assert!(two.grow(6));
        assert!(!two.grow(1));
        drop(two);
        assert!(budget.hold().grow(10));
    }
}

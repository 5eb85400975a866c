//! Boxes without anything in them, on their way back to the threads that emit.
//!
//! Part of `batch`, around the official processor. It boxes every record on the thread that emits and
//! frees the box on its worker. An allocator with an arena a thread (the C library's) then has both
//! threads at one arena's lock for every record, and whoever finds it taken goes to sleep: a
//! worker on a core of its own falls behind a thread that logs as fast as it can.
//!
//! So the worker allocates boxes of the same layout, from its own arena, and a thread frees one just
//! before the SDK allocates: it gets that very memory, out of its thread's cache, without a lock. What
//! the worker frees later is its own. With another allocator it costs a few instructions and does no
//! harm: these are allocations like others.

use std::{
    cell::Cell,
    mem::MaybeUninit,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::logs::SdkLogRecord;

use crate::admit::room::Apart;

/// What the official processor allocates for a record.
type Blank = Box<MaybeUninit<(SdkLogRecord, InstrumentationScope)>>;

thread_local! {
    /// What this thread has taken and not used yet.
    static TAKEN: Cell<Vec<Blank>> = const { Cell::new(Vec::new()) };
}

/// The boxes of one processor that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Blanks {
    /// How many there are, about: asked without the lock.
    number: Apart<AtomicUsize>,
    stock: Mutex<Vec<Blank>>,
}

impl Blanks {
    /// Frees one, if there is one at hand. Never waits.
    #[inline]
    pub(super) fn free_one(&self) {
        // Without a busy worker this is all.
        if self.number.0.load(Relaxed) > 0 {
            self.free_one_of_many();
        }
    }

    #[inline(never)]
    fn free_one_of_many(&self) {
        // A thread that ends has no cache any more.
        let _ = TAKEN.try_with(|taken| {
            let mut own = taken.take();
            if own.is_empty() {
                self.take(&mut own);
            }
            drop(own.pop());
            taken.set(own);
        });
    }

    #[inline(never)]
    fn take(&self, own: &mut Vec<Blank>) {
        // Taken: the allocator's lock is no worse than to wait for this one.
        if let Ok(mut stock) = self.stock.try_lock() {
            let rest = stock.len().saturating_sub(TAKE);
            own.extend(stock.drain(rest..));
            self.number.0.store(rest, Relaxed);
        }
    }

    /// Puts as many in as a batch of that size may need next; on the worker, which frees the batch
    /// afterwards.
    pub(super) fn provide(&self, batch: usize) {
        let wanted = (2 * batch).min(MAX);
        let missing = wanted.saturating_sub(self.number.0.load(Relaxed));
        // Not under the lock: whoever finds it taken goes without.
        let mut new: Vec<Blank> = (0..missing).map(|_| Box::new_uninit()).collect();
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        // Another worker may have been faster.
        new.truncate(wanted.saturating_sub(stock.len()));
        stock.append(&mut new);
        self.number.0.store(stock.len(), Relaxed);
    }
}

#[cfg(test)]
impl Blanks {
    pub(super) fn in_stock(&self) -> usize {
        self.stock.lock().unwrap().len()
    }
}

/// How many a thread takes at once: some 10 KiB.
const TAKE: usize = 16;

/// How many there are at most: some 600 KiB.
const MAX: usize = 1024;

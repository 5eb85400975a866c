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
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
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
    flood: Apart<AtomicBool>,
    /// How many there are, about: asked without the lock.
    number: Apart<AtomicUsize>,
    stock: Mutex<Vec<Blank>>,
}

impl Blanks {
    /// Whether full batches wait: only then is it worth anybody's while.
    #[inline]
    pub(super) fn is_flood(&self) -> bool {
        self.flood.0.load(Relaxed)
    }

    /// Frees one, if there is one at hand. Never waits.
    pub(super) fn free_one(&self) {
        // A thread that ends has no cache any more.
        let _ = TAKEN.try_with(|taken| {
            let mut own = taken.take();
            if own.is_empty() && self.number.0.load(Relaxed) > 0 {
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

    /// On a worker, before it frees a batch: so many records wait, with those at hand, and so many
    /// make a full batch. Begins a flood, goes on with it, or takes all boxes out at its end.
    pub(super) fn provide(&self, waiting: usize, batch: usize) {
        // The last batch of a round is seldom full, also in a flood; so the end is another mark.
        if waiting >= batch {
            self.flood.0.store(true, Relaxed);
        } else if waiting < batch / 4 {
            self.flood.0.store(false, Relaxed);
        }
        if !self.is_flood() {
            if self.number.0.swap(0, Relaxed) > 0 {
                drop(std::mem::take(&mut *self.lock()));
            }
            return;
        }
        let wanted = (2 * batch).min(MAX);
        let missing = wanted.saturating_sub(self.number.0.load(Relaxed));
        // Not under the lock: whoever finds it taken goes without.
        let mut new: Vec<Blank> = (0..missing).map(|_| Box::new_uninit()).collect();
        let mut stock = self.lock();
        // Another worker may have been faster.
        new.truncate(wanted.saturating_sub(stock.len()));
        stock.append(&mut new);
        self.number.0.store(stock.len(), Relaxed);
    }
}

impl Blanks {
    fn lock(&self) -> MutexGuard<'_, Vec<Blank>> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
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

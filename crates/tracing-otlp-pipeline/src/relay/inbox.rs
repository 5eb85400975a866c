//! Where requests wait for their shape: compressing them is not the pusher's work.
//!
//! Between [`Relay::push`](super::Relay::push) and the worker. Bounded in bytes; a first request is
//! let in whatever its size.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::Parcel;
use crate::ledger::{Ledger, LossReason};

#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Parcel>,
    bytes: usize,
    /// Whether the worker has one in hand.
    busy: bool,
    closed: bool,
}

impl Inbox {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            max_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in and counts its records, as admitted or as lost.
    pub(super) fn push(&self, parcel: Parcel, ledger: &Ledger) -> Result<(), LossReason> {
        let account = ledger.signal(parcel.signal);
        let mut state = self.lock();
        let bytes = state.bytes.saturating_add(parcel.weight());
        let lost = if state.closed {
            LossReason::AfterShutdown
        } else if bytes > self.max_bytes && !state.waiting.is_empty() {
            LossReason::QueueBytesFull
        } else {
            // Counted before the worker can take it out again.
            account.admit_all(&parcel.records);
            state.bytes = bytes;
            state.waiting.push_back(parcel);
            self.changed.notify_all();
            return Ok(());
        };
        account.lost(lost, parcel.records);
        Err(lost)
    }

    /// The next request, when there is one; `None` when there will be none.
    pub(super) fn next(&self) -> Option<Parcel> {
        let mut state = self.lock();
        loop {
            if let Some(parcel) = state.waiting.pop_front() {
                state.bytes -= parcel.weight();
                state.busy = true;
                return Some(parcel);
            }
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The worker has passed on what it took.
    pub(super) fn done(&self) {
        self.lock().busy = false;
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until everything has been passed on; says whether that was so before the deadline.
    pub(super) fn wait_until_empty(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while state.busy || !state.waiting.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (state, _) = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

impl Parcel {
    /// What it takes while it waits.
    fn weight(&self) -> usize {
        self.body.len() + size_of::<Self>()
    }
}

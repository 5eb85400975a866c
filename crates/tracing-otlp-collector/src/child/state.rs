//! What the handle and the supervisor's thread share.
//!
//! One lock; whoever changes something wakes the blocking waiters and the async ones. No user code
//! runs under it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Fault;
use super::log::LogRing;
use super::ports::Ports;

/// What an owned collector is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProcessState {
    /// It has not answered yet.
    Starting,
    /// It runs and answers.
    Ready,
    /// It ended unasked, or stopped answering; it is being started again or waits for that.
    Restarting,
    /// It was asked to stop, and is gone.
    Stopped,
    /// It could not be started, or ended more often than the policy allows. It stays so.
    Failed,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    notify: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: ProcessState,
    /// The handle wants the end.
    pub(super) stop: bool,
    pub(super) pid: Option<u32>,
    pub(super) restarts: u32,
    pub(super) last_end: Option<String>,
    pub(super) log: LogRing,
    /// The collector said that it is ready.
    pub(super) said_ready: bool,
    /// Filled in once it is ready for the first time.
    pub(super) started: Option<Started>,
    pub(super) fault: Option<Fault>,
    /// The number of the run whose output has ended.
    pub(super) silent: u64,
}

/// What is known after the start, and stays.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) ports: Ports,
    pub(super) version: String,
}

impl Shared {
    pub(super) fn new(log_capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                phase: ProcessState::Starting,
                stop: false,
                pid: None,
                restarts: 0,
                last_end: None,
                log: LogRing::new(log_capacity),
                said_ready: false,
                started: None,
                fault: None,
                silent: 0,
            }),
            changed: Condvar::new(),
            notify: Notify::new(),
        })
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        self.notify.notify_waiters();
        result
    }

    /// Blocks until `look` finds what it wants, or the time is over.
    pub(super) fn wait<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// As [`wait`](Self::wait), without a limit and without blocking a thread.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            // It hears of every change after this line.
            let changed = self.notify.notified();
            if let Some(found) = look(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The bounded memory, and waiting for it to fill.
//!
//! The receiving thread adds, readers take snapshots. Nothing but moving and counting happens
//! under the lock; in particular no code of a user.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ring::Ring;
use super::{Batch, Capacity, Counts, ReceivedRequest, Snapshot, StoredLog, StoredSpan};
use crate::Error;

#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    changed: Condvar,
    keep_requests: bool,
}

#[derive(Debug)]
struct State {
    logs: Ring<StoredLog>,
    spans: Ring<StoredSpan>,
    requests: Ring<ReceivedRequest>,
    counts: Counts,
    capacity: Capacity,
    /// The weight of everything in the three rings.
    bytes: usize,
    /// The order number of the next item.
    next: u64,
    /// Goes up with every change, so that a waiter can tell whether it missed one.
    version: u64,
}

impl Store {
    pub(crate) fn new(capacity: Capacity, keep_requests: bool) -> Self {
        Self {
            state: Mutex::new(State::new(capacity)),
            changed: Condvar::new(),
            keep_requests,
        }
    }

    pub(crate) fn keeps_requests(&self) -> bool {
        self.keep_requests
    }

    pub(crate) fn accept(&self, batch: Batch, request: Option<ReceivedRequest>) {
        self.change(|state| {
            state.add_request(request);
            match batch {
                Batch::Logs(logs) => state.add_logs(logs),
                Batch::Spans(spans) => state.add_spans(spans),
                Batch::DataPoints(points) => {
                    state.counts.metric_requests += 1;
                    state.counts.data_points += points;
                }
            }
            state.make_room();
        });
    }

    pub(crate) fn refuse(&self, request: Option<ReceivedRequest>) {
        self.change(|state| {
            state.counts.refused += 1;
            state.add_request(request);
            state.make_room();
        });
    }

    pub(crate) fn clear(&self) {
        self.change(|state| {
            *state = State {
                version: state.version,
                ..State::new(state.capacity)
            };
        });
    }

    pub(crate) fn logs(&self) -> Vec<StoredLog> {
        self.lock().logs.to_vec()
    }

    pub(crate) fn spans(&self) -> Vec<StoredSpan> {
        self.lock().spans.to_vec()
    }

    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        self.lock().requests.to_vec()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// What is kept, with the version it has.
    pub(crate) fn snapshot(&self) -> (Snapshot, u64) {
        let state = self.lock();
        let snapshot = Snapshot {
            logs: state.logs.to_vec(),
            spans: state.spans.to_vec(),
            counts: state.counts,
        };
        (snapshot, state.version)
    }

    pub(crate) fn wait_for_logs(&self, n: usize, t: Duration) -> Result<Vec<StoredLog>, Error> {
        self.wait_for_items(|state| &state.logs, n, t, "log records")
    }

    pub(crate) fn wait_for_spans(&self, n: usize, t: Duration) -> Result<Vec<StoredSpan>, Error> {
        self.wait_for_items(|state| &state.spans, n, t, "spans")
    }

    pub(crate) fn wait_for(
        &self,
        mut is_enough: impl FnMut(&Snapshot) -> bool,
        timeout: Duration,
    ) -> Result<Snapshot, Error> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let (snapshot, seen) = self.snapshot();
            if is_enough(&snapshot) {
                return Ok(snapshot);
            }
            let mut state = self.lock();
            while state.version == seen {
                state = self.sleep(state, deadline).ok_or_else(|| {
                    let Counts { logs, spans, .. } = snapshot.counts;
                    Error::timeout(
                        timeout,
                        format!("what was asked for; {logs} log records and {spans} spans arrived"),
                    )
                })?;
            }
        }
    }

    fn wait_for_items<T: Clone>(
        &self,
        ring: fn(&State) -> &Ring<T>,
        n: usize,
        timeout: Duration,
        what: &str,
    ) -> Result<Vec<T>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            let kept = ring(&state);
            if kept.len() >= n {
                return Ok(kept.to_vec());
            }
            let wanted = format!("{n} {what}, {} are here", kept.len());
            state = self
                .sleep(state, deadline)
                .ok_or_else(|| Error::timeout(timeout, wanted))?;
        }
    }

    /// Sleeps until something changes; `None` once the deadline has passed.
    ///
    /// Without a deadline (a timeout beyond what the clock can hold) there is no limit.
    fn sleep<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
    ) -> Option<MutexGuard<'a, State>> {
        let Some(deadline) = deadline else {
            return Some(
                self.changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let woken = self.changed.wait_timeout(state, left);
        Some(woken.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.version += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// A poisoned lock is taken all the same: the state is consistent between any two lines here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(capacity: Capacity) -> Self {
        Self {
            logs: Ring::new(),
            spans: Ring::new(),
            requests: Ring::new(),
            counts: Counts::default(),
            capacity,
            bytes: 0,
            next: 0,
            version: 0,
        }
    }

    fn add_logs(&mut self, logs: Vec<(StoredLog, usize)>) {
        self.counts.log_requests += 1;
        self.counts.logs += logs.len() as u64;
        for (log, bytes) in logs {
            let order = self.weigh_in(bytes);
            self.logs.push(order, bytes, log);
        }
    }

    fn add_spans(&mut self, spans: Vec<(StoredSpan, usize)>) {
        self.counts.trace_requests += 1;
        self.counts.spans += spans.len() as u64;
        for (span, bytes) in spans {
            let order = self.weigh_in(bytes);
            self.spans.push(order, bytes, span);
        }
    }

    fn add_request(&mut self, request: Option<ReceivedRequest>) {
        if let Some(request) = request {
            let bytes = request.weight();
            let order = self.weigh_in(bytes);
            self.requests.push(order, bytes, request);
        }
    }

    fn weigh_in(&mut self, bytes: usize) -> u64 {
        self.bytes += bytes;
        self.next += 1;
        self.next
    }

    fn make_room(&mut self) {
        while self.logs.len() > self.capacity.records {
            self.evict_log();
        }
        while self.spans.len() > self.capacity.spans {
            self.evict_span();
        }
        while self.requests.len() > self.capacity.requests {
            self.evict_request();
        }
        while self.bytes > self.capacity.bytes {
            let (log, span, request) = (
                self.logs.oldest(),
                self.spans.oldest(),
                self.requests.oldest(),
            );
            if log < span.min(request) {
                self.evict_log();
            } else if span < request {
                self.evict_span();
            } else {
                self.evict_request();
            }
        }
    }

    fn evict_log(&mut self) {
        self.bytes -= self.logs.evict().unwrap_or(0);
        self.counts.evicted_logs += 1;
    }

    fn evict_span(&mut self) {
        self.bytes -= self.spans.evict().unwrap_or(0);
        self.counts.evicted_spans += 1;
    }

    fn evict_request(&mut self) {
        self.bytes -= self.requests.evict().unwrap_or(0);
        self.counts.evicted_requests += 1;
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

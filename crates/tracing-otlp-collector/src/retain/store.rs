//! The bounded memory, and waiting for it to fill.
//!
//! The receiving thread adds, readers take what they need by handle. Nothing but moving and counting
//! happens under the lock; in particular no code of a user.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::clock;
use super::head::{Head, SpanKey};
use super::index::Indexed;
use super::lane::{Kept, Lane};
use super::rejected::{Rejected, Rejections};
use super::ring::Ring;
use super::span_index::{Presence, SpanIndex};
use super::{Capacity, Counts, ReceivedRequest, Snapshot, StoredLog, StoredSpan};
use crate::{Error, Signal};

#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    changed: Condvar,
    /// For readers that are tasks: holds the order number of the next item.
    news: watch::Sender<u64>,
    keep_requests: bool,
}

#[derive(Debug)]
struct State {
    logs: Lane,
    spans: Lane,
    metrics: Lane,
    spans_by_id: SpanIndex,
    requests: Ring<ReceivedRequest>,
    rejections: Rejections,
    counts: Counts,
    capacity: Capacity,
    /// The weight of everything kept but the refused requests.
    bytes: usize,
    /// The order number of the next item.
    next: u64,
    /// Goes up with every change, so that a waiter can tell whether it missed one.
    version: u64,
}

/// How much is kept at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    pub(crate) logs: usize,
    pub(crate) spans: usize,
    pub(crate) points: u64,
    pub(crate) bytes: usize,
    pub(crate) capacity: usize,
    /// When the oldest that is kept arrived.
    pub(crate) oldest: Option<u64>,
    pub(crate) next: u64,
}

impl Store {
    pub(crate) fn new(capacity: Capacity, keep_requests: bool) -> Self {
        Self {
            state: Mutex::new(State::new(capacity)),
            changed: Condvar::new(),
            news: watch::Sender::new(FIRST),
            keep_requests,
        }
    }

    pub(crate) fn keeps_requests(&self) -> bool {
        self.keep_requests
    }

    pub(crate) fn capacity(&self) -> Capacity {
        self.lock().capacity
    }

    pub(crate) fn accept(&self, indexed: Indexed, request: Option<ReceivedRequest>) {
        self.accept_at(indexed, request, clock::now());
    }

    /// Takes in what arrived at this time, in nanoseconds since 1970.
    pub(crate) fn accept_at(
        &self,
        indexed: Indexed,
        request: Option<ReceivedRequest>,
        received: u64,
    ) {
        self.change(|state| {
            state.add_request(request);
            state.add(indexed, received);
            state.make_room();
        });
    }

    pub(crate) fn refuse(&self, request: Option<ReceivedRequest>, rejected: Rejected) {
        self.change(|state| {
            state.counts.refused += 1;
            state.add_request(request);
            state.rejections.push(rejected);
            state.make_room();
        });
    }

    pub(crate) fn clear(&self) {
        self.change(|state| {
            *state = State {
                version: state.version,
                next: state.next,
                ..State::new(state.capacity)
            };
        });
    }

    /// Forgets how much has arrived, but not what is kept.
    pub(crate) fn count_from_zero(&self) {
        self.change(|state| state.counts = Counts::default());
    }

    pub(crate) fn logs(&self) -> Vec<StoredLog> {
        self.lock().stored_logs()
    }

    pub(crate) fn spans(&self) -> Vec<StoredSpan> {
        self.lock().stored_spans()
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
            logs: state.stored_logs(),
            spans: state.stored_spans(),
            counts: state.counts,
        };
        (snapshot, state.version)
    }

    pub(crate) fn wait_for_logs(&self, n: usize, t: Duration) -> Result<Vec<StoredLog>, Error> {
        let kept = |state: &State| state.logs.len();
        self.wait_for_items(kept, State::stored_logs, n, t, "log records")
    }

    pub(crate) fn wait_for_spans(&self, n: usize, t: Duration) -> Result<Vec<StoredSpan>, Error> {
        let kept = |state: &State| state.spans.len();
        self.wait_for_items(kept, State::stored_spans, n, t, "spans")
    }

    pub(crate) fn wait_for(
        &self,
        mut is_enough: impl FnMut(&Snapshot) -> bool,
        timeout: Duration,
    ) -> Result<Snapshot, Error> {
        let deadline = Instant::now().checked_add(timeout);
        // The one before is held until the next is there, so that nothing is decoded twice.
        let mut held = None;
        loop {
            let (snapshot, seen) = self.snapshot();
            drop(held.take());
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
            drop(state);
            held = Some(snapshot);
        }
    }

    fn wait_for_items<T>(
        &self,
        kept: fn(&State) -> usize,
        items: fn(&State) -> Vec<T>,
        n: usize,
        timeout: Duration,
        what: &str,
    ) -> Result<Vec<T>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            let here = kept(&state);
            if here >= n {
                return Ok(items(&state));
            }
            let wanted = format!("{n} {what}, {here} are here");
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
        let next = state.next;
        drop(state);
        self.changed.notify_all();
        self.news.send_replace(next);
    }

    // What queries ask.

    /// Wakes with each change.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// At most `n` chunks of these signals with items at or after this order number, oldest first.
    pub(crate) fn after(&self, signals: &[Signal], number: u64, n: usize) -> Vec<Kept> {
        let state = self.lock();
        let mut found: Vec<_> = signals
            .iter()
            .flat_map(|signal| state.lane(*signal).after(number, n))
            .collect();
        drop(state);
        found.sort_by_key(|kept| kept.chunk.first);
        found.truncate(n);
        found
    }

    /// At most `n` chunks of these signals with items before this order number, newest first.
    pub(crate) fn before(&self, signals: &[Signal], number: u64, n: usize) -> Vec<Kept> {
        let state = self.lock();
        let mut found: Vec<_> = signals
            .iter()
            .flat_map(|signal| state.lane(*signal).before(number, n))
            .collect();
        drop(state);
        found.sort_by_key(|kept| std::cmp::Reverse(kept.chunk.first));
        found.truncate(n);
        found
    }

    pub(crate) fn presence(&self, key: &SpanKey) -> Presence {
        self.lock().spans_by_id.presence(key)
    }

    /// When items at or after this order number have left: the first that may have, and the first
    /// that is still there.
    pub(crate) fn missed(&self, signals: &[Signal], at: u64) -> Option<(u64, u64)> {
        let state = self.lock();
        let last_gone = signals.iter().map(|signal| state.lane(*signal).last_gone());
        let last_gone = last_gone.max().unwrap_or(0);
        (last_gone >= at).then_some((at, last_gone + 1))
    }

    /// Where the chunks begin that arrived at or after this time.
    pub(crate) fn first_since(&self, signals: &[Signal], received: u64) -> u64 {
        let state = self.lock();
        let first = signals
            .iter()
            .map(|signal| state.lane(*signal).first_since(received));
        first.flatten().min().unwrap_or(state.next)
    }

    pub(crate) fn rejected(&self) -> Vec<Rejected> {
        self.lock().rejections.to_vec()
    }

    pub(crate) fn holdings(&self) -> Holdings {
        let state = self.lock();
        let lanes = [&state.logs, &state.spans, &state.metrics];
        let received = |lane: &&Lane| lane.iter().next().map(|kept| kept.chunk.received);
        Holdings {
            logs: state.logs.len(),
            spans: state.spans.len(),
            points: state.metrics.iter().map(|kept| kept.chunk.points).sum(),
            bytes: state.bytes + state.rejections.bytes(),
            capacity: state.capacity.bytes,
            oldest: lanes.iter().filter_map(received).min(),
            next: state.next,
        }
    }

    /// A poisoned lock is taken all the same: the state is consistent between any two lines here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(capacity: Capacity) -> Self {
        Self {
            logs: Lane::default(),
            spans: Lane::default(),
            metrics: Lane::default(),
            spans_by_id: SpanIndex::default(),
            requests: Ring::new(),
            rejections: Rejections::new(capacity.bytes),
            counts: Counts::default(),
            capacity,
            bytes: 0,
            next: FIRST,
            version: 0,
        }
    }

    fn lane(&self, signal: Signal) -> &Lane {
        match signal {
            Signal::Logs => &self.logs,
            Signal::Traces => &self.spans,
            Signal::Metrics => &self.metrics,
        }
    }

    fn lane_mut(&mut self, signal: Signal) -> &mut Lane {
        match signal {
            Signal::Logs => &mut self.logs,
            Signal::Traces => &mut self.spans,
            Signal::Metrics => &mut self.metrics,
        }
    }

    fn stored_logs(&self) -> Vec<StoredLog> {
        let mut logs = Vec::with_capacity(self.logs.len());
        for kept in self.logs.iter() {
            let view = kept.chunk.view();
            logs.extend(
                kept.heads()
                    .map(|(index, _)| StoredLog::new(Arc::clone(&view), index)),
            );
        }
        logs
    }

    fn stored_spans(&self) -> Vec<StoredSpan> {
        let mut spans = Vec::with_capacity(self.spans.len());
        for kept in self.spans.iter() {
            let view = kept.chunk.view();
            spans.extend(
                kept.heads()
                    .map(|(index, _)| StoredSpan::new(Arc::clone(&view), index)),
            );
        }
        spans
    }

    fn add(&mut self, indexed: Indexed, received: u64) {
        let Indexed {
            mut chunk,
            left_out,
        } = indexed;
        let items = left_out + chunk.heads.len() as u64;
        match chunk.signal {
            Signal::Logs => {
                self.counts.log_requests += 1;
                self.counts.logs += items;
            }
            Signal::Traces => {
                self.counts.trace_requests += 1;
                self.counts.spans += items;
            }
            Signal::Metrics => {
                self.counts.metric_requests += 1;
                self.counts.data_points += chunk.points;
            }
        }
        self.count_evicted(chunk.signal, left_out);
        chunk.first = self.next + left_out;
        chunk.received = received;
        self.next += items;
        let (signal, weight) = (chunk.signal, chunk.weight());
        if chunk.heads.is_empty() || weight > self.capacity.bytes {
            // Nothing to keep, or more than there is room for: it leaves at once, and nothing else.
            self.count_evicted(signal, chunk.heads.len() as u64);
            if items > 0 {
                let last = self.next - 1;
                self.lane_mut(signal).note_gone(last);
            }
            return;
        }
        if left_out > 0 {
            self.lane_mut(signal).note_gone(chunk.first - 1);
        }
        self.bytes += weight;
        if signal == Signal::Traces {
            self.spans_by_id.add(&chunk);
        }
        self.lane_mut(signal).push(Arc::new(chunk));
    }

    fn add_request(&mut self, request: Option<ReceivedRequest>) {
        if let Some(request) = request {
            let bytes = request.weight();
            self.bytes += bytes;
            self.requests.push(self.next, bytes, request);
        }
    }

    fn make_room(&mut self) {
        for signal in [Signal::Logs, Signal::Traces] {
            let limit = self.capacity.items(signal);
            while self.lane(signal).len() > limit {
                let excess = self.lane(signal).len() - limit;
                self.evict_items(signal, excess);
            }
        }
        while self.requests.len() > self.capacity.requests {
            self.evict_request();
        }
        while self.bytes + self.rejections.bytes() > self.capacity.bytes {
            let oldest = [Signal::Logs, Signal::Traces, Signal::Metrics]
                .map(|signal| (self.lane(signal).oldest(), signal));
            let (order, signal) = oldest
                .into_iter()
                .min_by_key(|(order, _)| *order)
                .unwrap_or((u64::MAX, Signal::Logs));
            if self.requests.oldest() <= order && self.requests.len() > 0 {
                self.evict_request();
            } else if order < u64::MAX {
                self.evict_chunk(signal);
            } else {
                // Only refused requests are left, which have a bound of their own.
                break;
            }
        }
    }

    fn evict_items(&mut self, signal: Signal, n: usize) {
        let Some((kept, n, is_over)) = self.lane_mut(signal).evict_items(n) else {
            return;
        };
        self.forget(signal, &kept, n, is_over);
    }

    fn evict_chunk(&mut self, signal: Signal) {
        let Some(kept) = self.lane_mut(signal).evict_chunk() else {
            return;
        };
        self.forget(signal, &kept, kept.chunk.heads.len() - kept.gone, true);
    }

    /// Counts `n` items of a chunk as gone, and gives its bytes back if it went with them.
    fn forget(&mut self, signal: Signal, kept: &Kept, n: usize, is_over: bool) {
        let heads: &[Head] = &kept.chunk.heads[kept.gone..kept.gone + n];
        if signal == Signal::Traces {
            self.spans_by_id.remove(heads);
        }
        self.count_evicted(signal, n as u64);
        if is_over {
            self.bytes -= kept.chunk.weight();
        }
    }

    fn count_evicted(&mut self, signal: Signal, n: u64) {
        match signal {
            Signal::Logs => self.counts.evicted_logs += n,
            Signal::Traces => self.counts.evicted_spans += n,
            // They are counted by data point when they arrive, and kept by request.
            Signal::Metrics => {}
        }
    }

    fn evict_request(&mut self) {
        self.bytes -= self.requests.evict().unwrap_or(0);
        self.counts.evicted_requests += 1;
    }
}

/// Order numbers begin here, so that 0 is before all of them.
const FIRST: u64 = 1;

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;

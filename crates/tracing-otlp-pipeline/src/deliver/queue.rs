//! The bounded queue of encoded requests, and the account of each until it is settled.
//!
//! Entrance of `deliver`. A request is waiting, then in flight, then settled; settling and counting
//! happen under one lock, so a flush that finds nothing left finds everything counted.
//!
//! Whoever waits here (a flush, a shutdown) waits with a deadline. Once finished, what was pending
//! has been written off, and whatever comes later changes no count.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering::SeqCst},
    time::Instant,
};

use tokio::sync::Notify;

use crate::{
    encode::Request,
    ledger::{Ledger, LossReason},
    settings::{DeliverySettings, Signal},
};

const SIGNALS: usize = Signal::ALL.len();

/// How many requests of one signal may be under way at once: enough to hide the latency of a
/// distant server, too few to flood one that struggles.
const MAX_IN_FLIGHT: usize = 4;

/// What became of a request: some delivered, the others lost for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) reason: LossReason,
}

/// Why a request did not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Finished,
}

#[derive(Debug)]
struct InFlight {
    signal: Signal,
    records: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// One lane per signal, so that a destination that hangs holds up only its own.
    waiting: [VecDeque<(u64, Request)>; SIGNALS],
    in_flight: BTreeMap<u64, InFlight>,
    in_flight_of: [usize; SIGNALS],
    records: u64,
    bytes: usize,
    next: u64,
    /// Losses that people may have to be told of, and how many the delivery thread has looked at:
    /// a flush returns after the notices that belong to it.
    losses: u64,
    seen: u64,
    closing: bool,
    finished: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.in_flight.is_empty() && self.waiting.iter().all(VecDeque::is_empty)
    }

    fn is_settled(&self) -> bool {
        self.is_empty() && self.seen >= self.losses
    }

    /// Whether a request of the signal with a number below the mark is not settled yet.
    fn has_before(&self, signal: Signal, mark: u64) -> bool {
        self.waiting[signal as usize]
            .front()
            .is_some_and(|(number, _)| *number < mark)
            || self
                .in_flight
                .range(..mark)
                .any(|(_, request)| request.signal == signal)
    }
}

/// The queue, shared by the batch processors' workers, the delivery thread and those who flush.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    wake: Notify,
    ledger: Arc<Ledger>,
    max_records: u64,
    max_bytes: usize,
}

impl Queue {
    pub(crate) fn new(settings: &DeliverySettings, ledger: Arc<Ledger>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            wake: Notify::new(),
            ledger,
            max_records: settings.max_queued_records.get() as u64,
            max_bytes: settings.max_queued_bytes.get(),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request in, or counts its records as lost. Never waits for room.
    pub(crate) fn push(&self, request: Request) -> Result<(), Refusal> {
        let pushed = {
            let mut state = self.lock();
            let records = state.records + request.records;
            let bytes = state.bytes + request.body.len();
            if state.finished {
                Err(Refusal::Finished)
            } else if records > self.max_records || bytes > self.max_bytes {
                self.ledger
                    .signal(request.signal)
                    .lost(LossReason::DeliveryQueueFull, request.records);
                state.losses += 1;
                Err(Refusal::Full)
            } else {
                state.records = records;
                state.bytes = bytes;
                let number = state.next;
                state.next += 1;
                state.waiting[request.signal as usize].push_back((number, request));
                Ok(())
            }
        };
        self.wake();
        pushed
    }

    /// Counts records that never became a request.
    pub(crate) fn lose(&self, signal: Signal, reason: LossReason, records: u64) {
        {
            let mut state = self.lock();
            if !state.finished {
                self.ledger.signal(signal).lost(reason, records);
                state.losses += 1;
            }
        }
        self.wake();
    }

    /// Has the delivery thread look at losses that were counted elsewhere.
    pub(crate) fn tell(&self) {
        self.lock().losses += 1;
        self.wake();
    }

    /// How many losses there are; the delivery thread looks at them, and says [`seen`](Self::seen).
    pub(crate) fn losses(&self) -> u64 {
        self.lock().losses
    }

    /// So many losses have been looked at, and told of.
    pub(crate) fn seen(&self, losses: u64) {
        self.lock().seen = losses;
        self.changed.notify_all();
    }

    /// Lets the delivery thread look around: for requests, and for losses to tell of.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for the next [`wake`](Self::wake); one that came before counts.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The next request that may be sent, which is in flight from now on.
    pub(crate) fn take(&self) -> Option<(u64, Request)> {
        let mut state = self.lock();
        let state = &mut *state;
        let signal = Signal::ALL
            .into_iter()
            .filter(|signal| state.in_flight_of[*signal as usize] < MAX_IN_FLIGHT)
            .filter(|signal| !state.waiting[*signal as usize].is_empty())
            .min_by_key(|signal| state.in_flight_of[*signal as usize])?;
        let (number, request) = state.waiting[signal as usize].pop_front()?;
        state.in_flight_of[signal as usize] += 1;
        state.in_flight.insert(
            number,
            InFlight {
                signal,
                records: request.records,
                bytes: request.body.len(),
            },
        );
        Some((number, request))
    }

    /// Ends the account of a request in flight. Without effect when it was written off before.
    pub(crate) fn settle(&self, number: u64, outcome: Outcome) {
        {
            let mut state = self.lock();
            let Some(request) = state.in_flight.remove(&number) else {
                return;
            };
            state.in_flight_of[request.signal as usize] -= 1;
            state.records -= request.records;
            state.bytes -= request.bytes;
            let account = self.ledger.signal(request.signal);
            account.delivered(outcome.delivered);
            account.lost(outcome.reason, outcome.lost);
            self.changed.notify_all();
        }
        self.wake();
    }

    /// Waits until every request of these signals that is in now has been settled; says whether
    /// that was so before the deadline.
    pub(crate) fn flush(&self, signals: &[Signal], until: Instant) -> bool {
        let mut state = self.lock();
        let (mark, losses) = (state.next, state.losses);
        loop {
            let waiting = signals.iter().any(|signal| state.has_before(*signal, mark));
            if !waiting && (state.seen >= losses || state.finished) {
                return true;
            }
            match self.wait(state, until) {
                Some(again) => state = again,
                None => return false,
            }
        }
    }

    /// Waits for a change; `None` when the time is over.
    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        until: Instant,
    ) -> Option<MutexGuard<'a, State>> {
        let left = until.checked_duration_since(Instant::now())?;
        let (state, _) = self
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner);
        Some(state)
    }

    /// Asks for everything to be seen to its end, gives it until the deadline, and writes off the
    /// rest. `worker_lost` says of each signal whether its batch worker died, so that what it held
    /// has a truer reason than the deadline.
    pub(crate) fn close(&self, until: Instant, worker_lost: impl Fn(Signal) -> bool) {
        let mut state = self.lock();
        state.closing = true;
        self.wake();
        while !state.is_settled() {
            if let Some(again) = self.wait(state, until) {
                state = again;
            } else {
                state = self.lock();
                break;
            }
        }
        if !std::mem::replace(&mut state.finished, true) {
            self.write_off(&mut state, worker_lost);
        }
        self.changed.notify_all();
        drop(state);
        self.wake();
    }

    fn write_off(&self, state: &mut State, worker_lost: impl Fn(Signal) -> bool) {
        state.waiting.iter_mut().for_each(VecDeque::clear);
        state.in_flight.clear();
        state.in_flight_of = [0; SIGNALS];
        (state.records, state.bytes) = (0, 0);
        for signal in Signal::ALL {
            let account = self.ledger.signal(signal);
            if worker_lost(signal) {
                let stuck = account
                    .admitted
                    .load(SeqCst)
                    .saturating_sub(account.handed.load(SeqCst));
                account.lost(LossReason::Panic, stuck);
            }
            account.lost(LossReason::ShutdownDeadline, account.counts().pending());
        }
    }

    /// Whether the delivery thread may go.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.finished || (state.closing && state.is_settled())
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use super::*;

    fn queue(records: usize, bytes: usize) -> Queue {
        let settings = DeliverySettings::default()
            .with_max_queued_records(NonZeroUsize::new(records).unwrap())
            .with_max_queued_bytes(NonZeroUsize::new(bytes).unwrap());
        Queue::new(&settings, Arc::default())
    }

    fn request(signal: Signal, records: u64, bytes: usize) -> Request {
        Request {
            signal,
            body: vec![0; bytes].into(),
            content_type: "",
            content_encoding: None,
            records,
        }
    }

    fn push(queue: &Queue, signal: Signal, records: u64, bytes: usize) -> Result<(), Refusal> {
        let account = queue.ledger().signal(signal);
        account.admitted.fetch_add(records, SeqCst);
        account.handed.fetch_add(records, SeqCst);
        queue.push(request(signal, records, bytes))
    }

    fn delivered(records: u64) -> Outcome {
        Outcome {
            delivered: records,
            lost: 0,
            reason: LossReason::Rejected,
        }
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_counts() {
        let by_records = queue(10, 1000);
        push(&by_records, Signal::Logs, 10, 1).unwrap();
        assert_eq!(push(&by_records, Signal::Logs, 1, 1), Err(Refusal::Full));
        let by_bytes = queue(10, 100);
        push(&by_bytes, Signal::Traces, 1, 100).unwrap();
        assert_eq!(push(&by_bytes, Signal::Logs, 2, 1), Err(Refusal::Full));
        let counts = by_bytes.ledger().counts();
        assert_eq!(counts.logs().lost_by(LossReason::DeliveryQueueFull), 2);
        assert_eq!(counts.logs().pending(), 0);
        assert_eq!(counts.traces().pending(), 1);
    }

    #[test]
    fn settling_makes_room_and_happens_once() {
        let queue = queue(10, 1000);
        push(&queue, Signal::Logs, 10, 1).unwrap();
        let (number, _) = queue.take().unwrap();
        assert_eq!(push(&queue, Signal::Logs, 1, 1), Err(Refusal::Full));
        queue.settle(number, delivered(10));
        queue.settle(number, delivered(10));
        assert_eq!(queue.ledger().counts().logs().delivered(), 10);
        push(&queue, Signal::Logs, 10, 1).unwrap();
    }

    #[test]
    fn a_signal_that_hangs_does_not_hold_up_another() {
        let queue = queue(100, 1000);
        for _ in 0..8 {
            push(&queue, Signal::Traces, 1, 1).unwrap();
        }
        for _ in 0..MAX_IN_FLIGHT {
            assert_eq!(queue.take().unwrap().1.signal, Signal::Traces);
        }
        assert!(queue.take().is_none());
        push(&queue, Signal::Logs, 1, 1).unwrap();
        assert_eq!(queue.take().unwrap().1.signal, Signal::Logs);
    }

    #[test]
    fn a_flush_waits_for_what_was_in_and_not_for_what_comes() {
        let queue = queue(100, 1000);
        let soon = || Instant::now() + Duration::from_millis(10);
        assert!(queue.flush(&Signal::ALL, soon()));
        push(&queue, Signal::Logs, 1, 1).unwrap();
        let (first, _) = queue.take().unwrap();
        assert!(!queue.flush(&[Signal::Logs], soon()));
        assert!(queue.flush(&[Signal::Traces], soon()));
        std::thread::scope(|scope| {
            let flushed =
                scope.spawn(|| queue.flush(&Signal::ALL, Instant::now() + Duration::from_secs(60)));
            queue.settle(first, delivered(1));
            assert!(flushed.join().unwrap());
        });
    }

    #[test]
    fn what_is_left_at_the_deadline_is_written_off_once() {
        let queue = queue(100, 1000);
        for _ in 0..3 {
            push(&queue, Signal::Logs, 5, 1).unwrap();
        }
        let (first, _) = queue.take().unwrap();
        let (second, _) = queue.take().unwrap();
        queue.settle(first, delivered(5));
        queue.close(Instant::now(), |_| false);
        queue.settle(second, delivered(5));
        assert_eq!(push(&queue, Signal::Logs, 0, 1), Err(Refusal::Finished));
        queue.lose(Signal::Logs, LossReason::Encode, 7);
        queue.close(Instant::now(), |_| false);
        let logs = *queue.ledger().counts().logs();
        assert_eq!((logs.emitted(), logs.delivered()), (15, 5));
        assert_eq!(logs.lost_by(LossReason::ShutdownDeadline), 10);
        assert_eq!(logs.pending(), 0);
        assert!(queue.is_finished());
    }

    #[test]
    fn what_a_dead_worker_held_is_not_blamed_on_the_deadline() {
        let queue = queue(100, 1000);
        queue
            .ledger()
            .signal(Signal::Logs)
            .admitted
            .fetch_add(3, SeqCst);
        queue.close(Instant::now(), |signal| signal == Signal::Logs);
        let logs = *queue.ledger().counts().logs();
        assert_eq!(logs.lost_by(LossReason::Panic), 3);
        assert_eq!(logs.lost_by(LossReason::ShutdownDeadline), 0);
    }
}

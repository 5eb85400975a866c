//! The account by itself, without a thread or a destination.

use std::{num::NonZeroUsize, time::Instant};

use super::*;
use crate::{admit::SeverityBand, deliver::lane::Lane};

impl Queue {
    /// Takes the next request out, to be sent.
    pub(crate) fn take(&self) -> Option<(Ticket, Request)> {
        match self.next(Clock::now()) {
            Step::Send {
                ticket, request, ..
            } => Some((ticket, request)),
            _ => None,
        }
    }

    /// The records and bytes in the account, counted anew; panics where the account is wrong.
    pub(crate) fn audit(&self) -> (u64, usize) {
        let state = self.lock();
        let jobs = state.lanes.iter().flat_map(Lane::jobs);
        let jobs = jobs.chain(state.out.values().map(|out| &out.job));
        let (mut records, mut bytes, mut replayed) = (0, 0, 0);
        for job in jobs {
            records += job.request.records;
            bytes += job.request.bytes();
            if job.replayed.is_some() {
                replayed += job.request.records;
            }
        }
        assert_eq!((state.records, state.bytes), (records, bytes));
        let leaving = state.out.values().filter(|out| out.leaving);
        let leaving: u64 = leaving.map(|out| out.job.request.records).sum();
        assert_eq!(state.leaving_records, leaving);
        let records = records - replayed;
        (records, bytes)
    }
}

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
        severities: records.into(),
        source: None,
    }
}

fn admit(queue: &Queue, signal: Signal, records: u64) {
    for _ in 0..records {
        queue.ledger().signal(signal).admit(SeverityBand::Info);
    }
}

fn push(queue: &Queue, signal: Signal, records: u64, bytes: usize) -> Result<(), Refusal> {
    let account = queue.ledger().signal(signal);
    admit(queue, signal, records);
    account.handed(&records.into());
    queue.push(request(signal, records, bytes))
}

fn delivered(records: u64) -> Outcome {
    Outcome::taken(records, 0)
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
    for _ in 0..4 {
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
    admit(&queue, Signal::Logs, 3);
    queue.close(Instant::now(), |signal| signal == Signal::Logs);
    let logs = *queue.ledger().counts().logs();
    assert_eq!(logs.lost_by(LossReason::Panic), 3);
    assert_eq!(logs.lost_by(LossReason::ShutdownDeadline), 0);
}

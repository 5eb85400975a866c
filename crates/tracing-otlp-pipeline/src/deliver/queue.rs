//! The bounded queue of encoded requests, and the account of each until it is settled.
//!
//! Entrance of `deliver`. A request waits, is in flight, perhaps waits again, and is settled;
//! settling and counting happen under one lock, so a flush that finds nothing left finds everything
//! counted. Whatever is tried again stays in the account, so an outage cannot fill the memory.
//!
//! Whoever waits here (a flush, a shutdown) waits with a deadline. Once finished, what was pending
//! has been written off, and whatever comes later changes no count.

mod answers;
mod endings;
mod spilling;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant as Clock};

use super::{
    clock::OnlineClock,
    lane::{Job, Lane, Moment, Offer, Slot, earlier},
};
use crate::{
    admit::Tally,
    encode::Request,
    event::DeliveryEvent,
    ledger::{Ledger, LossReason},
    settings::{DeliverySettings, RetrySettings, Signal},
    wire::Answer,
};

const SIGNALS: usize = Signal::ALL.len();

/// How many requests from the spool may be in the queue at once.
const MAX_REPLAYS: usize = 4;

/// How long a spool that refused something is left alone.
const SPOOL_REST: Duration = Duration::from_secs(1);

/// What became of a request: some delivered, some on disk, the others lost for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) delivered: u64,
    pub(crate) spooled: u64,
    pub(crate) lost: u64,
    pub(crate) reason: LossReason,
}

impl Outcome {
    pub(crate) fn taken(records: u64, rejected: u64) -> Self {
        // A server that rejects more than it was sent is wrong, not we.
        let rejected = rejected.min(records);
        Self {
            delivered: records - rejected,
            spooled: 0,
            lost: rejected,
            reason: LossReason::Rejected,
        }
    }

    pub(crate) fn spooled(records: u64) -> Self {
        Self {
            spooled: records,
            ..Self::taken(0, 0)
        }
    }

    pub(crate) fn lost(records: u64, reason: LossReason) -> Self {
        Self {
            delivered: 0,
            spooled: 0,
            lost: records,
            reason,
        }
    }
}

/// Why a request did not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Finished,
}

/// The ticket of a request in the hands of the delivery thread.
pub(crate) type Ticket = u64;

/// What the delivery thread should do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send the request, in parts if it is larger than the limit.
    Send {
        ticket: Ticket,
        request: Request,
        limit: Option<usize>,
        event: Option<DeliveryEvent>,
    },
    /// Spool the request or count it as lost.
    GiveUp {
        ticket: Ticket,
        request: Request,
        reason: LossReason,
    },
    /// Wait until then or until woken.
    Wait(Option<Clock>),
}

/// What is to be done after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Settle(Outcome),
    Retry(Option<Clock>),
    GiveUp(LossReason),
    Split,
    /// Written off meanwhile.
    Nothing,
}

/// A request in the hands of the delivery thread, and what it occupies.
#[derive(Debug)]
struct Out {
    job: Job,
    slot: Option<Slot>,
    probe: bool,
    /// Whether it is being given up.
    leaving: bool,
}

#[derive(Debug)]
struct State {
    /// One lane per signal, so that a destination that hangs holds up only its own.
    lanes: [Lane; SIGNALS],
    out: BTreeMap<Ticket, Out>,
    records: u64,
    bytes: usize,
    next_number: u64,
    next_ticket: Ticket,
    clock: OnlineClock,
    /// As the application says, and as its callback says.
    online: [bool; 2],
    /// How many requests from the spool are in here.
    replays: usize,
    /// What is being given up.
    leaving_records: u64,
    leaving_bytes: usize,
    /// The spool has refused something: it is left alone until then.
    spool_rests: Option<Clock>,
    /// Everything goes to the spool, now.
    evacuating: bool,
    /// How often the delivery thread found nothing more to do.
    looks: u64,
    closing: bool,
    finished: bool,
}

impl State {
    fn is_empty(&self) -> bool {
        self.out.is_empty() && self.lanes.iter().all(Lane::is_empty)
    }

    fn is_online(&self) -> bool {
        self.online.iter().all(|online| *online)
    }

    fn moment(&mut self, now: Clock) -> Moment {
        let online = self.is_online();
        Moment {
            now,
            elapsed: self.clock.turn(now, online),
            online,
            closing: self.closing,
        }
    }

    fn out_before(&self, signal: Signal, mark: u64) -> bool {
        self.out
            .values()
            .any(|out| out.job.request.signal == signal && out.job.number < mark)
    }

    /// Whether a request of the signal with a number below the mark is not settled yet.
    fn has_before(&self, signal: Signal, mark: u64) -> bool {
        self.lanes[signal as usize].has_before(mark) || self.out_before(signal, mark)
    }

    /// Whether one of them is being sent, or would be if it were its turn.
    fn moves_before(&self, signal: Signal, mark: u64) -> bool {
        self.lanes[signal as usize].moves_before(mark) || self.out_before(signal, mark)
    }

    /// Takes a request out of the hands of the thread.
    fn take(&mut self, ticket: Ticket) -> Option<Out> {
        let out = self.out.remove(&ticket)?;
        if let Some(slot) = out.slot {
            self.lanes[out.job.request.signal as usize].free(slot);
        }
        if out.leaving {
            self.leaving_records -= out.job.request.records;
            self.leaving_bytes -= out.job.request.bytes();
        }
        Some(out)
    }

    /// Ends the account of a request.
    fn forget(&mut self, job: &Job) {
        self.records -= job.request.records;
        self.bytes -= job.request.bytes();
        self.replays -= usize::from(job.replayed.is_some());
    }

    /// Makes a request one that is given up.
    fn give_up(&mut self, job: Job, reason: LossReason) -> Step {
        let request = job.request.clone();
        self.leaving_records += request.records;
        self.leaving_bytes += request.bytes();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.out.insert(
            ticket,
            Out {
                job,
                slot: None,
                probe: false,
                leaving: true,
            },
        );
        Step::GiveUp {
            ticket,
            request,
            reason,
        }
    }

    /// Takes the oldest request that waits.
    fn take_oldest(&mut self) -> Option<Job> {
        let lanes = self.lanes.iter_mut();
        let lane = lanes
            .filter_map(|lane| lane.oldest().map(|number| (number, lane)))
            .min_by_key(|(number, _)| *number);
        lane.and_then(|(_, lane)| lane.take_oldest())
    }

    /// Takes requests out of the lanes and then from under way, until there are none.
    fn evacuate(&mut self) -> Option<Step> {
        if let Some(job) = self.take_oldest() {
            let reason = job.last_failure.unwrap_or(LossReason::ShutdownDeadline);
            return Some(self.give_up(job, reason));
        }
        let sending = |out: &Out| !out.leaving && out.job.replayed.is_none();
        let (ticket, _) = self.out.iter().find(|(_, out)| sending(out))?;
        let ticket = *ticket;
        let out = self.take(ticket)?;
        let reason = out.job.last_failure.unwrap_or(LossReason::ShutdownDeadline);
        Some(self.give_up(out.job, reason))
    }
}

/// The queue, shared by the batch processors' workers, the delivery thread and those who flush.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    wake: Notify,
    replay_ended: Notify,
    ledger: Arc<Ledger>,
    max_records: u64,
    max_bytes: usize,
    retry: RetrySettings,
    spills: AtomicBool,
}

impl Queue {
    pub(crate) fn new(settings: &DeliverySettings, ledger: Arc<Ledger>) -> Self {
        Self {
            state: Mutex::new(State {
                lanes: Signal::ALL.map(|signal| Lane::new(signal, settings)),
                out: BTreeMap::new(),
                records: 0,
                bytes: 0,
                next_number: 0,
                next_ticket: 0,
                clock: OnlineClock::default(),
                online: [true; 2],
                replays: 0,
                leaving_records: 0,
                leaving_bytes: 0,
                spool_rests: None,
                evacuating: false,
                looks: 0,
                closing: false,
                finished: false,
            }),
            changed: Condvar::new(),
            wake: Notify::new(),
            replay_ended: Notify::new(),
            ledger,
            max_records: settings.max_queued_records().get() as u64,
            max_bytes: settings.max_queued_bytes().get(),
            retry: settings.retry.clone(),
            spills: AtomicBool::new(false),
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
            let bytes = state.bytes + request.bytes();
            if state.finished {
                Err(Refusal::Finished)
            } else if records > self.max_records || bytes > self.max_bytes {
                self.ledger
                    .signal(request.signal)
                    .lost(LossReason::DeliveryQueueFull, request.severities);
                Err(Refusal::Full)
            } else {
                state.records = records;
                state.bytes = bytes;
                let number = state.next_number;
                state.next_number += 1;
                state.lanes[request.signal as usize].push(Job::new(number, request));
                Ok(())
            }
        };
        self.wake();
        pushed
    }

    /// Counts records that never became a request.
    pub(crate) fn lose(&self, signal: Signal, reason: LossReason, records: impl Into<Tally>) {
        {
            let state = self.lock();
            if !state.finished {
                self.ledger.signal(signal).lost(reason, records);
            }
        }
        self.wake();
    }

    /// Lets the delivery thread look around: for requests, and for losses to tell of.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for the next [`wake`](Self::wake); one that came before counts.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether the process can reach the network, as the application says.
    pub(crate) fn set_online(&self, online: bool) {
        self.lock().online[0] = online;
        self.wake();
    }

    /// The same, as its callback says; tells of a change of the whole.
    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.lock().online[1] = reachable;
    }

    pub(crate) fn is_online(&self) -> bool {
        self.lock().is_online()
    }

    /// What the delivery thread should do next.
    pub(crate) fn next(&self, now: Clock) -> Step {
        let mut state = self.lock();
        let state = &mut *state;
        let moment = state.moment(now);
        if state.evacuating {
            if let Some(step) = state.evacuate() {
                return step;
            }
        }
        let spill_again = state.spool_rests.filter(|until| now < *until);
        let spills = self.is_crowded(state) && self.spills.load(SeqCst);
        if spills && spill_again.is_none() {
            if let Some(job) = state.take_oldest() {
                let reason = job.last_failure.unwrap_or(LossReason::DeliveryQueueFull);
                return state.give_up(job, reason);
            }
        }
        // The destination with the least under way comes first.
        let mut order = Signal::ALL;
        order.sort_by_key(|signal| state.lanes[*signal as usize].in_flight());
        let mut until = spill_again.filter(|_| spills);
        for signal in order {
            let lane = &mut state.lanes[signal as usize];
            let (job, slot, probe, event) = match lane.offer(moment) {
                Offer::Send {
                    job,
                    slot,
                    probe,
                    event,
                } => (job, slot, probe, event),
                Offer::GiveUp(job, reason) => return state.give_up(job, reason),
                Offer::Nothing(time) => {
                    until = earlier(until, time);
                    continue;
                }
            };
            let limit = lane.gate.limit(now);
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            let request = job.request.clone();
            let slot = Some(slot);
            state.out.insert(
                ticket,
                Out {
                    job,
                    slot,
                    probe,
                    leaving: false,
                },
            );
            return Step::Send {
                ticket,
                request,
                limit,
                event,
            };
        }
        state.looks += 1;
        self.changed.notify_all();
        Step::Wait(until)
    }
}

#[cfg(test)]
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

/// What went wrong, for people.
pub(super) fn cause(answer: &Answer) -> String {
    match answer {
        Answer::Accepted { .. } => String::new(),
        Answer::Refused {
            status, message, ..
        } if message.is_empty() => status.to_string(),
        Answer::Refused {
            status, message, ..
        } => format!("{status}, {message}"),
        Answer::Unreachable(reason) => reason.clone(),
        Answer::TimedOut(timeout) => format!("no answer within {timeout:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Instant};

    use super::*;
    use crate::admit::SeverityBand;

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
}

//! The bounded queue of encoded requests, and the account of each until it is settled.
//!
//! Entrance of `deliver`. A request waits, is in flight, perhaps waits again, and is settled;
//! settling and counting happen under one lock, so a flush that finds nothing left finds everything
//! counted. Whatever is tried again stays in the account, so an outage cannot fill the memory.
//!
//! Whoever waits here (a flush, a shutdown) waits with a deadline. Once finished, what was pending
//! has been written off, and whatever comes later changes no count.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::Instant as Clock};

use super::{
    breaker::Permit,
    clock::OnlineClock,
    lane::{Job, Lane, Moment, Offer, Slot, earlier},
    later,
    overflow::Replayed,
    retry::{self, Verdict},
};
use crate::{
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
            max_records: settings.max_queued_records.get() as u64,
            max_bytes: settings.max_queued_bytes.get(),
            retry: settings.retry.clone(),
            spills: AtomicBool::new(false),
        }
    }

    /// From now on there is a spool to give requests to.
    pub(crate) fn spills(&self) {
        self.spills.store(true, SeqCst);
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
                    .lost(LossReason::DeliveryQueueFull, request.records);
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
    pub(crate) fn lose(&self, signal: Signal, reason: LossReason, records: u64) {
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

    /// Whether memory is so full that the oldest should go to disk: three quarters, so that there is
    /// room for what comes while they are on their way.
    fn is_crowded(&self, state: &State) -> bool {
        (state.records - state.leaving_records) > self.max_records / 4 * 3
            || (state.bytes - state.leaving_bytes) > self.max_bytes / 4 * 3
    }

    /// Whether a request from the spool would be welcome.
    pub(crate) fn wants_replay(&self, now: Clock) -> bool {
        let state = self.lock();
        let free = |lane: &Lane| lane.gate.permit(now) == Permit::Free;
        !state.closing
            && state.is_online()
            && state.replays < MAX_REPLAYS
            && state.records <= self.max_records / 2
            && state.bytes <= self.max_bytes / 2
            && state.lanes.iter().any(free)
    }

    /// Whether as many requests from the spool are in here as may.
    pub(crate) fn is_full_of_replays(&self) -> bool {
        self.lock().replays >= MAX_REPLAYS
    }

    /// Waits until one of them has left.
    pub(crate) async fn replay_ended(&self) {
        self.replay_ended.notified().await;
    }

    /// Takes in a request from the spool, unless it is too late.
    pub(crate) fn push_replay(&self, request: Request, replayed: Replayed) {
        {
            let mut state = self.lock();
            if state.closing {
                return;
            }
            state.records += request.records;
            state.bytes += request.bytes();
            state.replays += 1;
            let lane = request.signal as usize;
            state.lanes[lane].put_back(Job::replayed(request, replayed), None);
        }
        self.wake();
    }

    /// Gives a request back to the spool where it came from; says whether that is all there is to do.
    pub(crate) fn give_back(&self, ticket: Ticket) -> bool {
        let given = {
            let mut state = self.lock();
            let whole = |out: &Out| out.job.replayed.as_ref().is_some_and(|r| !r.is_part);
            if !state.out.get(&ticket).is_some_and(whole) {
                return false;
            }
            let out = state.take(ticket);
            if let Some(out) = &out {
                state.forget(&out.job);
            }
            self.changed.notify_all();
            out
        };
        // Outside of the lock: the spool hears of it.
        drop(given);
        self.replay_ended.notify_one();
        self.wake();
        true
    }

    /// Keeps a request in memory that the spool did not take, for another round of attempts. The
    /// answer is no when everything ends.
    pub(crate) fn keep(&self, ticket: Ticket, now: Clock) -> bool {
        {
            let mut state = self.lock();
            let state = &mut *state;
            if state.closing {
                return false;
            }
            state.spool_rests = Some(now + SPOOL_REST);
            let Some(mut out) = state.take(ticket) else {
                return true;
            };
            out.job.expires = None;
            let due = later(now, self.retry.max_backoff);
            state.lanes[out.job.request.signal as usize].put_back(out.job, Some(due));
            self.changed.notify_all();
        }
        self.wake();
        true
    }

    /// Takes note of an answer and decides. `chance` is between 0 and 1, for the jitter.
    pub(crate) fn judge(
        &self,
        ticket: Ticket,
        answer: &Answer,
        now: Clock,
        chance: f64,
    ) -> (Decision, Vec<DeliveryEvent>) {
        let mut state = self.lock();
        let state = &mut *state;
        let moment = state.moment(now);
        let Some(out) = state.out.get_mut(&ticket) else {
            return (Decision::Nothing, Vec::new());
        };
        let signal = out.job.request.signal;
        let job = &mut out.job;
        let records = job.request.records;
        let gate = &mut state.lanes[signal as usize].gate;
        let verdict = retry::judge(answer);
        let no_answer = matches!(answer, Answer::Unreachable(_) | Answer::TimedOut(_));
        if no_answer && !moment.online && !moment.closing {
            // No wonder. It costs neither an attempt nor the destination's reputation.
            gate.inconclusive(out.probe);
            job.attempts = job.attempts.saturating_sub(1);
            return (Decision::Retry(None), Vec::new());
        }
        let mut events = gate.see(answer, verdict, now, out.probe, moment.closing);
        out.probe = false;
        let mut rejected = |count, reason, answer: &Answer| {
            let (status, message) = match answer {
                Answer::Refused {
                    status, message, ..
                } => (status.to_string(), message.clone()),
                Answer::Accepted { message, .. } => (String::new(), message.clone()),
                _ => Default::default(),
            };
            events.push(DeliveryEvent::Rejected {
                signal,
                records: count,
                status,
                message,
                reason,
            });
        };
        let decision = match verdict {
            Verdict::Taken { rejected: count } => {
                let outcome = Outcome::taken(records, count);
                if outcome.lost > 0 {
                    rejected(outcome.lost, outcome.reason, answer);
                }
                if outcome.delivered > 0 {
                    events.push(DeliveryEvent::Delivered {
                        signal,
                        records: outcome.delivered,
                        attempts: job.attempts,
                    });
                }
                Decision::Settle(outcome)
            }
            Verdict::Never | Verdict::Unauthorized => {
                let reason = if verdict == Verdict::Never {
                    LossReason::Rejected
                } else {
                    LossReason::Unauthorized
                };
                rejected(records, reason, answer);
                Decision::Settle(Outcome::lost(records, reason))
            }
            Verdict::TooLarge => Decision::Split,
            Verdict::Again { after, reason } => {
                job.last_failure = Some(reason);
                self.again(job, after, reason, moment, chance)
            }
        };
        if let Decision::Retry(due) = &decision {
            events.push(DeliveryEvent::Retrying {
                signal,
                records,
                attempts: job.attempts,
                wait: due.map_or(Duration::ZERO, |due| due - now),
                cause: cause(answer),
            });
        }
        (decision, events)
    }

    /// When the request is sent again, if ever.
    fn again(
        &self,
        job: &Job,
        after: Option<Duration>,
        reason: LossReason,
        moment: Moment,
        chance: f64,
    ) -> Decision {
        let left = job
            .expires
            .unwrap_or_default()
            .saturating_sub(moment.elapsed);
        if left.is_zero() {
            return Decision::GiveUp(reason);
        }
        if moment.closing {
            return if job.replayed.is_some() || job.tried_while_closing {
                Decision::GiveUp(reason)
            } else {
                Decision::Retry(None)
            };
        }
        let left = job
            .expires
            .unwrap_or_default()
            .saturating_sub(moment.elapsed);
        let wanted = after.unwrap_or_default();
        if wanted > left {
            return Decision::GiveUp(reason);
        }
        // The last attempt is made at the deadline, not after it.
        let wait = retry::backoff(&self.retry, job.attempts, chance).max(wanted);
        Decision::Retry(Some(later(moment.now, wait.min(left))))
    }

    /// Ends the account of a request. Without effect when it was written off before.
    pub(crate) fn settle(&self, ticket: Ticket, outcome: Outcome) {
        {
            let mut state = self.lock();
            let Some(out) = state.take(ticket) else {
                return;
            };
            let request = &out.job.request;
            state.lanes[request.signal as usize]
                .gate
                .inconclusive(out.probe);
            let account = self.ledger.signal(request.signal);
            match &out.job.replayed {
                None => {
                    account.delivered(outcome.delivered);
                    account.spooled(outcome.spooled);
                    account.lost(outcome.reason, outcome.lost);
                }
                Some(replayed) => {
                    if replayed.own {
                        let moved = account.unspooled(outcome.delivered + outcome.lost);
                        let delivered = outcome.delivered.min(moved);
                        account.delivered(delivered);
                        account.lost(outcome.reason, moved - delivered);
                    } else {
                        account.replayed(outcome.delivered, outcome.lost);
                    }
                    replayed.done();
                }
            }
            state.forget(&out.job);
            if out.job.replayed.is_some() {
                self.replay_ended.notify_one();
            }
            self.changed.notify_all();
        }
        self.wake();
    }

    /// Takes a request back, to be sent again.
    pub(crate) fn put_back(&self, ticket: Ticket, due: Option<Clock>) {
        {
            let mut state = self.lock();
            let Some(out) = state.take(ticket) else {
                return;
            };
            // A shutdown that began meanwhile waits for nothing.
            let due = due.filter(|_| !state.closing);
            state.lanes[out.job.request.signal as usize].put_back(out.job, due);
            self.changed.notify_all();
        }
        self.wake();
    }

    /// Puts two requests in the place of one.
    pub(crate) fn replace(&self, ticket: Ticket, halves: (Request, Request)) {
        {
            let mut state = self.lock();
            let Some(out) = state.take(ticket) else {
                return;
            };
            let old = &out.job.request;
            let lane = old.signal as usize;
            // The probe was not sent, or its answer has been seen.
            state.lanes[lane].gate.inconclusive(out.probe);
            state.bytes -= old.bytes();
            let mut replayed = out.job.replayed.clone();
            if let Some(replayed) = &mut replayed {
                replayed.split();
                state.replays += 1;
            }
            for request in [halves.0, halves.1] {
                state.bytes += request.bytes();
                let half = Job {
                    request,
                    attempts: 0,
                    tried_while_closing: false,
                    replayed: replayed.clone(),
                    ..out.job.clone()
                };
                state.lanes[lane].put_back(half, None);
            }
        }
        self.wake();
    }

    /// Learns that a request of so many bytes, uncompressed, was too large.
    pub(crate) fn was_too_large(&self, signal: Signal, bytes: usize, now: Clock) {
        self.lock().lanes[signal as usize]
            .gate
            .too_large(bytes, now);
    }

    /// Waits until every request of these signals that is in now has been settled; says whether
    /// that was so before the deadline.
    ///
    /// Those that wait for another attempt get it at once. When that has failed too, or the
    /// destination is left alone for now, the answer is no before the deadline: nobody who flushes
    /// waits behind a backoff.
    pub(crate) fn flush(&self, signals: &[Signal], until: Instant) -> bool {
        let mut state = self.lock();
        let mark = state.next_number;
        for signal in signals {
            state.lanes[*signal as usize].hurry(mark);
        }
        let looks = state.looks;
        self.wake();
        loop {
            if !signals.iter().any(|signal| state.has_before(*signal, mark)) {
                return true;
            }
            let moves = |signal: &Signal| state.moves_before(*signal, mark);
            if state.looks > looks && !signals.iter().any(moves) {
                return false;
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

    /// Lets everything that waits have its last chance, now.
    pub(crate) fn begin_closing(&self) {
        {
            let mut state = self.lock();
            let state = &mut *state;
            state.closing = true;
            for lane in &mut state.lanes {
                for replayed in lane.take_replayed() {
                    state.records -= replayed.request.records;
                    state.bytes -= replayed.request.bytes();
                    state.replays -= 1;
                }
                lane.hurry(u64::MAX);
                lane.gate.hurry();
            }
        }
        self.wake();
    }

    /// Asks for everything to be seen to its end, gives it until the deadline, and writes off the
    /// rest. `worker_lost` says of each signal whether its batch worker died, so that what it held
    /// has a truer reason than the deadline.
    pub(crate) fn close(&self, until: Instant, worker_lost: impl Fn(Signal) -> bool) {
        self.begin_closing();
        let mut state = self.lock();
        if self.spills.load(SeqCst) {
            // The disk gets the last part of the time.
            let left = until.saturating_duration_since(Instant::now());
            let evacuate_at = until.checked_sub((left / 4).min(Duration::from_secs(1)));
            while !state.is_empty() {
                if let Some(again) = self.wait(state, evacuate_at.unwrap_or(until)) {
                    state = again;
                } else {
                    state = self.lock();
                    break;
                }
            }
            state.evacuating = true;
            self.wake();
        }
        while !state.is_empty() {
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
        state.lanes.iter_mut().for_each(Lane::clear);
        state.out.clear();
        (state.records, state.bytes, state.replays) = (0, 0, 0);
        (state.leaving_records, state.leaving_bytes) = (0, 0);
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
        state.finished || (state.closing && state.is_empty())
    }
}

#[cfg(test)]
impl Queue {
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
            source: None,
        }
    }

    fn take(queue: &Queue) -> Option<(Ticket, Request)> {
        match queue.next(Clock::now()) {
            Step::Send {
                ticket, request, ..
            } => Some((ticket, request)),
            _ => None,
        }
    }

    fn push(queue: &Queue, signal: Signal, records: u64, bytes: usize) -> Result<(), Refusal> {
        let account = queue.ledger().signal(signal);
        account.admitted.fetch_add(records, SeqCst);
        account.handed.fetch_add(records, SeqCst);
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
        let (number, _) = take(&queue).unwrap();
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
            assert_eq!(take(&queue).unwrap().1.signal, Signal::Traces);
        }
        assert!(take(&queue).is_none());
        push(&queue, Signal::Logs, 1, 1).unwrap();
        assert_eq!(take(&queue).unwrap().1.signal, Signal::Logs);
    }

    #[test]
    fn a_flush_waits_for_what_was_in_and_not_for_what_comes() {
        let queue = queue(100, 1000);
        let soon = || Instant::now() + Duration::from_millis(10);
        assert!(queue.flush(&Signal::ALL, soon()));
        push(&queue, Signal::Logs, 1, 1).unwrap();
        let (first, _) = take(&queue).unwrap();
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
        let (first, _) = take(&queue).unwrap();
        let (second, _) = take(&queue).unwrap();
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

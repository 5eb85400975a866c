//! How a flush and a shutdown wait, and what is written off when their time is over.
//!
//! Part of the queue. Blocks the threads of the application, never that of delivery.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use super::{Queue, State};
use crate::{deliver::lane::Lane, ledger::LossReason, settings::Signal};

impl Queue {
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
            for signal in Signal::ALL {
                state.give_back_waiting(signal);
                let lane = &mut state.lanes[signal as usize];
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
            // What came from there is there; whoever has it still may have taken it, or not.
            let back = state.take_replays();
            drop(state);
            drop(back);
            self.wake();
            state = self.lock();
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

    /// This is the delivery thread, which tells what happens until it [falls
    /// silent](Self::fall_silent).
    pub(crate) fn begin_to_tell(&self) {
        self.lock().speaker = Some(thread::current().id());
    }

    /// The delivery thread will tell nothing more.
    pub(crate) fn fall_silent(&self) {
        self.lock().speaker = None;
        self.changed.notify_all();
    }

    /// Waits until the delivery thread has told all: of a loss one hears before the shutdown is over.
    /// It does not wait for itself, when a callback shuts down.
    pub(crate) fn wait_for_silence(&self, until: Instant) {
        let mut state = self.lock();
        let me = thread::current().id();
        while state.speaker.is_some_and(|speaker| speaker != me) {
            match self.wait(state, until) {
                Some(again) => state = again,
                None => return,
            }
        }
    }

    fn write_off(&self, state: &mut State, worker_lost: impl Fn(Signal) -> bool) {
        state.lanes.iter_mut().for_each(Lane::clear);
        state.out.clear();
        (state.records, state.bytes) = (0, 0);
        state.replays = Default::default();
        (state.leaving_records, state.leaving_bytes) = (0, 0);
        for signal in Signal::ALL {
            let account = self.ledger.signal(signal);
            if worker_lost(signal) {
                account.lost(LossReason::Panic, account.in_batch());
            }
            let left = account.counts().pending_tally();
            account.lost(LossReason::ShutdownDeadline, left);
        }
    }

    /// Whether the delivery thread may go.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.finished || (state.closing && state.is_empty())
    }
}

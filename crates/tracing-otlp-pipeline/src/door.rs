//! The door of a signal: counts who comes, and lets in what there is room for.
//!
//! First stop of the pipeline, on the application's threads, in front of `batch`.
//!
//! The official queue drops without a word when it is full. So the room is counted here, before
//! it: what the official processor is given always fits, and what does not fit is counted at once.
//! Who fits is for `admit` to say.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    time::{Duration, Instant},
};

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use crate::{
    admit::{
        SeverityBand, Tally,
        helper::Bell,
        room::{Apart, Full, Room},
    },
    deliver::queue::{Queue, Refusal},
    encode::{EncodeError, Request},
    ledger::{LossReason, SignalCounts, SignalLedger},
    notice::Notifier,
    settings::Signal,
    unwind::caught,
};

thread_local! {
    /// Whether the pipeline itself is flushing on this thread, and will see to delivery.
    static DELIVERY_COMES_LATER: Cell<bool> = const { Cell::new(false) };
    /// Whether the last no that this thread got at a door has been counted there.
    static REFUSAL_IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, providers flushed on this thread only empty the batches.
pub(crate) struct DeliveryComesLater(());

impl DeliveryComesLater {
    pub(crate) fn enter() -> Self {
        DELIVERY_COMES_LATER.set(true);
        Self(())
    }
}

impl Drop for DeliveryComesLater {
    fn drop(&mut self) {
        DELIVERY_COMES_LATER.set(false);
    }
}

/// The door of one signal: open until the shutdown, and never more inside than there is room.
#[derive(Debug)]
pub(crate) struct Door {
    signal: Signal,
    room: Room,
    /// How many have passed so far: their records are with the official processor.
    passed: Apart<AtomicU64>,
    worker_lost: AtomicBool,
    queue: Arc<Queue>,
    account: Arc<SignalLedger>,
    notifier: Notifier,
}

/// Somebody is passing.
pub(crate) struct Passing<'a>(&'a Door);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.passed.0.fetch_add(1, Release);
    }
}

impl Door {
    pub(crate) fn new(signal: Signal, room: Room, queue: Arc<Queue>, notifier: Notifier) -> Self {
        Self {
            signal,
            room,
            passed: Apart::default(),
            worker_lost: AtomicBool::new(false),
            account: Arc::clone(queue.ledger().signal(signal)),
            queue,
            notifier,
        }
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    #[cfg(test)]
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// What has become of the signal's records so far.
    pub(crate) fn counts(&self) -> SignalCounts {
        *self.queue.ledger().counts().signal(self.signal)
    }

    /// Has a bell rung whenever a record of the signal is lost.
    pub(crate) fn ring_at_loss(&self, bell: Arc<Bell>) {
        self.account.ring_at_loss(bell);
    }

    /// Counts one record, and lets it pass unless it is too late or too full.
    #[inline]
    pub(crate) fn enter(&self, band: SeverityBand, size: u64) -> Option<Passing<'_>> {
        if let Err(full) = self.room.take(band, size) {
            self.turned_away(full, band);
            return None;
        }
        self.account.admit(band);
        Some(Passing(self))
    }

    /// Whether a record may be made for this door; where the answer is no, the record that is not
    /// made is counted as lost.
    #[inline]
    pub(crate) fn lets_in_or_counts(&self, band: SeverityBand) -> bool {
        match self.room.has_some_for(band) {
            Ok(()) => true,
            Err(full) => self.refuse(full, band),
        }
    }

    /// Says no, and counts it. Thousands may come this way while a queue is full of records, so what
    /// is done seldom stands elsewhere.
    #[inline]
    fn refuse(&self, full: Full, band: SeverityBand) -> bool {
        match full {
            Full::Records => self.refuse_quietly(LossReason::QueueFull, band),
            Full::Bytes => self.refuse_for_bytes(band),
            Full::Closed => self.refuse_too_late(band),
        }
    }

    #[expect(clippy::inline_always, reason = "the reason is known to each caller")]
    #[inline(always)]
    fn refuse_quietly(&self, reason: LossReason, band: SeverityBand) -> bool {
        REFUSAL_IS_COUNTED.set(true);
        let account = &*self.account;
        let before = account.count_lost_one(reason, band);
        if before == 0 || account.has_to_ring() {
            return self.refuse_loudly(before);
        }
        false
    }

    #[inline(never)]
    fn refuse_for_bytes(&self, band: SeverityBand) -> bool {
        self.refuse_quietly(LossReason::QueueBytesFull, band)
    }

    #[cold]
    fn refuse_loudly(&self, before: u64) -> bool {
        self.account.ring();
        if before == 0 {
            self.queue.wake();
        }
        false
    }

    #[cold]
    fn refuse_too_late(&self, band: SeverityBand) -> bool {
        self.too_late(band);
        REFUSAL_IS_COUNTED.set(true);
        false
    }

    /// Counts a record that a logger refused, unless that was this door on the same thread.
    ///
    /// The SDK gives out loggers without processors once a provider has been shut down: they
    /// refuse everything, and nobody behind them hears of it.
    #[inline]
    pub(crate) fn count_refusal(&self, severity: impl Into<SeverityBand>) {
        if !REFUSAL_IS_COUNTED.take() {
            self.count_other_refusal(severity.into());
        }
    }

    #[cold]
    fn count_other_refusal(&self, band: SeverityBand) {
        if self.is_closed() {
            self.too_late(band);
        } else {
            self.account.filtered(Tally::of(band, 1));
        }
    }

    /// Lets a record of the pipeline itself pass, unless it is too late.
    pub(crate) fn enter_as_summary(&self, band: SeverityBand, size: u64) -> Option<Passing<'_>> {
        if !self.room.take_anyway(size) {
            self.room.give_back(1, size);
            return None;
        }
        self.account.admit_summary(band);
        Some(Passing(self))
    }

    /// Lets a record of the pipeline itself pass, also behind a closed door.
    pub(crate) fn enter_behind_the_last(&self, band: SeverityBand, size: u64) -> Passing<'_> {
        let _open_or_not = self.room.take_anyway(size);
        self.account.admit_summary(band);
        Passing(self)
    }

    #[cold]
    fn turned_away(&self, full: Full, band: SeverityBand) {
        let reason = match full {
            Full::Records => LossReason::QueueFull,
            Full::Bytes => LossReason::QueueBytesFull,
            Full::Closed => return self.too_late(band),
        };
        if self.account.lost_one(reason, band) == 0 {
            self.queue.wake();
        }
    }

    #[cold]
    fn too_late(&self, band: SeverityBand) {
        if self.account.lost_one(LossReason::AfterShutdown, band) == 0 {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            self.notifier.say_after_shutdown(self.signal);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.room.is_closed()
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.room.close();
    }

    /// Whether all who entered a closed door have passed it.
    ///
    /// Who enters takes room first and passes last; a batch that leaves is handed first and gives
    /// its room back last. So read in this order, `passed` reaches the sum of the others only when
    /// nobody is between, and it stays there.
    fn all_have_passed(&self) -> bool {
        let inside = self.room.records();
        let handed = self.account.handed_total();
        self.passed.0.load(Acquire) == inside + handed
    }

    /// Waits until all who were let in have passed, which takes as long as an `emit`.
    fn wait_until_passed(&self, until: Instant) {
        while !self.all_have_passed() && Instant::now() < until {
            std::thread::yield_now();
        }
    }

    pub(crate) fn worker_lost(&self) -> bool {
        self.worker_lost.load(Acquire)
    }

    /// Takes note of records that the official worker took out of its queue.
    pub(crate) fn handed(&self, records: &Tally, bytes: u64) {
        self.account.handed(records);
        self.room.give_back(records.total(), bytes);
    }

    /// Passes a finished request on, or counts the loss.
    pub(crate) fn hand_on(
        &self,
        encoded: Result<Request, EncodeError>,
        records: Tally,
    ) -> OTelSdkResult {
        let failed = |message: String| Err(OTelSdkError::InternalFailure(message));
        match encoded {
            Ok(request) => match self.queue.push(request) {
                Ok(()) => Ok(()),
                Err(Refusal::Full) => failed(format!(
                    "the delivery queue is full, {} lost",
                    records.total()
                )),
                Err(Refusal::Finished) => Err(OTelSdkError::AlreadyShutdown),
            },
            Err(error) => {
                let reason = match error {
                    EncodeError::Failed(_) => LossReason::Encode,
                    EncodeError::Panicked => LossReason::Panic,
                };
                self.queue.lose(self.signal, reason, records);
                failed(error.to_string())
            }
        }
    }

    /// Empties the official processor and then the delivery queue, within one deadline, and tells
    /// the truth: an error when anything was lost meanwhile or is still on its way.
    pub(crate) fn flush(
        &self,
        timeout: Duration,
        batch: impl FnOnce() -> OTelSdkResult,
    ) -> OTelSdkResult {
        // Whatever the SDK logs in here must not come back as a record.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let until = deadline(timeout);
        let lost_before = self.lost();
        let flushed = batch();
        if DELIVERY_COMES_LATER.get() {
            return flushed;
        }
        let settled = self.queue.flush(&[self.signal], until);
        flushed?;
        let lost = self.lost() - lost_before;
        if lost > 0 {
            return Err(OTelSdkError::InternalFailure(format!(
                "{lost} of {} were lost",
                self.signal
            )));
        }
        if !settled {
            return Err(OTelSdkError::Timeout(timeout));
        }
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.account.counts().lost()
    }

    /// Shuts the official processor down: close, let pass, say a last word, drain.
    pub(crate) fn shut(
        &self,
        timeout: Duration,
        last_word: impl FnOnce(),
        inner: impl Fn(Duration) -> OTelSdkResult,
    ) -> OTelSdkResult {
        let until = deadline(timeout);
        let again = self.is_closed() && self.worker_lost();
        self.close();
        self.wait_until_passed(until);
        let _ = caught(last_word);
        // The SDK joins its worker and unwraps.
        let outcome = caught(|| inner(until.saturating_duration_since(Instant::now())))
            .unwrap_or_else(|_| {
                Err(OTelSdkError::InternalFailure(
                    "the shutdown of the batch processor panicked".to_owned(),
                ))
            });
        if !again && matches!(outcome, Err(OTelSdkError::InternalFailure(_))) {
            self.worker_lost.store(true, Release);
        }
        outcome
    }
}

/// A deadline that cannot overflow: nobody waits for a year.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    Instant::now() + timeout.min(YEAR)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::settings::DeliverySettings;

    const PATIENCE: Duration = Duration::from_secs(60);
    const INFO: SeverityBand = SeverityBand::Info;

    fn door(capacity: usize) -> Arc<Door> {
        let queue = Queue::new(&DeliverySettings::default(), Arc::default());
        let notifier = Notifier::default();
        let room = Room::first_come(capacity, 1000);
        Arc::new(Door::new(Signal::Logs, room, Arc::new(queue), notifier))
    }

    #[test]
    fn nobody_enters_a_full_or_a_closed_door() {
        let door = door(1);
        assert!(door.enter(INFO, 1).is_some());
        assert!(door.enter(INFO, 1).is_none());
        door.handed(&1.into(), 1);
        assert!(door.enter(INFO, 1).is_some());
        door.close();
        assert!(door.enter(INFO, 1).is_none());
        let counts = door.counts();
        assert_eq!(counts.emitted(), 4);
        assert_eq!(counts.pending(), 2);
        assert_eq!(counts.lost_by(LossReason::QueueFull), 1);
        assert_eq!(counts.lost_by(LossReason::AfterShutdown), 1);
    }

    #[test]
    fn who_asks_at_a_full_or_closed_door_is_counted_once() {
        let door = door(1);
        assert!(door.lets_in_or_counts(INFO));
        assert_eq!(door.counts().emitted(), 0);
        drop(door.enter(INFO, 1));
        assert!(!door.lets_in_or_counts(SeverityBand::Error));
        door.handed(&1.into(), 1);
        drop(door.enter(INFO, 1000));
        assert!(!door.lets_in_or_counts(INFO));
        door.close();
        assert!(!door.lets_in_or_counts(SeverityBand::Fatal));
        // Who asked has been counted; whom somebody else refused has not.
        door.count_refusal(SeverityBand::Fatal);
        door.count_refusal(SeverityBand::Warn);
        let expected = [
            ((LossReason::AfterShutdown, SeverityBand::Warn), 1),
            ((LossReason::QueueFull, SeverityBand::Info), 1),
            ((LossReason::QueueFull, SeverityBand::Error), 1),
            ((LossReason::AfterShutdown, SeverityBand::Fatal), 1),
        ];
        assert_eq!(door.counts().by_reason_and_severity(), expected.into());
    }

    #[test]
    fn the_processor_is_shut_down_only_after_all_have_passed() {
        let door = door(10);
        let order = Mutex::new(Vec::new());
        let passing = door.enter(INFO, 1).unwrap();
        std::thread::scope(|scope| {
            let shut = scope.spawn(|| {
                door.shut(
                    PATIENCE,
                    || (),
                    |_| {
                        order.lock().unwrap().push("shut down");
                        Ok(())
                    },
                )
            });
            while !door.is_closed() {
                std::thread::yield_now();
            }
            // Time for a door that does not wait to show it.
            std::thread::sleep(Duration::from_millis(20));
            order.lock().unwrap().push("passed");
            drop(passing);
            shut.join().unwrap().unwrap();
        });
        assert_eq!(*order.lock().unwrap(), ["passed", "shut down"]);
    }

    #[test]
    fn somebody_who_never_passes_does_not_hold_up_a_shutdown() {
        let door = door(10);
        let _passing = door.enter(INFO, 1).unwrap();
        let called = AtomicBool::new(false);
        let outcome = door.shut(
            Duration::from_millis(5),
            || (),
            |_| {
                called.store(true, Release);
                Ok(())
            },
        );
        assert!(outcome.is_ok() && called.load(Acquire));
    }

    #[test]
    fn a_shutdown_that_panics_is_an_error() {
        let door = door(10);
        assert!(door.shut(PATIENCE, || (), |_| panic!("the SDK")).is_err());
        assert!(door.worker_lost());
    }
}

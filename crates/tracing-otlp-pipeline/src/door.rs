//! The door of a signal: counts who comes, and lets in what there is room for.
//!
//! First stop of the pipeline, on the application's threads, in front of `batch`.
//!
//! The official queue drops without a word when it is full. So the room is counted here, before
//! it: what the official processor is given always fits, and what does not fit is counted at once.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use opentelemetry::Context;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};

use crate::{
    deliver::queue::{Queue, Refusal},
    encode::{EncodeError, Request},
    ledger::LossReason,
    notice::Notifier,
    settings::Signal,
    unwind::caught,
};

thread_local! {
    /// Whether the pipeline itself is flushing on this thread, and will see to delivery.
    static DELIVERY_COMES_LATER: Cell<bool> = const { Cell::new(false) };
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
    /// How many threads are passing right now, and the bit that says closed.
    passing: AtomicUsize,
    capacity: u64,
    worker_lost: AtomicBool,
    queue: Arc<Queue>,
    notifier: Notifier,
}

const CLOSED: usize = 1 << (usize::BITS - 1);

/// Somebody is passing.
pub(crate) struct Passing<'a>(&'a Door);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.passing.fetch_sub(1, SeqCst);
    }
}

impl Door {
    pub(crate) fn new(
        signal: Signal,
        capacity: usize,
        queue: Arc<Queue>,
        notifier: Notifier,
    ) -> Self {
        Self {
            signal,
            passing: AtomicUsize::new(0),
            capacity: capacity as u64,
            worker_lost: AtomicBool::new(false),
            queue,
            notifier,
        }
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    /// Counts one record, and lets it pass unless it is too late or too full.
    pub(crate) fn enter(&self) -> Option<Passing<'_>> {
        if self.is_closed() {
            self.too_late();
            return None;
        }
        let before = self.passing.fetch_add(1, SeqCst);
        let passing = Passing(self);
        if before & CLOSED != 0 {
            drop(passing);
            self.too_late();
            return None;
        }
        let account = self.queue.ledger().signal(self.signal);
        let inside = account
            .admitted
            .fetch_add(1, SeqCst)
            .saturating_sub(account.handed.load(SeqCst));
        if inside >= self.capacity {
            account.admitted.fetch_sub(1, SeqCst);
            if account.lost(LossReason::QueueFull, 1) == 0 {
                self.queue.tell();
            }
            return None;
        }
        Some(passing)
    }

    /// Whether a record may be made for this door; after the shutdown the answer is no, and the
    /// record that is not made is counted as lost.
    pub(crate) fn is_open_or_count(&self) -> bool {
        let open = !self.is_closed();
        if !open {
            self.too_late();
        }
        open
    }

    fn too_late(&self) {
        let account = self.queue.ledger().signal(self.signal);
        if account.lost(LossReason::AfterShutdown, 1) == 0 {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            self.notifier.say_after_shutdown(self.signal);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.passing.load(SeqCst) & CLOSED != 0
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.passing.fetch_or(CLOSED, SeqCst);
    }

    /// Waits until all who were let in have passed, which takes as long as an `emit`.
    fn wait_until_passed(&self, until: Instant) {
        while self.passing.load(SeqCst) != CLOSED && Instant::now() < until {
            std::thread::yield_now();
        }
    }

    pub(crate) fn worker_lost(&self) -> bool {
        self.worker_lost.load(SeqCst)
    }

    /// Takes note of records that the official worker took out of its queue.
    pub(crate) fn handed(&self, records: u64) {
        let account = self.queue.ledger().signal(self.signal);
        account.handed.fetch_add(records, SeqCst);
    }

    /// Passes a finished request on, or counts the loss.
    pub(crate) fn hand_on(
        &self,
        encoded: Result<Request, EncodeError>,
        records: u64,
    ) -> OTelSdkResult {
        let failed = |message: String| Err(OTelSdkError::InternalFailure(message));
        match encoded {
            Ok(request) => match self.queue.push(request) {
                Ok(()) => Ok(()),
                Err(Refusal::Full) => failed(format!("the delivery queue is full, {records} lost")),
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
        self.queue.ledger().signal(self.signal).counts().lost()
    }

    /// Shuts the official processor down: close, let pass, drain.
    pub(crate) fn shut(
        &self,
        timeout: Duration,
        inner: impl Fn(Duration) -> OTelSdkResult,
    ) -> OTelSdkResult {
        let until = deadline(timeout);
        let again = self.is_closed() && self.worker_lost();
        self.close();
        self.wait_until_passed(until);
        // The SDK joins its worker and unwraps.
        let outcome = caught(|| inner(until.saturating_duration_since(Instant::now())))
            .unwrap_or_else(|_| {
                Err(OTelSdkError::InternalFailure(
                    "the shutdown of the batch processor panicked".to_owned(),
                ))
            });
        if !again && matches!(outcome, Err(OTelSdkError::InternalFailure(_))) {
            self.worker_lost.store(true, SeqCst);
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

    fn door(capacity: usize) -> Arc<Door> {
        let queue = Queue::new(&DeliverySettings::default(), Arc::default());
        let notifier = Notifier::default();
        Arc::new(Door::new(Signal::Logs, capacity, Arc::new(queue), notifier))
    }

    #[test]
    fn nobody_enters_a_full_or_a_closed_door() {
        let door = door(1);
        assert!(door.enter().is_some());
        assert!(door.enter().is_none());
        door.handed(1);
        assert!(door.enter().is_some());
        door.close();
        assert!(door.enter().is_none());
        let counts = door.queue.ledger().signal(Signal::Logs).counts();
        assert_eq!(counts.emitted(), 4);
        assert_eq!(counts.pending(), 2);
        assert_eq!(counts.lost_by(LossReason::QueueFull), 1);
        assert_eq!(counts.lost_by(LossReason::AfterShutdown), 1);
    }

    #[test]
    fn the_processor_is_shut_down_only_after_all_have_passed() {
        let door = door(10);
        let order = Mutex::new(Vec::new());
        let passing = door.enter().unwrap();
        std::thread::scope(|scope| {
            let shut = scope.spawn(|| {
                door.shut(PATIENCE, |_| {
                    order.lock().unwrap().push("shut down");
                    Ok(())
                })
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
        let _passing = door.enter().unwrap();
        let called = AtomicBool::new(false);
        let outcome = door.shut(Duration::from_millis(5), |_| {
            called.store(true, SeqCst);
            Ok(())
        });
        assert!(outcome.is_ok() && called.load(SeqCst));
    }

    #[test]
    fn a_shutdown_that_panics_is_an_error() {
        let door = door(10);
        assert!(door.shut(PATIENCE, |_| panic!("the SDK")).is_err());
        assert!(door.worker_lost());
    }
}

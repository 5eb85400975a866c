//! The one helper thread of admission: flushes for errors, tells of losses.
//!
//! Part of `admit`. The official processor can only be flushed by somebody who waits up to 5
//! seconds for it, which the application's threads never do: they ring a bell and go on.
//!
//! The thread sleeps until the bell rings; telemetry is suppressed on it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    thread::{Builder, Thread},
    time::Instant,
};

use opentelemetry::Context;
use opentelemetry_sdk::logs::LogProcessor;

use super::{
    AdmissionSettings,
    flush::{Debounce, Due},
    summary::Summary,
};
use crate::{door::Door, error::Error, unwind::caught};

/// What the helper sleeps by. Ringing never waits.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    error: AtomicBool,
    loss: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Bell {
    /// An error waits in the batch processor.
    pub(crate) fn ring_error(&self) {
        // Always a swap: it also publishes the record in the queue to the one who answers.
        if !self.error.swap(true, AcqRel) {
            self.wake();
        }
    }

    /// Whether somebody has said that something was lost, and nobody has looked since.
    #[inline]
    pub(crate) fn has_rung_loss(&self) -> bool {
        self.loss.load(Relaxed)
    }

    /// Something was lost.
    #[inline]
    pub(crate) fn ring_loss(&self) {
        // A look first: under a flood of losses nobody should fight for this line.
        if !self.has_rung_loss() && !self.loss.swap(true, AcqRel) {
            self.wake();
        }
    }

    fn stop(&self) {
        self.stop.store(true, Release);
        self.wake();
    }

    #[cold]
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// The batch processor, known to the helper from the time when the SDK has set its resource.
///
/// Not earlier: nobody else may have it while the SDK changes it.
pub(crate) type Slot = Arc<OnceLock<Arc<dyn LogProcessor>>>;

/// The helper thread; ends when this is dropped or stopped.
#[derive(Debug)]
pub(crate) struct Helper {
    bell: Arc<Bell>,
    summary: Option<Arc<Summary>>,
    flushes: bool,
}

impl Helper {
    /// Starts the thread, unless there is nothing for it to do.
    pub(crate) fn start(
        settings: &AdmissionSettings,
        door: &Arc<Door>,
        slot: &Slot,
    ) -> Result<Self, Error> {
        let bell = Arc::new(Bell::default());
        let summary = settings
            .loss_summary()
            .map(|interval| Arc::new(Summary::new(interval)));
        let debounce = settings.error_flush().map(Debounce::new);
        let helper = Self {
            bell: Arc::clone(&bell),
            summary: summary.clone(),
            flushes: debounce.is_some(),
        };
        if debounce.is_none() && summary.is_none() {
            return Ok(helper);
        }
        let mut rounds = Rounds {
            bell: Arc::clone(&bell),
            door: Arc::clone(door),
            slot: Arc::clone(slot),
            debounce,
            summary,
            look_again: None,
        };
        let thread = Builder::new()
            .name("tracing-otlp-admit".to_owned())
            .spawn(move || {
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                while !rounds.bell.stop.load(Acquire) {
                    // A panic ends a round, not the thread.
                    let next = caught(|| rounds.go()).unwrap_or(None);
                    match next {
                        None => std::thread::park(),
                        Some(at) => {
                            let left = at.saturating_duration_since(Instant::now());
                            std::thread::park_timeout(left);
                        }
                    }
                }
            })
            .map_err(|error| {
                Error::resource("the admission thread could not be started").because(error)
            })?;
        let _only_once = bell.thread.set(thread.thread().clone());
        if helper.summary.is_some() {
            door.ring_at_loss(bell);
        }
        Ok(helper)
    }

    /// An error has entered the batch processor.
    #[cold]
    pub(crate) fn error_came(&self) {
        if self.flushes {
            self.bell.ring_error();
        }
    }

    /// Tells of losses for the last time.
    pub(crate) fn tell_the_rest(&self, door: &Door, batch: &dyn LogProcessor) {
        if let Some(summary) = &self.summary {
            summary.tell_the_rest(door, batch);
        }
    }

    pub(crate) fn stop(&self) {
        self.bell.stop();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread does each time it wakes.
struct Rounds {
    bell: Arc<Bell>,
    door: Arc<Door>,
    slot: Slot,
    debounce: Option<Debounce>,
    summary: Option<Arc<Summary>>,
    /// While there are losses to tell of: when to look next.
    look_again: Option<Instant>,
}

impl Rounds {
    /// One round; says when the next is due without a ring, if at all.
    fn go(&mut self) -> Option<Instant> {
        let batch = Arc::clone(self.slot.get()?);
        let flush_at = self.flush(&*batch);
        let now = Instant::now();
        if let Some(summary) = &self.summary {
            // Before its time the bell stays as it is: under a flood of losses nobody wakes this
            // thread then, which would cost those who lose a call to the kernel each time.
            if self.look_again.is_none_or(|at| at <= now) {
                let rung = self.bell.loss.swap(false, AcqRel);
                if rung || self.look_again.is_some() {
                    self.look_again = summary.look(&self.door, &*batch);
                }
            }
        }
        [flush_at, self.look_again].into_iter().flatten().min()
    }

    fn flush(&mut self, batch: &dyn LogProcessor) -> Option<Instant> {
        let debounce = self.debounce.as_mut()?;
        while self.bell.error.load(Acquire) && !self.bell.stop.load(Acquire) {
            match debounce.due(Instant::now()) {
                Due::At(at) => return Some(at),
                Due::Now => {
                    self.bell.error.swap(false, AcqRel);
                    // What goes wrong here is in the ledger.
                    let _ = batch.force_flush();
                }
            }
        }
        None
    }
}

//! Several official processors, for what one of them cannot keep up with.
//!
//! Part of `batch`, between the door and the official processors. Each of those has one worker.
//! Threads that log as fast as they can get a share of the processors each from the scheduler, and
//! the share of a single worker is too small for what they emit. So while an eighth of the room and
//! more than a batch for each are taken, records go to all of them in turn; on a calm day the first
//! does everything, and the others sleep.
//!
//! A worker is woken by a full batch, and by its tick. So a room that has no place for a batch in each
//! hand is the first's alone: it could be full of parts of batches that nobody takes before the tick.
//!
//! Records of one thread may then leave in another order. They never had one on their way: several
//! requests are sent at once, and each record has its time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use opentelemetry::{InstrumentationScope, logs::Severity};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{LogProcessor, SdkLogRecord},
};

use super::blanks::Blanks;
use crate::{
    admit::room::Room,
    door::{Door, deadline},
};

/// A processor and those that help it.
#[derive(Debug)]
pub(crate) struct Crew<P> {
    first: P,
    helpers: [P; HELPERS],
    door: Arc<Door>,
    blanks: Arc<Blanks>,
    /// Says that a batch may wait in each hand: when more do, one of them is full.
    above: u64,
    /// Whether a helper ever had something to do.
    called: AtomicBool,
    turn: AtomicUsize,
}

impl<P> Crew<P> {
    /// Processors that take their records from that door, in batches of that size; each must have
    /// places for all that the door lets in.
    pub(super) fn new<E>(
        door: Arc<Door>,
        blanks: Arc<Blanks>,
        batch: usize,
        mut one: impl FnMut() -> Result<P, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            first: one()?,
            helpers: [one()?, one()?, one()?, one()?, one()?, one()?],
            door,
            blanks,
            above: Room::above((HELPERS as u64 + 1).saturating_mul(batch as u64)),
            called: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
        })
    }

    #[inline]
    fn next(&self) -> &P {
        // On a calm day this is all.
        if self.blanks.is_flood() {
            self.next_in_a_flood()
        } else {
            &self.first
        }
    }

    #[inline(never)]
    fn next_in_a_flood(&self) -> &P {
        self.blanks.free_one();
        if self.door.room().is_pressed(self.above) {
            self.in_turn()
        } else {
            &self.first
        }
    }

    fn in_turn(&self) -> &P {
        let turn = self.turn.fetch_add(1, Relaxed) % (HELPERS + 1);
        let Some(helper) = self.helpers.get(turn) else {
            return &self.first;
        };
        // Before the record, so that a flush behind it sees it. A look first: after the first time
        // nobody should fight for this line.
        if !self.called.load(Relaxed) {
            self.called.store(true, Relaxed);
        }
        helper
    }

    /// Those that may hold records.
    pub(super) fn busy(&self) -> &[P] {
        if self.called.load(Relaxed) {
            &self.helpers
        } else {
            &[]
        }
    }
}

#[cfg(test)]
impl<P> Crew<P> {
    pub(super) fn blanks(&self) -> &Blanks {
        &self.blanks
    }
}

impl<P: LogProcessor> LogProcessor for Crew<P> {
    #[inline]
    fn emit(&self, record: &mut SdkLogRecord, instrumentation: &InstrumentationScope) {
        self.next().emit(record, instrumentation);
    }

    fn force_flush(&self) -> OTelSdkResult {
        let first = self.first.force_flush();
        let all = self.busy().iter().map(LogProcessor::force_flush);
        all.fold(first, OTelSdkResult::and)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let until = deadline(timeout);
        let first = self.first.shutdown_with_timeout(timeout);
        self.helpers.iter().fold(first, |outcome, helper| {
            let left = until.saturating_duration_since(Instant::now());
            outcome.and(helper.shutdown_with_timeout(left))
        })
    }

    fn shutdown(&self) -> OTelSdkResult {
        let first = self.first.shutdown();
        let all = self.helpers.iter().map(LogProcessor::shutdown);
        all.fold(first, OTelSdkResult::and)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        // All are alike.
        self.first.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.first.set_resource(resource);
        for helper in &mut self.helpers {
            helper.set_resource(resource);
        }
    }
}

/// How many help. By measurement: two threads that log as fast as they can on two cores, with gzip,
/// lose most with none, half with three, and with six nothing in most runs; see docs/performance.md.
pub(super) const HELPERS: usize = 6;

//! What becomes of the events that reach a layer.
//!
//! Beside the way of an event: every event is handed to the logger, or counted here under the
//! reason why not, by its level. A ledger further down can so account for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing_core::Level;

/// One counter for each level.
#[derive(Debug, Default)]
pub(crate) struct PerLevel([AtomicU64; 5]);

impl PerLevel {
    pub(crate) fn add(&self, level: Level) {
        self.0[index(level)].fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, level: Level) -> u64 {
        self.0[index(level)].load(Ordering::Relaxed)
    }

    fn total(&self) -> u64 {
        self.0.iter().map(|one| one.load(Ordering::Relaxed)).sum()
    }
}

fn index(level: Level) -> usize {
    match level {
        Level::TRACE => 0,
        Level::DEBUG => 1,
        Level::INFO => 2,
        Level::WARN => 3,
        _ => 4,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    records: AtomicU64,
    pub(crate) unsampled: PerLevel,
    pub(crate) reentrant: PerLevel,
    pub(crate) panicked: PerLevel,
    pub(crate) at_thread_end: PerLevel,
    pub(crate) refused: PerLevel,
    dropped_attributes: AtomicU64,
    found_span: AtomicBool,
}

impl Counters {
    pub(crate) fn found_span(&self) {
        // Read first: a cache line that is only read is shared among threads.
        if !self.found_span.load(Ordering::Relaxed) {
            self.found_span.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn handed_over(&self, dropped_attributes: u32) {
        if dropped_attributes > 0 {
            self.dropped_attributes
                .fetch_add(dropped_attributes.into(), Ordering::Relaxed);
        }
        self.records.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a [`LogLayer`](crate::LogLayer) has done so far; a handle that can be asked at any time.
///
/// One handle can be [given](crate::LogLayer::with_counts) to several layers, which then count
/// together.
#[derive(Debug, Clone, Default)]
pub struct LayerCounts(pub(crate) Arc<Counters>);

impl LayerCounts {
    /// Records handed to the logger.
    pub fn records(&self) -> u64 {
        self.0.records.load(Ordering::Relaxed)
    }

    /// Events dropped with their unsampled trace
    /// ([`UnsampledPolicy::Drop`](crate::UnsampledPolicy::Drop)).
    pub fn unsampled(&self) -> u64 {
        self.0.unsampled.total()
    }

    /// Events dropped because they arose while another was emitted, or too deep inside the
    /// formatting of others.
    pub fn reentrant(&self) -> u64 {
        self.0.reentrant.total()
    }

    /// Events lost to a panic in a logger or one of its processors.
    pub fn panicked(&self) -> u64 {
        self.0.panicked.total()
    }

    /// Events from destructors of thread-locals, where the SDK cannot be called any more.
    pub fn at_thread_end(&self) -> u64 {
        self.0.at_thread_end.total()
    }

    /// Events that the logger did not want (`event_enabled`); a processor that turns records away
    /// for want of room has counted them too.
    pub fn refused(&self) -> u64 {
        self.0.refused.total()
    }

    /// Has any event been in an OpenTelemetry span, sampled or not?
    pub fn has_found_span(&self) -> bool {
        self.0.found_span.load(Ordering::Relaxed)
    }

    /// Attributes that the [`Limits`](crate::Limits) turned away.
    pub fn dropped_attributes(&self) -> u64 {
        self.0.dropped_attributes.load(Ordering::Relaxed)
    }

    /// The events of one level that did not become records.
    pub fn of_level(&self, level: Level) -> LevelCounts {
        LevelCounts {
            unsampled: self.0.unsampled.of(level),
            reentrant: self.0.reentrant.of(level),
            panicked: self.0.panicked.of(level),
            at_thread_end: self.0.at_thread_end.of(level),
            refused: self.0.refused.of(level),
        }
    }
}

/// The events of one level that did not become records; see the methods of [`LayerCounts`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelCounts {
    /// See [`LayerCounts::unsampled`].
    pub unsampled: u64,
    /// See [`LayerCounts::reentrant`].
    pub reentrant: u64,
    /// See [`LayerCounts::panicked`].
    pub panicked: u64,
    /// See [`LayerCounts::at_thread_end`].
    pub at_thread_end: u64,
    /// See [`LayerCounts::refused`].
    pub refused: u64,
}

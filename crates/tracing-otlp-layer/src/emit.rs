//! Emit: a filled record gets its time, severity and ids, and is handed over.
//!
//! Last stop on the way of an event inside this crate.

use std::time::SystemTime;

use opentelemetry::logs::{LogRecord, Severity};
use opentelemetry::{Context, ContextGuard};

use crate::guard::{Emitting, Weight};
use crate::link::policy::Link;

/// What is on a record, beside what its draft has put there.
pub(crate) struct Envelope {
    pub(crate) time: SystemTime,
    pub(crate) severity: Severity,
    pub(crate) event_name: Option<&'static str>,
    pub(crate) link: Link,
    /// The SDK would find a span of its own for a record without ids.
    pub(crate) has_span: bool,
}

impl Envelope {
    #[inline]
    pub(crate) fn put_on<R: LogRecord>(&self, record: &mut R) {
        record.set_timestamp(self.time);
        record.set_observed_timestamp(self.time);
        record.set_severity_number(self.severity);
        record.set_severity_text(self.severity.name());
        if let Some(name) = self.event_name {
            record.set_event_name(name);
        }
        if let Link::To(span) = self.link {
            record.set_trace_context(span.trace_id, span.span_id, Some(span.flags));
        }
    }
}

/// While it lives, once begun, a record may be handed to its logger.
///
/// The caller hands it over by itself: a record is large, and every function that it goes through
/// would copy it.
#[derive(Default)]
pub(crate) struct Ready {
    emitting: Option<Emitting>,
    cleared: Option<ContextGuard>,
    dropped: u32,
}

impl Ready {
    /// With the weight that whoever asks is told.
    #[inline]
    pub(crate) fn begin(&mut self, weight: Option<Weight>, dropped: u32, envelope: &Envelope) {
        let has_ids = matches!(envelope.link, Link::To(_));
        if envelope.has_span && !has_ids {
            // The SDK fills in the current span where a record has none: only a cleared context
            // keeps it from that.
            self.cleared = Some(Context::new().attach());
        }
        self.dropped = dropped;
        self.emitting = Some(Emitting::of(weight));
    }

    /// Attributes that the limits turned away. The record has been handed over.
    #[inline]
    pub(crate) fn dropped(self) -> u32 {
        self.dropped
    }
}

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
    /// What whoever asks is told.
    pub(crate) weight: Option<Weight>,
}

/// While it lives, the record may be handed to its logger.
pub(crate) struct Ready {
    _emitting: Emitting,
    _cleared: Option<ContextGuard>,
}

/// Completes a filled record.
///
/// The caller hands it over by itself: a record is large, and every function that it goes through
/// would copy it.
#[inline]
pub(crate) fn complete<R: LogRecord>(record: &mut R, envelope: &Envelope) -> Ready {
    record.set_timestamp(envelope.time);
    record.set_observed_timestamp(envelope.time);
    record.set_severity_number(envelope.severity);
    record.set_severity_text(envelope.severity.name());
    if let Some(name) = envelope.event_name {
        record.set_event_name(name);
    }
    let mut cleared = None;
    if let Link::To(span) = envelope.link {
        record.set_trace_context(span.trace_id, span.span_id, Some(span.flags));
    } else if envelope.has_span {
        // The SDK fills in the current span where a record has none: only a cleared context keeps
        // it from that.
        cleared = Some(Context::new().attach());
    }
    Ready {
        _emitting: Emitting::of(envelope.weight),
        _cleared: cleared,
    }
}

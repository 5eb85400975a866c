//! Emit: a draft becomes a record of the SDK. The only file that touches `Logger`'s records.
//!
//! Last stop on the way of an event inside this crate.

use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::logs::{LogRecord as _, Logger, Severity};

use crate::draft::Draft;
use crate::guard;
use crate::link::policy::Link;

/// What a record is made of, beside its draft.
pub(crate) struct Envelope {
    pub(crate) time: SystemTime,
    pub(crate) severity: Severity,
    pub(crate) event_name: Option<&'static str>,
    pub(crate) link: Link,
    /// The SDK would find a span of its own for a record without ids.
    pub(crate) has_span: bool,
    /// Whoever asks is told what the record weighs.
    pub(crate) tells_weight: bool,
}

/// Hands the finished draft to the logger.
pub(crate) fn emit<L: Logger>(logger: &L, envelope: &Envelope, mut draft: Draft<'_>) {
    let weight = if envelope.tells_weight {
        draft.weight()
    } else {
        None
    };
    let mut record = logger.create_log_record();
    record.set_timestamp(envelope.time);
    record.set_observed_timestamp(envelope.time);
    record.set_severity_number(envelope.severity);
    record.set_severity_text(envelope.severity.name());
    if let Some(name) = envelope.event_name {
        record.set_event_name(name);
    }
    if let Some(body) = draft.body.take() {
        record.set_body(body);
    }
    for (key, value) in draft.attributes.drain(..) {
        record.add_attribute(key, value);
    }
    if let Link::To(span) = envelope.link {
        record.set_trace_context(span.trace_id, span.span_id, Some(span.flags));
    } else if envelope.has_span {
        // The SDK fills in the current span where a record has none: only a cleared context keeps
        // it from that.
        let _cleared = Context::new().attach();
        guard::emitting_weighed(weight, || logger.emit(record));
        return;
    }
    guard::emitting_weighed(weight, || logger.emit(record));
}

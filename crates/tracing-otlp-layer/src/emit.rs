//! Emit: a draft becomes a record of the SDK. The only file that touches `Logger`'s records.
//!
//! Last stop on the way of an event inside this crate.

use std::time::SystemTime;

use opentelemetry::Context;
use opentelemetry::logs::{LogRecord as _, Logger, Severity};
use opentelemetry::trace::TraceContextExt as _;

use crate::draft::Draft;
use crate::guard;
use crate::link::policy::Link;

/// Hands the finished draft to the logger.
pub(crate) fn emit<L: Logger>(
    logger: &L,
    time: SystemTime,
    severity: Severity,
    event_name: Option<&'static str>,
    link: &Link,
    draft: Draft<'_>,
) {
    let mut record = logger.create_log_record();
    record.set_timestamp(time);
    record.set_observed_timestamp(time);
    record.set_severity_number(severity);
    record.set_severity_text(severity.name());
    if let Some(name) = event_name {
        record.set_event_name(name);
    }
    if let Some(body) = draft.body {
        record.set_body(body);
    }
    record.add_attributes(draft.attributes);
    if let Link::To(span) = link {
        record.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
        guard::emitting(|| logger.emit(record));
        return;
    }
    // The SDK fills in the current span where a record has none: only a cleared context keeps it
    // from that.
    let _cleared = Context::map_current(Context::has_active_span).then(|| Context::new().attach());
    guard::emitting(|| logger.emit(record));
}

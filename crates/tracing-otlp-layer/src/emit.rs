//! Emit: what a record has besides its fields, and what is known of it when it is handed over.
//!
//! Last stop on the way of an event inside this crate.

use std::time::SystemTime;

use opentelemetry::logs::LogRecord;

use crate::capture::callsite::Facts;
use crate::guard::Weight;
use crate::link::policy::Link;

/// What an event is tied to.
pub(crate) struct Tie {
    pub(crate) link: Link,
    /// The SDK fills in the current span where a record has none: only a cleared context keeps it
    /// from that.
    pub(crate) clears: bool,
}

/// Begins a record with what is known before its fields are read; they may say better.
#[inline]
pub(crate) fn begin<L, R: LogRecord>(record: &mut R, facts: &Facts<L>, link: Link) {
    // One look at the clock for both.
    let now = SystemTime::now();
    record.set_timestamp(now);
    record.set_observed_timestamp(now);
    record.set_severity_number(facts.severity);
    record.set_severity_text(facts.severity_text);
    if let Some(name) = facts.event_name {
        record.set_event_name(name);
    }
    if let Link::To(span) = link {
        record.set_trace_context(span.trace_id, span.span_id, Some(span.flags));
    }
}

/// What there is to know of a complete record when it is handed over.
pub(crate) struct Ready {
    /// What whoever asks is told.
    pub(crate) weight: Option<Weight>,
    /// Attributes that the limits turned away.
    pub(crate) dropped: u32,
}

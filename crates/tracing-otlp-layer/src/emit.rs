//! Emit: a filled record gets its time, severity and ids, and is handed over.
//!
//! Last stop on the way of an event inside this crate.

use std::time::SystemTime;

use opentelemetry::logs::{LogRecord, Severity};
use opentelemetry::{Context, ContextGuard};

use crate::guard::{Emitting, Weight};
use crate::link::policy::Link;

/// When an event came, and from where.
pub(crate) struct Moment {
    /// The one clock read: both of a record's times.
    pub(crate) time: SystemTime,
    pub(crate) link: Link,
    /// The SDK would find a span of its own for a record without ids.
    pub(crate) has_span: bool,
}

/// Completes a filled record.
#[inline]
pub(crate) fn complete<R: LogRecord>(
    record: &mut R,
    moment: &Moment,
    severity: Severity,
    event_name: Option<&'static str>,
) {
    record.set_timestamp(moment.time);
    record.set_observed_timestamp(moment.time);
    record.set_severity_number(severity);
    record.set_severity_text(severity.name());
    if let Some(name) = event_name {
        record.set_event_name(name);
    }
    if let Link::To(span) = moment.link {
        record.set_trace_context(span.trace_id, span.span_id, Some(span.flags));
    }
}

/// What there is to know of a complete record when it is handed over.
pub(crate) struct Ready {
    /// What whoever asks is told.
    pub(crate) weight: Option<Weight>,
    /// Attributes that the limits turned away.
    pub(crate) dropped: u32,
    /// The SDK fills in the current span where a record has none: only a cleared context keeps it
    /// from that.
    pub(crate) clears: bool,
}

impl Ready {
    /// Begins the handing over.
    ///
    /// The caller does it by itself: a record is large, and every function that it goes through
    /// would copy it.
    #[inline]
    pub(crate) fn begin(self) -> Handing {
        let cleared = self.clears.then(|| Context::new().attach());
        Handing {
            _emitting: Emitting::of(self.weight),
            _cleared: cleared,
        }
    }
}

/// While it lives, a record may be handed to its logger.
pub(crate) struct Handing {
    _emitting: Emitting,
    _cleared: Option<ContextGuard>,
}

//! The severity of an event: its level's, what a rule says of its call site, or what it says itself.
//!
//! Part of capture, first stop on the way of an event. It is known before a field is formatted,
//! because room is asked for by severity, and first of all.

use std::fmt;

use opentelemetry::logs::Severity;
use tracing_core::field::Visit;
use tracing_core::{Event, Field, Level, Metadata};

use crate::draft::keys::SEVERITY_NUMBER;
use crate::settings::Settings;

/// Severity numbers of the five levels. Source: Logs data model, "Mapping of `SeverityNumber`".
pub(crate) fn of_call_site(metadata: &Metadata<'_>, settings: &Settings) -> Severity {
    let rule = settings.severity_rule.as_ref();
    if let Some(severity) = rule.and_then(|rule| rule(metadata)) {
        return severity;
    }
    match *metadata.level() {
        Level::TRACE => Severity::Trace,
        Level::DEBUG => Severity::Debug,
        Level::INFO => Severity::Info,
        Level::WARN => Severity::Warn,
        Level::ERROR => Severity::Error,
    }
}

/// Do events of this call site say their severity themselves?
pub(crate) fn is_given_by_events(metadata: &Metadata<'_>) -> bool {
    let mut fields = metadata.fields().iter();
    fields.any(|field| field.name() == SEVERITY_NUMBER)
}

/// The severity that an event says itself, else that of its call site. Formats nothing.
pub(crate) fn of_event(event: &Event<'_>, call_site: Severity) -> Severity {
    let mut look = Look(call_site);
    event.record(&mut look);
    look.0
}

/// The latest that is valid, as the record will have it.
struct Look(Severity);

impl Look {
    fn see(&mut self, field: &Field, number: impl TryInto<i64>) {
        if field.name() == SEVERITY_NUMBER {
            let severity = number.try_into().ok().and_then(numbered);
            self.0 = severity.unwrap_or(self.0);
        }
    }
}

impl Visit for Look {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.see(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.see(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.see(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.see(field, value);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// The severity with this number.
pub(crate) fn numbered(number: i64) -> Option<Severity> {
    const ALL: [Severity; 24] = {
        use Severity::{
            Debug, Debug2, Debug3, Debug4, Error, Error2, Error3, Error4, Fatal, Fatal2, Fatal3,
            Fatal4, Info, Info2, Info3, Info4, Trace, Trace2, Trace3, Trace4, Warn, Warn2, Warn3,
            Warn4,
        };
        [
            Trace, Trace2, Trace3, Trace4, Debug, Debug2, Debug3, Debug4, Info, Info2, Info3,
            Info4, Warn, Warn2, Warn3, Warn4, Error, Error2, Error3, Error4, Fatal, Fatal2, Fatal3,
            Fatal4,
        ]
    };
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    ALL.get(index).copied()
}

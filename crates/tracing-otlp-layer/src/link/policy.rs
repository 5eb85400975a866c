//! What becomes of a record whose trace was not sampled.
//!
//! Part of link, second stop on the way of an event.

use opentelemetry::logs::Severity;

use super::Ids;
use crate::settings::UnsampledPolicy;

/// How a record is tied to its span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Link {
    /// By nothing: no ids.
    None,
    /// By trace id, span id and flags.
    To(Ids),
    /// By two attributes to search for.
    Attributes(Ids),
    /// Not at all: the record goes with its trace.
    Dropped,
}

impl Link {
    pub(crate) fn decide(span: Option<Ids>, policy: UnsampledPolicy, severity: Severity) -> Self {
        let Some(span) = span else {
            return Self::None;
        };
        if span.is_sampled() {
            return Self::To(span);
        }
        match policy {
            UnsampledPolicy::Detach => Self::None,
            UnsampledPolicy::Keep => Self::To(span),
            UnsampledPolicy::KeepAsAttributes => Self::Attributes(span),
            UnsampledPolicy::Drop if severity >= Severity::Warn => Self::None,
            UnsampledPolicy::Drop => Self::Dropped,
        }
    }
}

//! The record while it can still change: unique keys, limits, errors, event name.
//!
//! Third stop on the way of an event. SDK records cannot be edited once built
//! (`SdkLogRecord` has no way to remove or replace an attribute), so whatever shapes values
//! happens here, on our own draft.

pub(crate) mod error;
pub(crate) mod limits;
pub(crate) mod nested;
#[cfg(all(tracing_unstable, feature = "valuable"))]
pub(crate) mod valuable;

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, Severity};

use crate::settings::Limits;

/// One record in the making.
pub(crate) struct Draft<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) body: Option<AnyValue>,
    pub(crate) attributes: Vec<(Key, AnyValue)>,
    /// Attributes that the limits turned away.
    pub(crate) dropped: u32,
    /// A name given by the `otel.event.name` field.
    pub(crate) event_name: Option<&'static str>,
    /// A number given by the `otel.severity_number` field.
    pub(crate) severity: Option<Severity>,
    /// The first error of the event has already filled `exception.*`.
    pub(crate) has_exception: bool,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(limits: &'a Limits, capacity: usize) -> Self {
        Self {
            limits,
            body: None,
            attributes: Vec::with_capacity(capacity.min(limits.attributes)),
            dropped: 0,
            event_name: None,
            severity: None,
            has_exception: false,
        }
    }

    /// Sets `key`, replacing an earlier value: within one source the latest wins.
    pub(crate) fn set(&mut self, key: impl Into<Key>, value: AnyValue) {
        let key = key.into();
        if let Some(slot) = self.slot(&key) {
            *slot = value;
        } else {
            self.push(key, value);
        }
    }

    /// Adds `key` unless something nearer to the event has it: the event beats its spans, an
    /// inner span beats an outer one.
    pub(crate) fn add(&mut self, key: impl Into<Key>, value: impl FnOnce() -> AnyValue) {
        let key = key.into();
        if self.slot(&key).is_none() {
            self.push(key, value());
        }
    }

    fn push(&mut self, key: Key, value: AnyValue) {
        if self.attributes.len() < self.limits.attributes {
            self.attributes.push((key, value));
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn slot(&mut self, key: &Key) -> Option<&mut AnyValue> {
        self.attributes
            .iter_mut()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    /// `#[instrument(err)]` logs no message and an `error` that is only a text: still an exception.
    pub(crate) fn recognise_error(&mut self) {
        if self.body.is_some() || self.has_exception {
            return;
        }
        if let Some(AnyValue::String(text)) = self.slot(&Key::from_static_str("error")) {
            let text = AnyValue::String(text.clone());
            self.has_exception = true;
            self.add("exception.message", || text);
        }
    }

    /// Applies what can only be judged when everything is there: the whole record's size.
    pub(crate) fn finish(&mut self) {
        if self.limits.record_bytes != usize::MAX {
            self.dropped = self.dropped.saturating_add(limits::fit(
                &mut self.body,
                &mut self.attributes,
                self.limits,
            ));
        }
        if self.dropped > 0 {
            // Beyond the limits: it tells of them.
            let dropped = AnyValue::Int(self.dropped.into());
            match self.slot(&DROPPED_ATTRIBUTES_COUNT) {
                Some(slot) => *slot = dropped,
                None => self.attributes.push((DROPPED_ATTRIBUTES_COUNT, dropped)),
            }
        }
    }
}

/// Where a record has no field for the number (Common concepts, "Mapping to non-OTLP Formats",
/// "Dropped Attributes Count"); what encodes OTLP turns it into one.
const DROPPED_ATTRIBUTES_COUNT: Key = Key::from_static_str("otel.dropped_attributes_count");

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> AnyValue {
        AnyValue::Int(value)
    }

    #[test]
    fn set_replaces_and_add_does_not() {
        let limits = Limits::default();
        let mut draft = Draft::new(&limits, 4);
        draft.set("a", int(1));
        draft.set("a", int(2));
        draft.add("a", || int(3));
        draft.add("b", || int(4));
        assert_eq!(
            draft.attributes,
            vec![("a".into(), int(2)), ("b".into(), int(4))]
        );
    }

    #[test]
    fn what_goes_over_the_count_is_counted_but_a_known_key_still_changes() {
        let limits = Limits::default().with_attribute_count(1);
        let mut draft = Draft::new(&limits, 4);
        draft.set("a", int(1));
        draft.set("b", int(2));
        draft.set("a", int(3));
        assert_eq!(draft.attributes, vec![("a".into(), int(3))]);
        assert_eq!(draft.dropped, 1);
        draft.finish();
        assert_eq!(
            draft.attributes[1..],
            [("otel.dropped_attributes_count".into(), int(1))]
        );
    }
}

//! What is held back until a record is finished.
//!
//! Part of the draft, third stop on the way of an event. An SDK record cannot be edited, so where a
//! value may be replaced or taken out again, all of them wait here.

use opentelemetry::Key;
use opentelemetry::logs::AnyValue;

/// Body and attributes that can still change.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) body: Option<AnyValue>,
    pub(crate) attributes: Vec<(Key, AnyValue)>,
}

impl Held {
    pub(crate) fn slot(&mut self, key: &str) -> Option<&mut AnyValue> {
        self.attributes
            .iter_mut()
            .find(|(known, _)| known.as_str() == key)
            .map(|(_, value)| value)
    }
}

//! The one visitor: fields to typed values, with user code fenced in.
//!
//! Part of capture, first stop on the way of an event. It serves events and spans; the [`Sink`]
//! says where values go.

use std::error::Error;
use std::fmt::{self, Write as _};

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, Severity};
use tracing_core::Field;
use tracing_core::field::Visit;

use crate::draft::limits::{Bounded, prefix};
use crate::draft::nested::Nested;
use crate::draft::{Draft, error};
use crate::guard;
use crate::settings::{Limits, SpanFields};

/// Where the visitor puts what it reads.
pub(crate) trait Sink {
    fn limits(&self) -> &Limits;

    /// Bytes of text to keep for this field.
    fn text_limit(&self, _: &'static str) -> usize {
        self.limits().value_length
    }

    /// Is the field wanted at all? Asked before a value is formatted.
    fn takes(&self, _: &'static str) -> bool {
        true
    }

    fn put(&mut self, field: &'static str, value: AnyValue);

    /// An error under its own field name; `text` is its message.
    fn put_error(&mut self, field: &'static str, text: String, error: &(dyn Error + 'static));
}

/// Reads fields into a sink.
pub(crate) struct Fields<S>(pub(crate) S);

impl<S: Sink> Fields<S> {
    fn put(&mut self, field: &Field, value: impl Into<AnyValue>) {
        let name = field.name();
        if self.0.takes(name) {
            self.0.put(name, value.into());
        }
    }
}

impl<S: Sink> Visit for Fields<S> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, value),
            Err(_) => self.put(field, value.to_string()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if self.0.takes(name) {
            let text = prefix(value, self.0.text_limit(name)).to_owned();
            self.0.put(name, AnyValue::String(text.into()));
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let name = field.name();
        if self.0.takes(name) {
            let kept = &value[..value.len().min(self.0.text_limit(name))];
            self.0.put(name, AnyValue::Bytes(Box::new(kept.to_vec())));
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let name = field.name();
        if !self.0.takes(name) {
            return;
        }
        if let Some(Nested(tree)) = value.downcast_ref::<Nested>() {
            if let Some(value) = tree.to_any(self.0.limits()) {
                self.0.put(name, value);
            }
            return;
        }
        let text = error::message(value, self.0.text_limit(name));
        self.0.put_error(name, text, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        if !self.0.takes(name) {
            return;
        }
        let mut text = Bounded::new(self.0.text_limit(name));
        // `Err` in here says that the limit was reached or that a Debug failed: what was written
        // until then stands.
        let done = guard::formatting(|| write!(text, "{value:?}"));
        let text = if done.is_some() {
            text.text
        } else {
            error::PANICKED.to_owned()
        };
        self.0.put(name, AnyValue::String(text.into()));
    }

    #[cfg(all(tracing_unstable, feature = "valuable"))]
    fn record_value(&mut self, field: &Field, value: valuable::Value<'_>) {
        let name = field.name();
        if !self.0.takes(name) {
            return;
        }
        if let valuable::Value::Error(error) = value {
            return self.record_error(field, error);
        }
        let value = guard::formatting(|| crate::draft::valuable::read(value))
            .unwrap_or_else(|| crate::draft::nested::Tree::Text(error::PANICKED.to_owned()))
            .to_any(self.0.limits());
        if let Some(value) = value {
            self.0.put(name, value);
        }
    }
}

/// Field names with a meaning of their own on an event.
const MESSAGE: &str = "message";
const EVENT_NAME: &str = "otel.event.name";
const SEVERITY_NUMBER: &str = "otel.severity_number";

/// An event's fields go into the draft.
impl Sink for &mut Draft<'_> {
    fn limits(&self) -> &Limits {
        self.limits
    }

    fn text_limit(&self, field: &'static str) -> usize {
        if field == MESSAGE {
            self.limits.body_length
        } else {
            self.limits.value_length
        }
    }

    fn put(&mut self, field: &'static str, value: AnyValue) {
        match field {
            MESSAGE => self.body = Some(value),
            EVENT_NAME => match value {
                AnyValue::String(name) => match super::callsite_names::intern(name.as_str()) {
                    Some(name) => self.event_name = Some(name),
                    None => self.set(EVENT_NAME, AnyValue::String(name)),
                },
                other => self.set(EVENT_NAME, other),
            },
            SEVERITY_NUMBER => match severity(&value) {
                Some(severity) => self.severity = Some(severity),
                None => self.set(SEVERITY_NUMBER, value),
            },
            _ => self.set(field, value),
        }
    }

    fn put_error(&mut self, field: &'static str, text: String, error: &(dyn Error + 'static)) {
        error::describe(self, error, &text);
        self.put(field, AnyValue::String(text.into()));
    }
}

fn severity(value: &AnyValue) -> Option<Severity> {
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
    let AnyValue::Int(number) = value else {
        return None;
    };
    let index = usize::try_from(number.checked_sub(1)?).ok()?;
    ALL.get(index).copied()
}

/// A span's fields are kept for the records of its events.
pub(crate) struct SpanSink<'a> {
    pub(crate) fields: &'a SpanFields,
    pub(crate) limits: &'a Limits,
    pub(crate) kept: Vec<(Key, AnyValue)>,
}

impl Sink for SpanSink<'_> {
    fn limits(&self) -> &Limits {
        self.limits
    }

    fn takes(&self, field: &'static str) -> bool {
        self.fields.takes(field)
    }

    fn put(&mut self, field: &'static str, value: AnyValue) {
        let key = match &self.fields.prefix {
            Some(prefix) => Key::from(format!("{prefix}{field}")),
            None => Key::from_static_str(field),
        };
        self.kept.push((key, value));
    }

    /// The error stays the span's: its logs are not all exceptions.
    fn put_error(&mut self, field: &'static str, text: String, _: &(dyn Error + 'static)) {
        self.put(field, AnyValue::String(text.into()));
    }
}

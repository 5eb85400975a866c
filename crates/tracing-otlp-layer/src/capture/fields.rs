//! The one visitor: fields to typed values, with user code fenced in.
//!
//! Part of capture, first stop on the way of an event. It serves events and spans; the [`Sink`]
//! says where values go.

use std::error::Error;
use std::fmt;

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use tracing_core::Field;
use tracing_core::field::Visit;

use super::constant::Constant;
use super::interned::EVENT_NAMES;
use super::kept::KeptFields;
use super::span_facts::SpanFacts;
use super::text::Text;
use crate::draft::keys::{FieldFact, Meaning};
use crate::draft::limits::prefix;
use crate::draft::nested::Nested;
use crate::draft::{Draft, UNWEIGHED, error};
#[cfg(all(tracing_unstable, feature = "valuable"))]
use crate::guard;
use crate::settings::Limits;

/// Where the visitor puts what it reads.
pub(crate) trait Sink {
    fn limits(&self) -> &Limits;

    /// Characters of text to keep for this field.
    fn text_limit(&self, _: &Field) -> usize {
        self.limits().value_length
    }

    /// Is the field wanted at all? Asked before a value is formatted.
    fn takes(&self, _: &Field) -> bool {
        true
    }

    /// What is known of the texts of this field.
    fn constant(&self, _: &Field) -> Option<&Constant> {
        None
    }

    /// A value that is no text, and its bytes: none for a number, [`UNWEIGHED`] where it is nested.
    fn put(&mut self, field: &Field, value: AnyValue, bytes: usize);

    fn put_text(&mut self, field: &Field, text: Text);

    /// An error under its own field name; `text` is its message.
    fn put_error(&mut self, field: &Field, text: Text, error: &(dyn Error + 'static));
}

/// Reads fields into a sink.
pub(crate) struct Fields<S>(pub(crate) S);

impl<S: Sink> Fields<S> {
    #[inline]
    fn put(&mut self, field: &Field, value: AnyValue) {
        if self.0.takes(field) {
            self.0.put(field, value, 0);
        }
    }

    #[cold]
    fn put_decimal(&mut self, field: &Field, value: &dyn fmt::Display) {
        if self.0.takes(field) {
            self.0.put_text(field, Text::of(&value.to_string()));
        }
    }
}

impl<S: Sink> Visit for Fields<S> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, AnyValue::Boolean(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, AnyValue::Int(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, AnyValue::Double(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, AnyValue::Int(value)),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, AnyValue::Int(value)),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, AnyValue::Int(value)),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.0.takes(field) {
            let text = prefix(value, self.0.text_limit(field));
            let text = Text::of_field(text, self.0.constant(field));
            self.0.put_text(field, text);
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        if self.0.takes(field) {
            let kept = &value[..value.len().min(self.0.text_limit(field))];
            let value = AnyValue::Bytes(Box::new(kept.to_vec()));
            self.0.put(field, value, UNWEIGHED);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if !self.0.takes(field) {
            return;
        }
        if let Some(Nested(tree)) = value.downcast_ref::<Nested>() {
            if let Some(value) = tree.to_any(self.0.limits()) {
                self.0.put(field, value, UNWEIGHED);
            }
            return;
        }
        let text = Text::of(&error::message(value, self.0.text_limit(field)));
        self.0.put_error(field, text, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.0.takes(field) {
            let limit = self.0.text_limit(field);
            let text = Text::of_debug(value, limit, self.0.constant(field));
            self.0.put_text(field, text);
        }
    }

    #[cfg(all(tracing_unstable, feature = "valuable"))]
    fn record_value(&mut self, field: &Field, value: valuable::Value<'_>) {
        if !self.0.takes(field) {
            return;
        }
        if let valuable::Value::Error(error) = value {
            return self.record_error(field, error);
        }
        let value = guard::formatting(|| crate::draft::valuable::read(value))
            .unwrap_or_else(|| crate::draft::nested::Tree::Text(error::PANICKED.to_owned()))
            .to_any(self.0.limits());
        if let Some(value) = value {
            self.0.put(field, value, UNWEIGHED);
        }
    }
}

/// An event's fields go into the draft.
impl<R: LogRecord> Sink for &mut Draft<'_, R> {
    fn limits(&self) -> &Limits {
        self.limits
    }

    #[inline]
    fn text_limit(&self, field: &Field) -> usize {
        match self.fields.get(field) {
            Some(fact) if fact.meaning == Meaning::Message => self.limits.body_length,
            _ => self.limits.value_length,
        }
    }

    #[inline]
    fn constant(&self, field: &Field) -> Option<&Constant> {
        self.fields.get(field).map(|fact| &fact.constant)
    }

    fn put_text(&mut self, field: &Field, text: Text) {
        let bytes = text.as_str().len();
        self.put(field, text.into_value(), bytes);
    }

    fn put(&mut self, field: &Field, value: AnyValue, bytes: usize) {
        // The facts are those of the field's call site: there is one for each.
        let fields = self.fields;
        let Some(fact) = fields.get(field) else {
            return;
        };
        if fact.meaning == Meaning::Attribute && self.is_direct() {
            self.add_field(field.index(), fact, value, bytes);
        } else {
            put_otherwise(self, field.index(), fact, value, bytes);
        }
    }

    fn put_error(&mut self, field: &Field, text: Text, error: &(dyn Error + 'static)) {
        error::describe(self, error, &text);
        self.put_text(field, text);
    }
}

/// A field that means something, or may take another one's place.
#[inline(never)]
fn put_otherwise<R: LogRecord>(
    draft: &mut Draft<'_, R>,
    index: usize,
    fact: &FieldFact,
    value: AnyValue,
    bytes: usize,
) {
    match fact.meaning {
        Meaning::Attribute => {}
        Meaning::Message => return draft.set_body(value, bytes),
        Meaning::Error => {
            if let AnyValue::String(text) = &value {
                draft.error = Some(text.clone());
            }
        }
        Meaning::EventName => {
            if let AnyValue::String(name) = &value {
                if let Some(name) = EVENT_NAMES.intern(name.as_str()) {
                    draft.event_name = Some(name);
                    return;
                }
            }
        }
        Meaning::SeverityNumber => {
            if let Some(severity) = severity(&value) {
                draft.severity = Some(severity);
                return;
            }
        }
    }
    if draft.is_direct() {
        draft.add_field(index, fact, value, bytes);
    } else {
        draft.set(fact.name.into(), fact.mark, value, bytes);
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
    pub(crate) facts: &'a SpanFacts,
    pub(crate) limits: &'a Limits,
    pub(crate) kept: KeptFields,
}

impl Sink for SpanSink<'_> {
    fn limits(&self) -> &Limits {
        self.limits
    }

    #[inline]
    fn takes(&self, field: &Field) -> bool {
        self.facts.get(field.index()).is_some()
    }

    #[inline]
    fn constant(&self, field: &Field) -> Option<&Constant> {
        self.facts.get(field.index()).map(|fact| &fact.constant)
    }

    fn put(&mut self, field: &Field, value: AnyValue, _: usize) {
        self.kept.put(self.facts, field.index(), value);
    }

    fn put_text(&mut self, field: &Field, text: Text) {
        self.kept.put_text(self.facts, field.index(), text);
    }

    /// The error stays the span's: its logs are not all exceptions.
    fn put_error(&mut self, field: &Field, text: Text, _: &(dyn Error + 'static)) {
        self.put_text(field, text);
    }
}

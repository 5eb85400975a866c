//! The one visitor: fields to typed values, with user code fenced in.
//!
//! Part of capture, first stop on the way of an event. It serves events and spans; the [`Sink`]
//! says where values go.

use std::error::Error;
use std::fmt;

use opentelemetry::logs::{AnyValue, LogRecord};
use tracing_core::Field;
use tracing_core::field::Visit;

use super::constant::Constant;
use super::interned::EVENT_NAMES;
use super::kept::KeptFields;
use super::severity;
use super::span_facts::{SpanFacts, SpanFieldFact};
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
    /// What is known of a field.
    type Fact: Fact;

    fn limits(&self) -> &Limits;

    /// `None` where the field is not wanted.
    fn fact(&self, field: &Field) -> Option<Self::Fact>;

    fn put_plain(&mut self, field: &Field, fact: Self::Fact, value: Plain);

    /// A value that is neither plain nor a text.
    fn put_nested(&mut self, field: &Field, fact: Self::Fact, value: AnyValue);

    fn put_text(&mut self, field: &Field, fact: Self::Fact, text: Text);

    /// An error under its own field name; `text` is its message.
    fn put_error(
        &mut self,
        field: &Field,
        fact: Self::Fact,
        text: Text,
        error: &(dyn Error + 'static),
    );
}

/// A value that is the same size whatever it is, and needs no drop.
#[derive(Clone, Copy)]
pub(crate) enum Plain {
    Int(i64),
    Double(f64),
    Boolean(bool),
}

impl From<Plain> for AnyValue {
    #[inline]
    fn from(value: Plain) -> Self {
        match value {
            Plain::Int(value) => Self::Int(value),
            Plain::Double(value) => Self::Double(value),
            Plain::Boolean(value) => Self::Boolean(value),
        }
    }
}

/// What to know of a field before its value is formatted.
pub(crate) trait Fact: Copy {
    /// Characters of text to keep.
    fn limit(self, limits: &Limits) -> usize;

    /// What is known of its texts.
    fn constant(&self) -> &Constant;
}

/// Reads fields into a sink.
pub(crate) struct Fields<S>(pub(crate) S);

impl<S: Sink> Fields<S> {
    #[expect(
        clippy::inline_always,
        reason = "which kind of value it is, each caller knows"
    )]
    #[inline(always)]
    fn put(&mut self, field: &Field, value: Plain) {
        if let Some(fact) = self.0.fact(field) {
            self.0.put_plain(field, fact, value);
        }
    }

    #[cold]
    fn put_other(&mut self, field: &Field, fact: S::Fact, text: Text) {
        self.0.put_text(field, fact, text);
    }

    #[cold]
    fn put_decimal(&mut self, field: &Field, value: &dyn fmt::Display) {
        if let Some(fact) = self.0.fact(field) {
            self.0.put_text(field, fact, Text::of(&value.to_string()));
        }
    }
}

impl<S: Sink> Visit for Fields<S> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Plain::Boolean(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Plain::Int(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, Plain::Double(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, Plain::Int(value)),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, Plain::Int(value)),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.put(field, Plain::Int(value)),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(fact) = self.0.fact(field) {
            let text = prefix(value, fact.limit(self.0.limits()));
            let text = Text::of_field(text, Some(fact.constant()));
            self.0.put_text(field, fact, text);
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        if let Some(fact) = self.0.fact(field) {
            let kept = &value[..value.len().min(fact.limit(self.0.limits()))];
            let value = AnyValue::Bytes(Box::new(kept.to_vec()));
            self.0.put_nested(field, fact, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let Some(fact) = self.0.fact(field) else {
            return;
        };
        if let Some(Nested(tree)) = value.downcast_ref::<Nested>() {
            if let Some(value) = tree.to_any(self.0.limits()) {
                self.0.put_nested(field, fact, value);
            }
            return;
        }
        let text = Text::of(&error::message(value, fact.limit(self.0.limits())));
        self.0.put_error(field, fact, text, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let Some(fact) = self.0.fact(field) else {
            return;
        };
        let limit = fact.limit(self.0.limits());
        // Apart, because there is less to do with a text that is known to be static.
        if let Some(expected) = fact.constant().text() {
            if limit == usize::MAX {
                match Text::other_than(expected, value) {
                    None => self.0.put_text(field, fact, Text::Static(expected)),
                    Some(other) => self.put_other(field, fact, other),
                }
                return;
            }
        }
        let text = Text::of_debug(value, limit, fact.constant());
        self.0.put_text(field, fact, text);
    }

    #[cfg(all(tracing_unstable, feature = "valuable"))]
    fn record_value(&mut self, field: &Field, value: valuable::Value<'_>) {
        let Some(fact) = self.0.fact(field) else {
            return;
        };
        if let valuable::Value::Error(error) = value {
            return self.record_error(field, error);
        }
        let value = guard::formatting(|| crate::draft::valuable::read(value))
            .unwrap_or_else(|| crate::draft::nested::Tree::Text(error::PANICKED.to_owned()))
            .to_any(self.0.limits());
        if let Some(value) = value {
            self.0.put_nested(field, fact, value);
        }
    }
}

/// An event's fields go into the draft.
impl<'a, R: LogRecord> Sink for Draft<'a, R> {
    type Fact = &'a FieldFact;

    #[inline]
    fn limits(&self) -> &Limits {
        self.limits
    }

    #[inline]
    fn fact(&self, field: &Field) -> Option<&'a FieldFact> {
        // The facts are those of the field's call site: there is one for each.
        self.fields.get(field)
    }

    #[expect(
        clippy::inline_always,
        reason = "which kind of value it is, each caller knows"
    )]
    #[inline(always)]
    fn put_plain(&mut self, field: &Field, fact: &'a FieldFact, value: Plain) {
        put(self, field, fact, value.into(), 0);
    }

    fn put_nested(&mut self, field: &Field, fact: &'a FieldFact, value: AnyValue) {
        put(self, field, fact, value, UNWEIGHED);
    }

    #[expect(clippy::inline_always, reason = "many callers, of which two are hot")]
    #[inline(always)]
    fn put_text(&mut self, field: &Field, fact: &'a FieldFact, text: Text) {
        let bytes = text.as_str().len();
        if fact.meaning == Meaning::Message {
            self.set_body(text.into_value(), bytes);
        } else {
            put(self, field, fact, text.into_value(), bytes);
        }
    }

    fn put_error(
        &mut self,
        field: &Field,
        fact: &'a FieldFact,
        text: Text,
        error: &(dyn Error + 'static),
    ) {
        error::describe(self, error, &text);
        self.put_text(field, fact, text);
    }
}

impl Fact for &FieldFact {
    #[inline]
    fn limit(self, _: &Limits) -> usize {
        self.limit
    }

    #[inline]
    fn constant(&self) -> &Constant {
        &self.constant
    }
}

#[expect(
    clippy::inline_always,
    reason = "each kind of value is made where the record takes it"
)]
#[inline(always)]
fn put<R: LogRecord>(
    draft: &mut Draft<'_, R>,
    field: &Field,
    fact: &FieldFact,
    value: AnyValue,
    bytes: usize,
) {
    if fact.meaning == Meaning::Attribute {
        draft.add_field(field.index(), fact, value, bytes);
    } else {
        put_meaning(draft, field.index(), fact, value, bytes);
    }
}

/// A field that is no mere attribute.
#[inline(never)]
fn put_meaning<R: LogRecord>(
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
                draft.set_error(text);
            }
        }
        Meaning::EventName => {
            if let AnyValue::String(name) = &value {
                if let Some(name) = EVENT_NAMES.intern(name.as_str()) {
                    draft.set_event_name(name);
                    return;
                }
            }
        }
        Meaning::SeverityNumber => {
            if let AnyValue::Int(number) = value {
                if let Some(severity) = severity::numbered(number) {
                    draft.set_severity(severity);
                    return;
                }
            }
        }
    }
    draft.add_field(index, fact, value, bytes);
}

/// A span's fields are kept for the records of its events.
pub(crate) struct SpanSink<'a> {
    pub(crate) facts: &'a SpanFacts,
    pub(crate) limits: &'a Limits,
    pub(crate) kept: &'a mut KeptFields,
}

impl<'a> Sink for SpanSink<'a> {
    type Fact = &'a SpanFieldFact;

    #[inline]
    fn limits(&self) -> &Limits {
        self.limits
    }

    #[inline]
    fn fact(&self, field: &Field) -> Option<&'a SpanFieldFact> {
        self.facts.get(field.index())
    }

    #[inline]
    fn put_plain(&mut self, field: &Field, _: &'a SpanFieldFact, value: Plain) {
        self.kept.put(self.facts, field.index(), value);
    }

    fn put_nested(&mut self, field: &Field, _: &'a SpanFieldFact, value: AnyValue) {
        self.kept.put_nested(self.facts, field.index(), value);
    }

    #[inline]
    fn put_text(&mut self, field: &Field, _: &'a SpanFieldFact, text: Text) {
        self.kept.put_text(self.facts, field.index(), text);
    }

    /// The error stays the span's: its logs are not all exceptions.
    fn put_error(
        &mut self,
        field: &Field,
        fact: &'a SpanFieldFact,
        text: Text,
        _: &(dyn Error + 'static),
    ) {
        self.put_text(field, fact, text);
    }
}

impl Fact for &SpanFieldFact {
    #[inline]
    fn limit(self, limits: &Limits) -> usize {
        limits.value_length
    }

    #[inline]
    fn constant(&self) -> &Constant {
        &self.constant
    }
}

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

    /// What to know of a field before its value is formatted; `None` where it is not wanted.
    fn rules(&self, field: &Field) -> Option<Rules<'_>>;

    /// A value that is no text, if its field is wanted. Its bytes: none for a number, [`UNWEIGHED`]
    /// where it is nested.
    fn put(&mut self, field: &Field, value: AnyValue, bytes: usize);

    fn put_text(&mut self, field: &Field, text: Text);

    /// An error under its own field name; `text` is its message.
    fn put_error(&mut self, field: &Field, text: Text, error: &(dyn Error + 'static));
}

/// What to know of a field before its value is formatted.
pub(crate) struct Rules<'a> {
    /// Characters of text to keep.
    limit: usize,
    /// What is known of its texts.
    constant: &'a Constant,
}

/// Reads fields into a sink.
pub(crate) struct Fields<S>(pub(crate) S);

impl<S: Sink> Fields<S> {
    #[cold]
    fn put_decimal(&mut self, field: &Field, value: &dyn fmt::Display) {
        if self.0.rules(field).is_some() {
            self.0.put_text(field, Text::of(&value.to_string()));
        }
    }
}

impl<S: Sink> Visit for Fields<S> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.put(field, AnyValue::Boolean(value), 0);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.put(field, AnyValue::Int(value), 0);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.put(field, AnyValue::Double(value), 0);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.0.put(field, AnyValue::Int(value), 0),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.0.put(field, AnyValue::Int(value), 0),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match i64::try_from(value) {
            Ok(value) => self.0.put(field, AnyValue::Int(value), 0),
            Err(_) => self.put_decimal(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(rules) = self.0.rules(field) {
            let text = prefix(value, rules.limit);
            let text = Text::of_field(text, Some(rules.constant));
            self.0.put_text(field, text);
        }
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        if let Some(rules) = self.0.rules(field) {
            let kept = &value[..value.len().min(rules.limit)];
            let value = AnyValue::Bytes(Box::new(kept.to_vec()));
            self.0.put(field, value, UNWEIGHED);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let Some(rules) = self.0.rules(field) else {
            return;
        };
        if let Some(Nested(tree)) = value.downcast_ref::<Nested>() {
            if let Some(value) = tree.to_any(self.0.limits()) {
                self.0.put(field, value, UNWEIGHED);
            }
            return;
        }
        let text = Text::of(&error::message(value, rules.limit));
        self.0.put_error(field, text, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(rules) = self.0.rules(field) {
            let text = Text::of_debug(value, rules.limit, rules.constant);
            self.0.put_text(field, text);
        }
    }

    #[cfg(all(tracing_unstable, feature = "valuable"))]
    fn record_value(&mut self, field: &Field, value: valuable::Value<'_>) {
        if self.0.rules(field).is_none() {
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
impl<R: LogRecord> Sink for Draft<'_, R> {
    fn limits(&self) -> &Limits {
        self.limits
    }

    #[inline]
    fn rules(&self, field: &Field) -> Option<Rules<'_>> {
        // The facts are those of the field's call site: there is one for each.
        let fact = self.fields.get(field)?;
        Some(Rules {
            limit: match fact.meaning {
                Meaning::Message => self.limits.body_length,
                _ => self.limits.value_length,
            },
            constant: &fact.constant,
        })
    }

    #[expect(clippy::inline_always, reason = "many callers, of which two are hot")]
    #[inline(always)]
    fn put_text(&mut self, field: &Field, text: Text) {
        let bytes = text.as_str().len();
        match self.fields.get(field) {
            Some(fact) if fact.meaning == Meaning::Message => {
                self.set_body(text.into_value(), bytes);
            }
            _ => self.put(field, text.into_value(), bytes),
        }
    }

    #[expect(
        clippy::inline_always,
        reason = "each kind of value is made where the record takes it"
    )]
    #[inline(always)]
    fn put(&mut self, field: &Field, value: AnyValue, bytes: usize) {
        let fields = self.fields;
        match fields.get(field) {
            Some(fact) if fact.meaning == Meaning::Attribute => {
                self.add_field(field.index(), fact, value, bytes);
            }
            Some(fact) => put_meaning(self, field.index(), fact, value, bytes),
            None => {}
        }
    }

    fn put_error(&mut self, field: &Field, text: Text, error: &(dyn Error + 'static)) {
        error::describe(self, error, &text);
        self.put_text(field, text);
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
    draft.add_field(index, fact, value, bytes);
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
    fn rules(&self, field: &Field) -> Option<Rules<'_>> {
        let fact = self.facts.get(field.index())?;
        Some(Rules {
            limit: self.limits.value_length,
            constant: &fact.constant,
        })
    }

    #[inline]
    fn put(&mut self, field: &Field, value: AnyValue, _: usize) {
        if self.facts.get(field.index()).is_some() {
            self.kept.put(self.facts, field.index(), value);
        }
    }

    fn put_text(&mut self, field: &Field, text: Text) {
        self.kept.put_text(self.facts, field.index(), text);
    }

    /// The error stays the span's: its logs are not all exceptions.
    fn put_error(&mut self, field: &Field, text: Text, _: &(dyn Error + 'static)) {
        self.put_text(field, text);
    }
}

//! About how many bytes a record takes in memory.
//!
//! Part of `admit`. Asked twice about every record, when it enters and when its batch leaves, so
//! the answer must depend on the content alone; and on the calling thread, so it must be cheap: the
//! lengths of texts count, the keys of attributes are taken as short. Even so it is a walk over all
//! attributes, so whoever made the record may say what it weighs: a [`RecordWeight`].

use std::num::NonZeroU64;

use opentelemetry::{Value, logs::AnyValue};
use opentelemetry_sdk::{logs::SdkLogRecord, trace::SpanData};

/// A record in its box, with its place in the queue.
const RECORD: u64 = 560;
/// A key and the place of a value.
const ATTRIBUTE: u64 = 64;
/// More than a record can have; a bound for sums.
pub(crate) const MAX_SIZE: u64 = 1 << 32;
const MAX: NonZeroU64 = NonZeroU64::MIN.saturating_add(MAX_SIZE - 1);
/// A span with its place in the queue, without what it holds.
const SPAN: u64 = 480;

/// What a log record weighs, from somebody who knows without looking at it again.
///
/// Only for records whose attributes and body are texts, numbers and truth values: what nested
/// values weigh is found out by the pipeline.
///
/// # Examples
///
/// ```
/// use tracing_otlp_pipeline::RecordWeight;
///
/// // The body "paid" and the attributes method = "card", amount = 12.5.
/// let weight = RecordWeight::new(2, "paid".len() + "card".len());
/// assert!(weight > RecordWeight::new(1, 4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordWeight(NonZeroU64);

impl RecordWeight {
    /// The weight of a record with so many attributes, and so many bytes in all its texts: the
    /// body's and the attributes' values, not their keys.
    #[inline]
    pub const fn new(attributes: usize, text_bytes: usize) -> Self {
        let size = (attributes as u64)
            .saturating_mul(ATTRIBUTE)
            .saturating_add(text_bytes as u64)
            .saturating_add(RECORD);
        match NonZeroU64::new(size) {
            Some(size) if size.get() < MAX_SIZE => Self(size),
            _ => Self(MAX),
        }
    }

    #[inline]
    pub(crate) const fn size(self) -> u64 {
        self.0.get()
    }
}

/// The estimate for a log record.
#[inline]
pub(crate) fn of_record(record: &SdkLogRecord) -> u64 {
    let body = record.body().map_or(0, of_value);
    // Folded, not looped over: the iterator is a chain of two, and asks itself at every step of a
    // loop which of the two it is in.
    record
        .attributes_iter()
        .fold(RECORD + body, |size, (_, value)| {
            size + ATTRIBUTE + of_value(value)
        })
}

#[inline]
fn of_value(value: &AnyValue) -> u64 {
    match value {
        AnyValue::String(text) => text.as_str().len() as u64,
        AnyValue::Int(_) | AnyValue::Double(_) | AnyValue::Boolean(_) => 0,
        nested => of_nested(nested),
    }
}

#[inline(never)]
fn of_nested(value: &AnyValue) -> u64 {
    match value {
        AnyValue::Bytes(bytes) => bytes.len() as u64,
        AnyValue::ListAny(items) => items.iter().map(|item| 32 + of_value(item)).sum(),
        AnyValue::Map(map) => map
            .iter()
            .map(|(key, value)| ATTRIBUTE + key.as_str().len() as u64 + of_value(value))
            .sum(),
        _ => 0,
    }
}

/// The estimate for a span.
pub(crate) fn of_span(span: &SpanData) -> u64 {
    let attributes = |attributes: &[opentelemetry::KeyValue]| -> u64 {
        attributes
            .iter()
            .map(|attribute| ATTRIBUTE + of_plain(&attribute.value))
            .sum()
    };
    let events: u64 = span
        .events
        .iter()
        .map(|event| ATTRIBUTE + event.name.len() as u64 + attributes(&event.attributes))
        .sum();
    let links: u64 = span
        .links
        .iter()
        .map(|link| ATTRIBUTE + attributes(&link.attributes))
        .sum();
    SPAN + span.name.len() as u64 + attributes(&span.attributes) + events + links
}

fn of_plain(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.as_str().len() as u64,
        Value::Array(opentelemetry::Array::String(texts)) => texts
            .iter()
            .map(|text| 24 + text.as_str().len() as u64)
            .sum(),
        Value::Array(opentelemetry::Array::Bool(values)) => values.len() as u64,
        Value::Array(opentelemetry::Array::I64(values)) => 8 * values.len() as u64,
        Value::Array(opentelemetry::Array::F64(values)) => 8 * values.len() as u64,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _};
    use opentelemetry_sdk::logs::SdkLoggerProvider;

    use super::*;

    #[test]
    fn who_knows_a_record_and_who_looks_at_it_find_the_same() {
        let provider = SdkLoggerProvider::builder().build();
        let mut record = provider.logger("test").create_log_record();
        assert_eq!(of_record(&record), RecordWeight::new(0, 0).size());
        record.set_body("four".into());
        record.add_attribute("text", String::from("seven s"));
        for number in 0..9 {
            record.add_attribute("number", number);
        }
        record.add_attribute("truth", true);
        record.add_attribute("ratio", 0.5);
        assert_eq!(of_record(&record), RecordWeight::new(12, 11).size());
    }
}

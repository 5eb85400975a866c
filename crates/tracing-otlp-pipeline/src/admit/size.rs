//! About how many bytes a record takes in memory.
//!
//! Part of `admit`. Asked twice about every record, when it enters and when its batch leaves, so
//! the answer must depend on the content alone; and on the calling thread, so it must be cheap: the
//! lengths of texts count, the keys of attributes are taken as short.

use opentelemetry::{Value, logs::AnyValue};
use opentelemetry_sdk::{logs::SdkLogRecord, trace::SpanData};

/// A record in its box, with its place in the queue.
const RECORD: u64 = 560;
/// A key and the place of a value.
const ATTRIBUTE: u64 = 64;
/// A span with its place in the queue, without what it holds.
const SPAN: u64 = 480;

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

//! What our own collector received, in the types of every peer.
//!
//! The last stop of a record's way where the receiver is in the test's process: nothing is judged
//! here, every field is put where [`model`](crate::model) has it.

use std::fmt::Write as _;

use tracing_otlp_collector::proto::common::v1::{AnyValue, KeyValue, any_value};
use tracing_otlp_collector::{Collector, StoredLog, StoredSpan};

use crate::model::{Attributes, LogRecord, Origin, Span, SpanEvent, SpanLink, Value};

/// The records, in the order of their arrival.
pub fn logs(collector: &Collector) -> Vec<LogRecord> {
    collector.logs().iter().map(log).collect()
}

/// The spans, in the order of their arrival.
pub fn spans(collector: &Collector) -> Vec<Span> {
    collector.spans().iter().map(span).collect()
}

fn log(stored: &StoredLog) -> LogRecord {
    LogRecord {
        origin: Origin {
            resource: attributes(stored.resource_attributes()),
            resource_schema_url: stored.resource_schema_url().to_owned(),
            scope_name: stored.scope_name().to_owned(),
            scope_version: stored.scope_version().to_owned(),
            scope_schema_url: stored.scope_schema_url().to_owned(),
            scope_attributes: attributes(stored.scope_attributes()),
        },
        time_unix_nano: stored.time_unix_nano(),
        observed_time_unix_nano: stored.observed_time_unix_nano(),
        severity_number: stored.severity_number(),
        severity_text: stored.severity_text().to_owned(),
        event_name: stored.event_name().to_owned(),
        body: typed(stored.body()),
        attributes: attributes(stored.attributes()),
        dropped_attributes_count: Some(stored.dropped_attributes_count()),
        flags: stored.flags(),
        trace_id: stored.trace_id_hex().unwrap_or_default(),
        span_id: stored.span_id_hex().unwrap_or_default(),
    }
}

fn span(stored: &StoredSpan) -> Span {
    let span = stored.span();
    let events = span.events.iter().map(|event| SpanEvent {
        time_unix_nano: event.time_unix_nano,
        name: event.name.clone(),
        attributes: attributes(&event.attributes),
    });
    let links = span.links.iter().map(|link| SpanLink {
        trace_id: hex(&link.trace_id),
        span_id: hex(&link.span_id),
        attributes: attributes(&link.attributes),
    });
    Span {
        origin: Origin {
            resource: attributes(stored.resource_attributes()),
            resource_schema_url: stored.resource_schema_url().to_owned(),
            scope_name: stored.scope_name().to_owned(),
            scope_version: stored.scope_version().to_owned(),
            scope_schema_url: stored.scope_schema_url().to_owned(),
            scope_attributes: attributes(stored.scope_attributes()),
        },
        name: span.name.clone(),
        kind: span.kind,
        trace_id: stored.trace_id_hex().unwrap_or_default(),
        span_id: stored.span_id_hex().unwrap_or_default(),
        parent_span_id: stored.parent_span_id_hex().unwrap_or_default(),
        trace_state: span.trace_state.clone(),
        start_time_unix_nano: span.start_time_unix_nano,
        end_time_unix_nano: span.end_time_unix_nano,
        status_code: span.status.as_ref().map_or(0, |status| status.code),
        status_message: stored.status_message().to_owned(),
        attributes: attributes(&span.attributes),
        events: events.collect(),
        links: links.collect(),
    }
}

fn attributes(from: &[KeyValue]) -> Attributes {
    let pair = |pair: &KeyValue| {
        let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
        (pair.key.clone(), typed(value))
    };
    from.iter().map(pair).collect()
}

fn typed(value: Option<&any_value::Value>) -> Value {
    use any_value::Value as Proto;
    let item = |value: &AnyValue| typed(value.value.as_ref());
    match value {
        None => Value::Empty,
        Some(Proto::StringValue(text)) => Value::String(text.clone()),
        Some(Proto::BoolValue(truth)) => Value::Bool(*truth),
        Some(Proto::IntValue(number)) => Value::Int(*number),
        Some(Proto::DoubleValue(number)) => Value::Double(*number),
        Some(Proto::BytesValue(bytes)) => Value::Bytes(bytes.clone()),
        Some(Proto::ArrayValue(list)) => Value::Array(list.values.iter().map(item).collect()),
        Some(Proto::KvlistValue(map)) => Value::Map(attributes(&map.values)),
        Some(other) => panic!("a type that we do not know: {other:?}"),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

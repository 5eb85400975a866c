//! Writes OTLP/JSON.
//!
//! Part of `encode`, for destinations that want JSON. Works on the protobuf messages that the
//! official exporter made.
//!
//! OTLP specification, "JSON Protobuf Encoding": keys in lowerCamelCase, trace and span ids in
//! hex, enums as numbers; and of the proto3 JSON mapping: 64-bit integers as strings, bytes in
//! base64, doubles that JSON lacks as `"NaN"`, `"Infinity"` and `"-Infinity"`, defaults left out.

#[cfg(feature = "relay")]
mod metrics;

use base64::Engine as _;
use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use prost::Message as _;

use crate::settings::Signal;

type Out = Vec<u8>;

/// Rewrites a binary export request of the signal as JSON.
pub(super) fn encode(signal: Signal, protobuf: Bytes) -> Result<Out, String> {
    let mut out = Vec::with_capacity(protobuf.len() * 2);
    let failed = |error: prost::DecodeError| error.to_string();
    match signal {
        Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(protobuf).map_err(failed)?;
            object(&mut out, |o| {
                o.list("resourceLogs", &request.resource_logs, resource_logs);
            });
        }
        Signal::Traces => {
            let request = ExportTraceServiceRequest::decode(protobuf).map_err(failed)?;
            object(&mut out, |o| {
                o.list("resourceSpans", &request.resource_spans, resource_spans);
            });
        }
        #[cfg(feature = "relay")]
        Signal::Metrics => metrics::encode(protobuf, &mut out).map_err(failed)?,
        #[cfg(not(feature = "relay"))]
        Signal::Metrics => return Err("metrics need the feature \"relay\"".to_owned()),
    }
    Ok(out)
}

fn resource_logs(logs: &ResourceLogs, out: &mut Out) {
    object(out, |o| {
        o.message("resource", logs.resource.as_ref(), resource);
        o.list("scopeLogs", &logs.scope_logs, scope_logs);
        o.string("schemaUrl", &logs.schema_url);
    });
}

fn scope_logs(logs: &ScopeLogs, out: &mut Out) {
    object(out, |o| {
        o.message("scope", logs.scope.as_ref(), scope);
        o.list("logRecords", &logs.log_records, log_record);
        o.string("schemaUrl", &logs.schema_url);
    });
}

fn log_record(record: &LogRecord, out: &mut Out) {
    object(out, |o| {
        o.fixed64("timeUnixNano", record.time_unix_nano);
        o.fixed64("observedTimeUnixNano", record.observed_time_unix_nano);
        o.number("severityNumber", record.severity_number);
        o.string("severityText", &record.severity_text);
        o.message("body", record.body.as_ref(), any_value);
        o.list("attributes", &record.attributes, key_value);
        o.number("droppedAttributesCount", record.dropped_attributes_count);
        o.number("flags", record.flags);
        o.hex("traceId", &record.trace_id);
        o.hex("spanId", &record.span_id);
        o.string("eventName", &record.event_name);
    });
}

fn resource_spans(spans: &ResourceSpans, out: &mut Out) {
    object(out, |o| {
        o.message("resource", spans.resource.as_ref(), resource);
        o.list("scopeSpans", &spans.scope_spans, scope_spans);
        o.string("schemaUrl", &spans.schema_url);
    });
}

fn scope_spans(spans: &ScopeSpans, out: &mut Out) {
    object(out, |o| {
        o.message("scope", spans.scope.as_ref(), scope);
        o.list("spans", &spans.spans, one_span);
        o.string("schemaUrl", &spans.schema_url);
    });
}

fn one_span(span: &Span, out: &mut Out) {
    object(out, |o| {
        o.hex("traceId", &span.trace_id);
        o.hex("spanId", &span.span_id);
        o.string("traceState", &span.trace_state);
        o.hex("parentSpanId", &span.parent_span_id);
        o.number("flags", span.flags);
        o.string("name", &span.name);
        o.number("kind", span.kind);
        o.fixed64("startTimeUnixNano", span.start_time_unix_nano);
        o.fixed64("endTimeUnixNano", span.end_time_unix_nano);
        o.list("attributes", &span.attributes, key_value);
        o.number("droppedAttributesCount", span.dropped_attributes_count);
        o.list("events", &span.events, event);
        o.number("droppedEventsCount", span.dropped_events_count);
        o.list("links", &span.links, link);
        o.number("droppedLinksCount", span.dropped_links_count);
        o.message("status", span.status.as_ref(), status);
    });
}

fn event(event: &span::Event, out: &mut Out) {
    object(out, |o| {
        o.fixed64("timeUnixNano", event.time_unix_nano);
        o.string("name", &event.name);
        o.list("attributes", &event.attributes, key_value);
        o.number("droppedAttributesCount", event.dropped_attributes_count);
    });
}

fn link(link: &span::Link, out: &mut Out) {
    object(out, |o| {
        o.hex("traceId", &link.trace_id);
        o.hex("spanId", &link.span_id);
        o.string("traceState", &link.trace_state);
        o.list("attributes", &link.attributes, key_value);
        o.number("droppedAttributesCount", link.dropped_attributes_count);
        o.number("flags", link.flags);
    });
}

fn status(status: &Status, out: &mut Out) {
    object(out, |o| {
        o.string("message", &status.message);
        o.number("code", status.code);
    });
}

fn resource(resource: &Resource, out: &mut Out) {
    object(out, |o| {
        o.list("attributes", &resource.attributes, key_value);
        o.number("droppedAttributesCount", resource.dropped_attributes_count);
    });
}

fn scope(scope: &InstrumentationScope, out: &mut Out) {
    object(out, |o| {
        o.string("name", &scope.name);
        o.string("version", &scope.version);
        o.list("attributes", &scope.attributes, key_value);
        o.number("droppedAttributesCount", scope.dropped_attributes_count);
    });
}

fn key_value(pair: &KeyValue, out: &mut Out) {
    object(out, |o| {
        // Written even when empty: a pair without a key makes no sense to a reader.
        text(&pair.key, o.key("key"));
        o.message("value", pair.value.as_ref(), any_value);
    });
}

/// A member of a `oneof` is written even with its default value; an empty value is `{}`.
fn any_value(value: &AnyValue, out: &mut Out) {
    object(out, |o| match &value.value {
        None => {}
        Some(Value::StringValue(string)) => text(string, o.key("stringValue")),
        Some(Value::BoolValue(truth)) => {
            let truth: &[u8] = if *truth { b"true" } else { b"false" };
            o.key("boolValue").extend_from_slice(truth);
        }
        Some(Value::IntValue(int)) => quoted(&int.to_string(), o.key("intValue")),
        Some(Value::DoubleValue(float)) => double(*float, o.key("doubleValue")),
        Some(Value::ArrayValue(array)) => {
            object(o.key("arrayValue"), |o| {
                o.list("values", &array.values, any_value);
            });
        }
        Some(Value::KvlistValue(list)) => {
            object(o.key("kvlistValue"), |o| {
                o.list("values", &list.values, key_value);
            });
        }
        Some(Value::BytesValue(bytes)) => quoted(
            &base64::engine::general_purpose::STANDARD.encode(bytes),
            o.key("bytesValue"),
        ),
        Some(Value::StringValueStrindex(index)) => o
            .key("stringValueStrindex")
            .extend_from_slice(index.to_string().as_bytes()),
    });
}

fn double(float: f64, out: &mut Out) {
    if float.is_nan() {
        quoted("NaN", out);
    } else if float.is_infinite() {
        quoted(if float > 0.0 { "Infinity" } else { "-Infinity" }, out);
    } else {
        // Writing a finite number to memory cannot fail.
        let _infallible = serde_json::to_writer(out, &float);
    }
}

fn text(text: &str, out: &mut Out) {
    // Writing a string to memory cannot fail.
    let _infallible = serde_json::to_writer(out, text);
}

/// Puts quotes around what needs no escapes.
fn quoted(plain: &str, out: &mut Out) {
    out.push(b'"');
    out.extend_from_slice(plain.as_bytes());
    out.push(b'"');
}

/// Writes one object; the closure writes its members.
fn object(out: &mut Out, members: impl FnOnce(&mut Members<'_>)) {
    out.push(b'{');
    members(&mut Members { out, first: true });
    out.push(b'}');
}

/// The members of an object under construction. All but `key` leave defaults out.
struct Members<'a> {
    out: &'a mut Out,
    first: bool,
}

impl Members<'_> {
    fn key(&mut self, name: &str) -> &mut Out {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        quoted(name, self.out);
        self.out.push(b':');
        self.out
    }

    fn string(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            text(value, self.key(name));
        }
    }

    fn number<N: Copy + Default + PartialEq + ToString>(&mut self, name: &str, value: N) {
        if value != N::default() {
            self.key(name)
                .extend_from_slice(value.to_string().as_bytes());
        }
    }

    fn fixed64(&mut self, name: &str, value: u64) {
        if value != 0 {
            quoted(&value.to_string(), self.key(name));
        }
    }

    fn hex(&mut self, name: &str, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        if bytes.is_empty() {
            return;
        }
        let out = self.key(name);
        out.push(b'"');
        for byte in bytes {
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
        }
        out.push(b'"');
    }

    fn message<M>(&mut self, name: &str, message: Option<&M>, write: impl FnOnce(&M, &mut Out)) {
        if let Some(message) = message {
            write(message, self.key(name));
        }
    }

    fn list<M>(&mut self, name: &str, items: &[M], write: impl Fn(&M, &mut Out)) {
        if items.is_empty() {
            return;
        }
        let out = self.key(name);
        let mut separator = b'[';
        for item in items {
            out.push(separator);
            separator = b',';
            write(item, out);
        }
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    fn written(value: Option<Value>) -> String {
        let mut out = Vec::new();
        any_value(&AnyValue { value }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_the_mapping_says() {
        let array = |values| Value::ArrayValue(ArrayValue { values });
        for (value, json) in [
            (None, "{}"),
            (
                Some(Value::StringValue("a\"\n\u{1}é".into())),
                "{\"stringValue\":\"a\\\"\\n\\u0001é\"}",
            ),
            (
                Some(Value::StringValue(String::new())),
                "{\"stringValue\":\"\"}",
            ),
            (Some(Value::BoolValue(false)), "{\"boolValue\":false}"),
            (Some(Value::IntValue(0)), "{\"intValue\":\"0\"}"),
            (
                Some(Value::IntValue(i64::MIN)),
                "{\"intValue\":\"-9223372036854775808\"}",
            ),
            (Some(Value::DoubleValue(1.5)), "{\"doubleValue\":1.5}"),
            (
                Some(Value::DoubleValue(f64::NAN)),
                "{\"doubleValue\":\"NaN\"}",
            ),
            (
                Some(Value::DoubleValue(f64::INFINITY)),
                "{\"doubleValue\":\"Infinity\"}",
            ),
            (
                Some(Value::DoubleValue(f64::NEG_INFINITY)),
                "{\"doubleValue\":\"-Infinity\"}",
            ),
            (
                Some(Value::BytesValue(vec![0xfb, 0xff])),
                "{\"bytesValue\":\"+/8=\"}",
            ),
            (Some(array(vec![])), "{\"arrayValue\":{}}"),
            (
                Some(array(vec![AnyValue { value: None }])),
                "{\"arrayValue\":{\"values\":[{}]}}",
            ),
            (
                Some(Value::KvlistValue(KeyValueList {
                    values: vec![KeyValue {
                        key: "k".into(),
                        value: Some(AnyValue {
                            value: Some(Value::IntValue(1)),
                        }),
                        key_strindex: 0,
                    }],
                })),
                "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"intValue\":\"1\"}}]}}",
            ),
        ] {
            assert_eq!(written(value), json);
        }
    }

    #[test]
    fn a_log_record_leaves_defaults_out_and_writes_the_rest() {
        let record = |record: LogRecord| {
            let mut out = Vec::new();
            log_record(&record, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(record(LogRecord::default()), "{}");
        assert_eq!(
            record(LogRecord {
                time_unix_nano: u64::MAX,
                severity_number: 9,
                dropped_attributes_count: 2,
                flags: 1,
                trace_id: vec![0xab; 16],
                span_id: vec![1; 8],
                event_name: "e".into(),
                ..LogRecord::default()
            }),
            "{\"timeUnixNano\":\"18446744073709551615\",\"severityNumber\":9,\
             \"droppedAttributesCount\":2,\"flags\":1,\
             \"traceId\":\"abababababababababababababababab\",\"spanId\":\"0101010101010101\",\
             \"eventName\":\"e\"}"
        );
    }

    #[test]
    fn a_span_is_written_with_its_events_links_and_status() {
        let span = Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            parent_span_id: vec![3; 8],
            trace_state: "a=b".into(),
            name: "n".into(),
            kind: 2,
            flags: 257,
            start_time_unix_nano: 1,
            end_time_unix_nano: 2,
            dropped_attributes_count: 1,
            dropped_events_count: 2,
            dropped_links_count: 3,
            events: vec![span::Event {
                time_unix_nano: 5,
                name: "ev".into(),
                ..span::Event::default()
            }],
            links: vec![span::Link {
                trace_id: vec![4; 16],
                span_id: vec![5; 8],
                trace_state: "c=d".into(),
                flags: 1,
                ..span::Link::default()
            }],
            status: Some(Status {
                message: "bad".into(),
                code: 2,
            }),
            ..Span::default()
        };
        let mut out = Vec::new();
        one_span(&span, &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({
            "traceId": "01".repeat(16), "spanId": "02".repeat(8), "traceState": "a=b",
            "parentSpanId": "03".repeat(8), "flags": 257, "name": "n", "kind": 2,
            "startTimeUnixNano": "1", "endTimeUnixNano": "2", "droppedAttributesCount": 1,
            "events": [{"timeUnixNano": "5", "name": "ev"}], "droppedEventsCount": 2,
            "links": [{"traceId": "04".repeat(16), "spanId": "05".repeat(8),
                       "traceState": "c=d", "flags": 1}],
            "droppedLinksCount": 3, "status": {"message": "bad", "code": 2}
        });
        assert_eq!(value, expected);
    }
}

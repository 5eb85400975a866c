//! No bytes make the decoders panic, and both formats mean the same.

use std::sync::Arc;

use prost::Message as _;

use super::*;
use crate::retain::Store;
use crate::retain::samples::{Random, attribute, logs_request, record, span, text, trace_request};
use crate::{Audit, TraceTree};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

use crate::otlp::to_json;

const LOGS_JSON: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name",
"value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{"name":"shop","version":"1"},"logRecords":
[{"timeUnixNano":"1700000000000000001","severityNumber":9,"severityText":"INFO","body":{"kvlistValue":
{"values":[{"key":"a","value":{"arrayValue":{"values":[{"intValue":"1"},{"doubleValue":"NaN"},
{"bytesValue":"AAEC"},{"boolValue":true}]}}}]}},"traceId":"5b8efff798038103d269b633813fc60c",
"spanId":"eee19b7ec3c1b174","flags":1,"droppedAttributesCount":2}]}]}]}"#;

const TRACE_JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":
"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"00f067aa0ba902b7",
"name":"GET /","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"1000","status":{"code":2,
"message":"no"},"events":[{"name":"e","timeUnixNano":5}],"links":[{"traceId":"00","spanId":""}]}]}]}]}"#;

const METRICS_JSON: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":
{"dataPoints":[{"asInt":"5"},{"asDouble":1.5}],"isMonotonic":true}},{"histogram":{"dataPoints":
[{"count":"2","bucketCounts":["1","1"],"explicitBounds":[1.0]}]}}]}]}]}"#;

fn protobuf(signal: Signal, bytes: &[u8]) -> Result<Indexed, Refusal> {
    let bytes = Bytes::copy_from_slice(bytes);
    decode(signal, Protocol::HttpProtobuf, bytes, &Capacity::default())
}

fn json(signal: Signal, bytes: &[u8]) -> Result<Indexed, Refusal> {
    let bytes = Bytes::copy_from_slice(bytes);
    decode(signal, Protocol::HttpJson, bytes, &Capacity::default())
}

/// What prost makes of the bytes, as text, because NaN is not equal to itself.
fn by_prost(signal: Signal, bytes: &[u8]) -> Result<String, prost::DecodeError> {
    fn text<M: prost::Message + Default + std::fmt::Debug>(
        bytes: &[u8],
    ) -> Result<String, prost::DecodeError> {
        M::decode(bytes).map(|message| format!("{message:?}"))
    }
    match signal {
        Signal::Logs => text::<ExportLogsServiceRequest>(bytes),
        Signal::Traces => text::<ExportTraceServiceRequest>(bytes),
        Signal::Metrics => text::<ExportMetricsServiceRequest>(bytes),
    }
}

fn protobuf_of(signal: Signal, json: &str) -> Vec<u8> {
    from_json::convert(schema(signal), json.as_bytes()).unwrap()
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{}",
        "{\"arrayValue\":{\"values\":[".repeat(100_000)
    );
    let refusal = json(Signal::Logs, deep.as_bytes()).unwrap_err();
    assert_eq!(refusal.reason, Reason::Payload);
    assert!(
        refusal.message.contains("recursion limit"),
        "{}",
        refusal.message
    );
    // What nobody knows is skipped, however deep.
    let unknown = format!("{{\"unknown\":{}", "[".repeat(100_000));
    assert!(json(Signal::Logs, unknown.as_bytes()).is_err());

    // The bytes are written from the inside out: prost's own encoder would recurse.
    for (levels, is_accepted) in [(20, true), (10_000, false)] {
        let mut value = Vec::new();
        for _ in 0..levels {
            value = nest(5, &nest(1, &value)); // AnyValue { array_value { values } }
        }
        let records = nest(1, &nest(2, &nest(2, &nest(5, &value))));
        assert_eq!(by_prost(Signal::Logs, &records).is_ok(), is_accepted);
        match protobuf(Signal::Logs, &records) {
            Ok(_) => assert!(is_accepted),
            Err(refusal) => {
                assert!(!is_accepted);
                assert_eq!(refusal.reason, Reason::Payload);
                assert!(refusal.message.contains("recursion"), "{}", refusal.message);
            }
        }
    }
}

fn nest(field: u8, inside: &[u8]) -> Vec<u8> {
    let mut outside = vec![field << 3 | 2];
    prost::encoding::encode_varint(inside.len() as u64, &mut outside);
    outside.extend_from_slice(inside);
    outside
}

#[test]
fn the_deepest_nesting_that_prost_takes_is_taken_and_one_more_is_not() {
    let verdicts: Vec<_> = (30..60)
        .map(|levels| {
            let mut value = Vec::new();
            for _ in 0..levels {
                value = nest(5, &nest(1, &value));
            }
            // Also a group of an unknown field at the deepest place.
            let records = nest(1, &nest(2, &nest(2, &nest(5, &value))));
            let ours = protobuf(Signal::Logs, &records).is_ok();
            assert_eq!(ours, by_prost(Signal::Logs, &records).is_ok(), "{levels}");
            ours
        })
        .collect();
    assert!(verdicts.contains(&true) && verdicts.contains(&false));
}

#[test]
fn mutated_requests_are_taken_as_prost_takes_them_and_never_panic() {
    let nested = Value::KvlistValue(KeyValueList {
        values: vec![attribute(
            "in",
            Value::ArrayValue(ArrayValue {
                values: vec![text("x")],
            }),
        )],
    });
    let mut log = record("body", 5, 1, 2);
    log.attributes = vec![
        attribute("nested", nested),
        attribute("n", Value::DoubleValue(0.5)),
    ];
    let logs = logs_request(vec![log, record("two", 6, 0, 0)]).encode_to_vec();
    let spans = trace_request(vec![span("a", 1, 1, 1, 0), span("b", 2, 1, 2, 1)]).encode_to_vec();
    let protobufs = [
        (Signal::Logs, logs),
        (Signal::Logs, protobuf_of(Signal::Logs, LOGS_JSON)),
        (Signal::Traces, spans),
        (Signal::Traces, protobuf_of(Signal::Traces, TRACE_JSON)),
        (Signal::Metrics, protobuf_of(Signal::Metrics, METRICS_JSON)),
    ];
    let jsons = [
        (Signal::Logs, LOGS_JSON),
        (Signal::Traces, TRACE_JSON),
        (Signal::Metrics, METRICS_JSON),
    ];
    let mut random = Random(0x5eed);
    let mut accepted = [0, 0];
    for _ in 0..2_000 {
        for (signal, bytes) in &protobufs {
            let mutated = random.mutate(bytes, &[0, 1, 0x0a, 0x0b, 0x0c, 0x12, 0x7f, 0x80, 0xff]);
            let ours = protobuf(*signal, &mutated);
            let theirs = by_prost(*signal, &mutated);
            assert_eq!(
                ours.is_ok(),
                theirs.is_ok(),
                "{signal} {mutated:?} {theirs:?}"
            );
            if let Ok(theirs) = theirs {
                // Written as JSON and read again it is still the same.
                let mut written = Vec::new();
                to_json::message(schema(*signal), &mutated, &mut written);
                let again = from_json::convert(schema(*signal), &written)
                    .unwrap_or_else(|e| panic!("{e} {}", String::from_utf8_lossy(&written)));
                assert_eq!(by_prost(*signal, &again).unwrap(), theirs, "{mutated:?}");
            }
            accepted[0] += usize::from(exercise(ours));
        }
        for (signal, text) in &jsons {
            let mutated = random.mutate(text.as_bytes(), b"{}[]\",:0-eN\\n");
            let ours = json(*signal, &mutated);
            if let Ok(indexed) = &ours {
                assert!(by_prost(*signal, &indexed.chunk.bytes).is_ok());
            }
            accepted[1] += usize::from(exercise(ours));
        }
    }
    // Were none accepted, the tree and the audit would not have seen a mutant.
    assert!(accepted.iter().all(|n| *n > 100), "{accepted:?}");
}

/// Also draws and audits what was decoded: they take what any sender sends.
fn exercise(decoded: Result<Indexed, Refusal>) -> bool {
    match decoded {
        Ok(indexed) => {
            let store = Store::new(Capacity::default(), false);
            let items = indexed.chunk.heads.len();
            store.accept(indexed, None);
            let (logs, spans) = (store.logs(), store.spans());
            let audit = Audit::of(&logs, &spans);
            assert_eq!(audit.linked + audit.unlinked + audit.orphaned, logs.len());
            assert!(!TraceTree::of(&logs, &spans).as_str().is_empty());
            assert!(logs.len().max(spans.len()) <= items);
            true
        }
        Err(refusal) => {
            assert_eq!(refusal.reason, Reason::Payload);
            false
        }
    }
}

#[test]
fn items_beyond_the_limit_are_counted_and_the_last_are_kept() {
    let records = (1..=10).map(|n| record(&n.to_string(), n, 0, 0)).collect();
    let bytes = logs_request(records).encode_to_vec();
    let capacity = Capacity::default().with_records(3);
    let indexed = decode(Signal::Logs, Protocol::Grpc, bytes.into(), &capacity).unwrap();
    assert_eq!(indexed.left_out, 7);
    let times: Vec<_> = indexed.chunk.heads.iter().map(|head| head.time).collect();
    assert_eq!(times, [8, 9, 10]);
    let view = Arc::new(indexed.chunk).view();
    assert_eq!(view.chunk.origins.len(), 1);
}

//! No bytes make the decoders panic, and both formats mean the same.

use prost::Message as _;

use super::*;
use crate::Audit;
use crate::TraceTree;
use crate::retain::samples::{attribute, logs_request, record, span, text, trace_request};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

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

#[test]
fn json_and_protobuf_of_one_request_give_the_same_records() {
    let value = serde_json::from_str(LOGS_JSON).unwrap();
    let request = json::logs_request(&value).unwrap();
    let from_json = super::json(Signal::Logs, LOGS_JSON.as_bytes()).unwrap();
    let from_protobuf = protobuf(Signal::Logs, &request.encode_to_vec()).unwrap();
    // By their text, because NaN is not equal to itself.
    assert_eq!(format!("{from_json:?}"), format!("{from_protobuf:?}"));
}

#[test]
fn nesting_without_end_is_refused() {
    let mut deep = String::new();
    for _ in 0..100_000 {
        deep.push_str(r#"{"resourceLogs":["#);
    }
    let refusal = super::json(Signal::Logs, deep.as_bytes()).unwrap_err();
    assert_eq!(refusal.reason, Reason::Payload);
    assert!(
        refusal.message.contains("recursion limit"),
        "{}",
        refusal.message
    );

    // The bytes are written from the inside out: prost's own encoder would recurse.
    let mut value = Vec::new();
    for _ in 0..10_000 {
        value = nest(5, &nest(1, &value)); // AnyValue { array_value { values } }
    }
    let records = nest(1, &nest(2, &nest(2, &nest(5, &value))));
    let refusal = protobuf(Signal::Logs, &records).unwrap_err();
    assert_eq!(refusal.reason, Reason::Payload);
    assert!(refusal.message.contains("recursion"), "{}", refusal.message);
}

fn nest(field: u8, inside: &[u8]) -> Vec<u8> {
    let mut outside = vec![field << 3 | 2];
    prost::encoding::encode_varint(inside.len() as u64, &mut outside);
    outside.extend_from_slice(inside);
    outside
}

#[test]
fn mutated_requests_never_panic() {
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
    let metrics = {
        let value = serde_json::from_str(METRICS_JSON).unwrap();
        json::metrics_request(&value).unwrap().encode_to_vec()
    };
    let protobufs = [
        (Signal::Logs, logs),
        (Signal::Traces, spans),
        (Signal::Metrics, metrics),
    ];
    let jsons = [
        (Signal::Logs, LOGS_JSON),
        (Signal::Traces, TRACE_JSON),
        (Signal::Metrics, METRICS_JSON),
    ];
    let mut random = Random(0x5eed);
    let mut accepted = [0, 0];
    for _ in 0..4_000 {
        for (signal, bytes) in &protobufs {
            let mutated = random.mutate(bytes, &[0, 1, 0x0a, 0x12, 0x7f, 0x80, 0xff]);
            accepted[0] += usize::from(exercise(protobuf(*signal, &mutated)));
        }
        for (signal, text) in &jsons {
            let mutated = random.mutate(text.as_bytes(), b"{}[]\",:0-eN\\n");
            accepted[1] += usize::from(exercise(super::json(*signal, &mutated)));
        }
    }
    // Were none accepted, the tree and the audit would not have seen a mutant.
    assert!(accepted.iter().all(|n| *n > 100), "{accepted:?}");
}

/// Also draws and audits what was decoded: they take what any sender sends.
fn exercise(decoded: Result<Batch, Refusal>) -> bool {
    match decoded {
        Ok(Batch::Logs(logs)) => {
            let logs: Vec<_> = logs.into_iter().map(|(log, _)| log).collect();
            let audit = Audit::of(&logs, &[]);
            assert_eq!(audit.linked + audit.unlinked + audit.orphaned, logs.len());
            assert!(!TraceTree::of(&logs, &[]).as_str().is_empty());
            true
        }
        Ok(Batch::Spans(spans)) => {
            let spans: Vec<_> = spans.into_iter().map(|(span, _)| span).collect();
            assert!(!TraceTree::of(&[], &spans).as_str().is_empty());
            Audit::of(&[], &spans).spans == spans.len()
        }
        Ok(Batch::DataPoints(_)) => true,
        Err(refusal) => {
            assert_eq!(refusal.reason, Reason::Payload);
            false
        }
    }
}

/// The generator `SplitMix64`: enough randomness for mutations, and the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap()
    }

    /// Changes, inserts, removes, repeats or cuts at one to three places.
    fn mutate(&mut self, bytes: &[u8], favourites: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let favourite = favourites[self.below(favourites.len())];
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = favourite,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.insert(at, favourite),
                3 if at < bytes.len() => {
                    bytes.remove(at);
                }
                4 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        bytes
    }
}

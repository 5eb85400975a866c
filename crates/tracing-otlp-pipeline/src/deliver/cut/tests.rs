//! Records of every kind, cut to sizes of every kind.

use opentelemetry_proto::tonic::{
    common::v1::{ArrayValue, KeyValueList},
    logs::v1::{ResourceLogs, ScopeLogs},
    trace::v1::{ResourceSpans, ScopeSpans, Status, span},
};

use super::*;
use crate::{
    admit::{SeverityBand, Tally},
    settings::{Compression, Protocol},
};

fn any(value: Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn text(text: impl Into<String>) -> AnyValue {
    any(Value::StringValue(text.into()))
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn logs(record: LogRecord) -> Bytes {
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    request.encode_to_vec().into()
}

fn shape(signal: Signal, protocol: Protocol) -> Shape {
    Shape {
        signal,
        protocol,
        compression: Compression::Gzip,
        max_bytes: 64 << 20,
    }
}

/// Cuts a record, and says how large its request is then.
fn cut_record(record: LogRecord, target: usize) -> Option<(LogRecord, usize)> {
    let shape = shape(Signal::Logs, Protocol::HttpProtobuf);
    let request = shape.fit(logs(record), Tally::of(SeverityBand::Error, 1));
    let cut = cut(&request.unwrap(), &shape, target).unwrap()?;
    assert_eq!(cut.severities, Tally::of(SeverityBand::Error, 1));
    let plain = cut.protobuf(usize::MAX).unwrap();
    let bytes = plain.len();
    let mut request = ExportLogsServiceRequest::decode(plain).unwrap();
    let record = request.resource_logs[0].scope_logs[0].log_records.remove(0);
    Some((record, bytes))
}

fn cut_bytes(attributes: &[KeyValue]) -> usize {
    let mut marks = attributes.iter().filter(|one| one.key == ATTRIBUTE);
    let mark = marks.next().unwrap().value.clone().unwrap();
    assert!(marks.next().is_none());
    match mark.value {
        Some(Value::IntValue(bytes)) => usize::try_from(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_longest_values_are_cut_wherever_they_are_and_the_short_ones_stay() {
    let nested = any(Value::KvlistValue(KeyValueList {
        values: vec![attribute(
            "list",
            any(Value::ArrayValue(ArrayValue {
                values: vec![text("n".repeat(40_000)), text("short")],
            })),
        )],
    }));
    let record = LogRecord {
        body: Some(text("b".repeat(50_000))),
        attributes: vec![
            attribute("nested", nested),
            attribute("bytes", any(Value::BytesValue(vec![7; 30_000]))),
            attribute("medium", text("m".repeat(1_000))),
            attribute("number", any(Value::IntValue(5))),
        ],
        dropped_attributes_count: 3,
        ..LogRecord::default()
    };
    let (cut, bytes) = cut_record(record.clone(), 20_000).unwrap();
    assert!((19_000..=20_000).contains(&bytes), "{bytes}");
    assert_eq!(cut.attributes[2..4], record.attributes[2..4]);
    // Nothing was dropped that was not before.
    assert_eq!(cut.dropped_attributes_count, 3);
    assert_eq!(cut.attributes.len(), 5);
    let mut lengths = Vec::new();
    cut.clone().visit(&mut |long| lengths.push(long.len()));
    let level = lengths[0];
    assert_eq!(lengths, [level, level, 5, level, 1_000]);
    assert_eq!(cut_bytes(&cut.attributes), 120_000 - 3 * level);

    // Once more: one mark for both.
    let (again, bytes) = cut_record(cut, 10_000).unwrap();
    assert!((9_000..=10_000).contains(&bytes), "{bytes}");
    let Some(Value::StringValue(body)) = again.body.unwrap().value else {
        panic!("no text")
    };
    assert_eq!(cut_bytes(&again.attributes), 120_000 - 3 * body.len());
}

#[test]
fn a_text_is_cut_between_characters_at_every_size() {
    let body = "aä€𝄞".repeat(300);
    for target in 200..1_500 {
        let record = LogRecord {
            body: Some(text(&*body)),
            ..LogRecord::default()
        };
        let (cut, bytes) = cut_record(record, target).unwrap();
        let Some(Value::StringValue(left)) = cut.body.unwrap().value else {
            panic!("no text")
        };
        assert!(body.starts_with(&*left));
        assert_eq!(cut_bytes(&cut.attributes), body.len() - left.len());
        assert!(
            bytes <= target || left.len() <= FLOOR,
            "{bytes} for {target}"
        );
        assert!(left.len() > FLOOR - 4);
    }
}

#[test]
fn what_is_short_already_is_not_cut() {
    let record = LogRecord {
        body: Some(text("x".repeat(FLOOR))),
        attributes: (0..100)
            .map(|index| attribute(&format!("key {index}"), text("value")))
            .collect(),
        ..LogRecord::default()
    };
    assert_eq!(cut_record(record.clone(), 10), None);
    // Nor is it worth a mark.
    let longer = LogRecord {
        body: Some(text("x".repeat(FLOOR + 10))),
        ..record
    };
    assert_eq!(cut_record(longer, 10), None);
    assert_eq!(cut_record(LogRecord::default(), 0), None);
}

#[test]
fn as_much_as_is_needed_goes_and_hardly_more() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..500 {
        let lengths: Vec<usize> = (0..random.usize(1..20))
            .map(|_| random.usize(0..2_000))
            .collect();
        let wanted = random.usize(0..20_000);
        let level = level(lengths.clone(), wanted);
        let gone = |level: usize| -> usize {
            lengths
                .iter()
                .map(|length| length.saturating_sub(level))
                .sum()
        };
        assert!(
            gone(level) >= wanted || level == FLOOR,
            "{lengths:?} {wanted} {level}"
        );
        assert!(
            gone(level + 1) < wanted.max(1),
            "{lengths:?} {wanted} {level}"
        );
    }
}

#[test]
fn a_span_is_cut_in_its_attributes_events_links_and_status() {
    let long = || vec![attribute("long", text("x".repeat(10_000)))];
    let span = Span {
        attributes: long(),
        events: vec![span::Event {
            attributes: long(),
            ..span::Event::default()
        }],
        links: vec![span::Link {
            attributes: long(),
            ..span::Link::default()
        }],
        status: Some(Status {
            message: "x".repeat(10_000),
            ..Status::default()
        }),
        ..Span::default()
    };
    let whole = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc] {
        let shape = shape(Signal::Traces, protocol);
        let request = shape.fit(whole.encode_to_vec().into(), 1).unwrap();
        let cut = cut(&request, &shape, 4_000).unwrap().unwrap();
        assert_eq!(cut.content_type, request.content_type);
        let plain = cut.protobuf(usize::MAX).unwrap();
        assert!((3_500..=4_000).contains(&plain.len()), "{}", plain.len());
        let mut request = ExportTraceServiceRequest::decode(plain).unwrap();
        let mut span = request.resource_spans[0].scope_spans[0].spans.remove(0);
        let mut lengths = Vec::new();
        span.visit(&mut |long| lengths.push(long.len()));
        assert_eq!(lengths, [lengths[0]; 4]);
        assert_eq!(cut_bytes(&span.attributes), 40_000 - 4 * lengths[0]);
    }
}

#[test]
fn only_a_single_record_is_cut() {
    let shape = shape(Signal::Logs, Protocol::HttpProtobuf);
    let two = shape.fit(logs(LogRecord::default()), 2).unwrap();
    assert!(cut(&two, &shape, 1).unwrap().is_none());
}

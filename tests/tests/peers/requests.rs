//! Hand-made requests that hold every type, and what a peer should see in them.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::logs::v1 as logs;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use serde_json::json;
use tracing_otlp_tests::model::{LogRecord, Span, Value};

pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";
pub(crate) const TIME: u64 = 1_700_000_000_123_456_789;
pub(crate) const AWKWARD: &str = "two, Str(words)\n     -> with: ⟶ \"an end)\" \\ \t.";

pub(crate) fn hand_made_logs() -> ExportLogsServiceRequest {
    let mut request = one_log(Some(string(AWKWARD)));
    *record_of(&mut request) = logs::LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME + 1,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        event_name: "an.event".to_owned(),
        body: Some(string(AWKWARD)),
        attributes: every_type(),
        dropped_attributes_count: 3,
        flags: 1,
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
    };
    let resource = &mut request.resource_logs[0];
    resource.schema_url = String::from("https://example.com/resource/1");
    resource.resource = Some(service());
    let scope = &mut resource.scope_logs[0];
    scope.schema_url = String::from("https://example.com/scope/1");
    scope.scope = Some(InstrumentationScope {
        name: "my::target".to_owned(),
        version: "1.2.3".to_owned(),
        attributes: vec![attribute("scope.key", int(1))],
        ..InstrumentationScope::default()
    });
    scope.log_records.push(logs::LogRecord::default());
    request
}

/// The same request as [`hand_made_logs`], written by hand.
pub(crate) fn hand_made_logs_json() -> String {
    let attribute = |key: &str, value: serde_json::Value| json!({"key": key, "value": value});
    let document = json!({"resourceLogs": [{
        "schemaUrl": "https://example.com/resource/1",
        "resource": {"attributes": [attribute("service.name", json!({"stringValue": "a service"}))]},
        "scopeLogs": [{
            "schemaUrl": "https://example.com/scope/1",
            "scope": {
                "name": "my::target",
                "version": "1.2.3",
                "attributes": [attribute("scope.key", json!({"intValue": "1"}))],
            },
            "logRecords": [{
                "timeUnixNano": TIME.to_string(),
                "observedTimeUnixNano": (TIME + 1).to_string(),
                "severityNumber": 9,
                "severityText": "INFO",
                "eventName": "an.event",
                "body": {"stringValue": AWKWARD},
                "attributes": [
                    attribute("string", json!({"stringValue": AWKWARD})),
                    attribute("string.empty", json!({"stringValue": ""})),
                    attribute("int", json!({"intValue": i64::MIN.to_string()})),
                    attribute("double", json!({"doubleValue": 1.5})),
                    attribute("nan", json!({"doubleValue": "NaN"})),
                    attribute("infinity", json!({"doubleValue": "-Infinity"})),
                    attribute("bool", json!({"boolValue": true})),
                    attribute("bytes", json!({"bytesValue": "AP8Q"})),
                    attribute("array", json!({"arrayValue": {"values": [
                        {"intValue": "1"}, {"stringValue": "a, Int(2)"}, {},
                    ]}})),
                    attribute("array.empty", json!({"arrayValue": {}})),
                    attribute("map", json!({"kvlistValue": {"values": [
                        attribute("a", json!({"intValue": "1"})),
                        attribute("b", json!({"arrayValue": {"values": [{"boolValue": false}]}})),
                    ]}})),
                    attribute("map.empty", json!({"kvlistValue": {}})),
                    attribute("empty", json!({})),
                ],
                "droppedAttributesCount": 3,
                "flags": 1,
                "traceId": "0102030405060708090a0b0c0d0e0f10",
                "spanId": "0102030405060708",
            }, {}],
        }],
    }]});
    document.to_string()
}

pub(crate) fn expect_full(record: &LogRecord) {
    let origin = &record.origin;
    assert_eq!(origin.resource("service.name"), Some(&"a service".into()));
    assert_eq!(origin.resource_schema_url, "https://example.com/resource/1");
    assert_eq!(
        (&*origin.scope_name, &*origin.scope_version),
        ("my::target", "1.2.3")
    );
    assert_eq!(origin.scope_schema_url, "https://example.com/scope/1");
    assert_eq!(
        origin.scope_attributes,
        [("scope.key".to_owned(), Value::Int(1))]
    );

    assert_eq!(
        (record.time_unix_nano, record.observed_time_unix_nano),
        (TIME, TIME + 1)
    );
    assert_eq!(
        (record.severity_number, &*record.severity_text),
        (9, "INFO")
    );
    assert_eq!(record.event_name, "an.event");
    assert_eq!(record.body, AWKWARD.into());
    assert_eq!(record.trace_id, "0102030405060708090a0b0c0d0e0f10");
    assert_eq!(record.span_id, "0102030405060708");
    assert_eq!(record.flags, 1);

    let nan = record.attribute("nan");
    assert!(
        matches!(nan, Some(Value::Double(number)) if number.is_nan()),
        "{nan:?}"
    );
    let array = vec![Value::Int(1), "a, Int(2)".into(), Value::Empty];
    let list = Value::Array(vec![false.into()]);
    let map = vec![("a".to_owned(), Value::Int(1)), ("b".to_owned(), list)];
    let expected = [
        ("string", AWKWARD.into()),
        ("string.empty", "".into()),
        ("int", i64::MIN.into()),
        ("double", 1.5.into()),
        ("infinity", f64::NEG_INFINITY.into()),
        ("bool", true.into()),
        ("bytes", Value::Bytes(vec![0, 255, 16])),
        ("array", Value::Array(array)),
        ("array.empty", Value::Array(vec![])),
        ("map", Value::Map(map)),
        ("map.empty", Value::Map(vec![])),
        ("empty", Value::Empty),
    ];
    let found: Vec<_> = record
        .attributes
        .iter()
        .filter(|(key, _)| key != "nan")
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    assert_eq!(found, expected);
}

pub(crate) fn expect_bare(record: &LogRecord) {
    assert_eq!((record.time_unix_nano, record.severity_number), (0, 0));
    assert_eq!(record.body, Value::Empty);
    assert_eq!(record.attributes, []);
    assert_eq!(
        (&*record.trace_id, &*record.span_id, record.flags),
        ("", "", 0)
    );
    assert_eq!(record.origin.scope_name, "my::target");
}

pub(crate) fn hand_made_spans() -> ExportTraceServiceRequest {
    let event = trace::span::Event {
        time_unix_nano: TIME,
        name: "an event".to_owned(),
        attributes: vec![attribute("of", string("event"))],
        ..trace::span::Event::default()
    };
    let link = trace::span::Link {
        trace_id: vec![0xab; 16],
        span_id: vec![0xcd; 8],
        attributes: vec![attribute("of", string("link"))],
        ..trace::span::Link::default()
    };
    let full = trace::Span {
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        parent_span_id: vec![9; 8],
        name: "GET /things/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME + 5,
        attributes: vec![attribute("http.route", string("/things\n/{id}"))],
        events: vec![event],
        links: vec![link],
        status: Some(trace::Status {
            code: 2,
            message: "it\nfailed".to_owned(),
        }),
        ..trace::Span::default()
    };
    let bare = trace::Span {
        trace_id: (1..=16).collect(),
        span_id: vec![9; 8],
        name: "root".to_owned(),
        ..trace::Span::default()
    };
    let scope = InstrumentationScope {
        name: "tracer".to_owned(),
        ..Default::default()
    };
    let scope = trace::ScopeSpans {
        scope: Some(scope),
        spans: vec![full, bare],
        ..trace::ScopeSpans::default()
    };
    let resource = trace::ResourceSpans {
        resource: Some(service()),
        scope_spans: vec![scope],
        ..trace::ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![resource],
    }
}

pub(crate) fn expect_spans(spans: &[Span]) {
    let [full, bare] = spans else {
        panic!("expected two spans: {spans:?}")
    };
    assert_eq!(
        full.origin.resource("service.name"),
        Some(&"a service".into())
    );
    assert_eq!(full.origin.scope_name, "tracer");
    assert_eq!((&*full.name, full.kind), ("GET /things/{id}", 2));
    assert_eq!(full.trace_id, "0102030405060708090a0b0c0d0e0f10");
    assert_eq!(
        (&*full.span_id, &*full.parent_span_id),
        ("0102030405060708", "0909090909090909")
    );
    assert_eq!(
        (full.start_time_unix_nano, full.end_time_unix_nano),
        (TIME, TIME + 5)
    );
    assert_eq!((full.status_code, &*full.status_message), (2, "it\nfailed"));
    assert_eq!(full.attribute("http.route"), Some(&"/things\n/{id}".into()));
    assert_eq!(full.events.len(), 1);
    assert_eq!(
        (&*full.events[0].name, full.events[0].time_unix_nano),
        ("an event", TIME)
    );
    assert_eq!(
        full.events[0].attributes,
        [("of".to_owned(), "event".into())]
    );
    assert_eq!(full.links.len(), 1);
    assert_eq!(
        (&*full.links[0].trace_id, &*full.links[0].span_id),
        (&*"ab".repeat(16), &*"cd".repeat(8))
    );
    assert_eq!(full.links[0].attributes, [("of".to_owned(), "link".into())]);

    assert_eq!((&*bare.name, bare.kind, bare.status_code), ("root", 0, 0));
    assert_eq!(bare.parent_span_id, "");
    assert!(bare.attributes.is_empty() && bare.events.is_empty() && bare.links.is_empty());
}

pub(crate) fn one_log(body: Option<AnyValue>) -> ExportLogsServiceRequest {
    let record = logs::LogRecord {
        body,
        ..logs::LogRecord::default()
    };
    let scope = logs::ScopeLogs {
        log_records: vec![record],
        ..logs::ScopeLogs::default()
    };
    let resource = logs::ResourceLogs {
        scope_logs: vec![scope],
        ..logs::ResourceLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![resource],
    }
}

pub(crate) fn record_of(request: &mut ExportLogsServiceRequest) -> &mut logs::LogRecord {
    &mut request.resource_logs[0].scope_logs[0].log_records[0]
}

pub(crate) fn every_type() -> Vec<KeyValue> {
    let array = vec![int(1), string("a, Int(2)"), AnyValue { value: None }];
    let list = vec![any(Any::BoolValue(false))];
    let map = vec![
        attribute("a", int(1)),
        attribute("b", any(Any::ArrayValue(ArrayValue { values: list }))),
    ];
    vec![
        attribute("string", string(AWKWARD)),
        attribute("string.empty", string("")),
        attribute("int", int(i64::MIN)),
        attribute("double", any(Any::DoubleValue(1.5))),
        attribute("nan", any(Any::DoubleValue(f64::NAN))),
        attribute("infinity", any(Any::DoubleValue(f64::NEG_INFINITY))),
        attribute("bool", any(Any::BoolValue(true))),
        attribute("bytes", any(Any::BytesValue(vec![0, 255, 16]))),
        attribute("array", any(Any::ArrayValue(ArrayValue { values: array }))),
        attribute(
            "array.empty",
            any(Any::ArrayValue(ArrayValue { values: vec![] })),
        ),
        attribute("map", any(Any::KvlistValue(KeyValueList { values: map }))),
        attribute(
            "map.empty",
            any(Any::KvlistValue(KeyValueList { values: vec![] })),
        ),
        attribute("empty", AnyValue { value: None }),
    ]
}

pub(crate) fn service() -> Resource {
    let attributes = vec![attribute("service.name", string("a service"))];
    Resource {
        attributes,
        ..Resource::default()
    }
}

pub(crate) fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

pub(crate) fn string(text: &str) -> AnyValue {
    any(Any::StringValue(text.to_owned()))
}

pub(crate) fn int(number: i64) -> AnyValue {
    any(Any::IntValue(number))
}

pub(crate) fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

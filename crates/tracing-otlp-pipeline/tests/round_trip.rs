//! What is emitted arrives, in every protocol and compression, with every value intact.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, Key, KeyValue,
    logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    trace::{
        Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
        Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_sdk::{Resource, trace::SpanLimits};
use serde_json::json;
use support::{PATIENCE, Received, Reply, Server, emit};
use tracing_otlp_pipeline::{Compression, Destination, Encoder, Pipeline, Protocol, Signal};

const NANOS: u64 = 1_700_000_000_123_456_789;

fn time(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
}

fn ways() -> Vec<(Encoder, Protocol, Compression)> {
    let mut protocols = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    let mut compressions = vec![Compression::None, Compression::Gzip];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    if cfg!(feature = "zstd") {
        compressions.push(Compression::Zstd);
    }
    let mut ways = Vec::new();
    for encoder in [Encoder::Direct, Encoder::Official] {
        for protocol in &protocols {
            let compressions = compressions.iter();
            ways.extend(compressions.map(|compression| (encoder, *protocol, *compression)));
        }
    }
    ways
}

fn pipeline(
    server: &Server,
    encoder: Encoder,
    protocol: Protocol,
    compression: Compression,
) -> Pipeline {
    let destination = |signal| {
        Destination::from_base(signal, &server.url())
            .unwrap()
            .with_protocol(protocol)
            .with_compression(compression)
            .with_timeout(PATIENCE)
            .with_header("x-tenant", "blue")
            .unwrap()
    };
    Pipeline::builder()
        .with_encoder(encoder)
        .with_resource(
            Resource::builder_empty()
                .with_schema_url([KeyValue::new("service.name", "shop")], "https://schema/1")
                .build(),
        )
        .with_logs(destination(Signal::Logs))
        .with_traces(destination(Signal::Traces))
        .map_tracer_provider(|builder| {
            builder.with_span_limits(SpanLimits {
                max_attributes_per_span: 1,
                ..SpanLimits::default()
            })
        })
        .build()
        .unwrap()
}

fn attributes() -> Vec<(&'static str, AnyValue)> {
    let inner: HashMap<Key, AnyValue> = [("deep".into(), AnyValue::Int(-1))].into();
    vec![
        ("string", "a\"ü\n".into()),
        ("empty", "".into()),
        ("true", true.into()),
        ("min", i64::MIN.into()),
        ("max", i64::MAX.into()),
        ("beyond", u64::MAX.to_string().into()),
        ("half", 0.5.into()),
        ("nan", f64::NAN.into()),
        ("inf", f64::INFINITY.into()),
        ("-inf", f64::NEG_INFINITY.into()),
        ("bytes", AnyValue::Bytes(Box::new(vec![0, 255, 128]))),
        (
            "list",
            AnyValue::ListAny(Box::new(vec![1.into(), "b".into()])),
        ),
        ("nothing", AnyValue::ListAny(Box::default())),
        ("map", AnyValue::Map(Box::new(inner))),
    ]
}

fn emit_one_of_everything(pipeline: &Pipeline) {
    let provider = pipeline.logger_provider().unwrap();
    let scope = InstrumentationScope::builder("shop::cart")
        .with_version("1.2")
        .with_schema_url("https://scope/1")
        .with_attributes([KeyValue::new("part", 7)])
        .build();
    let logger = provider.logger_with_scope(scope);
    let mut record = logger.create_log_record();
    record.set_timestamp(time(NANOS));
    record.set_observed_timestamp(time(NANOS + 1));
    record.set_severity_number(Severity::Warn2);
    record.set_severity_text("WARN");
    record.set_event_name("cart.full");
    record.set_body("the cart is full".into());
    record.set_trace_context(
        TraceId::from(0xabc),
        SpanId::from(0xdef),
        Some(TraceFlags::SAMPLED),
    );
    record.add_attributes(attributes());
    logger.emit(record);
}

fn check_protobuf(received: &Received) {
    let request = received.logs();
    let resource = &request.resource_logs[0];
    assert_eq!(resource.schema_url, "https://schema/1");
    assert_eq!(resource.resource.as_ref().unwrap().attributes.len(), 1);
    let scope = &resource.scope_logs[0];
    assert_eq!(scope.schema_url, "https://scope/1");
    assert_eq!(scope.scope.as_ref().unwrap().name, "shop::cart");
    assert_eq!(scope.scope.as_ref().unwrap().version, "1.2");
    let record = &scope.log_records[0];
    assert_eq!(record.time_unix_nano, NANOS);
    assert_eq!(record.observed_time_unix_nano, NANOS + 1);
    assert_eq!(
        (record.severity_number, &*record.severity_text),
        (14, "WARN")
    );
    assert_eq!(record.event_name, "cart.full");
    assert_eq!(record.flags, 1);
    assert_eq!(record.trace_id, TraceId::from(0xabc).to_bytes());
    assert_eq!(record.span_id, SpanId::from(0xdef).to_bytes());
    let values: HashMap<&str, &Value> = record
        .attributes
        .iter()
        .map(|pair| {
            (
                &*pair.key,
                pair.value.as_ref().unwrap().value.as_ref().unwrap(),
            )
        })
        .collect();
    assert_eq!(values.len(), attributes().len());
    assert_eq!(*values["min"], Value::IntValue(i64::MIN));
    assert_eq!(*values["max"], Value::IntValue(i64::MAX));
    assert_eq!(*values["beyond"], Value::StringValue(u64::MAX.to_string()));
    assert!(matches!(values["nan"], Value::DoubleValue(nan) if nan.is_nan()));
    assert_eq!(*values["-inf"], Value::DoubleValue(f64::NEG_INFINITY));
    assert_eq!(*values["bytes"], Value::BytesValue(vec![0, 255, 128]));
    assert!(matches!(values["list"], Value::ArrayValue(list) if list.values.len() == 2));
    assert!(matches!(values["map"], Value::KvlistValue(map) if map.values[0].key == "deep"));
}

fn check_json(received: &Received) {
    let request = received.json();
    let resource = &request["resourceLogs"][0];
    assert_eq!(resource["schemaUrl"], "https://schema/1");
    assert_eq!(
        resource["resource"],
        json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]})
    );
    let scope = &resource["scopeLogs"][0];
    assert_eq!(scope["schemaUrl"], "https://scope/1");
    assert_eq!(
        scope["scope"],
        json!({"name": "shop::cart", "version": "1.2",
               "attributes": [{"key": "part", "value": {"intValue": "7"}}]})
    );
    assert_eq!(
        scope["logRecords"],
        json!([{
            "timeUnixNano": NANOS.to_string(),
            "observedTimeUnixNano": (NANOS + 1).to_string(),
            "severityNumber": 14,
            "severityText": "WARN",
            "body": {"stringValue": "the cart is full"},
            "attributes": [
                {"key": "string", "value": {"stringValue": "a\"ü\n"}},
                {"key": "empty", "value": {"stringValue": ""}},
                {"key": "true", "value": {"boolValue": true}},
                {"key": "min", "value": {"intValue": "-9223372036854775808"}},
                {"key": "max", "value": {"intValue": "9223372036854775807"}},
                {"key": "beyond", "value": {"stringValue": "18446744073709551615"}},
                {"key": "half", "value": {"doubleValue": 0.5}},
                {"key": "nan", "value": {"doubleValue": "NaN"}},
                {"key": "inf", "value": {"doubleValue": "Infinity"}},
                {"key": "-inf", "value": {"doubleValue": "-Infinity"}},
                {"key": "bytes", "value": {"bytesValue": "AP+A"}},
                {"key": "list", "value": {"arrayValue": {"values": [
                    {"intValue": "1"}, {"stringValue": "b"}]}}},
                {"key": "nothing", "value": {"arrayValue": {}}},
                {"key": "map", "value": {"kvlistValue": {"values": [
                    {"key": "deep", "value": {"intValue": "-1"}}]}}},
            ],
            "flags": 1,
            "traceId": "00000000000000000000000000000abc",
            "spanId": "0000000000000def",
            "eventName": "cart.full",
        }])
    );
}

fn check_headers(
    received: &Received,
    signal: Signal,
    protocol: Protocol,
    compression: Compression,
) {
    let encoding = (compression != Compression::None).then_some(compression.as_str());
    let agent = received.header("user-agent").unwrap();
    assert!(
        agent.starts_with("OTel-OTLP-Exporter-Rust/0.33.1 tracing-otlp/"),
        "{agent}"
    );
    assert_eq!(received.header("x-tenant"), Some("blue"));
    if protocol == Protocol::Grpc {
        assert_eq!(received.version, http::Version::HTTP_2);
        assert_eq!(received.path, signal.grpc_path());
        assert_eq!(received.header("content-type"), Some("application/grpc"));
        assert_eq!(received.header("te"), Some("trailers"));
        assert_eq!(received.header("grpc-timeout"), Some("30000m"));
        assert_eq!(received.header("grpc-encoding"), encoding);
        assert_eq!(received.header("content-encoding"), None);
    } else {
        let content_type = if protocol == Protocol::HttpJson {
            "application/json"
        } else {
            "application/x-protobuf"
        };
        assert_eq!(received.version, http::Version::HTTP_11);
        assert_eq!(received.path, signal.http_path());
        assert_eq!(received.header("content-type"), Some(content_type));
        assert_eq!(received.header("content-encoding"), encoding);
    }
}

#[test]
fn a_log_record_arrives_with_every_value_in_every_protocol_and_compression() {
    for (encoder, protocol, compression) in ways() {
        let server = Server::start([]);
        let pipeline = pipeline(&server, encoder, protocol, compression);
        emit_one_of_everything(&pipeline);
        let report = pipeline.shutdown(PATIENCE);
        assert!(
            report.is_complete(),
            "{encoder:?} {protocol} {compression}: {report}"
        );
        assert_eq!(report.logs().delivered(), 1);
        let received = server.received();
        assert_eq!(received.len(), 1);
        check_headers(&received[0], Signal::Logs, protocol, compression);
        if protocol == Protocol::HttpJson {
            check_json(&received[0]);
        } else {
            check_protobuf(&received[0]);
        }
    }
}

fn end_one_span(pipeline: &Pipeline) {
    let tracer = pipeline.tracer_provider().unwrap().tracer("shop");
    let linked = SpanContext::new(
        TraceId::from(5),
        SpanId::from(6),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_key_value([("k", "v")]).unwrap(),
    );
    let mut span = tracer
        .span_builder("checkout")
        .with_kind(SpanKind::Client)
        .with_start_time(time(NANOS))
        .with_attributes([KeyValue::new("kept", 1), KeyValue::new("dropped", 2)])
        .with_links(vec![Link::with_context(linked)])
        .start(&tracer);
    span.add_event_with_timestamp("paid", time(NANOS + 1), vec![KeyValue::new("eur", 2.5)]);
    span.set_status(Status::error("card refused"));
    span.end_with_timestamp(time(NANOS + 2));
}

#[test]
fn a_span_arrives_with_events_links_and_status_in_every_protocol_and_compression() {
    for (encoder, protocol, compression) in ways() {
        let server = Server::start([]);
        let pipeline = pipeline(&server, encoder, protocol, compression);
        end_one_span(&pipeline);
        let report = pipeline.shutdown(PATIENCE);
        assert!(
            report.is_complete(),
            "{encoder:?} {protocol} {compression}: {report}"
        );
        assert_eq!(report.traces().delivered(), 1);
        let received = &server.received()[0];
        check_headers(received, Signal::Traces, protocol, compression);
        if protocol == Protocol::HttpJson {
            let request = received.json();
            let span = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
            assert_eq!(span["name"], "checkout");
            assert_eq!(span["kind"], 3);
            assert_eq!(span["startTimeUnixNano"], NANOS.to_string());
            assert_eq!(span["endTimeUnixNano"], (NANOS + 2).to_string());
            assert_eq!(span["droppedAttributesCount"], 1);
            assert_eq!(
                span["status"],
                json!({"message": "card refused", "code": 2})
            );
            assert_eq!(
                span["events"],
                json!([{"timeUnixNano": (NANOS + 1).to_string(), "name": "paid",
                        "attributes": [{"key": "eur", "value": {"doubleValue": 2.5}}]}])
            );
            let link = &span["links"][0];
            assert_eq!(link["traceId"], "00000000000000000000000000000005");
            assert_eq!(link["spanId"], "0000000000000006");
            assert_eq!(link["traceState"], "k=v");
        } else {
            let request = received.spans();
            let span = &request.resource_spans[0].scope_spans[0].spans[0];
            assert_eq!((&*span.name, span.kind), ("checkout", 3));
            assert_eq!(span.start_time_unix_nano, NANOS);
            assert_eq!(span.end_time_unix_nano, NANOS + 2);
            assert_eq!(span.dropped_attributes_count, 1);
            assert_eq!(span.events[0].name, "paid");
            assert_eq!(span.links[0].trace_state, "k=v");
            assert_eq!(span.status.as_ref().unwrap().message, "card refused");
        }
    }
}

#[test]
fn many_batches_all_arrive_once() {
    for (encoder, protocol, compression) in ways() {
        let server = Server::start([]);
        let pipeline = pipeline(&server, encoder, protocol, compression);
        let provider = pipeline.logger_provider().unwrap();
        // Never more than the queue holds before a flush, so nothing may be lost.
        for round in 0..3 {
            for number in 0..1500 {
                emit(provider, format!("{round}/{number}"));
            }
            let report = pipeline.force_flush(PATIENCE);
            assert!(report.is_complete(), "{report}");
        }
        let report = pipeline.shutdown(PATIENCE);
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.logs().delivered(), 4500);
        if protocol != Protocol::HttpJson {
            let mut messages: Vec<String> = server
                .received()
                .iter()
                .flat_map(Received::messages)
                .collect();
            messages.sort();
            messages.dedup();
            assert_eq!(messages.len(), 4500);
        }
    }
}

#[test]
fn user_information_becomes_an_authorization_header_and_headers_can_replace_the_agent() {
    let server = Server::start([]);
    let url = server.url().replace("http://", "http://ann:pass@");
    let pipeline = Pipeline::builder()
        .with_logs(
            Destination::new(Signal::Logs, &format!("{url}/in?key=v"))
                .unwrap()
                .with_header("User-Agent", "mine")
                .unwrap()
                .with_header("Content-Type", "text/plain")
                .unwrap(),
        )
        .build()
        .unwrap();
    emit(pipeline.logger_provider().unwrap(), "x");
    assert!(pipeline.shutdown(PATIENCE).is_complete());
    let received = &server.received()[0];
    assert_eq!(received.header("authorization"), Some("Basic YW5uOnBhc3M="));
    assert_eq!(received.header("host"), Some(&*server.address.to_string()));
    assert_eq!(received.header("user-agent"), Some("mine"));
    assert_eq!(
        received.header("content-type"),
        Some("application/x-protobuf")
    );
    assert_eq!(received.path, "/in");
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Server::start([]);
    let server = Server::start([Reply::Http(307, "text/plain", other.url().into())]);
    let pipeline = pipeline(
        &server,
        Encoder::default(),
        Protocol::HttpProtobuf,
        Compression::None,
    );
    emit(pipeline.logger_provider().unwrap(), "x");
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.by_reason(), [("rejected", 1)].into());
    assert!(other.received().is_empty());
}

#[test]
fn an_unsampled_span_is_neither_exported_nor_counted() {
    let server = Server::start([]);
    let pipeline = Pipeline::builder()
        .with_traces(Destination::from_base(Signal::Traces, &server.url()).unwrap())
        .map_tracer_provider(|builder| builder.with_sampler(RecordOnly))
        .build()
        .unwrap();
    pipeline
        .tracer_provider()
        .unwrap()
        .tracer("t")
        .start("s")
        .end();
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.traces().emitted(), 0);
    assert!(server.received().is_empty());
}

#[derive(Debug, Clone)]
struct RecordOnly;

impl opentelemetry_sdk::trace::ShouldSample for RecordOnly {
    fn should_sample(
        &self,
        _: Option<&opentelemetry::Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> opentelemetry_sdk::trace::SamplingResult {
        opentelemetry_sdk::trace::SamplingResult {
            decision: opentelemetry_sdk::trace::SamplingDecision::RecordOnly,
            attributes: vec![],
            trace_state: TraceState::default(),
        }
    }
}

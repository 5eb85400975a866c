//! One record that is too large alone arrives cut, says so, and is counted as delivered.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::time::Duration;

use opentelemetry::{
    KeyValue,
    logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_proto::tonic::common::v1::{self as proto, any_value::Value};
use support::{Directory, PATIENCE, Received, Reply, Said, Server, emit, eventually};
use tracing_otlp_pipeline::{
    AdmissionSettings, DeliverySettings, Destination, LossReason, Pipeline, PipelineBuilder,
    Protocol, RetrySettings, SeverityBand, Signal, SpoolSettings,
};

const LIMIT: usize = 4000;
const LONG: usize = 20_000;

fn protocols() -> Vec<Protocol> {
    let mut all = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    if cfg!(feature = "grpc") {
        all.push(Protocol::Grpc);
    }
    all
}

fn to(server: &Server, protocol: Protocol) -> PipelineBuilder {
    let destination = |signal| {
        Destination::from_base(signal, &server.url())
            .unwrap()
            .with_protocol(protocol)
            .with_timeout(PATIENCE)
    };
    Pipeline::builder()
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_logs(destination(Signal::Logs))
        .with_traces(destination(Signal::Traces))
}

fn emit_long(pipeline: &Pipeline) {
    let logger = pipeline.logger_provider().unwrap().logger("test");
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Error);
    record.set_body("what happened".into());
    record.add_attribute("id", "7");
    record.add_attribute("long", "ä".repeat(LONG / 2));
    let nested = AnyValue::ListAny(Box::new(vec!["n".repeat(LONG).into(), 5.into()]));
    record.add_attribute("nested", nested);
    logger.emit(record);
}

/// The requests that were small enough.
fn taken(server: &Server) -> Vec<Received> {
    let mut all = server.received();
    all.retain(|request| request.plain().len() <= LIMIT);
    all
}

/// The attribute with this key in whatever the request holds, as JSON has it.
fn text<'a>(attributes: &'a [proto::KeyValue], key: &str) -> &'a Value {
    let attribute = attributes.iter().find(|attribute| attribute.key == key);
    let value = attribute.unwrap().value.as_ref().unwrap();
    value.value.as_ref().unwrap()
}

#[test]
fn a_log_record_that_is_too_large_alone_arrives_cut_and_says_so() {
    for protocol in protocols() {
        let server = Server::start_then([], Reply::UpTo(LIMIT));
        let events = Said::default();
        let theirs = events.clone();
        let pipeline = to(&server, protocol)
            .on_event(move |event| theirs.say(event))
            .build()
            .unwrap();
        emit_long(&pipeline);
        let report = pipeline.shutdown(PATIENCE);
        let logs = *report.logs();
        assert_eq!(
            (logs.delivered(), logs.lost()),
            (1, 0),
            "{protocol}: {logs}"
        );
        assert_eq!(logs.delivered_of(SeverityBand::Error), 1);
        assert!(report.is_complete());
        let events = events.all();
        let cuts = events.iter().filter(|event| event.contains(" cut from "));
        assert!(cuts.count() >= 1, "{events:?}");
        assert!(events.last().unwrap().contains("delivered"), "{events:?}");
        let taken = taken(&server);
        assert_eq!(taken.len(), 1, "{protocol}");
        if protocol == Protocol::HttpJson {
            let record = &taken[0].json()["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
            assert_eq!(record["body"]["stringValue"], "what happened");
            let attributes = record["attributes"].as_array().unwrap();
            let mark = attributes
                .iter()
                .find(|a| a["key"] == "tracing_otlp.cut_bytes");
            assert!(mark.is_some(), "{attributes:?}");
            continue;
        }
        let mut request = taken[0].logs();
        let record = request.resource_logs[0].scope_logs[0].log_records.remove(0);
        let body = record.body.unwrap().value.unwrap();
        assert_eq!(body, Value::StringValue("what happened".into()));
        assert_eq!(record.dropped_attributes_count, 0);
        assert_eq!(record.attributes.len(), 4);
        let attributes = &record.attributes;
        assert_eq!(text(attributes, "id"), &Value::StringValue("7".into()));
        let Value::StringValue(long) = text(attributes, "long") else {
            panic!("{attributes:?}");
        };
        assert!(!long.is_empty() && long.chars().all(|c| c == 'ä'), "{long}");
        let Value::ArrayValue(nested) = text(attributes, "nested") else {
            panic!("{attributes:?}");
        };
        let Some(Value::StringValue(inner)) = &nested.values[0].value else {
            panic!("{attributes:?}");
        };
        assert_eq!(nested.values[1].value, Some(Value::IntValue(5)));
        let cut = i64::try_from(2 * LONG - long.len() - inner.len()).unwrap();
        let mark = text(attributes, "tracing_otlp.cut_bytes");
        assert_eq!(mark, &Value::IntValue(cut));
    }
}

#[test]
fn a_span_that_is_too_large_alone_arrives_cut_and_says_so() {
    for protocol in protocols() {
        let server = Server::start_then([], Reply::UpTo(LIMIT));
        let pipeline = to(&server, protocol).build().unwrap();
        let tracer = pipeline.tracer_provider().unwrap().tracer("test");
        let mut span = tracer.start("work");
        span.set_attribute(KeyValue::new("long", "x".repeat(LONG)));
        span.add_event("step", vec![KeyValue::new("long", "y".repeat(LONG))]);
        span.end();
        let report = pipeline.shutdown(PATIENCE);
        let spans = *report.counts().traces();
        assert_eq!((spans.delivered(), spans.lost()), (1, 0), "{protocol}");
        let taken = taken(&server);
        assert_eq!(taken.len(), 1);
        if protocol != Protocol::HttpJson {
            let mut request = taken[0].spans();
            let span = request.resource_spans[0].scope_spans[0].spans.remove(0);
            assert_eq!(span.name, "work");
            assert!(matches!(
                text(&span.attributes, "tracing_otlp.cut_bytes"),
                Value::IntValue(cut) if *cut > 2 * i64::try_from(LONG).unwrap() - 4000
            ));
        }
    }
}

#[test]
fn a_record_that_was_on_disk_is_cut_too_and_leaves_the_disk() {
    let directory = Directory::new();
    let settings = || {
        DeliverySettings::default()
            .with_retry(
                RetrySettings::default()
                    .with_initial_backoff(Duration::from_millis(1))
                    .with_max_backoff(Duration::from_millis(10)),
            )
            .with_spool(SpoolSettings::new(&directory.0))
    };
    let down = Reply::Http(503, "text/plain", "down".into());
    let server = Server::start_then([], down);
    let first = to(&server, Protocol::HttpProtobuf).with_delivery(settings());
    let first = first.build().unwrap();
    emit_long(&first);
    assert_eq!(first.shutdown(PATIENCE).spooled(), 1);
    server.then(Reply::UpTo(LIMIT));
    let second = to(&server, Protocol::HttpProtobuf).with_delivery(settings());
    let second = second.build().unwrap();
    eventually("it arrives", || second.counts().logs().delivered() == 1);
    let report = second.shutdown(PATIENCE);
    let logs = report.logs();
    assert_eq!(
        (
            logs.recovered_of(SeverityBand::Error),
            logs.spooled(),
            logs.lost()
        ),
        (1, 0, 0)
    );
    assert_eq!(logs.delivered_of(SeverityBand::Error), 1);
    let third = to(&server, Protocol::HttpProtobuf).with_delivery(settings());
    assert_eq!(
        third.build().unwrap().shutdown(PATIENCE).logs().recovered(),
        0
    );
}

#[test]
fn what_cannot_be_cut_small_enough_is_lost_and_counted() {
    let server = Server::start_then([], Reply::UpTo(100));
    let pipeline = to(&server, Protocol::HttpProtobuf).build().unwrap();
    emit(pipeline.logger_provider().unwrap(), "x".repeat(LONG));
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.logs().lost_by(LossReason::TooLarge), 1, "{report}");
    assert_eq!(report.logs().delivered(), 0);
}

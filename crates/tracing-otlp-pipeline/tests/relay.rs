//! Requests of somebody else's: delivered as they are, or told at once how it went.

#![cfg(feature = "relay")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        number_data_point,
    },
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message as _;
use support::{Directory, PATIENCE, Reply as Script, Server, eventually};
use tracing_otlp_pipeline::{
    Compression, Courier, DeliverySettings, Destination, LossReason, Parcel, Protocol, Relay,
    RelayBuilder, Reply, RetrySettings, SeverityBand, Signal, SpoolSettings,
};

fn logs(texts: &[&str]) -> Vec<u8> {
    let record = |text: &&str| LogRecord {
        severity_number: 17,
        body: Some(AnyValue {
            value: Some(Value::StringValue((*text).to_owned())),
        }),
        ..LogRecord::default()
    };
    let scope = ScopeLogs {
        log_records: texts.iter().map(record).collect(),
        ..ScopeLogs::default()
    };
    let request = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![scope],
            ..ResourceLogs::default()
        }],
    };
    request.encode_to_vec()
}

fn spans(names: &[&str]) -> Vec<u8> {
    let span = |name: &&str| Span {
        name: (*name).to_owned(),
        ..Span::default()
    };
    let scope = ScopeSpans {
        spans: names.iter().map(span).collect(),
        ..ScopeSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec()
}

fn metrics(values: std::ops::Range<i64>) -> Vec<u8> {
    let point = |value| NumberDataPoint {
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "queue.length".to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: values.map(point).collect(),
        })),
        ..Metric::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    request.encode_to_vec()
}

fn destination(server: &Server, signal: Signal) -> Destination {
    Destination::from_base(signal, &server.url())
        .unwrap()
        .with_timeout(PATIENCE)
}

fn to(server: &Server) -> RelayBuilder {
    Signal::ALL
        .into_iter()
        .fold(Relay::builder(), |to, signal| {
            to.with_destination(destination(server, signal))
        })
}

fn parcel(signal: Signal, body: Vec<u8>, records: u64) -> Parcel {
    let band = match signal {
        Signal::Logs => SeverityBand::Error,
        _ => SeverityBand::Info,
    };
    Parcel::new(signal, body).with_records(band, records)
}

#[test]
fn every_signal_arrives_byte_for_byte_over_every_protocol() {
    let sent = [
        (Signal::Logs, logs(&["a", "b"]), 2),
        (Signal::Traces, spans(&["s"]), 1),
        (Signal::Metrics, metrics(0..3), 3),
    ];
    for protocol in [
        Protocol::HttpProtobuf,
        #[cfg(feature = "grpc")]
        Protocol::Grpc,
    ] {
        for compression in [Compression::None, Compression::Gzip] {
            let server = Server::start([]);
            let relay = Signal::ALL
                .into_iter()
                .fold(Relay::builder(), |to, signal| {
                    let destination = destination(&server, signal)
                        .with_protocol(protocol)
                        .with_compression(compression);
                    to.with_destination(destination)
                });
            let relay = relay.build().unwrap();
            for (signal, body, records) in &sent {
                relay.push(parcel(*signal, body.clone(), *records));
            }
            let report = relay.shutdown(PATIENCE);
            assert!(report.is_complete(), "{report}");
            for (signal, body, records) in &sent {
                assert_eq!(report.counts().signal(*signal).delivered(), *records);
                let path = match protocol {
                    Protocol::Grpc => signal.grpc_path(),
                    _ => signal.http_path(),
                };
                let received = server.received();
                let mut came = received.iter().filter(|request| request.path == path);
                assert_eq!(came.next().unwrap().plain(), *body, "{protocol} {signal}");
                assert!(came.next().is_none());
            }
            assert_eq!(report.logs().emitted_of(SeverityBand::Error), 2);
        }
    }
}

#[test]
fn a_message_that_looks_compressed_is_sent_as_it_is() {
    // An unknown field, then another: valid protobuf, and the magic number of zstd.
    let mut disguised = vec![0x28, 0xb5, 0x2f, 0xfd, 0x01, 1, 2, 3, 4];
    disguised.extend(logs(&["a"]));
    assert_eq!(
        ExportLogsServiceRequest::decode(&*disguised).unwrap(),
        ExportLogsServiceRequest::decode(&*logs(&["a"])).unwrap()
    );
    let server = Server::start([]);
    let relay = to(&server).build().unwrap();
    relay.push(parcel(Signal::Logs, disguised.clone(), 1));
    assert!(relay.shutdown(PATIENCE).is_complete());
    assert_eq!(server.received()[0].plain(), disguised);
}

#[test]
fn metrics_that_are_too_large_are_sent_in_parts() {
    let whole = metrics(0..100);
    let server = Server::start_then([], Script::UpTo(whole.len() / 3));
    let relay = to(&server).build().unwrap();
    relay.push(parcel(Signal::Metrics, whole, 100));
    let report = relay.shutdown(PATIENCE);
    assert_eq!(
        (report.counts().metrics().delivered(), report.lost()),
        (100, 0),
        "{report}"
    );
    assert!(report.to_string().contains("data points: 100 emitted"));
}

#[test]
fn an_outage_loses_nothing_and_pushing_never_waits() {
    let server = Server::start_then([], Script::Hang);
    let directory = Directory::new();
    let settings = DeliverySettings::default()
        .with_retry(RetrySettings::default().with_batch_deadline(PATIENCE))
        .with_spool(SpoolSettings::new(&directory.0));
    let relay = to(&server).with_delivery(settings.clone()).build().unwrap();
    let start = Instant::now();
    for _ in 0..50 {
        relay.push(parcel(Signal::Logs, logs(&["a"]), 1));
        relay.push(parcel(Signal::Metrics, metrics(0..2), 2));
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    let report = relay.shutdown(Duration::from_secs(3));
    assert_eq!((report.spooled(), report.lost()), (150, 0), "{report}");

    server.then(Script::Accept);
    let next = to(&server).with_delivery(settings).build().unwrap();
    eventually("all is replayed", || {
        next.counts().total().delivered() == 150
    });
    assert_eq!(next.counts().metrics().recovered(), 100);
}

#[test]
fn what_finds_no_room_no_destination_or_no_relay_is_counted() {
    let server = Server::start_then([], Script::Hang);
    let one = NonZeroUsize::new(1).unwrap();
    let relay = Relay::builder()
        .with_destination(destination(&server, Signal::Logs))
        .with_delivery(DeliverySettings::default().with_max_queued_bytes(one))
        .build()
        .unwrap();
    relay.push(parcel(Signal::Traces, spans(&["s"]), 1));
    eventually("there is nowhere to go", || {
        relay.counts().traces().lost_by(LossReason::Unreachable) == 1
    });
    for _ in 0..1000 {
        relay.push(parcel(Signal::Logs, logs(&["a"]), 1));
    }
    relay.push(Parcel::new(Signal::Logs, logs(&["nobody counts it"])));
    let _ = relay.shutdown(Duration::from_millis(100));
    relay.push(parcel(Signal::Logs, logs(&["late"]), 1));
    let counts = *relay.counts().logs();
    assert_eq!(counts.emitted(), 1001);
    assert_eq!(counts.lost_by(LossReason::AfterShutdown), 1);
    let full =
        counts.lost_by(LossReason::QueueBytesFull) + counts.lost_by(LossReason::DeliveryQueueFull);
    assert_eq!(full, 1000, "{counts}");
    assert_eq!(counts.pending(), 0);
}

#[test]
fn a_courier_tells_what_became_of_the_one_attempt() {
    let secret = "s3cret-write-token";
    let script = [
        Script::Accept,
        Script::Http(
            200,
            "application/json",
            r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#.into(),
        ),
        Script::Http(
            200,
            "application/json",
            format!(r#"{{"partialSuccess":{{"errorMessage":"hello {secret}!"}}}}"#).into(),
        ),
        Script::Http(400, "text/plain", secret.into()),
        Script::Http(401, "text/plain", secret.into()),
        Script::Http(403, "text/plain", secret.into()),
        Script::Http(413, "text/plain", "".into()),
        Script::With(429, vec![("retry-after", "7".to_owned())], ""),
        Script::Http(500, "text/plain", secret.into()),
        Script::Http(503, "text/plain", "".into()),
        Script::HangUp,
    ];
    let server = Server::start(script);
    let destination = destination(&server, Signal::Logs)
        .with_header("authorization", &format!("Bearer {secret}"))
        .unwrap();
    let courier = Courier::new([destination]).unwrap();
    assert!(!format!("{courier:?}").contains(secret));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut replies = Vec::new();
    for _ in 0..11 {
        replies.push(runtime.block_on(courier.send(parcel(Signal::Logs, logs(&["a"]), 3))));
    }
    assert!(!format!("{replies:?}").contains(secret), "{replies:?}");
    let accepted = |rejected, message: &str| {
        format!("Accepted {{ rejected: {rejected}, message: {message:?} }}")
    };
    let shown: Vec<_> = replies.iter().map(|reply| format!("{reply:?}")).collect();
    assert_eq!(
        shown[..10],
        [
            accepted(0, ""),
            accepted(2, "too old"),
            accepted(0, ""),
            "Invalid".to_owned(),
            "Unauthorized".to_owned(),
            "Unauthorized".to_owned(),
            "TooLarge".to_owned(),
            "Busy { retry_after: Some(7s) }".to_owned(),
            "Refused { status: \"HTTP 500\" }".to_owned(),
            "Busy { retry_after: None }".to_owned(),
        ]
    );
    assert!(matches!(replies[10], Reply::Unreachable { .. }));
    // Once each, and no more.
    assert_eq!(server.received().len(), 11);
    let nowhere = runtime.block_on(courier.send(parcel(Signal::Traces, spans(&["s"]), 1)));
    assert!(matches!(nowhere, Reply::Unreachable { .. }));
}

#[test]
fn a_courier_waits_no_longer_than_it_may() {
    let server = Server::start_then([], Script::Hang);
    let destination = destination(&server, Signal::Logs).with_timeout(Duration::from_millis(100));
    let courier = Courier::new([destination]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let reply = runtime.block_on(courier.send(parcel(Signal::Logs, logs(&["a"]), 1)));
    assert_eq!(reply, Reply::TimedOut);
}

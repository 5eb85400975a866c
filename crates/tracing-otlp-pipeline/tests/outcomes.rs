//! Every answer of a destination ends up in the right count, and people hear of it once.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse},
    trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse},
};
use prost::Message as _;
use support::{BlackHole, PATIENCE, Reply, Said, Server, emit, nobody};
use tracing_otlp_pipeline::{
    AdmissionSettings, BreakerSettings, DeliverySettings, Destination, LossReason, Notice,
    Pipeline, PipelineBuilder, Protocol, Report, RetrySettings, Signal,
};

/// Without records of its own, so that the counts are those of the test's records.
fn quiet() -> PipelineBuilder {
    let admission = AdmissionSettings::default().with_loss_summary(None);
    Pipeline::builder().with_admission(admission)
}

/// One attempt for each request, always.
fn once() -> DeliverySettings {
    DeliverySettings::default()
        .with_retry(RetrySettings::never())
        .with_breaker(BreakerSettings::disabled())
}

fn to(url: &str, protocol: Protocol) -> PipelineBuilder {
    quiet().with_logs(
        Destination::from_base(Signal::Logs, url)
            .unwrap()
            .with_protocol(protocol)
            .with_timeout(PATIENCE),
    )
}

/// Sends ten records in one request and shuts down.
fn ten(builder: PipelineBuilder) -> (Report, Said) {
    let said = Said::default();
    let theirs = said.clone();
    let pipeline = builder
        .on_notice(move |notice| theirs.say(notice))
        .build()
        .unwrap();
    for _ in 0..10 {
        emit(pipeline.logger_provider().unwrap(), "x");
    }
    let report = pipeline.shutdown(PATIENCE);
    assert!(report.is_settled());
    let logs = *report.logs();
    assert_eq!(logs.emitted(), 10);
    assert_eq!(logs.emitted(), logs.delivered() + logs.lost());
    assert_eq!(pipeline.counts(), *report.counts());
    (report, said)
}

fn partial(rejected: i64, message: &str) -> Bytes {
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message: message.into(),
        }),
    }
    .encode_to_vec()
    .into()
}

#[test]
fn a_partial_success_counts_the_rejected_and_keeps_the_message() {
    let json = r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}"#;
    let mut cases = vec![
        (
            Protocol::HttpProtobuf,
            Reply::Http(200, "application/x-protobuf", partial(3, "too old")),
        ),
        (
            Protocol::HttpJson,
            Reply::Http(200, "application/json", json.into()),
        ),
    ];
    if cfg!(feature = "grpc") {
        cases.push((Protocol::Grpc, Reply::Grpc(0, "", partial(3, "too old"))));
    }
    for (protocol, reply) in cases {
        let server = Server::start([reply]);
        let (report, said) = ten(to(&server.url(), protocol));
        assert_eq!(report.logs().delivered(), 7, "{protocol}");
        assert_eq!(report.by_reason(), [("rejected", 3)].into());
        assert!(!report.is_complete());
        let said = said.all();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("did not take 3 records of logs: too old"),
            "{said:?}"
        );
        // A populated partial success must not be retried (OTLP specification).
        assert_eq!(server.received().len(), 1);
    }
}

#[test]
fn a_partial_success_that_repeats_is_said_once_and_counted_each_time() {
    let reply = |text| Reply::Http(200, "application/x-protobuf", partial(1, text));
    let server = Server::start([
        reply("too old"),
        reply("too old"),
        Reply::Accept,
        reply("too old"),
        reply("too large"),
    ]);
    let said = Said::default();
    let theirs = said.clone();
    let pipeline = to(&server.url(), Protocol::HttpProtobuf)
        .on_notice(move |notice| theirs.say(notice))
        .build()
        .unwrap();
    for _ in 0..5 {
        emit(pipeline.logger_provider().unwrap(), "x");
        assert!(pipeline.force_flush(PATIENCE).is_settled());
    }
    assert_eq!(
        pipeline.shutdown(PATIENCE).by_reason(),
        [("rejected", 4)].into()
    );
    let said = said.all();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].ends_with("too old") && said[1].ends_with("too large"));
}

#[test]
fn a_partial_success_of_spans_counts_too() {
    let response = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "no".into(),
        }),
    };
    let server = Server::start([Reply::Http(
        200,
        "application/x-protobuf",
        response.encode_to_vec().into(),
    )]);
    let pipeline = quiet()
        .with_traces(Destination::from_base(Signal::Traces, &server.url()).unwrap())
        .build()
        .unwrap();
    let tracer = pipeline.tracer_provider().unwrap().tracer("t");
    for _ in 0..3 {
        tracer.start("s").end();
    }
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.traces().emitted(), 3);
    assert_eq!(report.traces().delivered(), 2);
    assert_eq!(report.traces().lost_by(LossReason::Rejected), 1);
}

#[test]
fn a_warning_without_rejections_loses_nothing_and_is_said() {
    let body = partial(0, "slow down, please");
    let server = Server::start([Reply::Http(200, "application/x-protobuf", body)]);
    let (report, said) = ten(to(&server.url(), Protocol::HttpProtobuf));
    assert!(report.is_complete());
    assert!(said.all()[0].ends_with("slow down, please"));
}

#[test]
fn an_error_answer_is_a_counted_loss_with_its_status_and_message() {
    let mut cases = vec![
        (
            Protocol::HttpJson,
            Reply::Http(
                401,
                "application/json",
                r#"{"code":16,"message":"who?"}"#.into(),
            ),
            "does not accept the credentials: HTTP 401, who?",
            "unauthorized",
        ),
        (
            Protocol::HttpProtobuf,
            Reply::Http(500, "text/html", "oops\nagain".into()),
            "rejects logs: HTTP 500, oops again",
            "rejected",
        ),
    ];
    if cfg!(feature = "grpc") {
        cases.push((
            Protocol::Grpc,
            Reply::Grpc(16, "who%20are%20you%3F", Bytes::new()),
            "does not accept the credentials: gRPC UNAUTHENTICATED, who are you?",
            "unauthorized",
        ));
        cases.push((
            Protocol::Grpc,
            Reply::GrpcTrailersOnly(12, "unknown service"),
            "rejects logs: gRPC UNIMPLEMENTED, unknown service",
            "rejected",
        ));
        cases.push((
            Protocol::Grpc,
            Reply::Http(502, "text/html", "<p>bad gateway".into()),
            "cannot take logs now: HTTP 502",
            "unavailable",
        ));
    }
    for (protocol, reply, words, reason) in cases {
        let server = Server::start([reply]);
        let (report, said) = ten(to(&server.url(), protocol).with_delivery(once()));
        assert_eq!(report.by_reason(), [(reason, 10)].into());
        let said = said.all();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].ends_with(words),
            "{said:?} does not end with {words}"
        );
    }
}

#[test]
fn nobody_listening_is_a_counted_loss_and_says_why() {
    let mut protocols = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    for protocol in protocols {
        let (report, said) = ten(to(&nobody(), protocol));
        assert_eq!(report.by_reason(), [("unreachable", 10)].into());
        let said = said.all();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("refused"), "{said:?}");
    }
}

#[test]
fn no_answer_within_the_timeout_is_a_counted_loss() {
    let mut protocols = vec![Protocol::HttpProtobuf];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    for protocol in protocols {
        let hole = BlackHole::new();
        let destination = Destination::from_base(Signal::Logs, &hole.url())
            .unwrap()
            .with_protocol(protocol)
            .with_timeout(Duration::from_millis(50));
        let (report, said) = ten(quiet().with_logs(destination));
        assert_eq!(report.by_reason(), [("timeout", 10)].into());
        assert!(
            said.all()[0].ends_with("no answer within 50ms"),
            "{:?}",
            said.all()
        );
    }
}

#[test]
fn a_grpc_connection_that_went_dead_is_not_used_again() {
    if !cfg!(feature = "grpc") {
        return;
    }
    let server = Server::start([Reply::Accept, Reply::Hang]);
    let destination = Destination::from_base(Signal::Logs, &server.url())
        .unwrap()
        .with_protocol(Protocol::Grpc)
        .with_timeout(Duration::from_millis(500));
    let pipeline = quiet()
        .with_logs(destination)
        .with_delivery(once())
        .build()
        .unwrap();
    for _ in 0..3 {
        emit(pipeline.logger_provider().unwrap(), "x");
        assert!(pipeline.force_flush(PATIENCE).is_settled());
    }
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.logs().delivered(), 2);
    assert_eq!(report.logs().lost_by(LossReason::Timeout), 1);
    let connections: Vec<_> = server.received().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[test]
fn a_collector_that_goes_and_comes_back_is_one_line_each() {
    let mut script = vec![Reply::Accept];
    script.extend(std::iter::repeat_n(Reply::HangUp, 20));
    let server = Server::start(script);
    let said = Said::default();
    let theirs = said.clone();
    let destination = |signal| Destination::from_base(signal, &server.url()).unwrap();
    let pipeline = quiet()
        .with_logs(destination(Signal::Logs))
        .with_traces(destination(Signal::Traces))
        .with_delivery(once())
        .on_notice(move |notice| {
            assert!(matches!(
                notice,
                Notice::DestinationDown { .. } | Notice::DestinationUp { .. }
            ));
            theirs.say(notice);
        })
        .build()
        .unwrap();
    let logs = pipeline.logger_provider().unwrap();
    let tracer = pipeline.tracer_provider().unwrap().tracer("t");
    emit(logs, "fine");
    assert!(pipeline.force_flush(PATIENCE).is_complete());
    // Down: whatever is sent, through either signal, one notice. How often the client tries a
    // connection that it had open before is its own business, hence the loop.
    while server.received().len() < 21 {
        emit(logs, "lost");
        tracer.start("lost").end();
        assert!(pipeline.force_flush(PATIENCE).is_settled());
    }
    emit(logs, "fine again");
    assert!(pipeline.force_flush(PATIENCE).is_settled());
    let report = pipeline.shutdown(PATIENCE);
    let said = said.all();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("cannot deliver "), "{said:?}");
    let lost = report.lost();
    assert!(
        said[1].ends_with(&format!("again, {lost} records were lost meanwhile")),
        "{said:?} does not tell of {lost}"
    );
    assert_eq!(report.by_reason(), [("unreachable", lost)].into());
}

#[test]
fn an_answer_that_repeats_is_said_once_until_it_changes() {
    let reply = |status| Reply::Http(status, "text/plain", "x".into());
    let server = Server::start([reply(503), reply(503), reply(400), reply(400), reply(503)]);
    let said = Said::default();
    let theirs = said.clone();
    let pipeline = to(&server.url(), Protocol::HttpProtobuf)
        .with_delivery(once())
        .on_notice(move |notice| theirs.say(notice))
        .build()
        .unwrap();
    for _ in 0..6 {
        emit(pipeline.logger_provider().unwrap(), "x");
        let _ = pipeline.force_flush(PATIENCE);
    }
    let counts = *pipeline.counts().logs();
    assert_eq!(
        counts.by_reason(),
        [("rejected", 2), ("unavailable", 3)].into()
    );
    let statuses: Vec<String> = said
        .all()
        .iter()
        .map(|line| line[line.find("HTTP").unwrap()..].to_owned())
        .collect();
    assert_eq!(statuses, ["HTTP 503, x", "HTTP 400, x", "HTTP 503, x"]);
}

#[test]
fn secrets_in_the_url_are_in_no_notice() {
    let url = nobody().replace("http://", "http://zoe:s3cret@");
    let destination =
        Destination::new(Signal::Logs, &format!("{url}/v1/logs?token=s3cret")).unwrap();
    let (_, said) = ten(quiet().with_logs(destination));
    let said = said.all();
    assert_eq!(said.len(), 1);
    assert!(
        !said[0].contains("s3cret") && !said[0].contains("zoe"),
        "{said:?}"
    );
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let server = Server::start([Reply::Http(
        400,
        "text/plain",
        vec![b'x'; 5 * 1024 * 1024].into(),
    )]);
    let start = Instant::now();
    let (report, said) = ten(to(&server.url(), Protocol::HttpProtobuf));
    assert_eq!(report.by_reason(), [("rejected", 10)].into());
    assert!(said.all()[0].ends_with("HTTP 400"), "{:?}", said.all());
    assert!(start.elapsed() < PATIENCE);
}

#[cfg(feature = "tls")]
#[test]
fn https_to_a_server_without_tls_is_unreachable() {
    let server = Server::start([]);
    let url = server.url().replace("http://", "https://");
    let (report, _) = ten(to(&url, Protocol::HttpProtobuf));
    assert_eq!(report.by_reason(), [("unreachable", 10)].into());
}

//! OTLP over HTTP on real sockets: every content type, encoding and version arrives.

mod peer;

use http::Version;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use peer::{
    Ask, JSON, LOGS_JSON, METRICS_JSON, PATIENCE, PROTOBUF, TRACES_JSON, logs, metrics, pack, run,
    traces,
};
use prost::Message as _;
use tracing_otlp_collector::{Collector, Protocol, Signal};

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

#[test]
fn every_content_type_and_encoding_arrives_over_both_versions() {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    let bodies = [
        (PROTOBUF, logs(["hello"]).encode_to_vec()),
        (JSON, LOGS_JSON.as_bytes().to_vec()),
        (
            "application/json; charset=utf-8",
            LOGS_JSON.as_bytes().to_vec(),
        ),
        (
            "Application/X-Protobuf;v=1",
            logs(["hello"]).encode_to_vec(),
        ),
    ];
    let mut sent = 0;
    for version in VERSIONS {
        for (content_type, body) in &bodies {
            for encoding in [
                None,
                Some("identity"),
                Some("gzip"),
                Some("zstd"),
                Some("deflate"),
            ] {
                let packed = pack(encoding.unwrap_or("identity"), body);
                let wire_size = packed.len();
                let mut ask = Ask::post("/v1/logs", content_type, packed);
                if let Some(encoding) = encoding {
                    ask = ask.with("content-encoding", encoding);
                }
                let answer = run(ask.send(collector.local_addr(), version));
                let what = format!("{version:?} {content_type} {encoding:?}: {answer:?}");
                sent += 1;

                assert_eq!(answer.status, 200, "{what}");
                if content_type.eq_ignore_ascii_case("application/json")
                    || content_type.starts_with("application/json;")
                {
                    assert_eq!(answer.header("content-type"), JSON, "{what}");
                    assert_eq!(&*answer.body, b"{}", "{what}");
                } else {
                    assert_eq!(answer.header("content-type"), PROTOBUF, "{what}");
                    let response = ExportLogsServiceResponse::decode(answer.body.clone()).unwrap();
                    assert_eq!(response.partial_success, None, "{what}");
                }

                let logs = collector.logs();
                assert_eq!(logs.len(), sent, "{what}");
                let log = logs.last().unwrap();
                assert_eq!(log.body_str(), Some("hello"), "{what}");
                assert_eq!((log.severity_number(), log.severity_text()), (9, "INFO"));
                assert_eq!(log.time_unix_nano(), 1_700_000_000_000_000_001);
                assert_eq!(log.trace_id_hex().unwrap(), "01".repeat(16));
                assert_eq!(log.span_id_hex().unwrap(), "02".repeat(8));
                assert_eq!(log.resource_attr_str("service.name"), Some("shop"));
                assert_eq!(
                    (log.scope_name(), log.scope_version()),
                    ("shop::orders", "1.2")
                );

                let requests = collector.requests();
                let request = requests.last().unwrap();
                assert_eq!(&**request.body(), &**body, "{what}");
                assert_eq!(request.wire_size(), wire_size, "{what}");
                assert_eq!(request.signal(), Signal::Logs);
                let is_packed = encoding.filter(|encoding| *encoding != "identity");
                assert_eq!(request.content_encoding(), is_packed, "{what}");
                assert_eq!(request.header("Content-Type"), Some(*content_type));
                assert_eq!(request.refusal(), None);
            }
        }
    }
    assert_eq!(collector.counts().log_requests, sent as u64);
    assert_eq!(collector.requests()[0].protocol(), Protocol::HttpProtobuf);
    assert_eq!(collector.requests()[5].protocol().to_string(), "http/json");
}

#[test]
fn spans_are_kept_and_metrics_are_counted() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    for version in VERSIONS {
        for (path, content_type, body) in [
            ("/v1/traces", PROTOBUF, traces("GET /").encode_to_vec()),
            ("/v1/traces?x=y", JSON, TRACES_JSON.into()),
            ("/v1/metrics", PROTOBUF, metrics().encode_to_vec()),
            ("/v1/metrics", JSON, METRICS_JSON.into()),
        ] {
            let answer = run(Ask::post(path, content_type, body).send(to, version));
            assert_eq!(answer.status, 200, "{path} {content_type} {answer:?}");
            if content_type == PROTOBUF {
                ExportTraceServiceResponse::decode(answer.body).unwrap();
            }
        }
    }
    let spans = collector.wait_for_spans(4, PATIENCE).unwrap();
    assert!(
        spans
            .iter()
            .all(|span| span.name() == "GET /" && span == &spans[0])
    );
    assert_eq!(spans[0].duration().as_nanos(), 1_000_000);
    let counts = collector.counts();
    assert_eq!(
        (
            counts.trace_requests,
            counts.metric_requests,
            counts.data_points
        ),
        (4, 4, 8)
    );
    assert_eq!(counts.requests(), 8);
}

#[test]
fn an_empty_request_is_accepted() {
    let collector = Collector::start().unwrap();
    let to = collector.local_addr();
    for (content_type, body) in [(PROTOBUF, ""), (JSON, "{}")] {
        let answer = run(Ask::post("/v1/logs", content_type, body).send(to, Version::HTTP_11));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(
        (collector.counts().log_requests, collector.logs().len()),
        (2, 0)
    );
}

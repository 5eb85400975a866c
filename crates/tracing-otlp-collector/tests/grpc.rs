//! OTLP over gRPC: the official client over tonic, and frames that no client would send.

mod peer;

use http::{Method, Version};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use peer::{Ask, frame, logs, metrics, pack, run, traces};
use prost::Message as _;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request};
use tracing_otlp_collector::{Collector, Protocol, Signal};

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

#[test]
fn the_official_client_exports_all_signals_in_every_encoding() {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    let endpoint = collector.endpoint();
    let encodings = [
        None,
        Some(CompressionEncoding::Gzip),
        Some(CompressionEncoding::Zstd),
    ];
    run(async {
        let mut log_client = LogsServiceClient::connect(endpoint.clone()).await.unwrap();
        let mut trace_client = TraceServiceClient::connect(endpoint.clone()).await.unwrap();
        let mut metric_client = MetricsServiceClient::connect(endpoint).await.unwrap();
        for encoding in encodings {
            if let Some(encoding) = encoding {
                log_client = log_client
                    .send_compressed(encoding)
                    .accept_compressed(encoding);
                trace_client = trace_client.send_compressed(encoding);
                metric_client = metric_client.send_compressed(encoding);
            }
            let mut request = Request::new(logs(["hello", "world"]));
            request
                .metadata_mut()
                .insert("x-tenant", "t1".parse().unwrap());
            let answer = log_client.export(request).await.unwrap().into_inner();
            assert_eq!(answer.partial_success, None);
            let answer = trace_client
                .export(traces("GET /"))
                .await
                .unwrap()
                .into_inner();
            assert_eq!(answer.partial_success, None);
            metric_client.export(metrics()).await.unwrap();
        }
    });
    assert_eq!(collector.logs().len(), 6);
    assert_eq!(collector.logs()[1].body_str(), Some("world"));
    assert_eq!(collector.spans().len(), 3);
    assert_eq!(collector.counts().data_points, 6);
    assert_eq!(
        collector.audit().to_string(),
        "records=6 linked=6 unlinked=0 orphaned=0"
    );

    let requests = collector.requests();
    let encodings: Vec<_> = requests
        .iter()
        .filter(|request| request.signal() == Signal::Logs)
        .map(|request| request.content_encoding())
        .collect();
    assert_eq!(encodings, [None, Some("gzip"), Some("zstd")]);
    assert!(
        requests
            .iter()
            .all(|request| request.protocol() == Protocol::Grpc)
    );
    assert_eq!(requests[0].header("x-tenant"), Some("t1"));
    assert_eq!(
        &**requests[0].body(),
        logs(["hello", "world"]).encode_to_vec()
    );
    assert_eq!(requests[0].wire_size(), requests[0].body().len() + 5);
}

#[test]
fn the_official_client_reads_why_it_was_refused() {
    let collector = Collector::builder().with_max_body(500).start().unwrap();
    let endpoint = collector.endpoint();
    run(async {
        let mut client = LogsServiceClient::connect(endpoint.clone()).await.unwrap();
        let long = "x".repeat(1_000);
        let refused = client.export(logs([&long])).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(refused.message(), "request body longer than 500 bytes");
        // The limit holds after unpacking as well, and the connection survives both.
        let mut client = client.send_compressed(CompressionEncoding::Gzip);
        let refused = client.export(logs([&long])).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        client.export(logs(["short"])).await.unwrap();
    });
    assert_eq!(collector.logs().len(), 1);
    assert_eq!(collector.counts().refused, 2);
}

#[test]
fn a_message_of_exactly_the_limit_is_accepted() {
    let message = logs(["hello"]).encode_to_vec();
    for (limit, status) in [(message.len(), ""), (message.len() - 1, "8")] {
        let collector = Collector::builder().with_max_body(limit).start().unwrap();
        let ask = Ask::post(LOGS, "application/grpc", frame(0, &message));
        let answer = run(ask.send(collector.local_addr(), Version::HTTP_2));
        assert_eq!(answer.header("grpc-status"), status, "{limit}");
    }
}

#[test]
fn a_success_is_one_message_and_a_status_in_the_trailers() {
    let collector = Collector::start().unwrap();
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;x=y",
    ] {
        let ask = Ask::post(
            LOGS,
            content_type,
            frame(0, &logs(["hello"]).encode_to_vec()),
        );
        let answer = run(ask
            .with("te", "trailers")
            .send(collector.local_addr(), Version::HTTP_2));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), "application/grpc");
        assert_eq!(&*answer.body, [0; 5]);
        assert_eq!(answer.trailers["grpc-status"], "0");
    }
}

#[test]
fn every_refusal_is_a_status_of_grpc() {
    let collector = Collector::builder().with_max_body(10_000).start().unwrap();
    let good = logs(["x"]).encode_to_vec();
    let ask = |body: Vec<u8>| Ask::post(LOGS, "application/grpc", body);
    let encoded = |encoding: &str, body: Vec<u8>| ask(body).with("grpc-encoding", encoding);
    let cases = [
        (
            Ask::post(
                "/opentelemetry.proto.collector.logs.v1.LogsService/Import",
                "application/grpc",
                frame(0, &good),
            ),
            "12",
            "unknown method",
        ),
        (
            Ask::post("/v1/logs", "application/grpc+proto", frame(0, &good)),
            "12",
            "unknown method",
        ),
        (
            encoded("snappy", frame(1, &good)),
            "12",
            "unknown encoding \"snappy\"",
        ),
        (ask(vec![]), "12", "no message"),
        (
            ask([frame(0, &good), frame(0, &good)].concat()),
            "12",
            "more than one message",
        ),
        (ask(vec![0, 0, 0]), "13", "cut off"),
        (
            ask(frame(0, &good)[..20].to_vec()),
            "13",
            "shorter than its prefix says",
        ),
        (
            ask(vec![0, 0xff, 0xff, 0xff, 0xff]),
            "13",
            "shorter than its prefix says",
        ),
        (ask(frame(2, &good)), "13", "neither 0 nor 1"),
        (
            ask(frame(1, &pack("gzip", &good))),
            "13",
            "grpc-encoding names nothing",
        ),
        (
            encoded("identity", frame(1, &good)),
            "13",
            "grpc-encoding names nothing",
        ),
        (encoded("gzip", frame(1, &good)), "3", "not valid gzip"),
        (ask(frame(0, b"\xff\xff")), "3", "OTLP logs request"),
        (ask(frame(0, &[0; 10_001])), "8", "longer than 10000 bytes"),
        (
            encoded("zstd", frame(1, &pack("zstd", &vec![0; 50_000]))),
            "8",
            "longer than 10000 bytes",
        ),
    ];
    for (ask, status, message) in &cases {
        let answer = run(ask.send(collector.local_addr(), Version::HTTP_2));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/grpc");
        assert_eq!(answer.header("grpc-status"), *status, "{answer:?}");
        assert!(
            answer.header("grpc-message").contains(message),
            "{answer:?}"
        );
        assert!(answer.body.is_empty());
    }
    assert_eq!(collector.counts().refused, cases.len() as u64);
    assert_eq!(collector.logs().len(), 0);
}

#[test]
fn a_message_that_is_not_compressed_needs_no_encoding_even_if_one_is_named() {
    let collector = Collector::start().unwrap();
    let body = frame(0, &logs(["x"]).encode_to_vec());
    let ask = Ask::post(LOGS, "application/grpc", body).with("grpc-encoding", "gzip");
    let answer = run(ask.send(collector.local_addr(), Version::HTTP_2));
    assert_eq!(answer.trailers["grpc-status"], "0");
    assert_eq!(collector.logs().len(), 1);
}

#[test]
fn a_refusal_in_any_language_travels_percent_encoded() {
    let collector = Collector::start().unwrap();
    let ask = Ask::post(LOGS, "application/grpc", frame(1, b"")).with("grpc-encoding", "größe%");
    let answer = run(ask.send(collector.local_addr(), Version::HTTP_2));
    assert_eq!(
        answer.header("grpc-message"),
        "unknown encoding \"gr%C3%B6%C3%9Fe%25\", known are gzip, zstd, deflate, identity"
    );
}

#[test]
fn grpc_over_http_1_is_refused_as_http() {
    let collector = Collector::start().unwrap();
    let ask = Ask::post(LOGS, "application/grpc", frame(0, b""));
    let answer = run(ask.send(collector.local_addr(), Version::HTTP_11));
    assert_eq!(answer.status, 415);
    assert!(String::from_utf8_lossy(&answer.body).contains("HTTP/2"));
    let get = Ask {
        method: Method::GET,
        ..ask
    };
    assert_eq!(
        run(get.send(collector.local_addr(), Version::HTTP_11)).status,
        405
    );
}

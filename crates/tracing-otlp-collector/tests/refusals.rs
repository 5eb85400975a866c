//! OTLP over HTTP refused: each reason has its status, and a body in the request's content type.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;

use http::{Method, Version};
use peer::{Answer, Ask, JSON, PROTOBUF, logs, pack, run};
use prost::Message as _;
use tracing_otlp_collector::Collector;

/// `google.rpc.Status`, written down again from its specification.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// What is sent, the answer's "status format code", and a part of its message.
type Case = (Ask, &'static str, &'static str);

fn post(path: &str, content_type: &str, body: &[u8]) -> Ask {
    Ask::post(path, content_type, body.to_vec())
}

/// Before a byte of the body is looked at.
fn refused_by_their_heads() -> Vec<Case> {
    let good = logs(["x"]).encode_to_vec();
    let get = |content_type| Ask {
        method: Method::GET,
        ..post("/v1/logs", content_type, b"")
    };
    let grpc = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let packed = |name| post("/v1/logs", PROTOBUF, &good).with("content-encoding", name);
    vec![
        (
            post("/v1/log", PROTOBUF, &good),
            "404 protobuf 12",
            "\"/v1/log\"",
        ),
        (post("/", JSON, b"{}"), "404 json 12", "/v1/logs"),
        (post("/", "text/html", b""), "404 json 12", "/v1/logs"),
        (get(JSON), "405 json 12", "POST, not GET"),
        (get(PROTOBUF), "405 protobuf 12", "POST, not GET"),
        (
            post("/v1/logs", "text/plain", &good),
            "415 json 3",
            PROTOBUF,
        ),
        (
            post("/v1/logs", "application/jsonx", b"{}"),
            "415 json 3",
            JSON,
        ),
        (
            post(grpc, PROTOBUF, &good),
            "415 protobuf 3",
            "application/grpc",
        ),
        (packed("br"), "415 protobuf 12", "unknown encoding \"br\""),
        (packed("gzip, gzip"), "415 protobuf 12", "unknown encoding"),
        (
            post("/v1/logs", PROTOBUF, &[0; 10_001]),
            "413 protobuf 8",
            "longer than 10000 bytes",
        ),
        (
            post("/v1/logs", JSON, &[b' '; 10_001]),
            "413 json 8",
            "longer than 10000 bytes",
        ),
    ]
}

/// Because the body cannot be unpacked.
fn refused_by_their_packing() -> Vec<Case> {
    let good = logs(["x"]).encode_to_vec();
    let packed =
        |name, body: &[u8]| post("/v1/logs", PROTOBUF, body).with("content-encoding", name);
    let mut cut = pack("gzip", &good);
    cut.truncate(cut.len() - 4);
    vec![
        (packed("gzip", &good), "400 protobuf 3", "not valid gzip"),
        (packed("gzip", &cut), "400 protobuf 3", "not valid gzip"),
        (packed("zstd", &good), "400 protobuf 3", "not valid zstd"),
        (
            packed("deflate", &good),
            "400 protobuf 3",
            "not valid deflate",
        ),
    ]
}

/// Because the body cannot be decoded.
fn refused_by_their_payload() -> Vec<Case> {
    vec![
        (
            post("/v1/logs", PROTOBUF, b"\xff\xff"),
            "400 protobuf 3",
            "OTLP logs request",
        ),
        (
            post("/v1/traces", PROTOBUF, b"\x0a\x05"),
            "400 protobuf 3",
            "OTLP traces request",
        ),
        (
            post("/v1/metrics", PROTOBUF, b"\x08"),
            "400 protobuf 3",
            "OTLP metrics request",
        ),
        (post("/v1/logs", JSON, b""), "400 json 3", "EOF"),
        (post("/v1/logs", JSON, b"{} {}"), "400 json 3", "trailing"),
        (
            post("/v1/logs", JSON, br#"{"resourceLogs":7}"#),
            "400 json 3",
            "resourceLogs: expected",
        ),
    ]
}

#[test]
fn every_refusal_is_a_status_in_the_content_type_of_its_request() {
    let collector = Collector::builder()
        .with_max_body(10_000)
        .keep_requests(true)
        .start()
        .unwrap();
    let payloads = refused_by_their_payload();
    let undecodable = payloads.len();
    let cases = [
        refused_by_their_heads(),
        refused_by_their_packing(),
        payloads,
    ]
    .concat();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (ask, expected, message) in &cases {
            let answer = run(ask.send(collector.local_addr(), version));
            let what = format!("{version:?} {} {:?}: {answer:?}", ask.path, ask.headers);
            let (summary, told) = read(&answer);
            assert_eq!(summary, *expected, "{what}");
            assert!(told.contains(message), "{what} {told:?}");
            let allow = if answer.status == 405 { "POST" } else { "" };
            assert_eq!(answer.header("allow"), allow, "{what}");
            let is_told = answer.header("accept-encoding") == "gzip, zstd, deflate, identity";
            assert_eq!(is_told, told.starts_with("unknown encoding"), "{what}");
        }
    }
    assert_eq!(collector.counts().refused, 2 * cases.len() as u64);
    assert_eq!(
        (collector.logs().len(), collector.counts().requests()),
        (0, 0)
    );
    // Those that came as far as the decoder can be looked at.
    let kept = collector.requests();
    assert_eq!(kept.len(), 2 * undecodable);
    assert!(kept.iter().all(|request| request.refusal().is_some()));
}

/// The answer as "status format code", and its message.
fn read(answer: &Answer) -> (String, String) {
    let (format, status) = match answer.header("content-type") {
        PROTOBUF => ("protobuf", Status::decode(answer.body.clone()).unwrap()),
        JSON => {
            let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let code = i32::try_from(json["code"].as_i64().unwrap()).unwrap();
            (
                "json",
                Status {
                    code,
                    message: json["message"].as_str().unwrap().to_owned(),
                },
            )
        }
        other => panic!("unknown content type {other:?}"),
    };
    (
        format!("{} {format} {}", answer.status.as_u16(), status.code),
        status.message,
    )
}

//! A small HTTP client over one connection, and OTLP requests to send with it.
//!
//! The suites of this folder share it.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::net::TcpStream;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const PROTOBUF: &str = "application/x-protobuf";
pub(crate) const JSON: &str = "application/json";

/// Runs a test's async part on a runtime of its own.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A request builder that tests fill in.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn post(path: &str, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: Method::GET,
            path: path.to_owned(),
            headers: vec![],
            body: Bytes::new(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends it over a connection of its own.
    pub(crate) async fn send(&self, to: SocketAddr, version: Version) -> Answer {
        let mut request = Request::builder().method(self.method.clone());
        for (name, value) in &self.headers {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
        let body = Full::new(self.body.clone());
        let response = if version == Version::HTTP_2 {
            let request = request
                .uri(format!("http://{to}{}", self.path))
                .body(body)
                .unwrap();
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
            tokio::spawn(connection);
            client.send_request(request).await.unwrap()
        } else {
            let mut request = request.uri(&self.path);
            if !self.headers.iter().any(|(name, _)| *name == "host") {
                request = request.header("host", to.to_string());
            }
            let (mut client, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            client
                .send_request(request.body(body).unwrap())
                .await
                .unwrap()
        };
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: collected.to_bytes(),
            trailers,
        }
    }
}

/// Asks the API for JSON.
pub(crate) fn ask(to: SocketAddr, path: &str) -> serde_json::Value {
    let answer = run(Ask::get(path).send(to, Version::HTTP_11));
    assert_eq!(answer.status, 200, "{path} {answer:?}");
    assert_eq!(answer.header("content-type"), JSON);
    serde_json::from_slice(&answer.body).unwrap()
}

/// Sends OTLP/JSON, which has to be accepted.
pub(crate) fn post(to: SocketAddr, path: &str, json: &serde_json::Value) {
    let ask = Ask::post(path, JSON, json.to_string());
    let answer = run(ask.send(to, Version::HTTP_11));
    assert_eq!(answer.status, 200, "{path} {answer:?}");
}

/// A request with these log records of one service.
pub(crate) fn records(service: &str, records: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({ "resourceLogs": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": service } }] },
        "scopeLogs": [{ "scope": { "name": "s" }, "logRecords": records }],
    }] })
}

/// A request with these spans.
pub(crate) fn spans(spans: &[serde_json::Value]) -> serde_json::Value {
    serde_json::json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })
}

/// Packs with the encoders that senders use.
pub(crate) fn pack(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(bytes, 3).unwrap(),
        _ => bytes.to_vec(),
    }
}

/// One gRPC message in its frame.
pub(crate) fn frame(compressed: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[compressed], &length.to_be_bytes()[..], message].concat()
}

pub(crate) fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text.to_owned())),
    }
}

pub(crate) fn logs<const N: usize>(bodies: [&str; N]) -> ExportLogsServiceRequest {
    let record = |body: &&str| LogRecord {
        time_unix_nano: 1_700_000_000_000_000_001,
        severity_number: 9,
        severity_text: "INFO".into(),
        body: Some(text(body)),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        flags: 1,
        ..LogRecord::default()
    };
    let service = KeyValue {
        key: "service.name".into(),
        value: Some(text("shop")),
        ..KeyValue::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![service],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                scope: Some(InstrumentationScope {
                    name: "shop::orders".into(),
                    version: "1.2".into(),
                    ..InstrumentationScope::default()
                }),
                log_records: bodies.iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

pub(crate) fn traces(name: &str) -> ExportTraceServiceRequest {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        name: name.into(),
        kind: 2,
        start_time_unix_nano: 1,
        end_time_unix_nano: 1_000_001,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

/// A gauge with two points.
pub(crate) fn metrics() -> ExportMetricsServiceRequest {
    let data_points = vec![NumberDataPoint::default(), NumberDataPoint::default()];
    let data = Some(Data::Gauge(Gauge { data_points }));
    let metrics = vec![Metric {
        name: "m".into(),
        data,
        ..Metric::default()
    }];
    let scope_metrics = vec![ScopeMetrics {
        metrics,
        ..ScopeMetrics::default()
    }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

/// The same requests, as an SDK for JSON writes them.
pub(crate) const LOGS_JSON: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name",
"value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{"name":"shop::orders","version":"1.2"},
"logRecords":[{"timeUnixNano":"1700000000000000001","severityNumber":9,"severityText":"INFO","body":
{"stringValue":"hello"},"traceId":"01010101010101010101010101010101","spanId":"0202020202020202",
"flags":1}]}]}]}"#;

pub(crate) const TRACES_JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET /","kind":2,
"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","startTimeUnixNano":"1",
"endTimeUnixNano":"1000001"}]}]}]}"#;

pub(crate) const METRICS_JSON: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m",
"gauge":{"dataPoints":[{},{}]}}]}]}]}"#;

//! The whole way with the official crates, as their documentation sets them up.

use async_trait::async_trait;
use bench_scene::load::{Order, perform};
use bytes::Bytes;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    Compression, LogExporter, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

fn main() {
    let order = Order::from_arguments();
    let compression = match order.compression.as_str() {
        "none" => None,
        "gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        other => panic!("no compression {other}"),
    };
    let resource = Resource::builder().with_service_name("bench").build();
    let mut logs = LogExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/logs", order.endpoint));
    let mut spans = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", order.endpoint));
    if let Some(compression) = compression {
        logs = logs.with_compression(compression);
        spans = spans.with_compression(compression);
    }
    if order.endpoint == "null" {
        logs = logs
            .with_endpoint("http://127.0.0.1:9")
            .with_http_client(Null);
        spans = spans
            .with_endpoint("http://127.0.0.1:9")
            .with_http_client(Null);
    }
    let logs = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(logs.build().expect("settings that agree"))
        .build();
    let spans = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(spans.build().expect("settings that agree"))
        .build();
    // The filters that the documentation asks for, so that the exporter does not feed itself.
    let bridge = bench_peer::bridge(&logs, false).with_filter(filter_fn(|metadata| {
        let target = metadata.target();
        !["hyper", "opentelemetry", "reqwest"]
            .iter()
            .any(|name| target.starts_with(name))
    }));
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(
            tracing_opentelemetry::layer()
                .with_tracer(spans.tracer("bench"))
                .with_filter(filter_fn(bench_peer::is_span)),
        )
        .with(bridge)
        .init();
    perform(
        &order,
        || {
            let _outcome = logs.force_flush();
        },
        || {
            let _outcome = logs.shutdown();
        },
    );
    // Without what would happen to spans.
    std::process::exit(0);
}

/// Takes everything and sends nothing.
#[derive(Debug)]
struct Null;

#[async_trait]
impl HttpClient for Null {
    async fn send_bytes(
        &self,
        _: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        Ok(http::Response::new(Bytes::new()))
    }
}

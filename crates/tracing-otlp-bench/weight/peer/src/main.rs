//! The same application with the official crates, as their documentation has it.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, SpanExporter};
use opentelemetry_sdk::{logs::SdkLoggerProvider, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

fn main() {
    let logs = LogExporter::builder().with_http().build();
    let logs = SdkLoggerProvider::builder()
        .with_batch_exporter(logs.expect("settings that agree"))
        .build();
    let spans = SpanExporter::builder().with_http().build();
    let spans = SdkTracerProvider::builder()
        .with_batch_exporter(spans.expect("settings that agree"))
        .build();
    tracing_subscriber::registry()
        .with(EnvFilter::from_default_env())
        .with(tracing_opentelemetry::layer().with_tracer(spans.tracer("hello")))
        .with(OpenTelemetryTracingBridge::new(&logs))
        .with(fmt::layer())
        .init();
    tracing::info!(answer = 42, "hello");
    let _outcome = logs.shutdown();
    let _outcome = spans.shutdown();
}

//! A subscriber with a real trace layer and a log layer, and what came out of both.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::struct_field_names,
    reason = "each test file uses its part"
)]

use opentelemetry::logs::AnyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{SpanId, TraceId};
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLogRecord, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider, SpanData,
};
use tracing::{Dispatch, Subscriber};
use tracing_otlp_layer::{LogLayer, span_layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

pub struct Rig {
    pub logs: SdkLoggerProvider,
    pub spans: SdkTracerProvider,
    log_exporter: InMemoryLogExporter,
    span_exporter: InMemorySpanExporter,
}

impl Default for Rig {
    fn default() -> Self {
        Self::sampled_by(Sampler::AlwaysOn)
    }
}

impl Rig {
    pub fn sampled_by(sampler: Sampler) -> Self {
        let log_exporter = InMemoryLogExporter::default();
        let span_exporter = InMemorySpanExporter::default();
        Self {
            logs: SdkLoggerProvider::builder()
                .with_simple_exporter(log_exporter.clone())
                .build(),
            spans: SdkTracerProvider::builder()
                .with_simple_exporter(span_exporter.clone())
                .with_sampler(sampler)
                .build(),
            log_exporter,
            span_exporter,
        }
    }

    pub fn tracer(&self) -> SdkTracer {
        self.spans.tracer("test")
    }

    pub fn layer(&self) -> LogLayer<SdkLogger> {
        LogLayer::new(&self.logs)
    }

    /// Spans to the trace layer, events to the log layer.
    pub fn subscriber(
        &self,
        layer: LogLayer<SdkLogger>,
    ) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static {
        tracing_subscriber::registry()
            .with(span_layer(self.tracer()))
            .with(layer)
    }

    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.run_with(self.layer(), work)
    }

    pub fn run_with<R>(&self, layer: LogLayer<SdkLogger>, work: impl FnOnce() -> R) -> R {
        tracing::dispatcher::with_default(&Dispatch::new(self.subscriber(layer)), work)
    }

    pub fn run_in(&self, trace: impl Layer<Registry> + Send + Sync, work: impl FnOnce()) {
        let subscriber = tracing_subscriber::registry()
            .with(trace)
            .with(self.layer());
        tracing::dispatcher::with_default(&Dispatch::new(subscriber), work);
    }

    pub fn records(&self) -> Vec<Record> {
        self.log_exporter
            .get_emitted_logs()
            .expect("in memory")
            .into_iter()
            .map(|log| Record {
                scope: log.instrumentation.name().to_owned(),
                version: log.instrumentation.version().map(str::to_owned),
                schema_url: log.instrumentation.schema_url().map(str::to_owned),
                record: log.record,
            })
            .collect()
    }

    /// The record with this body.
    pub fn record(&self, body: &str) -> Record {
        let mut found: Vec<_> = self
            .records()
            .into_iter()
            .filter(|r| r.body_text() == Some(body))
            .collect();
        assert_eq!(found.len(), 1, "records with body {body:?}: {found:#?}");
        found.remove(0)
    }

    /// The only record there is.
    pub fn only(&self) -> Record {
        let mut records = self.records();
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }

    pub fn finished(&self) -> Vec<SpanData> {
        self.span_exporter.get_finished_spans().expect("in memory")
    }

    pub fn span(&self, name: &str) -> SpanData {
        let mut found: Vec<_> = self
            .finished()
            .into_iter()
            .filter(|s| s.name == name)
            .collect();
        assert_eq!(found.len(), 1, "spans called {name:?}: {found:#?}");
        found.remove(0)
    }

    /// Asserts that the record with this body points at the exported span of this name.
    pub fn assert_points(&self, body: &str, span: &str) {
        let context = self.span(span).span_context;
        assert_eq!(
            self.record(body).ids(),
            Some((context.trace_id(), context.span_id())),
            "{body:?} should point at span {span:?}"
        );
    }

    pub fn assert_points_nowhere(&self, body: &str) {
        assert_eq!(self.record(body).ids(), None, "{body:?} should have no ids");
    }
}

#[derive(Debug, Clone)]
pub struct Record {
    pub scope: String,
    pub version: Option<String>,
    pub schema_url: Option<String>,
    pub record: SdkLogRecord,
}

impl Record {
    pub fn ids(&self) -> Option<(TraceId, SpanId)> {
        self.record
            .trace_context()
            .map(|cx| (cx.trace_id, cx.span_id))
    }

    pub fn body_text(&self) -> Option<&str> {
        match self.record.body() {
            Some(AnyValue::String(text)) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The value of the only attribute with this key.
    pub fn attr(&self, key: &str) -> Option<AnyValue> {
        let mut found = self
            .record
            .attributes_iter()
            .filter(|(k, _)| k.as_str() == key);
        let value = found.next().map(|(_, value)| value.clone());
        assert!(
            found.next().is_none(),
            "{key} stands twice in {:#?}",
            self.record
        );
        value
    }

    pub fn text(&self, key: &str) -> Option<String> {
        match self.attr(key)? {
            AnyValue::String(text) => Some(text.as_str().to_owned()),
            other => panic!("{key} is {other:?}"),
        }
    }

    pub fn keys(&self) -> Vec<String> {
        self.record
            .attributes_iter()
            .map(|(key, _)| key.as_str().to_owned())
            .collect()
    }
}

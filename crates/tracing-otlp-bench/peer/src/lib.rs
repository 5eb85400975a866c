//! The official bridge, the other peers and the floors, set up for each case.

use std::any::Any;
use std::fmt::{Debug, Write as _};
use std::hint::black_box;

use bench_scene::{Case, End};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, fmt};

/// Sets the global subscriber; what comes back has to live as long as it is used.
pub fn setup(case: Case, end: End) -> Box<dyn Any> {
    let spans = bench_sdk::tracer_provider();
    let logs = match (case, end) {
        (Case::Refused, _) => bench_sdk::full(),
        (Case::Nobody, _) => bench_sdk::nobody(),
        (_, End::Batch) => bench_sdk::batching(),
        _ => bench_sdk::dropping(),
    };
    // Static types as far as they go: a program of its own would have them.
    let tracer = spans.tracer("bench");
    let trace_layer = || tracing_opentelemetry::layer().with_tracer(tracer);
    match (case, end) {
        (_, End::Visit) => Registry::default().with(Visiting).init(),
        (_, End::Format) => Registry::default().with(Formatting).init(),
        (_, End::Json) => Registry::default()
            .with(fmt::layer().json().with_writer(std::io::sink))
            .init(),
        (Case::Span | Case::Spans, End::Without) if case.is_traced() => Registry::default()
            .with(trace_layer().with_filter(filter_fn(is_span)))
            .init(),
        (_, End::Without) => Registry::default().init(),
        (Case::Spans | Case::Span, _) => Registry::default()
            .with(trace_layer().with_filter(filter_fn(is_span)))
            .with(bridge(&logs, true))
            .init(),
        (Case::SpanEvents, _) => Registry::default()
            .with(trace_layer())
            .with(bridge(&logs, true))
            .init(),
        (Case::Filtered, _) => Registry::default()
            .with(bridge(&logs, false).with_filter(LevelFilter::INFO))
            .init(),
        _ => Registry::default().with(bridge(&logs, false)).init(),
    }
    Box::new((spans, logs))
}

/// Events are no span events: one event is one record.
pub fn is_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
}

/// The official bridge; span fields where the case wants them and the build has them.
pub fn bridge(
    logs: &SdkLoggerProvider,
    span_fields: bool,
) -> OpenTelemetryTracingBridge<SdkLoggerProvider, SdkLogger> {
    let builder = OpenTelemetryTracingBridge::builder(logs);
    #[cfg(feature = "everything")]
    if span_fields {
        use opentelemetry_appender_tracing::layer::TracingSpanAttributes;
        return builder
            .with_tracing_span_attributes(TracingSpanAttributes::all())
            .build();
    }
    assert!(!span_fields, "the build without span fields");
    builder.build()
}

/// The floor: reads every field and keeps nothing.
struct Visiting;

impl<S: Subscriber> Layer<S> for Visiting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Look;
        impl Visit for Look {
            fn record_str(&mut self, _: &Field, value: &str) {
                black_box(value);
            }
            fn record_i64(&mut self, _: &Field, value: i64) {
                black_box(value);
            }
            fn record_u64(&mut self, _: &Field, value: u64) {
                black_box(value);
            }
            fn record_f64(&mut self, _: &Field, value: f64) {
                black_box(value);
            }
            fn record_bool(&mut self, _: &Field, value: bool) {
                black_box(value);
            }
            fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
                black_box(value);
            }
        }
        event.record(&mut Look);
    }
}

/// The floor of any bridge: what is text has to be formatted.
struct Formatting;

impl<S: Subscriber> Layer<S> for Formatting {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // The cheapest there is: one buffer, large enough, used again for each field.
        struct Format(String);
        impl Visit for Format {
            fn record_str(&mut self, _: &Field, value: &str) {
                black_box(value);
            }
            fn record_i64(&mut self, _: &Field, value: i64) {
                black_box(value);
            }
            fn record_u64(&mut self, _: &Field, value: u64) {
                black_box(value);
            }
            fn record_f64(&mut self, _: &Field, value: f64) {
                black_box(value);
            }
            fn record_bool(&mut self, _: &Field, value: bool) {
                black_box(value);
            }
            fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
                self.0.clear();
                let _ = write!(self.0, "{value:?}");
                black_box(&self.0);
            }
        }
        event.record(&mut Format(String::with_capacity(128)));
    }
}

//! Logfire's crate on the calling thread, into the batch processor of the SDK that it brings.

use std::any::Any;
use std::time::Duration;

use bench_scene::{Case, End};
use logfire::config::{AdvancedOptions, SendToLogfire};
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;

/// As the others have it: the worker has no reason to wake up.
const IDLE: usize = 1 << 16;

fn main() {
    bench_scene::run(setup, None);
}

fn setup(case: Case, end: End) -> Box<dyn Any> {
    assert!(matches!(case, Case::Event | Case::Spans) && end == End::Batch);
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(IDLE)
        .with_max_export_batch_size(IDLE)
        .with_scheduled_delay(Duration::from_hours(1))
        .build();
    let processor = BatchLogProcessor::builder(Nowhere)
        .with_batch_config(config)
        .build();
    let advanced = AdvancedOptions::default().with_log_processor(processor);
    let logfire = logfire::configure()
        .local()
        .send_to_logfire(SendToLogfire::No)
        .with_console(None)
        .with_metrics(None)
        .with_additional_span_processor(Drops)
        .with_advanced_options(advanced)
        .finish()
        .expect("settings that agree");
    Registry::default().with(logfire.tracing_layer()).init();
    Box::new(logfire)
}

#[derive(Debug)]
struct Nowhere;

impl LogExporter for Nowhere {
    async fn export(&self, _: LogBatch<'_>) -> OTelSdkResult {
        Ok(())
    }
}

#[derive(Debug)]
struct Drops;

impl SpanProcessor for Drops {
    fn on_start(&self, _: &mut Span, _: &Context) {}
    fn on_end(&self, _: SpanData) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

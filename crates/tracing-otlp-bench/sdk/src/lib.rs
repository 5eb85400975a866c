//! The same SDK pipelines for every program on the calling thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord,
    SdkLoggerProvider,
};
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor};

/// More than any run emits: the worker has no reason to wake up.
pub const IDLE: usize = 1 << 16;

/// Drops every record and every span.
#[derive(Debug)]
pub struct Drops;

impl LogProcessor for Drops {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

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

/// Throws batches away, or never comes back from the first.
#[derive(Debug)]
struct Nowhere {
    stuck: Option<Arc<AtomicBool>>,
}

impl LogExporter for Nowhere {
    async fn export(&self, _: LogBatch<'_>) -> OTelSdkResult {
        if let Some(stuck) = &self.stuck {
            stuck.store(true, Ordering::SeqCst);
            loop {
                thread::park();
            }
        }
        Ok(())
    }
}

/// Records end right after the layer.
pub fn dropping() -> SdkLoggerProvider {
    SdkLoggerProvider::builder()
        .with_log_processor(Drops)
        .build()
}

/// Records end in the queue of the official batch processor, whose worker stays idle.
pub fn batching() -> SdkLoggerProvider {
    batch(IDLE, None)
}

/// The queue of the official batch processor is full, and stays so.
pub fn full() -> SdkLoggerProvider {
    let stuck = Arc::new(AtomicBool::new(false));
    let provider = batch(16, Some(Arc::clone(&stuck)));
    let logger = provider.logger("fill");
    let fill = || (0..16).for_each(|_| logger.emit(logger.create_log_record()));
    fill();
    while !stuck.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    fill();
    provider
}

fn batch(queue: usize, stuck: Option<Arc<AtomicBool>>) -> SdkLoggerProvider {
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(queue)
        .with_max_export_batch_size(queue)
        .with_scheduled_delay(Duration::from_hours(1))
        .build();
    let processor = BatchLogProcessor::builder(Nowhere { stuck })
        .with_batch_config(config)
        .build();
    SdkLoggerProvider::builder()
        .with_log_processor(processor)
        .build()
}

/// Nobody listens.
pub fn nobody() -> SdkLoggerProvider {
    SdkLoggerProvider::builder().build()
}

/// Spans that are sampled, and dropped when they end.
pub fn tracer_provider() -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_span_processor(Drops)
        .build()
}

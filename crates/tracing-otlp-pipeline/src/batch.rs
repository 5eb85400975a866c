//! Has the official batch processors collect what came through the door.
//!
//! Second stop of the pipeline. The official processor's worker hands each batch to `encode` and
//! the request to `deliver`, and never waits for the network.

use std::{sync::Arc, time::Duration};

use opentelemetry::{Context, InstrumentationScope, logs::Severity};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{BatchLogProcessor, LogBatch, LogExporter, LogProcessor, SdkLogRecord},
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};

use crate::{
    door::Door,
    encode::official::{LogEncoder, SpanEncoder},
    error::Error,
    settings::BatchSettings,
    unwind::caught,
};

/// The official batch processor for log records, behind a door.
#[derive(Debug)]
pub(crate) struct LogPipe {
    inner: BatchLogProcessor,
    door: Arc<Door>,
    flush_timeout: Duration,
}

impl LogPipe {
    pub(crate) fn new(
        encoder: LogEncoder,
        settings: &BatchSettings,
        door: Arc<Door>,
        flush_timeout: Duration,
    ) -> Result<Self, Error> {
        use opentelemetry_sdk::logs::BatchConfigBuilder;

        // Every value is set, so the builder's look at the environment has no effect.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(settings.max_queue_size().get())
            .with_max_export_batch_size(settings.max_export_batch_size().get())
            .with_scheduled_delay(settings.scheduled_delay())
            .build();
        let exporter = LogHandOver {
            encoder,
            door: Arc::clone(&door),
        };
        let inner = spawned(|| {
            BatchLogProcessor::builder(exporter)
                .with_batch_config(config)
                .build()
        })?;
        Ok(Self {
            inner,
            door,
            flush_timeout,
        })
    }
}

/// The SDK panics where it cannot start its worker.
fn spawned<T>(build: impl FnOnce() -> T) -> Result<T, Error> {
    caught(build).map_err(|_| Error::resource("the batch processor could not be started"))
}

impl LogProcessor for LogPipe {
    fn emit(&self, record: &mut SdkLogRecord, instrumentation: &InstrumentationScope) {
        if let Some(_passing) = self.door.enter() {
            self.inner.emit(record, instrumentation);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.door
            .flush(self.flush_timeout, || self.inner.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.door.flush(timeout, || {
            self.door
                .shut(timeout, |left| self.inner.shutdown_with_timeout(left))
        })
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(self.flush_timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        // Who asks turns the record away before the work where the answer is no: it is lost here.
        self.door.is_open_or_count() && self.inner.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The exporter that exports to the delivery queue.
#[derive(Debug)]
struct LogHandOver {
    encoder: LogEncoder,
    door: Arc<Door>,
}

impl LogExporter for LogHandOver {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count() as u64;
        self.door.handed(records);
        let encoded = self.encoder.encode(batch, records).await;
        self.door.hand_on(encoded, records)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.encoder.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(Duration::from_secs(5))
    }

    fn event_enabled(&self, _level: Severity, _target: &str, _name: Option<&str>) -> bool {
        true
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.encoder.set_resource(resource);
    }
}

/// The official batch processor for spans, behind a door.
#[derive(Debug)]
pub(crate) struct SpanPipe {
    inner: BatchSpanProcessor,
    door: Arc<Door>,
    flush_timeout: Duration,
}

impl SpanPipe {
    pub(crate) fn new(
        encoder: SpanEncoder,
        settings: &BatchSettings,
        door: Arc<Door>,
        flush_timeout: Duration,
    ) -> Result<Self, Error> {
        use opentelemetry_sdk::trace::BatchConfigBuilder;

        // Every value is set, so the builder's look at the environment has no effect.
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(settings.max_queue_size().get())
            .with_max_export_batch_size(settings.max_export_batch_size().get())
            .with_scheduled_delay(settings.scheduled_delay())
            .build();
        let exporter = SpanHandOver {
            encoder,
            door: Arc::clone(&door),
        };
        let inner = spawned(|| {
            BatchSpanProcessor::builder(exporter)
                .with_batch_config(config)
                .build()
        })?;
        Ok(Self {
            inner,
            door,
            flush_timeout,
        })
    }
}

impl SpanProcessor for SpanPipe {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        // Only sampled spans are exported (trace SDK specification, "Sampling"). The official
        // batch processor does not look.
        if !span.span_context.is_sampled() {
            return;
        }
        if let Some(_passing) = self.door.enter() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.door
            .flush(self.flush_timeout, || self.inner.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.door.flush(timeout, || {
            self.door
                .shut(timeout, |left| self.inner.shutdown_with_timeout(left))
        })
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(self.flush_timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The exporter that exports to the delivery queue.
#[derive(Debug)]
struct SpanHandOver {
    encoder: SpanEncoder,
    door: Arc<Door>,
}

impl SpanExporter for SpanHandOver {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let records = batch.len() as u64;
        self.door.handed(records);
        let encoded = self.encoder.encode(batch, records).await;
        self.door.hand_on(encoded, records)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.encoder.shutdown_with_timeout(timeout)
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(Duration::from_secs(5))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.encoder.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;
    use crate::{
        deliver::queue::Queue,
        door::DeliveryComesLater,
        notice::Notifier,
        settings::{DeliverySettings, Destination, Signal},
    };

    const PATIENCE: Duration = Duration::from_secs(60);

    fn door(signal: Signal) -> Arc<Door> {
        let queue = Arc::new(Queue::new(&DeliverySettings::default(), Arc::default()));
        Arc::new(Door::new(signal, 4, queue, Notifier::default()))
    }

    /// The SDK gives its traits default bodies that compile and do nothing.
    #[test]
    fn the_pipes_forward_their_whole_trait() {
        let destination = |signal| Destination::new(signal, "http://localhost/").unwrap();
        let settings = BatchSettings::logs()
            .with_max_queue_size(NonZeroUsize::new(4).unwrap())
            .with_scheduled_delay(PATIENCE);
        let resource = Resource::builder_empty().with_service_name("seen").build();

        let shape = crate::encode::Shape::of(&destination(Signal::Logs), 1 << 20);
        let encoder = LogEncoder::new(shape).unwrap();
        let mut pipe = LogPipe::new(encoder, &settings, door(Signal::Logs), PATIENCE).unwrap();
        pipe.set_resource(&resource);
        assert!(pipe.event_enabled(Severity::Info, "t", None));
        let _later = DeliveryComesLater::enter();
        pipe.force_flush().unwrap();
        pipe.shutdown().unwrap();
        assert!(!pipe.event_enabled(Severity::Info, "t", None));
        assert!(matches!(
            pipe.shutdown_with_timeout(PATIENCE),
            Err(OTelSdkError::AlreadyShutdown)
        ));
        assert!(pipe.force_flush().is_err());

        let shape = crate::encode::Shape::of(&destination(Signal::Traces), 1 << 20);
        let encoder = SpanEncoder::new(shape).unwrap();
        let mut pipe = SpanPipe::new(encoder, &settings, door(Signal::Traces), PATIENCE).unwrap();
        pipe.set_resource(&resource);
        pipe.force_flush().unwrap();
        pipe.shutdown().unwrap();
        assert!(matches!(
            pipe.shutdown_with_timeout(PATIENCE),
            Err(OTelSdkError::AlreadyShutdown)
        ));
        assert!(pipe.force_flush().is_err());
    }
}

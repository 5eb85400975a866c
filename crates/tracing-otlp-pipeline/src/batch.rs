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
    admit::{
        AdmissionSettings, SeverityBand,
        helper::{Helper, Slot},
        size,
    },
    door::Door,
    encode::{LogEncoder, Piece, SpanEncoder, scan::Scan},
    error::Error,
    settings::BatchSettings,
    unwind::caught,
};

mod blanks;
mod crew;

use blanks::Blanks;
use crew::Crew;

/// Places in the official queue for records of the pipeline itself, which do not ask for room.
const OWN_PLACES: usize = 8;

/// A batch processor for log records, the official one, behind a door.
#[derive(Debug)]
pub(crate) struct LogPipe<P = Crew<BatchLogProcessor>> {
    inner: Arc<P>,
    door: Arc<Door>,
    helper: Helper,
    slot: Slot,
    flush_timeout: Duration,
}

impl LogPipe {
    pub(crate) fn new(
        encoder: impl Fn() -> Result<LogEncoder, Error>,
        settings: &BatchSettings,
        admission: &AdmissionSettings,
        door: Arc<Door>,
        flush_timeout: Duration,
    ) -> Result<Self, Error> {
        use opentelemetry_sdk::logs::BatchConfigBuilder;

        let batch = settings.batch_within(door.room().for_everybody());
        // Every value is set, so the builder's look at the environment has no effect.
        let config = || {
            BatchConfigBuilder::default()
                .with_max_queue_size(settings.max_queue_size().get().saturating_add(OWN_PLACES))
                .with_max_export_batch_size(batch)
                .with_scheduled_delay(settings.scheduled_delay())
                .build()
        };
        let blanks = Arc::<Blanks>::default();
        let one = || {
            let exporter = LogHandOver {
                encoder: encoder()?,
                door: Arc::clone(&door),
                blanks: Arc::clone(&blanks),
                batch,
            };
            spawned(|| {
                BatchLogProcessor::builder(exporter)
                    .with_batch_config(config())
                    .build()
            })
        };
        let inner = Crew::new(Arc::clone(&door), Arc::clone(&blanks), batch, one)?;
        Self::around(inner, admission, door, flush_timeout)
    }
}

impl<P: LogProcessor + 'static> LogPipe<P> {
    fn around(
        inner: P,
        admission: &AdmissionSettings,
        door: Arc<Door>,
        flush_timeout: Duration,
    ) -> Result<Self, Error> {
        let slot = Slot::default();
        Ok(Self {
            inner: Arc::new(inner),
            helper: Helper::start(admission, &door, &slot)?,
            door,
            slot,
            flush_timeout,
        })
    }

    /// Shows the helper what it works for.
    fn introduce(&self) {
        let _only_once = self
            .slot
            .set(Arc::clone(&self.inner) as Arc<dyn LogProcessor>);
    }
}

/// The SDK panics where it cannot start its worker.
fn spawned<T>(build: impl FnOnce() -> T) -> Result<T, Error> {
    caught(build).map_err(|_| Error::resource("the batch processor could not be started"))
}

impl<P: LogProcessor + 'static> LogProcessor for LogPipe<P> {
    fn emit(&self, record: &mut SdkLogRecord, instrumentation: &InstrumentationScope) {
        let band = SeverityBand::of(record.severity_number());
        let size = self.door.room().weigh_entering(record);
        if let Some(_passing) = self.door.enter(band, size) {
            self.inner.emit(record, instrumentation);
            if band >= SeverityBand::Error {
                self.helper.error_came();
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.door
            .flush(self.flush_timeout, || self.inner.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.helper.stop();
        let last_word = || self.helper.tell_the_rest(&self.door, &*self.inner);
        self.door.flush(timeout, || {
            self.door.shut(timeout, last_word, |left| {
                self.inner.shutdown_with_timeout(left)
            })
        })
    }

    fn shutdown(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(self.flush_timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        // Who asks turns the record away before the work where the answer is no, so it is lost
        // here. Nothing is counted twice: the SDK asks this processor last, and only if all the
        // others said no, so after a no of this one there is no record.
        self.door.lets_in_or_counts(level.into()) && self.inner.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // The SDK does this once, when it builds the provider, while nobody else has the processor.
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.set_resource(resource);
        }
        self.introduce();
    }
}

/// The exporter that exports to the delivery queue.
#[derive(Debug)]
struct LogHandOver {
    encoder: LogEncoder,
    door: Arc<Door>,
    blanks: Arc<Blanks>,
    /// How many records a full batch has.
    batch: usize,
}

impl LogExporter for LogHandOver {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let waiting = usize::try_from(self.door.room().records()).unwrap_or(usize::MAX);
        self.blanks.provide(waiting, self.batch);
        let scan = Scan::of_logs(&batch, self.door.room());
        self.door.handed(&scan.records, scan.bytes);
        hand_on(&self.door, self.encoder.encode(batch, scan.records).await)
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

/// Passes all requests of a batch on; the first failure is the answer.
fn hand_on(door: &Door, pieces: Vec<Piece>) -> OTelSdkResult {
    let mut outcome = Ok(());
    for Piece { request, records } in pieces {
        // The others go on, whatever becomes of one.
        let handed = door.hand_on(request, records);
        outcome = outcome.and(handed);
    }
    outcome
}

/// A batch processor for spans, the official one, behind a door.
#[derive(Debug)]
pub(crate) struct SpanPipe<P = BatchSpanProcessor> {
    inner: P,
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
            .with_max_export_batch_size(settings.batch_within(door.room().for_everybody()))
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

impl<P: SpanProcessor> SpanProcessor for SpanPipe<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        // Only sampled spans are exported (trace SDK specification, "Sampling"). The official
        // batch processor does not look.
        if !span.span_context.is_sampled() {
            return;
        }
        let size = self.door.room().weigh(|| size::of_span(&span));
        if let Some(_passing) = self.door.enter(SeverityBand::Info, size) {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.door
            .flush(self.flush_timeout, || self.inner.force_flush())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.door.flush(timeout, || {
            self.door.shut(
                timeout,
                || (),
                |left| self.inner.shutdown_with_timeout(left),
            )
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
        let scan = Scan::of_spans(&batch, self.door.room());
        self.door.handed(&scan.records, scan.bytes);
        hand_on(&self.door, self.encoder.encode(batch, scan.records).await)
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
mod tests;

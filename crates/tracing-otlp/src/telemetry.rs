//! Telemetry as a value: the providers, and the layers to put into a registry.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_core::Subscriber;
use tracing_otlp_layer::{LayerCounts, LogLayer, SpanEvents, span_layer_with};
use tracing_otlp_pipeline::{Counts, Pipeline, Report};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::{LogLayerSetup, TelemetryBuilder};
use crate::check::LinkCheck;
use crate::console::{self, Console};

/// Providers and layers that belong together; a cheap handle that can be cloned.
///
/// Made by [`TelemetryBuilder::build`]. The pipeline behind it ends with
/// [`shutdown`](Self::shutdown), or when the last handle goes.
///
/// # Examples
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// let telemetry = tracing_otlp::Telemetry::builder().with_service_name("shop").build()?;
/// let subscriber = tracing_subscriber::registry()
///     .with(telemetry.span_layer())
///     .with(telemetry.log_layer());
/// tracing::subscriber::with_default(subscriber, || {
///     // The application.
/// });
/// let report = telemetry.shutdown();
/// assert_eq!(report.lost(), 0);
/// # Ok::<(), tracing_otlp::Error>(())
/// ```
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

/// What all handles share.
pub(crate) struct Inner {
    pub(crate) pipeline: Pipeline,
    pub(crate) logs: SdkLoggerProvider,
    pub(crate) spans: SdkTracerProvider,
    pub(crate) deadline: Duration,
    /// What all the log layers made here count into.
    pub(crate) layer_counts: LayerCounts,
    pub(crate) log_layer: LogLayerSetup,
    pub(crate) span_events: SpanEvents,
    pub(crate) console: Console,
    pub(crate) has_span_layer: Arc<AtomicBool>,
    pub(crate) said_farewell: AtomicBool,
}

impl Inner {
    pub(crate) fn logs(&self) -> &SdkLoggerProvider {
        &self.logs
    }

    pub(crate) fn flush(&self, timeout: Duration) -> Report {
        self.pipeline.force_flush(timeout)
    }
}

impl Telemetry {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Everything that can be set in code.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder::new()
    }

    /// The layer that turns `tracing` spans into OpenTelemetry spans. Put it in before
    /// [`log_layer`](Self::log_layer).
    pub fn span_layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        self.inner.has_span_layer.store(true, Ordering::Relaxed);
        let layer = tracing_opentelemetry::layer().with_tracer(self.inner.spans.tracer("tracing"));
        span_layer_with(layer, self.inner.span_events)
    }

    /// The layer that turns events into log records.
    pub fn log_layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let layer = (self.inner.log_layer)(LogLayer::new(&self.inner.logs))
            .with_counts(&self.inner.layer_counts)
            .with_on_refused(self.inner.pipeline.refusals());
        let check = LinkCheck {
            has_span_layer: Arc::clone(&self.inner.has_span_layer),
            done: AtomicBool::new(false),
        };
        let layered: Layered<LinkCheck, _, S> = layer.and_then(check);
        layered
    }

    /// The layer that prints events with their trace and span ids; see [`Console`].
    pub fn console_layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        // Where the log layer reads a field, its `Debug` has logged what it logs already.
        console::layer(
            self.inner.console,
            self.inner.pipeline.logger_provider().is_some(),
        )
    }

    /// The SDK's logger provider, for code that emits OpenTelemetry records itself.
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        &self.inner.logs
    }

    /// The SDK's tracer provider, for code that makes OpenTelemetry spans itself.
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.inner.spans
    }

    /// What has become of every record and span so far, from the log layers to the destination.
    ///
    /// Every event that reached a log layer is in it: also those that were left out with their
    /// trace (`sampled`), that nobody exports (`filtered`), or that arose where nothing can be
    /// emitted (`reentrant`, `thread_end`). What telemetry itself logs is not.
    pub fn counts(&self) -> Counts {
        self.inner.pipeline.counts()
    }

    /// Sends what is waiting, for at most `timeout`, and reports.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.inner.flush(timeout)
    }

    /// Ends telemetry within the shutdown deadline (5 s unless set). Can be called from any
    /// thread, in any runtime or none, and again: the report stays the same.
    pub fn shutdown(&self) -> Report {
        self.inner.pipeline.shutdown(self.inner.deadline)
    }

    /// The same without blocking the executor.
    pub fn shutdown_async(&self) -> impl Future<Output = Report> + Send + use<> {
        self.inner.pipeline.shutdown_async(self.inner.deadline)
    }

    pub(crate) fn is_first_farewell(&self) -> bool {
        !self.inner.said_farewell.swap(true, Ordering::Relaxed)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("pipeline", &self.inner.pipeline)
            .finish_non_exhaustive()
    }
}

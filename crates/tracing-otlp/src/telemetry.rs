//! Telemetry as a value: the providers, and the layers to put into a registry.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::logs::LoggerProvider;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::trace::noop::NoopTracer;
use opentelemetry::{Context, InstrumentationScope, global};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_core::{LevelFilter, Subscriber};
use tracing_otlp_layer::{LayerCounts, LogBridge, LogLayer, SpanEvents, span_layer_with};
use tracing_otlp_pipeline::{Counts, Pipeline, Report};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::registry::LookupSpan;

use crate::builder::{LogLayerSetup, TelemetryBuilder};
use crate::check::LinkCheck;
use crate::console::{self, Console};
use crate::panic;
use crate::say::say;

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
    pub(crate) logs: Quietly<Loggers>,
    pub(crate) spans: Quietly<SdkTracerProvider>,
    pub(crate) deadline: Duration,
    /// What all the log layers made here count into.
    pub(crate) layer_counts: LayerCounts,
    pub(crate) log_layer: LogLayerSetup,
    pub(crate) span_events: SpanEvents,
    pub(crate) console: Console,
    pub(crate) has_span_layer: Arc<AtomicBool>,
    pub(crate) said_farewell: AtomicBool,
    pub(crate) panic_records: bool,
    /// Until it is installed.
    pub(crate) propagator: Mutex<Option<TextMapCompositePropagator>>,
}

impl Inner {
    pub(crate) fn logs(&self) -> &SdkLoggerProvider {
        &self.logs.provider
    }

    pub(crate) fn flush(&self, timeout: Duration) -> Report {
        self.pipeline.force_flush(timeout)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.logs.end();
    }
}

/// Drops a provider without a word: what the SDK says then would be a record after the end.
pub(crate) struct Quietly<T>(Option<T>);

impl<T> Quietly<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> Deref for Quietly<T> {
    type Target = T;

    #[expect(clippy::expect_used, reason = "only drop takes it out")]
    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Quietly<T> {
    fn drop(&mut self) {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        drop(self.0.take());
    }
}

/// The provider that log layers ask for loggers.
///
/// Once it is shut down the SDK gives loggers that do nothing, so an event of a new target would
/// go without being counted. From then on every target has the logger that was there before.
#[derive(Debug, Clone)]
pub(crate) struct Loggers {
    provider: SdkLoggerProvider,
    last: SdkLogger,
    ended: Arc<AtomicBool>,
}

impl Loggers {
    pub(crate) fn of(provider: SdkLoggerProvider) -> Self {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        Self {
            last: provider.logger("tracing-otlp"),
            provider,
            ended: Arc::default(),
        }
    }

    /// Comes before the provider is shut down.
    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

impl LoggerProvider for Loggers {
    type Logger = SdkLogger;

    fn logger_with_scope(&self, scope: InstrumentationScope) -> SdkLogger {
        // The SDK tells at DEBUG of every logger that it makes: its own talk is no record of the
        // application, and so none that is lost.
        let suppressed = Context::enter_telemetry_suppressed_scope();
        let logger = self.provider.logger_with_scope(scope);
        drop(suppressed);
        // Looked at afterwards: a logger that does nothing comes after the end was said.
        if self.ended.load(Ordering::SeqCst) {
            return self.last.clone();
        }
        logger
    }
}

impl Telemetry {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Everything that can be set in code.
    pub fn builder() -> TelemetryBuilder {
        TelemetryBuilder::new()
    }

    /// The layer that turns `tracing` spans into OpenTelemetry spans. Put it in before
    /// [`log_layer`](Self::log_layer).
    ///
    /// Where spans are not exported (`OTEL_TRACES_EXPORTER=none`, `OTEL_SDK_DISABLED=true`) it
    /// makes none, and only passes the context of a remote caller on, as the specification has it
    /// for a disabled SDK.
    pub fn span_layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        self.inner.has_span_layer.store(true, Ordering::Relaxed);
        let events = self.inner.span_events;
        let layer: Box<dyn Layer<S> + Send + Sync> = match self.inner.pipeline.tracer_provider() {
            Some(spans) => Box::new(span_layer_with(spans.tracer("tracing"), events, |layer| {
                layer
            })),
            // Spans that nobody exports have no ids of their own: a caller's context goes on to
            // whoever is called next, and its span is what records point at.
            None => Box::new(span_layer_with(NoopTracer::new(), events, |layer| layer)),
        };
        layer
    }

    /// The layer that turns events into log records.
    pub fn log_layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        // Before the application's setup, which may keep the handle of the counts.
        let layer = LogLayer::new(&*self.inner.logs)
            .with_counts(&self.inner.layer_counts)
            .with_on_refused(self.inner.pipeline.refusals())
            .with_weights_told(true);
        let layer = (self.inner.log_layer)(layer);
        let check = LinkCheck {
            counts: layer.counts(),
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

    /// Makes this the process's: the propagator of `OTEL_PROPAGATORS`, the tracer provider, the
    /// bridge of the `log` crate and the panic records; all that [`init`](crate::init) does beside
    /// the subscriber. Call it once your own subscriber is set. A second call does nothing.
    ///
    /// Where the `log` crate has a logger already, that one stays, and a line on stderr says so.
    pub fn install_globals(&self) {
        let mut propagator = self
            .inner
            .propagator
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(propagator) = propagator.take() else {
            return;
        };
        global::set_text_map_propagator(propagator);
        {
            // The API crate tells of it in an event (its feature `internal-logs`), which would be
            // the first record of every service.
            let _quiet = Context::enter_telemetry_suppressed_scope();
            global::set_tracer_provider(self.tracer_provider().clone());
        }
        if LogBridge::install(level_of(LevelFilter::current())).is_err() {
            say(&"the log crate already has a logger, so its records stay with that one");
        }
        if self.inner.panic_records {
            panic::install(Arc::downgrade(&self.inner));
        }
    }

    /// The SDK's logger provider, for code that emits OpenTelemetry records itself.
    pub fn logger_provider(&self) -> &SdkLoggerProvider {
        self.inner.logs()
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

    /// Says whether the process can reach the network; until told, telemetry assumes so.
    ///
    /// While it cannot, nothing is sent: no request is tried, and none comes nearer to its
    /// deadline. What is logged waits in the delivery queue, and in the spool if there is one and
    /// the queue is nearly full. A [`flush`](Self::flush) returns at once and says that it is not
    /// settled; a [`shutdown`](Self::shutdown) sends nothing either, and spools or loses what is
    /// left. Where [`with_connectivity`](TelemetryBuilder::with_connectivity) asks too, both have
    /// to say yes.
    ///
    /// # Examples
    ///
    /// ```
    /// let telemetry = tracing_otlp::Telemetry::builder().build()?;
    /// telemetry.set_online(false); // for example in flight mode
    /// // …
    /// telemetry.set_online(true);
    /// # Ok::<(), tracing_otlp::Error>(())
    /// ```
    pub fn set_online(&self, online: bool) {
        self.inner.pipeline.set_online(online);
    }

    /// Sends what is waiting, for at most `timeout`, and reports.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.inner.flush(timeout)
    }

    /// Ends telemetry within the shutdown deadline (5 s unless set). Can be called from any
    /// thread, in any runtime or none, and again: the report stays the same.
    pub fn shutdown(&self) -> Report {
        self.inner.logs.end();
        self.inner.pipeline.shutdown(self.inner.deadline)
    }

    /// The same without blocking the executor.
    pub fn shutdown_async(&self) -> impl Future<Output = Report> + Send + use<> {
        self.inner.logs.end();
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

fn level_of(level: LevelFilter) -> log::LevelFilter {
    match level {
        LevelFilter::OFF => log::LevelFilter::Off,
        LevelFilter::ERROR => log::LevelFilter::Error,
        LevelFilter::WARN => log::LevelFilter::Warn,
        LevelFilter::INFO => log::LevelFilter::Info,
        LevelFilter::DEBUG => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    }
}

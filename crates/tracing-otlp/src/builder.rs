//! The builder: what can be set in code, beside or instead of the environment.

use std::fmt;
use std::str::FromStr as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_otlp_layer::{Fence, LayerCounts, LogLayer, SpanEvents};
use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, Compression, DeliveryEvent, DeliverySettings, Notice,
    Pipeline, PipelineBuilder, Protocol, RecordWeight, Signal, SpoolSettings,
};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::bounds;
use crate::config::{self, OtlpOverrides};
use crate::console::Console;
use crate::environment::Environment;
use crate::error::Error;
use crate::guard::Guard;
use crate::ledger;
use crate::propagation;
use crate::say::say;
use crate::telemetry::{Inner, Loggers, Quietly, Telemetry};

/// How a fresh log layer is set up; kept, since every call of `log_layer` makes one.
pub(crate) type LogLayerSetup =
    Box<dyn Fn(LogLayer<SdkLogger>) -> LogLayer<SdkLogger> + Send + Sync>;

type OnNotice = Box<dyn Fn(&Notice) + Send + Sync>;

/// Sets telemetry up, from the environment and from code; code wins.
#[must_use = "a builder does nothing until it is built"]
pub struct TelemetryBuilder {
    environment: Environment,
    otlp: OtlpOverrides,
    resource: Vec<KeyValue>,
    filter: Option<String>,
    console: Option<Console>,
    sampler: Option<Sampler>,
    log_batch: Option<BatchSettings>,
    span_batch: Option<BatchSettings>,
    admission: AdmissionSettings,
    delivery: DeliverySettings,
    spool: Option<SpoolSettings>,
    span_events: SpanEvents,
    log_layer: LogLayerSetup,
    panic_records: bool,
    on_notice: OnNotice,
    /// What is passed on to the pipeline as it is.
    pipeline: PipelineBuilder,
}

impl TelemetryBuilder {
    pub(crate) fn new() -> Self {
        Self {
            environment: Environment::of_process(),
            otlp: OtlpOverrides::default(),
            resource: Vec::new(),
            filter: None,
            console: None,
            sampler: None,
            log_batch: None,
            span_batch: None,
            admission: AdmissionSettings::default(),
            delivery: DeliverySettings::default(),
            spool: None,
            span_events: SpanEvents::default(),
            log_layer: Box::new(|layer| layer),
            panic_records: true,
            on_notice: Box::new(|notice| say(notice)),
            pipeline: Pipeline::builder(),
        }
    }

    /// Reads variables through `lookup` instead of the process's environment.
    ///
    /// The SDK's own variables (`OTEL_SPAN_*_LIMIT`) still come from the process.
    pub fn with_environment<F>(mut self, lookup: F) -> Self
    where
        F: Fn(&str) -> Option<String> + Send + Sync + 'static,
    {
        self.environment = Environment::from_fn(lookup);
        self
    }

    /// Names the service (`OTEL_SERVICE_NAME`). Default: `unknown_service:` and the executable.
    pub fn with_service_name(self, name: impl Into<String>) -> Self {
        self.with_resource_attribute(KeyValue::new("service.name", name.into()))
    }

    /// Adds a resource attribute; it beats one of the same name from the environment.
    pub fn with_resource_attribute(mut self, attribute: KeyValue) -> Self {
        self.resource.push(attribute);
        self
    }

    /// Sends everything below this base URL (`OTEL_EXPORTER_OTLP_ENDPOINT`), for example
    /// `http://localhost:4318`. It beats the variables of the signals too.
    pub fn with_endpoint(mut self, base: impl Into<String>) -> Self {
        self.otlp.endpoint = Some(base.into());
        self
    }

    /// The protocol (`OTEL_EXPORTER_OTLP_PROTOCOL`). Default: HTTP with protobuf.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.otlp.protocol = Some(protocol);
        self
    }

    /// The compression (`OTEL_EXPORTER_OTLP_COMPRESSION`). Default: gzip.
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.otlp.compression = Some(compression);
        self
    }

    /// Adds a header to every request (`OTEL_EXPORTER_OTLP_HEADERS`); never shown anywhere.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.otlp.headers.push((name.into(), value.into()));
        self
    }

    /// How long one request may take (`OTEL_EXPORTER_OTLP_TIMEOUT`). Default: 10 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.otlp.timeout = Some(timeout);
        self
    }

    /// Which events and spans get in at all, in the syntax of `RUST_LOG`, which this beats.
    /// Default: `info`. Only [`init`](Self::init) filters; your own registry has your own filter.
    pub fn with_filter(mut self, directives: impl Into<String>) -> Self {
        self.filter = Some(directives.into());
        self
    }

    /// What is printed for people (`TRACING_OTLP_CONSOLE`). Default: [`Console::Auto`].
    pub fn with_console(mut self, console: Console) -> Self {
        self.console = Some(console);
        self
    }

    /// Which traces are sampled (`OTEL_TRACES_SAMPLER`). Default: all, but a remote parent's
    /// decision is followed.
    pub fn with_sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = Some(sampler);
        self
    }

    /// How records are batched (`OTEL_BLRP_*`).
    pub fn with_log_batch(mut self, batch: BatchSettings) -> Self {
        self.log_batch = Some(batch);
        self
    }

    /// How spans are batched (`OTEL_BSP_*`).
    pub fn with_span_batch(mut self, batch: BatchSettings) -> Self {
        self.span_batch = Some(batch);
        self
    }

    /// Which records may wait for a batch while the queue fills, and which leave at once. Its bound
    /// in bytes beats `TRACING_OTLP_QUEUE_MAX_BYTES` if it is set here, and is left to it if not.
    pub fn with_admission(mut self, admission: AdmissionSettings) -> Self {
        self.admission = admission;
        self
    }

    /// Bounds of the delivery queue, retries, the spool on disk, and the shutdown deadline
    /// (`TRACING_OTLP_DELIVERY_QUEUE_MAX_RECORDS`, `TRACING_OTLP_DELIVERY_QUEUE_MAX_BYTES`,
    /// `TRACING_OTLP_RETRY_DEADLINE`, `TRACING_OTLP_SHUTDOWN_DEADLINE`, and those of
    /// [`with_spool`](Self::with_spool)). Each setting by itself: what is set here beats its
    /// variable, what is not set here is left to it.
    pub fn with_delivery(mut self, delivery: DeliverySettings) -> Self {
        self.delivery = delivery;
        self
    }

    /// Keeps on disk what cannot be delivered in time, does not fit in memory, or is left at the
    /// end of the process; it is sent later, also by the next process. Default: no spool, and it
    /// is lost and counted.
    ///
    /// Beats the spool of [`with_delivery`](Self::with_delivery) and the directory of
    /// `TRACING_OTLP_SPOOL_DIRECTORY`. Size and age that are not set here are those of
    /// `TRACING_OTLP_SPOOL_MAX_BYTES` and `TRACING_OTLP_SPOOL_MAX_AGE`.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_otlp::{SpoolSettings, Telemetry};
    ///
    /// let builder = Telemetry::builder().with_spool(SpoolSettings::new("/var/lib/shop/telemetry"));
    /// # drop(builder);
    /// ```
    pub fn with_spool(mut self, spool: SpoolSettings) -> Self {
        self.spool = Some(spool);
        self
    }

    /// Whether events are copied onto their spans too. Default: [`SpanEvents::Off`].
    pub fn with_span_events(mut self, events: SpanEvents) -> Self {
        self.span_events = events;
        self
    }

    /// Sets up the log layer: span fields, limits, severities, unsampled traces …
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_otlp::{SpanFields, Telemetry};
    ///
    /// let builder = Telemetry::builder()
    ///     .with_log_layer(|layer| layer.with_span_fields(SpanFields::all()));
    /// # drop(builder);
    /// ```
    pub fn with_log_layer<F>(mut self, setup: F) -> Self
    where
        F: Fn(LogLayer<SdkLogger>) -> LogLayer<SdkLogger> + Send + Sync + 'static,
    {
        let before = self.log_layer;
        self.log_layer = Box::new(move |layer| setup(before(layer)));
        self
    }

    /// Whether [`init`](Self::init) and [`Telemetry::install_globals`] turn panics into FATAL
    /// records. Default: yes.
    pub fn with_panic_records(mut self, on: bool) -> Self {
        self.panic_records = on;
        self
    }

    /// Is told what happens on the way to the destination: down, back, records refused.
    /// Default: each notice is one line on stderr. Runs on the delivery thread; what it logs is
    /// left out, so that it cannot feed itself.
    pub fn on_notice<F>(mut self, tell: F) -> Self
    where
        F: Fn(&Notice) + Send + Sync + 'static,
    {
        self.on_notice = Box::new(tell);
        self
    }

    /// Is told of every step of delivery: delivered, tried again, split, spooled, lost …
    /// Runs on the delivery thread, like [`on_notice`](Self::on_notice).
    pub fn on_event<F>(self, tell: F) -> Self
    where
        F: Fn(&DeliveryEvent) + Send + Sync + 'static,
    {
        self.map_pipeline(|pipeline| pipeline.on_event(tell))
    }

    /// Asks `is_online` before anything is sent; while it says no, everything waits and is neither
    /// tried nor aged. Who is told rather than asks has [`Telemetry::set_online`].
    pub fn with_connectivity<F>(self, is_online: F) -> Self
    where
        F: Fn() -> bool + Send + Sync + 'static,
    {
        self.map_pipeline(|pipeline| pipeline.with_connectivity(is_online))
    }

    pub(crate) fn map_pipeline(
        mut self,
        map: impl FnOnce(PipelineBuilder) -> PipelineBuilder,
    ) -> Self {
        self.pipeline = map(self.pipeline);
        self
    }

    /// Builds providers and layers, and installs nothing.
    ///
    /// # Errors
    ///
    /// When a variable or setting is bad, or a thread cannot be started.
    pub fn build(self) -> Result<Telemetry, Error> {
        let environment = &self.environment;
        let disabled = environment.flag("OTEL_SDK_DISABLED")?.unwrap_or(false);
        let logs = config::destination(environment, Signal::Logs, &self.otlp)?;
        let traces = config::destination(environment, Signal::Traces, &self.otlp)?;
        let log_batch = config::batch(environment, Signal::Logs, self.log_batch)?;
        let span_batch = config::batch(environment, Signal::Traces, self.span_batch)?;
        let limits = config::limits(environment)?;
        let sampler = match self.sampler {
            Some(sampler) => sampler,
            None => config::sampler(environment)?,
        };
        let resource = config::resource(environment, &self.resource)?;
        let propagator = propagation::from_environment(environment)?;
        let console = match self.console {
            Some(console) => console,
            None => Console::from_environment(environment)?,
        };
        let admission = bounds::admission(environment, self.admission)?;
        let delivery = match self.spool {
            Some(spool) => self.delivery.with_spool(spool),
            None => self.delivery,
        };
        let delivery = bounds::delivery(environment, delivery)?;
        let logs = logs.filter(|_| !disabled);
        let traces = traces.filter(|_| !disabled);

        let deadline = delivery.shutdown_deadline();
        let mut pipeline = self
            .pipeline
            .with_resource(resource)
            .with_log_batch(log_batch)
            .with_span_batch(span_batch)
            .with_admission(admission)
            .with_weigher(weight)
            .with_delivery(delivery)
            .map_tracer_provider(move |provider| provider.with_sampler(sampler))
            .on_notice(self.on_notice);
        if let Some(logs) = logs {
            pipeline = pipeline.with_logs(logs);
        }
        if let Some(traces) = traces {
            pipeline = pipeline.with_traces(traces);
        }
        let pipeline = pipeline.build().map_err(Error::pipeline)?;
        let layer_counts = LayerCounts::default();
        pipeline.add_source(ledger::source(&layer_counts));
        let logs = pipeline
            .logger_provider()
            .cloned()
            .unwrap_or_else(|| SdkLoggerProvider::builder().build());
        // Only for code that makes spans by hand: nobody exports them, so they are not sampled.
        let spans = pipeline.tracer_provider().cloned().unwrap_or_else(|| {
            SdkTracerProvider::builder()
                .with_sampler(Sampler::AlwaysOff)
                .build()
        });
        let setup = self.log_layer;
        Ok(Telemetry::new(Arc::new(Inner {
            pipeline,
            logs: Quietly::new(Loggers::of(logs)),
            spans: Quietly::new(spans),
            deadline,
            layer_counts,
            log_layer: Box::new(move |layer| setup(layer.with_limits(limits.clone()))),
            span_events: self.span_events,
            console,
            has_span_layer: Arc::new(AtomicBool::new(false)),
            said_farewell: AtomicBool::new(false),
            panic_records: self.panic_records,
            propagator: Mutex::new(Some(propagator)),
        })))
    }

    /// Builds everything and makes it the process's: global subscriber, propagator, `log` bridge,
    /// panic hook.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and when there is a global subscriber already. Nothing is
    /// installed then.
    pub fn init(self) -> Result<Guard, Error> {
        let filter = self.env_filter()?;
        let telemetry = self.build()?;
        let subscriber = tracing_subscriber::registry()
            // It formats values under a lock where a directive names a span's field.
            .with(Fence::around(filter))
            .with(telemetry.span_layer())
            .with(telemetry.log_layer())
            .with(telemetry.console_layer());
        tracing::subscriber::set_global_default(subscriber).map_err(Error::already_set)?;
        telemetry.install_globals();
        Ok(Guard::new(telemetry))
    }

    fn env_filter(&self) -> Result<EnvFilter, Error> {
        let (name, text) = match &self.filter {
            Some(text) => ("with_filter", text.clone()),
            None => (
                "RUST_LOG",
                self.environment
                    .text("RUST_LOG")?
                    .unwrap_or_else(|| "info".to_owned()),
            ),
        };
        EnvFilter::from_str(&text).map_err(|error| Error::variable(name, &text, error))
    }
}

/// What the record weighs that a log layer of ours is handing over, from the layer to the pipeline.
fn weight() -> Option<RecordWeight> {
    let weight = tracing_otlp_layer::weight_in_hand()?;
    Some(RecordWeight::new(
        weight.attributes as usize,
        weight.text_bytes as usize,
    ))
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryBuilder").finish_non_exhaustive()
    }
}

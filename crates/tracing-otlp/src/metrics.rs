//! The counts of telemetry itself, as metrics of the application's meter provider.
//!
//! Stands beside the builder; the pipeline does the work. Only with the feature `metrics`.

use opentelemetry::metrics::MeterProvider;

use crate::builder::TelemetryBuilder;

impl TelemetryBuilder {
    /// Shows what becomes of records and spans as metrics of this provider: `otel.sdk.log.created`
    /// and, for `log` and `span`, `otel.sdk.processor.*.queue.size`, `.queue.capacity`,
    /// `.processed` and `otel.sdk.exporter.*.inflight`, `.exported`. Needs the feature `metrics`.
    ///
    /// They are the numbers of [`Telemetry::counts`](crate::Telemetry::counts), read whenever the
    /// provider collects; what failed has the name of its reason as `error.type`. The provider is
    /// the application's: nothing here exports metrics, flushes it or shuts it down. Once
    /// telemetry is dropped, the metrics are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use tracing_otlp::Telemetry;
    /// use tracing_otlp::opentelemetry::global;
    ///
    /// let builder = Telemetry::builder().with_meter_provider(&*global::meter_provider());
    /// # drop(builder);
    /// ```
    pub fn with_meter_provider(self, provider: &(impl MeterProvider + ?Sized)) -> Self {
        self.map_pipeline(|pipeline| pipeline.with_meter_provider(provider))
    }
}

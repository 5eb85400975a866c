//! One line sends `tracing` events as OpenTelemetry log records, tied to real spans.
//!
//! ```no_run
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let _telemetry = tracing_otlp::init()?;
//!     tracing::info!(port = 8080, "listening");
//!     Ok(())
//! }
//! ```
//!
//! [`init`] reads `OTEL_*` and `RUST_LOG`, sets up spans, logs, console output with trace ids,
//! propagation and the global subscriber, and returns a [`Guard`]. The guard flushes when it is
//! dropped: at the end of `main`, whether it returns `Ok` or `Err`, and when it panics; the panic
//! itself becomes a FATAL record. `std::process::exit` runs no destructors: call
//! [`Guard::shutdown`] before it.
//!
//! # What do I want to do?
//!
//! - *Set things in code:* [`Telemetry::builder`]; code beats the environment.
//! - *Put the parts into my own registry:* [`TelemetryBuilder::build`], then
//!   [`Telemetry::span_layer`] and [`Telemetry::log_layer`].
//! - *Log a nested value or an error with its type:* [`nested`] and [`exception`].
//! - *Pass a trace on through HTTP headers:* [`propagation`].
//! - *Put the trace id into a response:* [`current_ids`].
//! - *Know what was lost:* [`Guard::shutdown`] and [`Telemetry::counts`].
//! - *Lose nothing in an outage:* [`TelemetryBuilder::with_spool`].
//! - *Say that there is no network:* [`Telemetry::set_online`].
//!
//! # Which variables are read?
//!
//! `RUST_LOG`, `TRACING_OTLP_CONSOLE`, `OTEL_SDK_DISABLED`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_PROPAGATORS`, `OTEL_{LOGS,TRACES}_EXPORTER`,
//! `OTEL_TRACES_SAMPLER` and `_ARG`, `OTEL_EXPORTER_OTLP_{,LOGS_,TRACES_}{ENDPOINT, PROTOCOL,
//! HEADERS, COMPRESSION, TIMEOUT, INSECURE}`, `OTEL_BLRP_*`, `OTEL_BSP_*`,
//! `OTEL_{,LOGRECORD_}ATTRIBUTE_{COUNT,VALUE_LENGTH}_LIMIT`; the SDK itself reads
//! `OTEL_SPAN_*_LIMIT`. What may wait, for how long and where: `TRACING_OTLP_QUEUE_MAX_BYTES`,
//! `TRACING_OTLP_DELIVERY_QUEUE_MAX_{RECORDS,BYTES}`, `TRACING_OTLP_{RETRY,SHUTDOWN}_DEADLINE`,
//! `TRACING_OTLP_SPOOL_{DIRECTORY,MAX_BYTES,MAX_AGE}`. An empty value is an unset one; a bad one is an [`Error`] that names the
//! variable. `docs/environment.md` has the table.
//!
//! # Versions
//!
//! The OpenTelemetry crates are re-exported, so that yours cannot drift apart from these: a trace
//! layer on another version of `opentelemetry` compiles, but its spans cannot be found. That is
//! said once on stderr when it happens.

#![forbid(unsafe_code)]

mod bounds;
mod builder;
mod check;
mod config;
mod console;
mod environment;
mod error;
mod guard;
mod ledger;
#[cfg(feature = "metrics")]
mod metrics;
mod panic;
pub mod propagation;
mod say;
mod telemetry;

pub use builder::TelemetryBuilder;
pub use console::Console;
pub use error::Error;
pub use guard::Guard;
pub use telemetry::Telemetry;

pub use tracing_otlp_layer::{
    Fence, LayerCounts, Limits, LogBridge, LogLayer, SpanEvents, SpanFields, SpanIds,
    UnsampledPolicy, current_ids, exception, exception_with_backtrace, nested,
};
pub use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, BreakerSettings, BreakerState, Compression, Counts,
    DeliveryEvent, DeliverySettings, Destination, LossReason, Notice, Protocol, Report,
    RetrySettings, SeverityBand, Signal, SignalCounts, SourceCounts, SpoolSettings,
};

pub use opentelemetry;
pub use opentelemetry_sdk;
pub use tracing_opentelemetry;

/// Sets everything up from the environment and returns the guard that flushes.
///
/// The same as `Telemetry::builder().init()`.
///
/// # Errors
///
/// When a variable's value is bad (the error names it), when the process already has a global
/// subscriber, or when a thread cannot be started. Nothing is installed then.
pub fn init() -> Result<Guard, Error> {
    Telemetry::builder().init()
}

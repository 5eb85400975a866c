//! From log record and span to wire: batching, encoding and delivery over OTLP, with a ledger.
//!
//! The second half of the way of an event: [`Pipeline`] gives the OpenTelemetry SDK's providers,
//! whoever emits to them (`tracing-otlp-layer`, `tracing-opentelemetry`, the API itself) is the
//! first half, a collector is the end.
//!
//! ```text
//! SDK Logger, SDK Tracer        the application's threads
//!    │  door       count; admit by severity, while there is room
//!    │  batch      the official batch processors
//!    │  encode     records to the bodies of requests                   the SDK's worker threads
//!    │  deliver    bounded queue, one thread, outcomes
//!    ▼  wire       HTTP, gRPC, TLS, answers                            the delivery thread
//! collector
//! ```
//!
//! What it promises: the calling thread never waits for the network; nothing that happens in here
//! becomes telemetry again; flush and shutdown keep their deadline on any thread of any runtime; and
//! every record that goes in is counted as delivered, as pending, or as lost for one named reason.
//!
//! # Features
//!
//! - `grpc`, `tls`, `zstd` (default): what the names say.
//! - `metrics`: `PipelineBuilder::with_meter_provider` shows the ledger as `otel.sdk.*` metrics.
//! - `relay`: `Relay` and `Courier` deliver requests that somebody else has encoded, also metrics.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use tracing_otlp_pipeline::{Destination, Pipeline, Signal};
//!
//! let pipeline = Pipeline::builder()
//!     .with_logs(Destination::from_base(Signal::Logs, "http://localhost:4318")?)
//!     .with_traces(Destination::from_base(Signal::Traces, "http://localhost:4318")?)
//!     .on_notice(|notice| eprintln!("telemetry: {notice}"))
//!     .build()?;
//! let _provider = pipeline.logger_provider();
//! // … the program runs …
//! let report = pipeline.shutdown(Duration::from_secs(5));
//! if !report.is_complete() {
//!     eprintln!("telemetry: {report}");
//! }
//! # Ok::<(), tracing_otlp_pipeline::Error>(())
//! ```

#![forbid(unsafe_code)]

mod admit;
mod batch;
mod builder;
mod deliver;
mod door;
mod encode;
mod error;
mod event;
mod ledger;
#[cfg(feature = "metrics")]
mod metrics;
mod notice;
mod pipeline;
#[cfg(feature = "relay")]
mod relay;
mod report;
mod settings;
mod unwind;
mod wire;

pub use admit::{AdmissionSettings, RecordWeight, SeverityBand};
/// For this project's benchmarks and integration; no promise is made about it.
#[doc(hidden)]
pub mod internals {
    pub use crate::deliver::spool::{
        Entry, Recovered, Refusal, Refused, Replay, Spool, SpoolCounts, SpoolError, SpoolEvent,
        SpoolState, Tally, Ticket,
    };
}

pub use builder::PipelineBuilder;
pub use deliver::spool::SpoolSettings;
pub use error::Error;
pub use event::{BreakerState, DeliveryEvent};
pub use ledger::{Counts, LossReason, SignalCounts, SourceCounts};
pub use notice::Notice;
pub use pipeline::Pipeline;
#[cfg(feature = "relay")]
pub use relay::{Courier, Parcel, Relay, RelayBuilder, Reply};
pub use report::Report;
pub use settings::{
    BatchSettings, BreakerSettings, Compression, DeliverySettings, Destination, Encoder, Protocol,
    RetrySettings, Signal,
};

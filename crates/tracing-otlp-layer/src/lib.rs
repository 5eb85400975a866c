//! A [`tracing_subscriber::Layer`] that turns `tracing` events into OpenTelemetry log records
//! which point at spans that really exist.
//!
//! This is the first stop on the way of an event: *capture* its fields, *link* it to the span it
//! belongs to, hold it as a *draft* while it can still change (unique keys, limits), and *emit*
//! it through any [`LoggerProvider`](opentelemetry::logs::LoggerProvider). Batching, encoding
//! and delivery are somebody else's work, for example `tracing-otlp-pipeline`'s.
//!
//! Nothing in here panics, blocks or calls user code under a lock: it runs in other people's
//! code. What a record looks like, case by case, stands in `docs/mapping.md`.
//!
//! # Examples
//!
//! ```
//! use opentelemetry::trace::TracerProvider as _;
//! use opentelemetry_sdk::{logs::SdkLoggerProvider, trace::SdkTracerProvider};
//! use tracing_otlp_layer::{LogLayer, span_layer};
//! use tracing_subscriber::prelude::*;
//!
//! let logs = SdkLoggerProvider::builder().build();
//! let spans = SdkTracerProvider::builder().build();
//! let subscriber = tracing_subscriber::registry()
//!     .with(span_layer(spans.tracer("my-service")))
//!     .with(LogLayer::new(&logs));
//!
//! tracing::subscriber::with_default(subscriber, || {
//!     let _guard = tracing::info_span!("checkout", order = 42).entered();
//!     tracing::info!(amount = 12.5, "paid");
//! });
//! ```
//!
//! # Features
//!
//! - `log` (default): [`LogBridge`], which keeps the key-values of the `log` crate's records.
//! - `valuable`: `valuable` values become maps and lists; needs `--cfg tracing_unstable`.

mod capture;
mod counts;
mod draft;
mod emit;
mod guard;
mod layer;
mod link;
mod settings;
mod span_layer;
mod take;

#[cfg(feature = "log")]
pub use capture::log_records::{InstallLogBridgeError, LogBridge};
pub use counts::{LayerCounts, LevelCounts};
pub use draft::error::{exception, exception_with_backtrace};
pub use draft::nested::nested;
pub use layer::LogLayer;
pub use link::{Linker, SpanIds, current_ids};
pub use settings::{Limits, SpanFields, UnsampledPolicy};
pub use span_layer::{Fence, SpanEvents, span_layer, span_layer_with};

#[doc(hidden)]
pub use guard::{
    Weight, emitting, formatting, is_formatting, is_suppressed, may_enter, thread_is_ending,
    weight_in_hand,
};

//! An OTLP receiver that runs inside a process, keeps what arrives and audits how it is linked.
//!
//! It is the last stop on the way of an event: `receive` takes requests from the wire, `retain`
//! keeps their records in a bounded memory, [`Audit`] says how many log records point at a span
//! that arrived, and [`TraceTree`] shows them to a person.
//!
//! One port speaks every form of OTLP: gRPC and HTTP, protobuf and JSON, plain, gzip, zstd and
//! deflate. With the feature `forward`, [`Forward`] sends everything on, and [`Proxy`] takes from those
//! that nobody can trust. The collector has a thread and a runtime of its own, so it works from any runtime or
//! none, and telemetry is suppressed there, so it never feeds on itself.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use tracing_otlp_collector::Collector;
//!
//! let collector = Collector::start()?;
//! // Point an exporter at `collector.endpoint()`, run the program, flush, then:
//! let records = collector.wait_for_logs(0, Duration::from_secs(5))?;
//! assert!(records.is_empty());
//! assert_eq!(collector.audit().to_string(), "records=0 linked=0 unlinked=0 orphaned=0");
//! # Ok::<(), tracing_otlp_collector::Error>(())
//! ```

#![forbid(unsafe_code)]

mod api;
mod audit;
mod builder;
#[cfg(unix)]
mod child;
mod collector;
mod error;
#[cfg(feature = "forward")]
mod forward;
mod otlp;
mod query;
mod receive;
mod retain;
mod show;

pub use audit::{Audit, Orphan, OrphanReason, OrphanSpan};
pub use builder::Builder;
#[cfg(unix)]
pub use child::{
    CollectorConfig, CollectorProcess, CollectorProcessBuilder, Destination, ProcessState,
    RestartPolicy,
};
pub use collector::Collector;
pub use error::Error;
#[cfg(feature = "forward")]
pub use forward::{Forward, Proxy, ProxyBuilder, RateLimit, SessionKeys, Upstream};
pub use receive::{Protocol, Signal};
pub use retain::{Capacity, Counts, Files, ReceivedRequest, Snapshot, StoredLog, StoredSpan};
pub use show::TraceTree;

/// How [`Forward`] delivers, as the pipeline has it.
#[cfg(feature = "forward")]
pub use tracing_otlp_pipeline::{Compression, DeliverySettings, Notice, SpoolSettings};

/// The OTLP messages that [`StoredLog`] and [`StoredSpan`] hand out, as the official crate has them.
pub use opentelemetry_proto::tonic as proto;

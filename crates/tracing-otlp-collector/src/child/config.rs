//! What the collector is to do, as values; `render` makes its configuration of them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::ports::Wanted;

/// What an owned collector does: where it listens, how much it holds, where it sends.
///
/// It receives logs, traces and metrics over OTLP/gRPC and OTLP/HTTP on two free ports of
/// 127.0.0.1, puts them through a memory limiter (256 MiB) and batches (8,192 records or 200 ms), and
/// sends each to every destination. Without a destination it prints a summary into its log. Its
/// own metrics are off: they would take a fixed port.
///
/// # Examples
///
/// ```
/// use tracing_otlp_collector::{CollectorConfig, Destination};
///
/// let config = CollectorConfig::new()
///     .with_memory_limit_mib(512)
///     .with_destination(Destination::file("/var/log/shop/telemetry.jsonl"))
///     .with_destination(
///         Destination::otlp_http("https://otlp.example.com").with_header("x-tenant", "blue"),
///     );
/// assert!(!format!("{config:?}").contains("blue"), "header values are not shown");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CollectorConfig {
    pub(super) wanted: Wanted,
    pub(super) source: Source,
    pub(super) memory_limit_mib: u32,
    pub(super) batch_size: u32,
    pub(super) batch_wait: Duration,
    pub(super) destinations: Vec<Destination>,
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Rendered,
    File(PathBuf),
}

impl CollectorConfig {
    /// What the type's documentation says.
    pub fn new() -> Self {
        Self {
            wanted: Wanted::default(),
            source: Source::Rendered,
            memory_limit_mib: 256,
            batch_size: 8192,
            batch_wait: Duration::from_millis(200),
            destinations: Vec::new(),
        }
    }

    /// Takes the collector's own configuration file instead of rendering one.
    ///
    /// The ports are chosen all the same. The file refers to them, as `host:port`, by
    /// `${env:TRACING_OTLP_CHILD_GRPC}`, `${env:TRACING_OTLP_CHILD_HTTP}` and, if it has a health
    /// check, `${env:TRACING_OTLP_CHILD_HEALTH}`. Destinations, batch and memory limit are then
    /// the file's business. A collector whose own metrics are on takes port 8888 for them.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self {
            source: Source::File(path.into()),
            ..Self::new()
        }
    }

    /// Listens for OTLP/gRPC here instead of on a free port of 127.0.0.1. Port 0 is any.
    pub fn with_grpc_address(mut self, address: SocketAddr) -> Self {
        self.wanted.grpc = address;
        self
    }

    /// Listens for OTLP/HTTP here instead of on a free port of 127.0.0.1. Port 0 is any.
    pub fn with_http_address(mut self, address: SocketAddr) -> Self {
        self.wanted.http = address;
        self
    }

    /// Refuses data (the sender tries again) above this much memory, 256 MiB by default.
    ///
    /// The Go runtime is told four fifths of it (`GOMEMLIMIT`), so that it collects garbage
    /// before the limiter has to refuse.
    pub fn with_memory_limit_mib(mut self, mib: u32) -> Self {
        self.memory_limit_mib = mib.max(32);
        self
    }

    /// Sends after this many records, or after this long, whichever comes first.
    pub fn with_batch(mut self, records: u32, wait: Duration) -> Self {
        self.batch_size = records.max(1);
        self.batch_wait = wait;
        self
    }

    /// Sends everything here too.
    pub fn with_destination(mut self, destination: Destination) -> Self {
        self.destinations.push(destination);
        self
    }
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// Where an owned collector sends what it received.
#[derive(Clone)]
#[must_use]
pub struct Destination {
    pub(super) kind: Kind,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) is_queued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    OtlpHttp,
    OtlpGrpc,
    File,
    Debug,
}

impl Destination {
    /// OTLP over HTTP. `endpoint` is a URL without the signal's path, such as
    /// `https://logfire-us.pydantic.dev`.
    pub fn otlp_http(endpoint: impl Into<String>) -> Self {
        Self::new(Kind::OtlpHttp, endpoint.into())
    }

    /// OTLP over gRPC. `endpoint` is a URL such as `https://gateway:4317`; with `http://` it is
    /// spoken without TLS.
    pub fn otlp_grpc(endpoint: impl Into<String>) -> Self {
        Self::new(Kind::OtlpGrpc, endpoint.into())
    }

    /// OTLP/JSON, one request a line, in a file for each signal: `telemetry.jsonl` becomes
    /// `telemetry-logs.jsonl`, `telemetry-traces.jsonl` and `telemetry-metrics.jsonl`.
    ///
    /// What is in them stays; nothing removes them. The collector needs the `file` exporter, which the
    /// `contrib` distribution has.
    pub fn file(path: impl Into<String>) -> Self {
        Self::new(Kind::File, path.into())
    }

    /// A summary in the collector's own log.
    pub fn debug() -> Self {
        Self::new(Kind::Debug, String::new())
    }

    /// Sends this header with each request. Its value is a secret here: it reaches the collector
    /// through its environment, no file and no command line, and `Debug` does not show it.
    ///
    /// It does nothing for files and debug.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends while the sender waits, without the collector's queue, which is on by default.
    ///
    /// Then the collector acknowledges only what the destination has taken, apart from its batch:
    /// what is in its memory when it is killed was acknowledged and is lost.
    pub fn without_queue(mut self) -> Self {
        self.is_queued = false;
        self
    }

    fn new(kind: Kind, target: String) -> Self {
        Self {
            kind,
            target,
            headers: Vec::new(),
            is_queued: true,
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Destination")
            .field("kind", &self.kind)
            .field("target", &self.target)
            .field("headers", &names)
            .field("is_queued", &self.is_queued)
            .finish()
    }
}

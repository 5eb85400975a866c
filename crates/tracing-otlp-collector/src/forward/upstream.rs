//! Where requests are sent on, for the relay and the proxy alike.

use std::time::Duration;

use tracing_otlp_pipeline::{self as pipeline, Compression, Destination};

use crate::{Error, Protocol, Signal};

/// An OTLP endpoint that requests are sent on to, with what has to be said there.
///
/// OTLP over HTTP with protobuf, gzip, and ten seconds for an answer, unless told otherwise. Values
/// of headers are secrets: nothing prints them.
///
/// # Examples
///
/// ```
/// use tracing_otlp_collector::Upstream;
///
/// let upstream = Upstream::new("https://otlp.example")?
///     .with_header("authorization", "the write token")?;
/// assert!(!format!("{upstream:?}").contains("token"));
/// # Ok::<(), tracing_otlp_collector::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Upstream {
    destinations: [Destination; 3],
}

impl Upstream {
    /// An endpoint below whose URL the paths `/v1/logs`, `/v1/traces` and `/v1/metrics` are.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read ([`Error::is_configuration`]).
    pub fn new(url: &str) -> Result<Self, Error> {
        let at = |signal| Destination::from_base(signal, url).map_err(Error::upstream);
        let [logs, traces, metrics] = pipeline::Signal::ALL;
        Ok(Self {
            destinations: [at(logs)?, at(traces)?, at(metrics)?],
        })
    }

    /// Sets how requests are carried there; what came as JSON can go on as protobuf, and so on.
    pub fn with_protocol(self, protocol: Protocol) -> Self {
        let protocol = match protocol {
            Protocol::HttpProtobuf => pipeline::Protocol::HttpProtobuf,
            Protocol::HttpJson => pipeline::Protocol::HttpJson,
            Protocol::Grpc => pipeline::Protocol::Grpc,
        };
        self.map(|destination| destination.with_protocol(protocol))
    }

    /// Sets how bodies are compressed, gzip unless set.
    pub fn with_compression(self, compression: Compression) -> Self {
        self.map(|destination| destination.with_compression(compression))
    }

    /// Sets how long one request may take, ten seconds unless set.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.map(|destination| destination.with_timeout(timeout))
    }

    /// Sends one more header with every request, such as `authorization`.
    ///
    /// # Errors
    ///
    /// When name or value cannot be those of a header ([`Error::is_configuration`]); the message
    /// does not repeat the value.
    pub fn with_header(self, name: &str, value: &str) -> Result<Self, Error> {
        let [logs, traces, metrics] = self.destinations;
        let with = |to: Destination| to.with_header(name, value).map_err(Error::upstream);
        Ok(Self {
            destinations: [with(logs)?, with(traces)?, with(metrics)?],
        })
    }

    fn map(self, change: impl Fn(Destination) -> Destination) -> Self {
        Self {
            destinations: self.destinations.map(change),
        }
    }

    /// The URL for people, without user information and query.
    pub fn url(&self) -> String {
        let url = self.destinations[0].url();
        let path = match self.destinations[0].protocol() {
            pipeline::Protocol::Grpc => pipeline::Signal::Logs.grpc_path(),
            _ => pipeline::Signal::Logs.http_path(),
        };
        url.strip_suffix(path).map_or(url.clone(), str::to_owned)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.destinations[0].timeout()
    }

    pub(super) fn destinations(&self) -> impl Iterator<Item = Destination> {
        self.destinations.iter().cloned()
    }
}

/// The signal as the pipeline calls it.
pub(super) fn signal(signal: Signal) -> pipeline::Signal {
    match signal {
        Signal::Logs => pipeline::Signal::Logs,
        Signal::Traces => pipeline::Signal::Traces,
        Signal::Metrics => pipeline::Signal::Metrics,
    }
}

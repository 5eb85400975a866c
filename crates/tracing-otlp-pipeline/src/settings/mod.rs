//! What a pipeline can be told: where to send, how, and within which bounds.
//!
//! Stands before the way of an event. Plain values: nothing here reads the environment, so what is
//! set here is what happens.

use std::{fmt, str::FromStr};

use crate::error::Error;

mod bounds;
mod destination;
mod retry;

pub use bounds::{BatchSettings, DeliverySettings};
pub use destination::Destination;
pub use retry::{BreakerSettings, RetrySettings};

/// A kind of telemetry, with its own requests and its own place at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Data points. The pipeline makes none; a relay (feature `relay`) passes them on.
    Metrics,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Logs, Self::Traces, Self::Metrics];

    /// The name used in settings and reports: `logs`, `traces` or `metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }

    /// The path of an OTLP/HTTP request (OTLP specification, "OTLP/HTTP Request").
    pub const fn http_path(self) -> &'static str {
        match self {
            Self::Logs => "/v1/logs",
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The path of an OTLP/gRPC call, service and method.
    pub const fn grpc_path(self) -> &'static str {
        match self {
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who turns a batch into the bytes of an OTLP request.
///
/// Both ways make the same messages, as far as both make one: the official conversion panics on a
/// log record without an observed time, which costs the batch, and knows no bound for the depth of
/// a value, which receivers have. A batch above
/// [`max_request_bytes`](DeliverySettings::with_max_request_bytes) is cut while it is encoded, or,
/// after the official conversion, before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoder {
    /// This crate, straight from the SDK's records: the default, at a fraction of the cost.
    #[default]
    Direct,
    /// The conversion of `opentelemetry-otlp`, message by message.
    Official,
}

/// How requests are encoded and carried; the default is OTLP over HTTP with protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// OTLP/HTTP with binary protobuf bodies, spelled `http/protobuf`.
    #[default]
    HttpProtobuf,
    /// OTLP/HTTP with JSON bodies, spelled `http/json`.
    HttpJson,
    /// OTLP/gRPC, spelled `grpc`. Needs the feature `grpc`.
    Grpc,
}

impl Protocol {
    /// The spelling of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
            Self::Grpc => "grpc",
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    /// Reads a spelling of `OTEL_EXPORTER_OTLP_PROTOCOL`, whatever its case.
    ///
    /// # Errors
    ///
    /// When the spelling is none of the three.
    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::HttpProtobuf, Self::HttpJson, Self::Grpc]
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                Error::configuration(format!(
                    "unknown protocol {text:?}, expected http/protobuf, http/json or grpc"
                ))
            })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How request bodies are compressed; the default is gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all, spelled `none`.
    None,
    /// Spelled `gzip`; every OTLP server understands it.
    #[default]
    Gzip,
    /// Spelled `zstd`. Needs the feature `zstd`, and a server that understands it.
    Zstd,
}

impl Compression {
    /// The spelling of `OTEL_EXPORTER_OTLP_COMPRESSION`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The value of `content-encoding` or `grpc-encoding`, where one is needed.
    pub(crate) const fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// Reads a spelling of `OTEL_EXPORTER_OTLP_COMPRESSION`, whatever its case.
    ///
    /// # Errors
    ///
    /// When the spelling is none of the three.
    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::None, Self::Gzip, Self::Zstd]
            .into_iter()
            .find(|compression| compression.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| {
                Error::configuration(format!(
                    "unknown compression {text:?}, expected none, gzip or zstd"
                ))
            })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_those_of_the_specification() {
        for (text, protocol) in [
            ("http/protobuf", Protocol::HttpProtobuf),
            ("http/json", Protocol::HttpJson),
            ("grpc", Protocol::Grpc),
            ("GRPC", Protocol::Grpc),
        ] {
            assert_eq!(text.parse::<Protocol>().unwrap(), protocol);
        }
        for (text, compression) in [
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap(), compression);
            assert_eq!(compression.to_string(), text);
        }
        assert!("http".parse::<Protocol>().unwrap_err().is_configuration());
        assert!("br".parse::<Compression>().is_err());
    }
}

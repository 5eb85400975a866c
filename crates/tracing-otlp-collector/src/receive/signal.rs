//! Names what a request carries and how it was sent.
//!
//! `http` and `grpc` find both out from path and headers; a kept request remembers them.

use std::fmt;

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// Log records.
    Logs,
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
}

/// How a request was sent; `Display` names it as `OTEL_EXPORTER_OTLP_PROTOCOL` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// Protobuf over HTTP.
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
    /// Protobuf over gRPC.
    Grpc,
}

impl Signal {
    /// The signal that is sent to this path over HTTP.
    pub(super) fn of_http_path(path: &str) -> Option<Self> {
        match path {
            "/v1/logs" => Some(Self::Logs),
            "/v1/traces" => Some(Self::Traces),
            "/v1/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// The signal that is sent to this gRPC method.
    pub(super) fn of_grpc_method(path: &str) -> Option<Self> {
        match path {
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Self::Logs),
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Self::Traces),
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => {
                Some(Self::Metrics)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
            Self::Grpc => "grpc",
        })
    }
}

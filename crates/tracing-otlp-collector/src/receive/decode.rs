//! Decodes a request's bytes into the messages of its signal.
//!
//! It stands after `unpack` and before `retain`. Both formats end in the same types, so nothing
//! behind it knows which one was sent.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::{DecodeError, Message};

use super::json;
use super::refusal::{Reason, Refusal};
use super::signal::Signal;
use crate::retain::Batch;

pub(super) fn protobuf(signal: Signal, bytes: &[u8]) -> Result<Batch, Refusal> {
    match signal {
        Signal::Logs => ExportLogsServiceRequest::decode(bytes).map(Batch::from),
        Signal::Traces => ExportTraceServiceRequest::decode(bytes).map(Batch::from),
        Signal::Metrics => ExportMetricsServiceRequest::decode(bytes).map(Batch::from),
    }
    .map_err(|error: DecodeError| {
        Refusal::new(
            Reason::Payload,
            format!("body is not an OTLP {signal} request: {error}"),
        )
    })
}

pub(super) fn json(signal: Signal, bytes: &[u8]) -> Result<Batch, Refusal> {
    let bad = |problem: String| {
        Refusal::new(
            Reason::Payload,
            format!("body is not an OTLP {signal} request: {problem}"),
        )
    };
    let value = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    match signal {
        Signal::Logs => json::logs_request(&value).map(Batch::from),
        Signal::Traces => json::trace_request(&value).map(Batch::from),
        Signal::Metrics => json::metrics_request(&value).map(Batch::from),
    }
    .map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

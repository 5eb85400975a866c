//! Turns a request's bytes into a chunk of its signal.
//!
//! It stands after `unpack` and before `retain`. JSON becomes protobuf first, so nothing behind it
//! knows which one was sent.

use bytes::Bytes;

use super::refusal::{Reason, Refusal};
use super::signal::{Protocol, Signal};
use crate::Capacity;
use crate::otlp::from_json;
use crate::otlp::schema::{LOGS_REQUEST, METRICS_REQUEST, Message, TRACE_REQUEST};
use crate::retain::index::{Indexed, index};

/// Checks the bytes and notes their items, as many as this capacity can hold.
pub(crate) fn decode(
    signal: Signal,
    protocol: Protocol,
    bytes: Bytes,
    capacity: &Capacity,
) -> Result<Indexed, Refusal> {
    let bad = |problem: String| {
        Refusal::new(
            Reason::Payload,
            format!("body is not an OTLP {signal} request: {problem}"),
        )
    };
    let bytes = match protocol {
        Protocol::HttpJson => from_json::convert(schema(signal), &bytes)
            .map(exact)
            .map_err(bad)?,
        Protocol::HttpProtobuf | Protocol::Grpc => bytes,
    };
    let limit = capacity.worth_noting(signal, bytes.len());
    index(signal, bytes, limit).map_err(|problem| bad(problem.to_string()))
}

/// The message that a request of this signal is.
pub(crate) fn schema(signal: Signal) -> &'static Message {
    match signal {
        Signal::Logs => &LOGS_REQUEST,
        Signal::Traces => &TRACE_REQUEST,
        Signal::Metrics => &METRICS_REQUEST,
    }
}

/// The bytes without the room that growing has left behind them: they may stay for long.
pub(super) fn exact(bytes: Vec<u8>) -> Bytes {
    bytes.into_boxed_slice().into()
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

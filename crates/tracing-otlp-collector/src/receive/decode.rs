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
    let bytes = protobuf(signal, protocol, bytes)?;
    let limit = capacity.worth_noting(signal, bytes.len());
    index(signal, bytes, limit).map_err(|problem| bad(signal, &problem))
}

fn protobuf(signal: Signal, protocol: Protocol, bytes: Bytes) -> Result<Bytes, Refusal> {
    match protocol {
        Protocol::HttpJson => from_json::convert(schema(signal), &bytes)
            .map(exact)
            .map_err(|problem| bad(signal, &problem)),
        Protocol::HttpProtobuf | Protocol::Grpc => Ok(bytes),
    }
}

fn bad(signal: Signal, problem: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(
        Reason::Payload,
        format!("body is not an OTLP {signal} request: {problem}"),
    )
}

/// Checks the bytes for somebody who does not keep them; gives them as protobuf, with the number of log
/// records, spans or data points.
#[cfg(feature = "forward")]
pub(super) fn check(
    signal: Signal,
    protocol: Protocol,
    bytes: Bytes,
) -> Result<(Bytes, u64), Refusal> {
    let bytes = protobuf(signal, protocol, bytes)?;
    let counted = crate::retain::index::count(signal, &bytes);
    match counted {
        Ok(records) => Ok((bytes, records)),
        Err(problem) => Err(bad(signal, &problem)),
    }
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

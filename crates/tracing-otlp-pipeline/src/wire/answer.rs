//! What a destination's answer means.
//!
//! Part of `wire`: from bytes to one of four outcomes, which `deliver` acts on.

use std::{fmt, time::Duration};

use prost::Message;

/// The outcome of one attempt to send one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The destination took the request, though perhaps not all of its records.
    Accepted { rejected: u64, message: String },
    /// The destination answered, but did not take the request.
    Refused {
        status: Status,
        message: String,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    Unreachable(String),
    /// There was no answer in time.
    TimedOut(Duration),
}

/// The status of a refusal; prints like `HTTP 401` or `gRPC UNAUTHENTICATED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Http(u16),
    #[cfg_attr(
        not(feature = "grpc"),
        expect(dead_code, reason = "nobody else answers with it")
    )]
    Grpc(u32),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Http(status) => write!(f, "HTTP {status}"),
            Self::Grpc(code) => match usize::try_from(code).ok().and_then(|i| GRPC_NAMES.get(i)) {
                Some(name) => write!(f, "gRPC {name}"),
                None => write!(f, "gRPC {code}"),
            },
        }
    }
}

/// The names of the status codes of gRPC, by number.
pub(crate) const GRPC_NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl Answer {
    fn accepted(rejected: i64, message: &str) -> Self {
        Self::Accepted {
            rejected: u64::try_from(rejected).unwrap_or(0),
            message: shorten(message),
        }
    }
}

/// An `Export…ServiceResponse`. Those of all signals look alike on the wire.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<NumberAndText>,
}

/// An `Export…PartialSuccess`, and a `google.rpc.Status`: an integer, then a text. The text is for
/// people; the number must not be lost because the text is no UTF-8.
#[derive(Clone, PartialEq, Message)]
struct NumberAndText {
    #[prost(int64, tag = "1")]
    number: i64,
    #[prost(bytes = "vec", tag = "2")]
    text: Vec<u8>,
}

/// Reads an `Export…ServiceResponse`.
pub(super) fn partial_success(body: &[u8]) -> Answer {
    let partial = Response::decode(body)
        .ok()
        .and_then(|response| response.partial_success)
        .unwrap_or_default();
    Answer::accepted(partial.number, &String::from_utf8_lossy(&partial.text))
}

/// Reads an `Export…ServiceResponse` in JSON.
pub(super) fn partial_success_json(body: &[u8]) -> Answer {
    let response: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = &response["partialSuccess"];
    let rejected = ["rejectedLogRecords", "rejectedSpans", "rejectedDataPoints"]
        .into_iter()
        .find_map(|name| match &partial[name] {
            serde_json::Value::Number(number) => number.as_i64(),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        });
    let message = partial["errorMessage"].as_str().unwrap_or_default();
    Answer::accepted(rejected.unwrap_or(0), message)
}

/// Reads the message of a `google.rpc.Status`.
pub(super) fn status_message(body: &[u8]) -> String {
    NumberAndText::decode(body)
        .map(|status| plain_message(&status.text))
        .unwrap_or_default()
}

/// Reads the message of a `google.rpc.Status` in JSON.
pub(super) fn status_message_json(body: &[u8]) -> String {
    let status: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    shorten(status["message"].as_str().unwrap_or_default())
}

/// Reads a message in plain text.
pub(super) fn plain_message(body: &[u8]) -> String {
    shorten(&String::from_utf8_lossy(body))
}

/// Strangers' messages are for people to read, not to fill the memory.
fn shorten(message: &str) -> String {
    message.trim().chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_success_is_read_from_json_with_numbers_as_strings_or_not() {
        for body in [
            r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"no"}}"#,
            r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"},"more":[]}"#,
            r#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}"#,
        ] {
            assert_eq!(
                partial_success_json(body.as_bytes()),
                Answer::accepted(3, "no")
            );
        }
        assert_eq!(partial_success_json(b"{}"), Answer::accepted(0, ""));
    }

    #[test]
    fn a_text_that_is_no_utf8_does_not_hide_how_many_were_rejected() {
        let body = b"\x0a\x06\x08\x03\x12\x02\xff!";
        assert_eq!(partial_success(body), Answer::accepted(3, "\u{fffd}!"));
        assert_eq!(status_message(b"\x08\x0e\x12\x02\xff!"), "\u{fffd}!");
    }

    #[test]
    fn a_negative_number_of_rejected_records_is_none() {
        let body = r#"{"partialSuccess":{"rejectedSpans":"-3"}}"#;
        assert_eq!(
            partial_success_json(body.as_bytes()),
            Answer::accepted(0, "")
        );
    }
}

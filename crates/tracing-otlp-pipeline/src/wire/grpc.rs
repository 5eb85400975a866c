//! OTLP over gRPC: what is particular about its requests and answers.
//!
//! Part of `wire`. A unary call is an HTTP/2 request whose outcome stands in the trailers ("gRPC
//! over HTTP2"); that is all of gRPC that OTLP needs. Without TLS the connection starts with HTTP/2
//! at once, with TLS it is agreed on by ALPN.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::{
    HeaderMap, Version,
    header::{HeaderName, HeaderValue, TE},
    response::Parts,
};
use http_body_util::{Collected, Full};

use super::{
    MAX_RESPONSE_BYTES,
    answer::{self, Answer, Status},
    wait,
};
use crate::encode::{Request, compress};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

pub(super) fn prepare(
    outgoing: &mut http::Request<Full<Bytes>>,
    request: &Request,
    timeout: Duration,
) {
    *outgoing.version_mut() = Version::HTTP_2;
    let headers = outgoing.headers_mut();
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.remove(GRPC_ENCODING);
    if let Some(encoding) = request.content_encoding {
        headers.insert(GRPC_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Some(timeout) = timeout_value(timeout) {
        headers.insert(GRPC_TIMEOUT, timeout);
    }
}

/// At most eight digits, then the unit.
fn timeout_value(timeout: Duration) -> Option<HeaderValue> {
    let text = match timeout.as_millis() {
        millis @ 1..=99_999_999 => format!("{millis}m"),
        0 => "1m".to_owned(),
        _ => format!("{}S", timeout.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).ok()
}

pub(super) fn answer(head: &Parts, body: Result<Collected<Bytes>, String>) -> Answer {
    if head.status != http::StatusCode::OK && !head.headers.contains_key(GRPC_STATUS) {
        // Not gRPC that answered, for example a proxy.
        return Answer::Refused {
            status: Status::Http(head.status.as_u16()),
            message: String::new(),
            retry_after: wait::retry_after(&head.headers),
        };
    }
    let body = match body {
        Ok(body) => body,
        Err(_) if head.headers.contains_key(GRPC_STATUS) => Collected::default(),
        Err(error) => return Answer::Unreachable(error),
    };
    // An answer without a message has its status in the headers ("Trailers-Only").
    let trailers = body.trailers().filter(|t| t.contains_key(GRPC_STATUS));
    let trailers = trailers.unwrap_or(&head.headers).clone();
    match status_of(&trailers) {
        Some((0, _)) => message(head, body.to_bytes()).map_or_else(
            || answer::partial_success(&[]),
            |message| answer::partial_success(&message),
        ),
        Some((code, message)) => Answer::Refused {
            status: Status::Grpc(code),
            message,
            retry_after: wait::retry_info(&trailers),
        },
        None => Answer::Unreachable("the answer ended without a gRPC status".to_owned()),
    }
}

fn status_of(headers: &HeaderMap) -> Option<(u32, String)> {
    let code = headers.get(GRPC_STATUS)?.to_str().ok()?.parse().ok()?;
    let message = headers.get(GRPC_MESSAGE).map_or_else(String::new, |text| {
        let text: Vec<u8> = percent_encoding::percent_decode(text.as_bytes()).collect();
        answer::plain_message(&text)
    });
    Some((code, message))
}

/// Takes the message out of its frame.
fn message(head: &Parts, mut body: Bytes) -> Option<Bytes> {
    let compressed = body.try_get_u8().ok()? != 0;
    let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
    if length > body.len() {
        return None;
    }
    let message = body.split_to(length);
    if !compressed {
        return Some(message);
    }
    let encoding = head.headers.get(GRPC_ENCODING)?.to_str().ok()?;
    compress::decompress(Some(encoding), message, MAX_RESPONSE_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_at_most_eight_digits() {
        for (timeout, text) in [
            (Duration::from_secs(10), "10000m"),
            (Duration::from_micros(3), "1m"),
            (Duration::from_secs(1_000_000), "1000000S"),
            (Duration::MAX, "99999999S"),
        ] {
            assert_eq!(timeout_value(timeout).unwrap(), text);
        }
    }

    #[test]
    fn a_message_is_percent_decoded() {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_STATUS, HeaderValue::from_static("16"));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static("who%20%C3%A4re you"));
        assert_eq!(status_of(&headers).unwrap(), (16, "who äre you".to_owned()));
        assert_eq!(Status::Grpc(16).to_string(), "gRPC UNAUTHENTICATED");
        assert_eq!(Status::Grpc(99).to_string(), "gRPC 99");
    }
}

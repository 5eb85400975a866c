//! OTLP over HTTP: what is particular about its requests and answers.
//!
//! Part of `wire`. HTTP/1.1 is what every OTLP server speaks.

use bytes::Bytes;
use http::{
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
    response::Parts,
};
use http_body_util::Full;

use super::{
    answer::{self, Answer, Status},
    wait,
};
use crate::encode::Request;

pub(super) fn prepare(outgoing: &mut http::Request<Full<Bytes>>, request: &Request) {
    if let Some(encoding) = request.content_encoding {
        outgoing
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
}

/// The status decides; a body that cannot be read costs only what it would have said.
pub(super) fn answer(head: &Parts, body: Option<Bytes>) -> Answer {
    let body = body.unwrap_or_default();
    let is_json = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if head.status.is_success() {
        if is_page(head, &body) {
            let status = head.status.as_u16();
            return Answer::Unreachable(format!("HTTP {status} with a web page, not OTLP"));
        }
        return if is_json {
            answer::partial_success_json(&body)
        } else {
            answer::partial_success(&body)
        };
    }
    let is_protobuf = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-protobuf"));
    Answer::Refused {
        status: Status::Http(head.status.as_u16()),
        retry_after: wait::retry_after(&head.headers),
        message: if is_json {
            answer::status_message_json(&body)
        } else if is_protobuf {
            answer::status_message(&body)
        } else {
            answer::plain_message(&body)
        },
    }
}

/// Whether a success is that of a web server that knows nothing of OTLP: a wrong port or path, or
/// the page between a traveller and the network. Nobody has taken the records then. Empty answers
/// say nothing, whatever type they have.
fn is_page(head: &Parts, body: &[u8]) -> bool {
    let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/html"))
        && body.trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, kind: &str, body: &'static [u8]) -> Answer {
        let (head, ()) = http::Response::builder()
            .status(status)
            .header(CONTENT_TYPE, kind)
            .body(())
            .unwrap()
            .into_parts();
        answer(&head, Some(Bytes::from_static(body)))
    }

    fn refused(status: u16, message: &str) -> Answer {
        Answer::Refused {
            status: Status::Http(status),
            retry_after: None,
            message: message.into(),
        }
    }

    #[test]
    fn every_status_but_2xx_is_a_refusal_with_its_message() {
        assert_eq!(
            answered(400, "application/json", b"{\"code\":3,\"message\":\"no\"}"),
            refused(400, "no")
        );
        assert_eq!(
            answered(503, "application/x-protobuf", b"\x08\x0e\x12\x04wait"),
            refused(503, "wait")
        );
        assert_eq!(
            answered(404, "text/plain", b"not here\n"),
            refused(404, "not here")
        );
        assert_eq!(
            answered(302, "text/html; charset=utf-8", b"<p>elsewhere"),
            refused(302, "<p>elsewhere")
        );
    }

    #[test]
    fn a_success_that_cannot_be_read_is_still_a_success() {
        let accepted = Answer::Accepted {
            rejected: 0,
            message: String::new(),
        };
        assert_eq!(answered(200, "application/json", b"{oops"), accepted);
        assert_eq!(
            answered(202, "application/x-protobuf", b"\xff\xff"),
            accepted
        );
        assert_eq!(answered(204, "text/plain", b""), accepted);
        assert_eq!(answered(200, "text/html", b""), accepted);
        assert_eq!(answered(200, "text/html", b"ok"), accepted);
    }

    #[test]
    fn a_web_page_is_no_answer() {
        let page = b"\n<!DOCTYPE html><title>Sign in</title>";
        assert_eq!(
            answered(200, "text/html; charset=utf-8", page),
            Answer::Unreachable("HTTP 200 with a web page, not OTLP".into())
        );
    }
}

//! OTLP over gRPC: one framed message in, one framed message and trailers out.
//!
//! `serve` hands it every HTTP/2 request of type `application/grpc`; it hands messages to `intake`.
//!
//! Unary calls need so little of gRPC that it is written out here: a five-byte prefix, and the
//! status as trailers (or as headers when there is no message).

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::intake::{Arrived, Intake};
use super::refusal::{Reason, Refusal};
use super::serve::Answer;
use super::signal::{Protocol, Signal};
use super::unpack::Encoding;

/// Whether these headers announce gRPC, with any message format behind the `+`.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let value = value.as_bytes();
    let (name, rest) = value.split_at(value.len().min(GRPC.len()));
    name.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';'))
}

pub(super) async fn answer(request: Request<Incoming>, intake: &Intake) -> Response<Answer> {
    let (parts, mut incoming) = request.into_parts();
    match take_in(&parts, &mut incoming, intake).await {
        Ok(()) => success(),
        Err(refusal) => refused(&refusal),
    }
}

async fn take_in(parts: &Parts, incoming: &mut Incoming, intake: &Intake) -> Result<(), Refusal> {
    let path = parts.uri.path();
    let read = async {
        let signal = Signal::of_grpc_method(path).ok_or_else(|| {
            let message = format!("unknown method {path}");
            Refusal::new(Reason::UnknownPath, message)
        })?;
        let named = Encoding::of_header(parts.headers.get(GRPC_ENCODING))?;
        let (framed, held) =
            intake
                .read(incoming, PREFIX)
                .await
                .map_err(|refusal| match refusal.reason {
                    Reason::TooLarge => Refusal::too_large(intake.max_body()),
                    _ => refusal,
                })?;
        let wire_size = framed.len();
        let (encoding, packed) = unframe(framed, named)?;
        Ok(Arrived {
            signal,
            protocol: Protocol::Grpc,
            encoding,
            headers: &parts.headers,
            path,
            packed,
            wire_size,
            _held: held,
        })
    };
    let arrived = read.await.inspect_err(|refusal: &Refusal| {
        intake.refused(refusal, path, Some(Protocol::Grpc), &parts.headers);
    })?;
    intake.take(&arrived)
}

/// Takes the one message out of its frame, with the encoding that it really has.
fn unframe(
    mut framed: Bytes,
    named: Option<Encoding>,
) -> Result<(Option<Encoding>, Bytes), Refusal> {
    let broken = |message: &str| Err(Refusal::new(Reason::Frame, message));
    if framed.is_empty() {
        return Err(Refusal::new(
            Reason::Cardinality,
            "the call carried no message",
        ));
    }
    if framed.len() < PREFIX {
        return broken("the message's prefix is cut off");
    }
    let encoding = match (framed.get_u8(), named) {
        (0, _) => None,
        (1, Some(encoding)) => Some(encoding),
        (1, None) => return broken("the message is compressed, but grpc-encoding names nothing"),
        _ => return broken("the message's compressed flag is neither 0 nor 1"),
    };
    let length = framed.get_u32() as usize;
    if framed.len() < length {
        return broken("the message is shorter than its prefix says");
    }
    let message = framed.split_to(length);
    if !framed.is_empty() {
        return Err(Refusal::new(
            Reason::Cardinality,
            "the call carried more than one message",
        ));
    }
    Ok((encoding, message))
}

/// An empty `Export…ServiceResponse` in its frame, then the trailers that say all is well.
fn success() -> Response<Answer> {
    let mut frame = BytesMut::with_capacity(PREFIX);
    frame.put_bytes(0, PREFIX);
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(frame.freeze()).with_trailers(async move { Some(Ok(trailers)) });
    response(body.boxed_unsync())
}

/// The status alone, as headers.
fn refused(refusal: &Refusal) -> Response<Answer> {
    let mut response = response(Empty::new().boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(GRPC_STATUS, HeaderValue::from(refusal.reason.rpc_code()));
    let message = utf8_percent_encode(&refusal.message, NOT_PLAIN).to_string();
    // What is left after encoding is visible ASCII and spaces, which every header value may hold.
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    if refusal.reason == Reason::Encoding {
        let accepted = HeaderValue::from_static(super::unpack::ACCEPTED);
        headers.insert(GRPC_ACCEPT_ENCODING, accepted);
    }
    response
}

fn response(body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}

const GRPC: &str = "application/grpc";
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// One byte says whether the message is compressed, four how long it is.
const PREFIX: usize = 5;

/// What `grpc-message` percent-encodes, besides everything that is not ASCII.
const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b'%');

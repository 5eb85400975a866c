//! OTLP over HTTP: path, method, content type, and an answer in the language of the question.
//!
//! `serve` hands it every request that is not gRPC; it hands bodies to `intake`.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use prost::Message as _;

use super::body;
use super::intake::{Arrived, Intake};
use super::refusal::{Reason, Refusal};
use super::serve::Answer;
use super::signal::{Protocol, Signal};
use super::unpack::{self, Encoding};

pub(super) async fn answer(request: Request<Incoming>, intake: &Intake) -> Response<Answer> {
    let (parts, mut incoming) = request.into_parts();
    let format = Format::of(&parts.headers);
    match take_in(&parts, format, &mut incoming, intake).await {
        Ok(()) => success(format),
        Err(refusal) => {
            // A sender that waits for "100 Continue" has sent nothing to discard.
            if parts.version < Version::HTTP_2 && !parts.headers.contains_key(EXPECT) {
                body::discard(&mut incoming).await;
            }
            refused(&refusal, format)
        }
    }
}

/// Takes the logs that a web page sends: what `/v1/logs` takes, under another name.
pub(crate) async fn browser_logs(
    parts: &Parts,
    mut incoming: Incoming,
    intake: &Intake,
) -> Response<Answer> {
    let format = Format::of(&parts.headers);
    let mut parts = parts.clone();
    parts.uri = Uri::from_static("/v1/logs");
    match take_in(&parts, format, &mut incoming, intake).await {
        Ok(()) => success(format),
        Err(refusal) => refused(&refusal, format),
    }
}

async fn take_in(
    parts: &Parts,
    format: Option<Format>,
    incoming: &mut Incoming,
    intake: &Intake,
) -> Result<(), Refusal> {
    let read = async {
        let (signal, format, encoding) = check(parts, format)?;
        let (packed, held) = intake.read(incoming, 0).await?;
        Ok((signal, format, encoding, packed, held))
    };
    let path = parts.uri.path();
    let (signal, format, encoding, packed, held) = read.await.inspect_err(|refusal| {
        intake.refused(refusal, path, format.map(Format::protocol), &parts.headers);
    })?;
    intake.take(&Arrived {
        signal,
        protocol: format.protocol(),
        encoding,
        headers: &parts.headers,
        path,
        wire_size: packed.len(),
        packed,
        _held: held,
    })
}

pub(super) fn check(
    parts: &Parts,
    format: Option<Format>,
) -> Result<(Signal, Format, Option<Encoding>), Refusal> {
    let path = parts.uri.path();
    let signal = Signal::of_http_path(path);
    if signal.is_none() && Signal::of_grpc_method(path).is_none() {
        let message = format!("nothing is at {path:?}, try /v1/logs, /v1/traces or /v1/metrics");
        return Err(Refusal::new(Reason::UnknownPath, message));
    }
    if parts.method != Method::POST {
        let message = format!("{path} takes POST, not {}", parts.method);
        return Err(Refusal::new(Reason::Method, message));
    }
    let (Some(signal), Some(format)) = (signal, format) else {
        let wanted = match signal {
            Some(_) => "application/x-protobuf or application/json",
            None => "application/grpc over HTTP/2",
        };
        let message = format!("{path} takes {wanted}");
        return Err(Refusal::new(Reason::ContentType, message));
    };
    let encoding = Encoding::of_header(parts.headers.get(CONTENT_ENCODING))?;
    Ok((signal, format, encoding))
}

/// The two content types of OTLP over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Protobuf,
    Json,
}

impl Format {
    /// Parameters such as `; charset=utf-8` are ignored.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = value.split(';').next().unwrap_or(value).trim();
        if media_type.eq_ignore_ascii_case(PROTOBUF) {
            Some(Self::Protobuf)
        } else if media_type.eq_ignore_ascii_case(JSON) {
            Some(Self::Json)
        } else {
            None
        }
    }

    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::Protobuf => Protocol::HttpProtobuf,
            Self::Json => Protocol::HttpJson,
        }
    }
}

/// An `Export…ServiceResponse` without `partial_success` says: all accepted.
///
/// Its protobuf form is empty for all three signals.
fn success(format: Option<Format>) -> Response<Answer> {
    match format {
        Some(Format::Protobuf) => response(StatusCode::OK, PROTOBUF, Bytes::new()),
        _ => response(StatusCode::OK, JSON, Bytes::from_static(b"{}")),
    }
}

/// A `google.rpc.Status` in the request's content type, in JSON when that is unknown.
fn refused(refusal: &Refusal, format: Option<Format>) -> Response<Answer> {
    let status = Status {
        code: refusal.reason.rpc_code(),
        message: refusal.message.clone(),
    };
    let (content_type, body) = match format {
        Some(Format::Protobuf) => (PROTOBUF, status.encode_to_vec()),
        _ => (
            JSON,
            serde_json::json!({ "code": status.code, "message": status.message })
                .to_string()
                .into_bytes(),
        ),
    };
    let mut response = response(refusal.reason.http_status(), content_type, body.into());
    match refusal.reason {
        Reason::Method => {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
        }
        Reason::Encoding => {
            let accepted = HeaderValue::from_static(unpack::ACCEPTED);
            response.headers_mut().insert(ACCEPT_ENCODING, accepted);
        }
        _ => {}
    }
    response
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The part of `google.rpc.Status` that OTLP uses.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

//! What the proxy's clients get to read.
//!
//! Everything in an answer was written here or by `receive`, but for the message of a partial success.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use serde_json::json;
use tracing_otlp_pipeline::Reply;

use super::token::Distrust;
use crate::Signal;
use crate::receive::{ACCEPTED_ENCODINGS, Answer, Format, Refusal};

/// Why a request is not passed on, or was not taken.
#[derive(Debug)]
pub(super) struct No {
    status: StatusCode,
    code: i32,
    message: String,
    retry_after: Option<Duration>,
    header: Option<(HeaderName, &'static str)>,
}

impl No {
    fn new(status: StatusCode, code: i32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            header: None,
        }
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub(super) fn stranger() -> Self {
        let message = "pages of this origin may not send here";
        Self::new(StatusCode::FORBIDDEN, PERMISSION_DENIED, message)
    }

    pub(super) fn no_token() -> Self {
        let message = "a session token is needed: Authorization: Bearer …";
        Self::new(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, message)
            .with(WWW_AUTHENTICATE, "Bearer")
    }

    pub(super) fn too_fast(wait: Duration) -> Self {
        let message = "the session sends more than it may";
        Self::new(StatusCode::TOO_MANY_REQUESTS, RESOURCE_EXHAUSTED, message).after(wait)
    }

    pub(super) fn too_slow() -> Self {
        let message = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, DEADLINE_EXCEEDED, message).with(CONNECTION, "close")
    }

    pub(super) fn crowded() -> Self {
        let message = "too many requests wait for the upstream";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, message)
            .after(Duration::from_secs(1))
    }

    pub(super) fn late() -> Self {
        let message = "the upstream did not answer in time";
        Self::new(StatusCode::GATEWAY_TIMEOUT, DEADLINE_EXCEEDED, message)
    }

    /// What a client may know of an answer that was no acceptance: what it can act on, and never that
    /// the proxy's own credentials are at fault.
    pub(super) fn of_reply(reply: &Reply) -> Self {
        match reply {
            Reply::Invalid => Self::new(
                StatusCode::BAD_REQUEST,
                INVALID_ARGUMENT,
                "the upstream calls the request bad",
            ),
            Reply::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                RESOURCE_EXHAUSTED,
                "the upstream calls the request too large",
            ),
            Reply::Busy { retry_after, .. } => {
                let no = Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    UNAVAILABLE,
                    "the upstream cannot take requests now",
                );
                match retry_after {
                    Some(wait) => no.after(*wait),
                    None => no,
                }
            }
            Reply::TimedOut => Self::late(),
            _ => Self::new(
                StatusCode::BAD_GATEWAY,
                UNAVAILABLE,
                "the upstream cannot be used",
            ),
        }
    }

    /// The answer, in the form of the question.
    pub(super) fn answer(&self, format: Option<Format>) -> Response<Answer> {
        // Rounded up: who comes back too early is turned away again.
        let seconds = self
            .retry_after
            .map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        let body: Bytes = if format == Some(Format::Protobuf) {
            self.status_message(seconds).encode_to_vec().into()
        } else {
            self.status_json(seconds).to_string().into()
        };
        let mut response = response(self.status, format, body);
        let headers = response.headers_mut();
        if let Some(seconds) = seconds {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some((name, value)) = &self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn status_json(&self, seconds: Option<u64>) -> serde_json::Value {
        let mut status = json!({ "code": self.code, "message": self.message });
        if let Some(seconds) = seconds {
            status["details"] = json!([{
                "@type": RETRY_INFO,
                "retryDelay": format!("{seconds}s"),
            }]);
        }
        status
    }

    fn status_message(&self, seconds: Option<u64>) -> Status {
        let details = seconds.map(|seconds| {
            let delay = Delay {
                seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            };
            let info = RetryInfo {
                retry_delay: Some(delay),
            };
            Any {
                type_url: RETRY_INFO.to_owned(),
                value: info.encode_to_vec(),
            }
        });
        Status {
            code: self.code,
            message: self.message.clone(),
            details: details.into_iter().collect(),
        }
    }
}

impl std::convert::From<Distrust> for No {
    /// RFC 6750, section 3.
    fn from(distrust: Distrust) -> Self {
        let (message, challenge) = match distrust {
            Distrust::Invalid => (
                "the session token is not valid",
                "Bearer error=\"invalid_token\"",
            ),
            Distrust::Expired => (
                "the session token has expired",
                "Bearer error=\"invalid_token\", error_description=\"expired\"",
            ),
        };
        Self::new(StatusCode::UNAUTHORIZED, UNAUTHENTICATED, message)
            .with(WWW_AUTHENTICATE, challenge)
    }
}

impl std::convert::From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = (refusal.reason.http_status(), refusal.reason.rpc_code());
        let no = Self::new(status, code, refusal.message);
        match status {
            StatusCode::METHOD_NOT_ALLOWED => no.with(ALLOW, "POST"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => no.with(ACCEPT_ENCODING, ACCEPTED_ENCODINGS),
            StatusCode::SERVICE_UNAVAILABLE => no.after(Duration::from_secs(1)),
            _ => no,
        }
    }
}

/// An `Export…ServiceResponse`.
pub(super) fn accepted(
    signal: Signal,
    format: Option<Format>,
    rejected: u64,
    message: &str,
) -> Response<Answer> {
    let is_whole = rejected == 0 && message.is_empty();
    let body: Bytes = match format {
        Some(Format::Protobuf) if is_whole => Bytes::new(),
        _ if is_whole => Bytes::from_static(b"{}"),
        Some(Format::Protobuf) => {
            let partial = Partial {
                rejected: i64::try_from(rejected).unwrap_or(i64::MAX),
                message: message.to_owned(),
            };
            let response = ExportResponse {
                partial: Some(partial),
            };
            response.encode_to_vec().into()
        }
        _ => {
            let name = match signal {
                Signal::Logs => "rejectedLogRecords",
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
            };
            let mut partial = json!({ name: rejected.to_string() });
            if !message.is_empty() {
                partial["errorMessage"] = message.into();
            }
            json!({ "partialSuccess": partial }).to_string().into()
        }
    };
    response(StatusCode::OK, format, body)
}

/// An answer that nobody may keep or take for something else.
pub(super) fn response(
    status: StatusCode,
    format: Option<Format>,
    body: Bytes,
) -> Response<Answer> {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    let content_type = match format {
        Some(Format::Protobuf) => "application/x-protobuf",
        _ => "application/json",
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// `google.rpc.Status`, with its details.
#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// `Export…ServiceResponse` and its partial success have the same form for all signals.
#[derive(Clone, PartialEq, prost::Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial: Option<Partial>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Partial {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const INVALID_ARGUMENT: i32 = 3;
const DEADLINE_EXCEEDED: i32 = 4;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;
const UNAUTHENTICATED: i32 = 16;

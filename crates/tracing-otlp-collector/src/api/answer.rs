//! Builds answers: JSON, errors, bytes.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};

use crate::otlp::to_json::{ObjectWriter, string};
use crate::query::filter::FilterError;
use crate::receive::Answer;

/// Why a question gets no answer.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    message: String,
    position: Option<usize>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            position: None,
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub(super) fn answer(&self) -> Response<Answer> {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        let mut error = ObjectWriter::new(object.member("error"));
        string(&self.message, error.member("message"));
        if let Some(position) = self.position {
            crate::query::write::number(position, error.member("position"));
        }
        error.end();
        object.end();
        let mut answer = json(out);
        *answer.status_mut() = self.status;
        answer
    }
}

impl From<FilterError> for Problem {
    fn from(error: FilterError) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: error.message,
            position: Some(error.position),
        }
    }
}

pub(super) fn json(body: Vec<u8>) -> Response<Answer> {
    of_type("application/json", body)
}

/// An answer that nobody may keep or take for something else.
pub(super) fn of_type(content_type: &'static str, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(super) fn empty(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = status;
    response
}

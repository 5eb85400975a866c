//! Why a request is refused, and what that is called in HTTP and in gRPC.
//!
//! Every stage of `receive` may end in one; `http` and `grpc` turn it into an answer.

use bytes::Bytes;

use super::signal::{Protocol, Signal};
use crate::retain::clock;
use crate::retain::rejected::Rejected;

/// A refusal with the sentence its sender gets to read.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// No signal lives at this path.
    UnknownPath,
    /// The path takes POST only.
    Method,
    /// The content type is not one of OTLP's.
    ContentType,
    /// The packing is not one we know.
    Encoding,
    /// The body is longer than allowed, packed or unpacked.
    TooLarge,
    /// The body cannot be unpacked or decoded.
    Payload,
    /// The message is not framed as gRPC demands.
    Frame,
    /// A unary call carried more than one message.
    Cardinality,
    /// The sender hung up in the middle.
    Broken,
    /// It could not be kept as promised; the sender may try again.
    Unavailable,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// What the dead-letter page keeps of it.
    pub(super) fn rejected(
        &self,
        path: &str,
        signal: Option<Signal>,
        protocol: Option<Protocol>,
    ) -> Rejected {
        Rejected {
            id: 0,
            at: clock::now(),
            signal,
            protocol,
            path: path.chars().take(MAX_PATH).collect(),
            status: self.reason.http_status().as_u16(),
            reason: self.message.clone(),
            size: 0,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn crowded() -> Self {
        Self::new(
            Reason::Unavailable,
            "too much is being received at the same time",
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::new(
            Reason::TooLarge,
            format!("request body longer than {limit} bytes"),
        )
    }
}

impl Reason {
    pub(crate) fn http_status(self) -> http::StatusCode {
        use http::StatusCode as S;
        match self {
            Self::UnknownPath => S::NOT_FOUND,
            Self::Method => S::METHOD_NOT_ALLOWED,
            Self::ContentType | Self::Encoding => S::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => S::PAYLOAD_TOO_LARGE,
            Self::Payload | Self::Frame | Self::Cardinality | Self::Broken => S::BAD_REQUEST,
            Self::Unavailable => S::SERVICE_UNAVAILABLE,
        }
    }

    /// The canonical code, also inside an HTTP answer's `google.rpc.Status`.
    ///
    /// Broken frames, unknown encodings and a second message are answered as gRPC's "Status codes
    /// and their use" lists them, bad payloads as OTLP asks.
    pub(crate) fn rpc_code(self) -> i32 {
        match self {
            Self::ContentType | Self::Payload => INVALID_ARGUMENT,
            Self::UnknownPath | Self::Method | Self::Encoding | Self::Cardinality => UNIMPLEMENTED,
            Self::TooLarge => RESOURCE_EXHAUSTED,
            Self::Frame => INTERNAL,
            Self::Broken => CANCELLED,
            Self::Unavailable => UNAVAILABLE,
        }
    }
}

const CANCELLED: i32 = 1;
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;
const MAX_PATH: usize = 200;

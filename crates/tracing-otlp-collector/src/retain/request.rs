//! One request as it came over the wire, kept when asked for.
//!
//! `receive` makes it after unpacking and before decoding, so requests that cannot be decoded are
//! kept as well.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::{Protocol, Signal};

/// A request's unpacked bytes, with how they came.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    signal: Signal,
    protocol: Protocol,
    content_encoding: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    wire_size: usize,
    refusal: Option<String>,
}

impl ReceivedRequest {
    pub(crate) fn new(
        signal: Signal,
        protocol: Protocol,
        content_encoding: Option<String>,
        mut headers: HeaderMap,
        body: Bytes,
        wire_size: usize,
    ) -> Self {
        for name in SECRETS {
            if let Some(value) = headers.get_mut(*name) {
                value.set_sensitive(true);
            }
        }
        Self {
            signal,
            protocol,
            content_encoding,
            headers,
            body,
            wire_size,
            refusal: None,
        }
    }

    pub(crate) fn with_refusal(mut self, refusal: String) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// What it adds to the bytes that the store keeps.
    pub(super) fn weight(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        self.body.len() + headers + size_of::<Self>()
    }

    /// What it carried.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How it was sent.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How it was packed, such as `gzip`; `None` when it was not.
    ///
    /// For gRPC this is the message's encoding, `None` when its compressed flag is off.
    pub fn content_encoding(&self) -> Option<&str> {
        self.content_encoding.as_deref()
    }

    /// The first value of a header, if it is visible text; names match in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All headers; `Debug` hides the values of those that carry secrets.
    pub fn headers(&self) -> &HeaderMap<HeaderValue> {
        &self.headers
    }

    /// The payload after unpacking, without gRPC's frame.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many bytes the body had on the wire, packed and with gRPC's frame.
    pub fn wire_size(&self) -> usize {
        self.wire_size
    }

    /// Why the payload could not be decoded, `None` when it was accepted.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }
}

/// Whether a header's value is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// Headers whose values `Debug` does not show.
const SECRETS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
];

//! Reads, unpacks and checks a request for somebody who does not keep it.
//!
//! The same limits as in `intake`, with a budget of its own. `forward`'s proxy uses it.

use bytes::Bytes;
use http::request::Parts;
use hyper::body::Incoming;

use super::budget::{Budget, Held};
use super::http::{Format, check};
use super::refusal::Refusal;
use super::signal::Signal;
use super::unpack::{Encoding, unpack};
use super::{body, decode};

#[derive(Debug)]
pub(crate) struct Reader {
    max_body: usize,
    budget: Budget,
}

/// What the head of a request says about its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) signal: Signal,
    pub(crate) format: Format,
    encoding: Option<Encoding>,
}

/// A request that is one of its signal.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Protobuf, not packed.
    pub(crate) body: Bytes,
    /// Log records, spans or data points.
    pub(crate) records: u64,
    /// What it takes of the budget.
    _held: Held,
}

impl Reader {
    /// Bodies of so many bytes at most, and of so many times as many together.
    pub(crate) fn new(max_body: usize, at_once: usize) -> Self {
        Self {
            max_body,
            budget: Budget::new(max_body.saturating_mul(at_once)),
        }
    }

    /// Whether this is a request that could be read.
    pub(crate) fn announced(parts: &Parts) -> Result<Announced, Refusal> {
        let (signal, format, encoding) = check(parts, Format::of(&parts.headers))?;
        Ok(Announced {
            signal,
            format,
            encoding,
        })
    }

    /// Reads a body from the wire.
    pub(crate) async fn read(&self, incoming: &mut Incoming) -> Result<(Bytes, Held), Refusal> {
        body::read(incoming, self.max_body, self.budget.hold()).await
    }

    /// Unpacks a body; it takes its part of the budget too.
    pub(crate) fn unpack(
        &self,
        announced: Announced,
        (packed, mut held): (Bytes, Held),
    ) -> Result<(Bytes, Held), Refusal> {
        if announced.encoding.is_none() {
            return Ok((packed, held));
        }
        let bytes = unpack(announced.encoding, packed, self.max_body)?;
        if held.grow(bytes.len()) {
            Ok((bytes, held))
        } else {
            Err(Refusal::crowded())
        }
    }

    /// Makes protobuf of it and checks that.
    pub(crate) fn check(
        announced: Announced,
        (bytes, held): (Bytes, Held),
    ) -> Result<Checked, Refusal> {
        let (body, records) = decode::check(announced.signal, announced.format.protocol(), bytes)?;
        Ok(Checked {
            body,
            records,
            _held: held,
        })
    }
}

/// Reads on for a moment, so that the sender gets to see the answer.
pub(crate) async fn discard(parts: &Parts, incoming: &mut Incoming) {
    // A sender that waits for "100 Continue" has sent nothing to discard.
    let waits = parts.headers.contains_key(http::header::EXPECT);
    if parts.version < http::Version::HTTP_2 && !waits {
        body::discard(incoming).await;
    }
}

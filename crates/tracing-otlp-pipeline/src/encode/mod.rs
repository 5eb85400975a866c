//! Turns a batch into the body of one OTLP request.
//!
//! Stands between `batch` and `deliver`: runs on the worker of the official batch processor and
//! never waits for anything.
//!
//! One look at every record says what the batch holds (`scan`). Then the records are written as
//! protobuf (`direct`), or converted by the official exporter where that was chosen (`official`,
//! `dropped`), and given the shape that the destination wants (`json`, `compress`).

use std::fmt;

use bytes::Bytes;

use crate::{
    admit::Tally,
    settings::{Compression, Destination, Protocol, Signal},
};

pub(crate) mod compress;
mod direct;
mod dropped;
mod encoder;
mod json;
mod official;
pub(crate) mod scan;

pub(crate) use encoder::{LogEncoder, SpanEncoder};

/// One encoded request, ready to be sent as often as needed.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) signal: Signal,
    pub(crate) body: Bytes,
    pub(crate) content_type: &'static str,
    /// For gRPC the encoding of the message inside the frame.
    pub(crate) content_encoding: Option<&'static str>,
    pub(crate) records: u64,
    /// The same records by severity; their sum is `records`.
    pub(crate) severities: Tally,
    /// The uncompressed protobuf, where the body is something else. The rest can be turned back.
    pub(crate) source: Option<Bytes>,
}

impl Request {
    /// How many bytes it occupies.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + self.source.as_ref().map_or(0, Bytes::len)
    }

    /// Whether it is larger than a request may be, before or after compression: what is too large
    /// before is not compressed.
    pub(crate) fn exceeds(&self, max_bytes: usize) -> bool {
        self.bytes_at_most() > max_bytes
    }

    /// The larger of its forms.
    pub(crate) fn bytes_at_most(&self) -> usize {
        let source = self.source.as_ref().map_or(0, Bytes::len);
        self.body.len().max(source)
    }

    /// The request as uncompressed protobuf, whatever it looks like on the wire.
    pub(crate) fn protobuf(&self, limit: usize) -> Result<Bytes, String> {
        if let Some(source) = &self.source {
            return Ok(source.clone());
        }
        let mut message = self.body.clone();
        if self.content_type == GRPC {
            if message.len() < FRAME {
                return Err("the frame is cut".to_owned());
            }
            message = message.split_off(FRAME);
        }
        compress::decompress(self.content_encoding, message, limit)
    }
}

const GRPC: &str = "application/grpc";

/// The length of what gRPC puts before a message.
const FRAME: usize = 5;

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("signal", &self.signal)
            .field("bytes", &self.body.len())
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

/// Why a batch could not be encoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EncodeError {
    Failed(String),
    Panicked,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => write!(f, "the batch could not be encoded: {reason}"),
            Self::Panicked => f.write_str("encoding the batch panicked"),
        }
    }
}

/// A request made of a batch or of a part of it, with what it holds if it could not be made.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) request: Result<Request, EncodeError>,
    pub(crate) records: Tally,
}

/// What a destination wants a body to look like.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) signal: Signal,
    pub(crate) protocol: Protocol,
    pub(crate) compression: Compression,
    pub(crate) max_bytes: usize,
}

impl Shape {
    pub(crate) fn of(destination: &Destination, max_bytes: usize) -> Self {
        Self {
            signal: destination.signal(),
            protocol: destination.protocol(),
            compression: destination.compression(),
            max_bytes,
        }
    }

    pub(crate) fn content_type(&self) -> &'static str {
        match self.protocol {
            Protocol::HttpJson => "application/json",
            Protocol::HttpProtobuf => "application/x-protobuf",
            Protocol::Grpc => GRPC,
        }
    }

    /// The compression of a body of that length. One that is too large will be cut, not sent.
    fn compression_of(&self, len: usize) -> Compression {
        if len > self.max_bytes {
            Compression::None
        } else {
            self.compression
        }
    }

    /// Gives a message the shape; it may be compressed.
    ///
    /// It may come out larger than a request may be: whoever sends it looks.
    pub(crate) fn fit(&self, message: Bytes, records: impl Into<Tally>) -> Result<Request, String> {
        let encoding = compress::recognise(&message);
        self.refit(message, encoding, records.into())
    }

    /// The same for a message that is not compressed, whatever a stranger made it look like.
    #[cfg(feature = "relay")]
    pub(crate) fn fit_plain(&self, message: Bytes, records: Tally) -> Result<Request, String> {
        self.refit(message, None, records)
    }

    fn refit(
        &self,
        message: Bytes,
        encoding: Option<&'static str>,
        records: Tally,
    ) -> Result<Request, String> {
        let mut compression = self.compression;
        let mut source = None;
        let mut body = message;
        if self.protocol == Protocol::HttpJson {
            let plain = compress::decompress(encoding, body, self.max_bytes)?;
            source = Some(plain.clone());
            body = json::encode(self.signal, plain)?.into();
        } else if encoding != compression.encoding() {
            body = compress::decompress(encoding, body, self.max_bytes)?;
        }
        if source.is_some() || encoding != compression.encoding() {
            compression = self.compression_of(body.len());
            body = compress::compress(compression, body)?;
        }
        if self.protocol == Protocol::Grpc {
            body = frame(&body, compression)?;
        }
        Ok(self.request(body, compression, source, records))
    }

    fn request(
        &self,
        body: Bytes,
        compression: Compression,
        source: Option<Bytes>,
        severities: Tally,
    ) -> Request {
        Request {
            signal: self.signal,
            body,
            content_type: self.content_type(),
            content_encoding: compression.encoding(),
            records: severities.total(),
            severities,
            source,
        }
    }
}

/// Puts a message into a frame.
fn frame(message: &Bytes, compression: Compression) -> Result<Bytes, String> {
    let head = frame_head(message.len(), compression)?;
    Ok([&head, &**message].concat().into())
}

/// What gRPC puts before a message ("gRPC over HTTP2", Length-Prefixed-Message).
fn frame_head(len: usize, compression: Compression) -> Result<[u8; FRAME], String> {
    let len = u32::try_from(len).map_err(|error| error.to_string())?;
    let [a, b, c, d] = len.to_be_bytes();
    Ok([u8::from(compression != Compression::None), a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(compression: Compression) -> Shape {
        Shape {
            signal: Signal::Logs,
            protocol: Protocol::HttpProtobuf,
            compression,
            max_bytes: 1024,
        }
    }

    #[test]
    fn a_compression_forced_by_the_environment_is_undone() {
        let plain = Bytes::from_static(b"\x0a\x01x");
        let forced = compress::compress(Compression::Gzip, plain.clone()).unwrap();
        let request = shape(Compression::None).fit(forced, 1).unwrap();
        assert_eq!(request.body, plain);
        assert_eq!(request.content_encoding, None);
    }

    #[test]
    fn a_message_above_the_limit_shows_it_whatever_it_looks_like_on_the_wire() {
        let message = |bytes| Bytes::from(vec![7; bytes]);
        for compression in [Compression::None, Compression::Gzip] {
            let request = |bytes| shape(compression).fit(message(bytes), 1).unwrap();
            assert!(!request(1024).exceeds(1024));
            assert!(request(1025).exceeds(1024));
            assert_eq!(request(1025).protobuf(1024).unwrap(), message(1025));
        }
    }

    #[test]
    fn a_grpc_message_is_framed() {
        let grpc = Shape {
            protocol: Protocol::Grpc,
            ..shape(Compression::None)
        };
        let framed = grpc.fit(Bytes::from_static(b"abc"), 1).unwrap();
        assert_eq!(framed.body, "\0\0\0\0\x03abc");
    }
}

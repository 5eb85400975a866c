//! Turns a batch into the body of one OTLP request.
//!
//! Stands between `batch` and `deliver`: runs on the worker of the official batch processor and
//! never waits for anything.
//!
//! The official exporter converts and compresses (`official`); JSON, what the official exporter
//! was told otherwise by the environment, and the one field that it does not fill are made here
//! (`json`, `compress`, `dropped`). Before that, one look at every record says what the batch holds
//! (`scan`).

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    admit::Tally,
    settings::{Compression, Destination, Protocol, Signal},
};

pub(crate) mod compress;
mod dropped;
mod json;
pub(crate) mod official;
pub(crate) mod scan;

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

    /// Gives the body that was captured from the official exporter the shape.
    pub(crate) fn fit(
        &self,
        captured: Bytes,
        records: impl Into<Tally>,
    ) -> Result<Request, String> {
        let severities = records.into();
        let Self {
            signal,
            protocol,
            compression,
            max_bytes,
        } = *self;
        // The official builder asks the environment where no compression was set in code, and lets
        // headers of the environment replace its own, `content-encoding` among them.
        let encoding = compress::recognise(&captured);
        let mut source = None;
        let (body, content_type) = match protocol {
            Protocol::HttpJson => {
                let plain = compress::decompress(encoding, captured, max_bytes)?;
                source = Some(plain.clone());
                let json = self.within(json::encode(signal, plain)?.into(), "uncompressed")?;
                (compress::compress(compression, json)?, "application/json")
            }
            Protocol::HttpProtobuf | Protocol::Grpc => {
                let body = if encoding == compression.encoding() {
                    captured
                } else {
                    let plain = compress::decompress(encoding, captured, max_bytes)?;
                    compress::compress(compression, plain)?
                };
                if protocol == Protocol::Grpc {
                    (frame(&body, compression)?, GRPC)
                } else {
                    (body, "application/x-protobuf")
                }
            }
        };
        Ok(Request {
            signal,
            body: self.within(body, "finished")?,
            content_type,
            content_encoding: compression.encoding(),
            records: severities.total(),
            severities,
            source,
        })
    }

    fn within(&self, body: Bytes, what: &str) -> Result<Bytes, String> {
        if body.len() > self.max_bytes {
            return Err(format!(
                "the {what} body has {} bytes, more than the limit of {}",
                body.len(),
                self.max_bytes
            ));
        }
        Ok(body)
    }
}

/// Puts the length-prefix of gRPC before a message ("gRPC over HTTP2", Length-Prefixed-Message).
fn frame(message: &Bytes, compression: Compression) -> Result<Bytes, String> {
    let length = u32::try_from(message.len()).map_err(|error| error.to_string())?;
    let mut framed = BytesMut::with_capacity(message.len() + FRAME);
    framed.put_u8(u8::from(compression != Compression::None));
    framed.put_u32(length);
    framed.put_slice(message);
    Ok(framed.freeze())
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
    fn a_body_above_the_limit_is_refused() {
        let captured = |bytes| vec![7; bytes].into();
        assert!(shape(Compression::None).fit(captured(1024), 1).is_ok());
        assert!(shape(Compression::None).fit(captured(1025), 1).is_err());
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

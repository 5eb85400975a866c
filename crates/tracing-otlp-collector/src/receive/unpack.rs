//! Unpacks gzip, zstd and deflate without letting the result grow past the limit.
//!
//! It stands between `body` and `decode`, for HTTP's `Content-Encoding` and gRPC's
//! `grpc-encoding` alike.
//!
//! Unpacking is a stream that stops one byte past the limit, so what a bomb would have unpacked to
//! is never in memory. And what grows as bombs do is measured, piece by piece, before it is kept.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::decode::exact;
use super::refusal::{Reason, Refusal};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Zstd,
    Deflate,
}

impl Encoding {
    /// What a header value names; `None` for `identity` and for nothing at all.
    pub(super) fn of_header(value: Option<&http::HeaderValue>) -> Result<Option<Self>, Refusal> {
        let name = value
            .map_or(&[][..], http::HeaderValue::as_bytes)
            .trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if name.is_empty() || is("identity") {
            Ok(None)
        } else if is("gzip") || is("x-gzip") {
            Ok(Some(Self::Gzip))
        } else if is("zstd") {
            Ok(Some(Self::Zstd))
        } else if is("deflate") {
            Ok(Some(Self::Deflate))
        } else {
            let name = String::from_utf8_lossy(name);
            let message = format!("unknown encoding {name:?}, known are {ACCEPTED}");
            Err(Refusal::new(Reason::Encoding, message))
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }
}

/// What is told to senders that use another encoding.
pub(crate) const ACCEPTED: &str = "gzip, zstd, deflate, identity";

/// Unpacks up to `limit` bytes; one more refuses the request.
pub(super) fn unpack(
    encoding: Option<Encoding>,
    packed: Bytes,
    limit: usize,
) -> Result<Bytes, Refusal> {
    let Some(encoding) = encoding else {
        return Ok(packed);
    };
    let unpacked = match encoding {
        Encoding::Gzip => read(&packed, limit, |packed| Ok(MultiGzDecoder::new(packed))),
        Encoding::Deflate => read(&packed, limit, |packed| Ok(ZlibDecoder::new(packed))),
        Encoding::Zstd => read(&packed, limit, |packed| zstd_decoder(packed, limit)),
    };
    match unpacked {
        Ok(Some(bytes)) => Ok(exact(bytes)),
        Ok(None) => Err(Refusal::too_large(limit)),
        Err(error) => {
            let message = format!("body is not valid {}: {error}", encoding.name());
            Err(Refusal::new(Reason::Payload, message))
        }
    }
}

/// Reads to the end; `None` when that is past the limit.
///
/// What turns out to be many times as long as it was sent is let go and measured first. Telemetry that
/// is so even costs the time of unpacking it twice, and a bomb costs no memory.
fn read<'a, R: Read>(
    packed: &'a [u8],
    limit: usize,
    decoder: impl Fn(&'a [u8]) -> io::Result<R>,
) -> io::Result<Option<Vec<u8>>> {
    let usual = packed.len().saturating_mul(USUAL).max(SMALL).min(limit);
    let mut unpacked = Vec::new();
    let mut first = decoder(packed)?.take(usual as u64 + 1);
    first.read_to_end(&mut unpacked)?;
    if unpacked.len() <= usual {
        return Ok(Some(unpacked));
    }
    drop(unpacked);
    if usual == limit {
        return Ok(None);
    }
    let mut rest = first.into_inner().take((limit - usual) as u64);
    let length = usual as u64 + 1 + io::copy(&mut rest, &mut io::sink())?;
    if length > limit as u64 {
        return Ok(None);
    }
    let mut unpacked = Vec::with_capacity(usize::try_from(length).unwrap_or(limit));
    decoder(packed)?.take(length).read_to_end(&mut unpacked)?;
    Ok(Some(unpacked))
}

/// A decoder that refuses frames whose window, which it would have to reserve, exceeds the limit.
///
/// Encoders ask for up to 8 MiB at their common levels even for short inputs, so that much is
/// always granted.
fn zstd_decoder(packed: &[u8], limit: usize) -> io::Result<impl Read + '_> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    let window_log = usize::BITS - limit.saturating_sub(1).leading_zeros();
    decoder.window_log_max(window_log.clamp(MIN_WINDOW_LOG, MAX_WINDOW_LOG))?;
    Ok(decoder)
}

/// How many times longer than it was sent a body may be before it is measured.
const USUAL: usize = 16;
/// Up to here nothing is measured.
const SMALL: usize = 1024 * 1024;
const MIN_WINDOW_LOG: u32 = 23;
const MAX_WINDOW_LOG: u32 = 27;

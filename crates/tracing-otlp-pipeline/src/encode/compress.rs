//! Compresses and decompresses bodies.
//!
//! Stands at the end of `encode`, and in `wire` where an answer comes compressed.
//!
//! Compresses fast rather than small: the network is seldom the bottleneck, the host's CPU may be.

use std::{fmt, io::Read as _};

use bytes::Bytes;
use flate2::{Compress, FlushCompress, Status, read::MultiGzDecoder};

use crate::settings::Compression;

/// Compresses one body.
pub(crate) fn compress(compression: Compression, plain: Bytes) -> Result<Bytes, String> {
    match compression {
        Compression::None => Ok(plain),
        _ => Packer::default()
            .pack(compression, &plain, 0)
            .map(Into::into),
    }
}

/// Compresses one body after the other. Its tables and buffers are kept: to set them up anew costs
/// as much as to compress a batch.
#[derive(Default)]
pub(super) struct Packer {
    gzip: Option<Compress>,
    #[cfg(feature = "zstd")]
    zstd: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl Packer {
    /// Compresses, behind so many zeros.
    pub(super) fn pack(
        &mut self,
        compression: Compression,
        plain: &[u8],
        zeros: usize,
    ) -> Result<Vec<u8>, String> {
        self.packed.clear();
        match compression {
            Compression::None => self.packed.extend_from_slice(plain),
            Compression::Gzip => self.gzip(plain)?,
            Compression::Zstd => self.zstd(plain)?,
        }
        // What is handed on has the memory that it needs, not that of a larger one before it.
        let mut body = Vec::with_capacity(zeros + self.packed.len());
        body.resize(zeros, 0);
        body.extend_from_slice(&self.packed);
        self.packed.clear();
        self.packed.shrink_to(KEPT_BYTES);
        Ok(body)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.packed.capacity()
    }

    fn gzip(&mut self, plain: &[u8]) -> Result<(), String> {
        let gzip = self
            .gzip
            .get_or_insert_with(|| Compress::new_gzip(GZIP_LEVEL, GZIP_WINDOW));
        gzip.reset();
        let mut rest = plain;
        loop {
            // More than telemetry takes; what is denser gets more room in the next round.
            self.packed.reserve(rest.len() / 2 + 64);
            let before = gzip.total_in();
            let status = gzip.compress_vec(rest, &mut self.packed, FlushCompress::Finish);
            match status.map_err(|error| error.to_string())? {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError => {}
            }
            let taken = usize::try_from(gzip.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    #[cfg(feature = "zstd")]
    fn zstd(&mut self, plain: &[u8]) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        if self.zstd.is_none() {
            let new = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?;
            self.zstd = Some(new);
        }
        if let Some(zstd) = &mut self.zstd {
            let bound = zstd::zstd_safe::compress_bound(plain.len());
            self.packed.reserve(bound);
            zstd.compress_to_buffer(plain, &mut self.packed)
                .map_err(failed)?;
        }
        Ok(())
    }

    #[cfg(not(feature = "zstd"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn zstd(&mut self, _: &[u8]) -> Result<(), String> {
        Err("zstd needs the feature \"zstd\"".to_owned())
    }
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

const GZIP_LEVEL: flate2::Compression = flate2::Compression::new(1);
const GZIP_WINDOW: u8 = 15;
#[cfg(feature = "zstd")]
const ZSTD_LEVEL: i32 = 1;

/// More memory than this is not kept between bodies.
const KEPT_BYTES: usize = 1 << 20;

/// The encoding of an OTLP request body, by its first bytes: an uncompressed one starts with the
/// tag of its only field, which neither gzip nor zstd does.
pub(crate) fn recognise(body: &[u8]) -> Option<&'static str> {
    match body {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    }
}

/// Undoes an encoding; never makes more than `limit` bytes.
pub(crate) fn decompress(
    encoding: Option<&str>,
    body: Bytes,
    limit: usize,
) -> Result<Bytes, String> {
    match encoding {
        None | Some("" | "identity") => Ok(body),
        Some("gzip") => read_within(MultiGzDecoder::new(&*body), limit),
        Some("zstd") => zstd_decompress(&body, limit),
        Some(other) => Err(format!("unknown encoding {other}")),
    }
}

fn read_within(reader: impl std::io::Read, limit: usize) -> Result<Bytes, String> {
    let mut plain = Vec::new();
    reader
        .take((limit as u64).saturating_add(1))
        .read_to_end(&mut plain)
        .map_err(|error| error.to_string())?;
    if plain.len() > limit {
        return Err(format!("the decompressed body has more than {limit} bytes"));
    }
    Ok(plain.into())
}

#[cfg(feature = "zstd")]
fn zstd_decompress(body: &[u8], limit: usize) -> Result<Bytes, String> {
    let reader = zstd::stream::read::Decoder::new(body).map_err(|error| error.to_string())?;
    read_within(reader, limit)
}

#[cfg(not(feature = "zstd"))]
fn zstd_decompress(_: &[u8], _: usize) -> Result<Bytes, String> {
    Err("zstd needs the feature \"zstd\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back() {
        let plain = Bytes::from(vec![b'x'; 10_000]);
        let mut all = vec![Compression::None, Compression::Gzip];
        if cfg!(feature = "zstd") {
            all.push(Compression::Zstd);
        }
        for compression in all {
            let packed = compress(compression, plain.clone()).unwrap();
            assert_eq!(recognise(&packed), compression.encoding());
            assert_eq!(
                decompress(compression.encoding(), packed, 10_000).unwrap(),
                plain
            );
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = compress(Compression::Gzip, vec![0; 1_000_000].into()).unwrap();
        assert!(bomb.len() < 10_000);
        assert!(decompress(Some("gzip"), bomb, 1000).is_err());
    }
}

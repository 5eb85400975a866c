//! Compresses and decompresses bodies.
//!
//! Stands at the end of `encode`, and in `wire` where an answer comes compressed.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::{read::MultiGzDecoder, write::GzEncoder};

use crate::settings::Compression;

/// Compresses fast rather than small: the network is seldom the bottleneck, the host's CPU may be.
pub(crate) fn compress(compression: Compression, plain: Bytes) -> Result<Bytes, String> {
    match compression {
        Compression::None => Ok(plain),
        Compression::Gzip => {
            let room = Vec::with_capacity(plain.len() / 4);
            let mut encoder = GzEncoder::new(room, flate2::Compression::fast());
            encoder
                .write_all(&plain)
                .and_then(|()| encoder.finish())
                .map(Into::into)
                .map_err(|error| error.to_string())
        }
        Compression::Zstd => zstd_compress(&plain),
    }
}

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
fn zstd_compress(plain: &[u8]) -> Result<Bytes, String> {
    zstd::bulk::compress(plain, 1)
        .map(Into::into)
        .map_err(|error| error.to_string())
}

#[cfg(feature = "zstd")]
fn zstd_decompress(body: &[u8], limit: usize) -> Result<Bytes, String> {
    let reader = zstd::stream::read::Decoder::new(body).map_err(|error| error.to_string())?;
    read_within(reader, limit)
}

#[cfg(not(feature = "zstd"))]
fn zstd_compress(_: &[u8]) -> Result<Bytes, String> {
    Err("zstd needs the feature \"zstd\"".to_owned())
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

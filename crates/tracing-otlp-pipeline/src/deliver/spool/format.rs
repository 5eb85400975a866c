//! The bytes of the files: `docs/spool-format.md` is this file in prose.
//!
//! Part of `spool`; pure functions. Numbers are little-endian, checksums are CRC32C. All checksums
//! but the segment header's begin with the segment's random salt, so that nothing that a program
//! logs can pass for an entry when a reader looks for the next one.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use super::entry::{self, Entry, SEVERITIES, Tally};

/// The name of a segment, or of the acknowledgements that belong to it.
pub(super) fn segment_name(number: u64) -> String {
    format!("spool-{number:016x}.seg")
}

pub(super) fn ack_name(number: u64) -> String {
    format!("spool-{number:016x}.ack")
}

/// What a file of the directory is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Segment(u64),
    Acks(u64),
    Foreign,
}

pub(super) fn name(text: &str) -> Name {
    let parsed = || {
        let (digits, extension) = text.strip_prefix("spool-")?.split_once('.')?;
        let number = u64::from_str_radix(digits, 16).ok()?;
        match extension {
            "seg" if segment_name(number) == text => Some(Name::Segment(number)),
            "ack" if ack_name(number) == text => Some(Name::Acks(number)),
            _ => None,
        }
    };
    parsed().unwrap_or(Name::Foreign)
}

/// What a segment says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) salt: u64,
    pub(super) created: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderRead {
    Ours(SegmentHeader),
    /// A version that is unknown here: not ours to touch.
    Foreign,
    Unreadable,
}

impl SegmentHeader {
    /// Twice, because without the salt nothing in the segment can be read.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for _ in 0..2 {
            let start = out.len();
            out.extend_from_slice(SEGMENT_MAGIC);
            out.extend_from_slice(&VERSION.to_le_bytes());
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(&self.number.to_le_bytes());
            out.extend_from_slice(&self.salt.to_le_bytes());
            out.extend_from_slice(&self.created.to_le_bytes());
            let crc = crc32c::crc32c(&out[start..]);
            out.extend_from_slice(&crc.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
        }
    }

    /// From the first bytes of a file.
    pub(super) fn read(bytes: &[u8]) -> HeaderRead {
        for copy in bytes.chunks_exact(HEADER_COPY).take(2) {
            let valid = copy.starts_with(SEGMENT_MAGIC)
                && crc32c::crc32c(&copy[..HEADER_COPY - 8]) == u32_at(copy, HEADER_COPY - 8);
            if !valid {
                continue;
            }
            if u16_at(copy, 8) != VERSION {
                return HeaderRead::Foreign;
            }
            return HeaderRead::Ours(Self {
                number: u64_at(copy, 16),
                salt: u64_at(copy, 24),
                created: u64_at(copy, 32),
            });
        }
        HeaderRead::Unreadable
    }
}

/// What stands before the payload of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) index: u32,
    pub(super) created: u64,
    /// By severity.
    pub(super) records: [u32; SEVERITIES],
    pub(super) signal: u8,
    pub(super) protocol: u8,
    meta_len: u16,
    body_len: u32,
    payload_crc: u32,
}

impl EntryHeader {
    pub(super) fn payload_len(&self) -> u64 {
        u64::from(self.meta_len) + u64::from(self.body_len)
    }

    pub(super) fn tally(&self) -> Tally {
        Tally::one(self.signal, self.records.map(u64::from))
    }

    /// From the bytes at this position of a segment.
    pub(super) fn read(bytes: &[u8], salt: u64, position: u64) -> Option<Self> {
        let bytes = bytes.get(..ENTRY_HEADER)?;
        let crc = salted(salt, position, &bytes[..ENTRY_HEADER - 4]);
        if bytes[..4] != ENTRY_MAGIC || crc != u32_at(bytes, ENTRY_HEADER - 4) {
            return None;
        }
        Some(Self {
            index: u32_at(bytes, 4),
            created: u64_at(bytes, 8),
            records: records_at(bytes, 16),
            signal: bytes[40],
            protocol: bytes[41],
            meta_len: u16_at(bytes, 42),
            body_len: u32_at(bytes, 44),
            payload_crc: u32_at(bytes, 48),
        })
    }

    pub(super) fn matches(&self, payload: &[u8]) -> bool {
        crc32c::crc32c(payload) == self.payload_crc
    }

    /// The entry; `None` when it holds what is unknown here.
    pub(super) fn entry(&self, payload: &[u8]) -> Option<Entry> {
        let (meta, body) = payload.split_at_checked(usize::from(self.meta_len))?;
        let (content_type, rest) = text(meta)?;
        let (content_encoding, rest) = text(rest)?;
        let (destination, _) = text(rest)?;
        let owned = |text: &str| Cow::Owned(text.to_owned());
        Some(Entry {
            signal: entry::signal_of(self.signal)?,
            records: self.records.map(u64::from),
            created_at: entry::time(self.created),
            protocol: entry::protocol_of(self.protocol)?,
            content_type: owned(content_type),
            content_encoding: (!content_encoding.is_empty()).then(|| owned(content_encoding)),
            destination: Arc::from(destination),
            body: Bytes::copy_from_slice(body),
        })
    }
}

/// How many bytes the entry takes in a segment; `None` when it does not fit the format.
pub(super) fn entry_len(entry: &Entry) -> Option<u64> {
    let meta = meta_len(entry)?;
    for records in entry.records {
        u32::try_from(records).ok()?;
    }
    let body = u32::try_from(entry.body.len()).ok()?;
    Some(ENTRY_HEADER as u64 + u64::from(meta) + u64::from(body))
}

/// Appends the entry, which will stand at this position of the segment. The caller has asked for
/// its [length](entry_len) before.
pub(super) fn write_entry(out: &mut Vec<u8>, entry: &Entry, index: u32, salt: u64, position: u64) {
    let encoding = entry.content_encoding.as_deref().unwrap_or_default();
    let parts = [&*entry.content_type, encoding, &*entry.destination];
    let start = out.len();
    out.extend_from_slice(&[0; ENTRY_HEADER]);
    for part in parts {
        out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(&entry.body);
    let payload_crc = crc32c::crc32c(&out[start + ENTRY_HEADER..]);

    let mut header = [0; ENTRY_HEADER];
    header[..4].copy_from_slice(&ENTRY_MAGIC);
    header[4..8].copy_from_slice(&index.to_le_bytes());
    header[8..16].copy_from_slice(&entry.created_nanos().to_le_bytes());
    let records = entry.records.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    header[16..40].copy_from_slice(&records_bytes(&records));
    header[40] = entry::signal_code(entry.signal);
    header[41] = entry::protocol_code(entry.protocol);
    header[42..44].copy_from_slice(&meta_len(entry).unwrap_or(0).to_le_bytes());
    let body_len = u32::try_from(entry.body.len()).unwrap_or(0);
    header[44..48].copy_from_slice(&body_len.to_le_bytes());
    header[48..52].copy_from_slice(&payload_crc.to_le_bytes());
    let crc = salted(salt, position, &header[..ENTRY_HEADER - 4]);
    header[ENTRY_HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    out[start..start + ENTRY_HEADER].copy_from_slice(&header);
}

fn meta_len(entry: &Entry) -> Option<u16> {
    let encoding = entry.content_encoding.as_deref().map_or(0, str::len);
    u16::try_from(6 + entry.content_type.len() + encoding + entry.destination.len()).ok()
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = bytes.split_at_checked(2)?;
    let (text, rest) = rest.split_at_checked(usize::from(u16_at(len, 0)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// The end of a segment that was finished in order: what is in it, so that a start need not read
/// it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) tally: Tally,
    pub(super) oldest: u64,
    pub(super) newest: u64,
}

impl Footer {
    pub(super) fn write(&self, salt: u64, position: u64) -> [u8; FOOTER] {
        let mut out = [0; FOOTER];
        out[..4].copy_from_slice(&FOOTER_MAGIC);
        let entries = u32::try_from(self.tally.entries).unwrap_or(u32::MAX);
        out[4..8].copy_from_slice(&entries.to_le_bytes());
        out[8..16].copy_from_slice(&self.oldest.to_le_bytes());
        out[16..24].copy_from_slice(&self.newest.to_le_bytes());
        let records = self.tally.records.iter().flatten();
        for (place, records) in out[24..FOOTER - 8].chunks_exact_mut(8).zip(records) {
            place.copy_from_slice(&records.to_le_bytes());
        }
        let crc = salted(salt, position, &out[..FOOTER - 4]);
        out[FOOTER - 4..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(super) fn read(bytes: &[u8], salt: u64, position: u64) -> Option<Self> {
        let bytes = bytes.get(..FOOTER)?;
        let crc = salted(salt, position, &bytes[..FOOTER - 4]);
        if bytes[..4] != FOOTER_MAGIC || crc != u32_at(bytes, FOOTER - 4) {
            return None;
        }
        let mut tally = Tally {
            entries: u64::from(u32_at(bytes, 4)),
            ..Tally::default()
        };
        for (index, records) in tally.records.iter_mut().flatten().enumerate() {
            *records = u64_at(bytes, 24 + 8 * index);
        }
        Some(Self {
            tally,
            oldest: u64_at(bytes, 8),
            newest: u64_at(bytes, 16),
        })
    }
}

/// One acknowledgement: the entry at this position is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) position: u32,
    /// By severity.
    pub(super) records: [u32; SEVERITIES],
    pub(super) signal: u8,
}

impl Ack {
    pub(super) fn tally(&self) -> Tally {
        Tally::one(self.signal, self.records.map(u64::from))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, salt: u64) {
        let start = out.len();
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&records_bytes(&self.records));
        out.extend_from_slice(&[self.signal, 0, 0, 0]);
        let crc = salted(salt, ACK_DOMAIN, &out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    pub(super) fn read(bytes: &[u8], salt: u64) -> Option<Self> {
        let bytes = bytes.get(..ACK)?;
        let crc = salted(salt, ACK_DOMAIN, &bytes[..ACK - 4]);
        (crc == u32_at(bytes, ACK - 4)).then(|| Self {
            position: u32_at(bytes, 0),
            records: records_at(bytes, 4),
            signal: bytes[28],
        })
    }
}

fn salted(salt: u64, position: u64, bytes: &[u8]) -> u32 {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&salt.to_le_bytes());
    seed[8..].copy_from_slice(&position.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&seed), bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        out.copy_from_slice(found);
    }
    out
}

/// A number for each severity, the least severe first.
fn records_at(bytes: &[u8], at: usize) -> [u32; SEVERITIES] {
    std::array::from_fn(|index| u32_at(bytes, at + 4 * index))
}

fn records_bytes(records: &[u32; SEVERITIES]) -> [u8; 4 * SEVERITIES] {
    let mut bytes = [0; 4 * SEVERITIES];
    for (place, records) in bytes.chunks_exact_mut(4).zip(records) {
        place.copy_from_slice(&records.to_le_bytes());
    }
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

const SEGMENT_MAGIC: &[u8; 8] = b"OTLPSPOL";
const VERSION: u16 = 2;
const HEADER_COPY: usize = 48;
/// Both copies of the segment's header.
pub(super) const SEGMENT_HEADER: usize = 2 * HEADER_COPY;
/// Not ASCII throughout, so that text rarely looks like it.
pub(super) const ENTRY_MAGIC: [u8; 4] = [0xE5, b'n', b't', 0x01];
pub(super) const ENTRY_HEADER: usize = 56;
const FOOTER_MAGIC: [u8; 4] = [0xE5, b'e', b'n', 0x01];
pub(super) const FOOTER: usize = 224;
pub(super) const ACK: usize = 36;
/// Keeps acknowledgements apart from headers, whose positions are below 2^33.
const ACK_DOMAIN: u64 = u64::MAX;

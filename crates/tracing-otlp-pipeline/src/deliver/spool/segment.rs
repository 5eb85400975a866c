//! One segment file: finding its entries, whatever happened to it.
//!
//! Part of `spool`, between `format` and `store`. A reader never trusts a length that has no valid
//! checksum, and every step forward costs time in proportion to the bytes it passes, so garbage of
//! any kind ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};

use super::{
    disk::DiskFile,
    entry::{SEVERITIES, Tally},
    format::{self, Ack, ENTRY_HEADER, ENTRY_MAGIC, EntryHeader, FOOTER, Footer, SEGMENT_HEADER},
};

/// What the store knows of a segment.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) salt: u64,
    /// The length of the file, with what is not committed.
    pub(super) len: u64,
    pub(super) ack_len: u64,
    /// Where its committed entries end.
    pub(super) data_end: u64,
    /// Where replay goes on.
    pub(super) cursor: u64,
    /// How many entries were written, for the index of the next one.
    pub(super) written: Tally,
    /// What is neither acknowledged nor gone for another reason, in flight included.
    pub(super) live: Tally,
    pub(super) oldest: u64,
    pub(super) newest: u64,
    /// Acknowledged by an earlier run, and not passed by the cursor yet.
    pub(super) acked: BTreeSet<u32>,
    /// Given out by the store: in flight, or to be given out again.
    pub(super) handed: BTreeMap<u32, Handed>,
    /// Passed by the cursor, but of a signal that nobody here sends: for another process.
    pub(super) kept: Tally,
    /// Acknowledgements on their way to the file.
    pub(super) acks: Vec<u8>,
    /// Acknowledgements are in the file that a crash of the system may take back.
    pub(super) acks_unsynced: bool,
    /// The ack file may end amid a record; it must be cut before anything is appended.
    pub(super) acks_broken: bool,
    /// Nothing is appended any more.
    pub(super) sealed: bool,
    /// Its content is known.
    pub(super) loaded: bool,
    /// The end was reached and what is missing has been counted.
    pub(super) settled: bool,
    /// Could not be read; tried again at this time.
    pub(super) aside: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Handed {
    /// What of it is not done with.
    pub(super) tally: Tally,
    /// All of it, by severity.
    pub(super) records: [u32; SEVERITIES],
    pub(super) signal: u8,
    pub(super) released: bool,
}

impl Handed {
    /// Takes away what of it is done with.
    pub(super) fn take(&mut self, done: &[u64; SEVERITIES]) -> Tally {
        self.tally.take(&Tally::part(self.signal, *done))
    }
}

impl Segment {
    /// What it takes on disk, with the footer and the acknowledgements that are still to come.
    pub(super) fn footprint(&self) -> u64 {
        let footer = if self.sealed { 0 } else { FOOTER as u64 };
        let acks = (self.acks.len() + format::ACK * self.in_live()) as u64;
        self.len + footer + self.ack_len + acks
    }

    fn in_live(&self) -> usize {
        usize::try_from(self.live.entries).unwrap_or(usize::MAX / 64)
    }

    /// What of it is in flight right now.
    pub(super) fn in_flight(&self) -> Tally {
        let mut tally = Tally::default();
        for handed in self.handed.values().filter(|handed| !handed.released) {
            tally.add(&handed.tally);
        }
        tally
    }

    pub(super) fn handed_out(&self) -> Tally {
        let mut tally = Tally::default();
        for handed in self.handed.values() {
            tally.add(&handed.tally);
        }
        tally
    }

    pub(super) fn wrote(&mut self, tally: &Tally, created: u64) {
        if self.written.entries == 0 {
            self.oldest = created;
            self.newest = created;
        }
        self.oldest = self.oldest.min(created);
        self.newest = self.newest.max(created);
        self.written.add(tally);
        self.live.add(tally);
    }
}

/// A file, read through a window.
#[derive(Debug)]
pub(super) struct Window<F> {
    file: F,
    start: u64,
    bytes: Vec<u8>,
}

impl<F: DiskFile> Window<F> {
    pub(super) fn new(file: F) -> Self {
        Self {
            file,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// The bytes of a range; `None` when it goes past the end, or the file ends sooner.
    pub(super) fn get(&mut self, at: u64, len: u64, end: u64) -> io::Result<Option<&[u8]>> {
        if at.checked_add(len).is_none_or(|last| last > end) {
            return Ok(None);
        }
        let held = self.start + self.bytes.len() as u64;
        if at < self.start || at + len > held {
            let wanted = len.max(WINDOW).min(end - at);
            let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
            self.bytes.clear();
            self.bytes.resize(wanted, 0);
            self.start = at;
            match self.file.read(at, &mut self.bytes) {
                Ok(count) => self.bytes.truncate(count),
                Err(error) => {
                    self.bytes.clear();
                    return Err(error);
                }
            }
        }
        let from = usize::try_from(at - self.start).map_err(io::Error::other)?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        Ok(self.bytes.get(from..from + len))
    }
}

/// What stands at a position.
#[derive(Debug)]
pub(super) enum Step {
    /// An entry, checked.
    Entry { header: EntryHeader, next: u64 },
    /// An entry whose header is fine and whose payload is not.
    Corrupt { header: EntryHeader, next: u64 },
    /// No entry, but one begins there.
    Gap { next: u64 },
    /// No entry, and none after it.
    End,
}

/// Looks at the position, and if there is no entry, for the next one.
pub(super) fn step<F: DiskFile>(
    window: &mut Window<F>,
    salt: u64,
    at: u64,
    end: u64,
) -> io::Result<Step> {
    let header = window
        .get(at, ENTRY_HEADER as u64, end)?
        .and_then(|bytes| EntryHeader::read(bytes, salt, at));
    let Some(header) = header else {
        return Ok(match search(window, salt, at + 1, end)? {
            Some(next) => Step::Gap { next },
            None => Step::End,
        });
    };
    let payload = at + ENTRY_HEADER as u64;
    let Some(bytes) = window.get(payload, header.payload_len(), end)? else {
        return Ok(Step::End);
    };
    let next = payload + header.payload_len();
    Ok(if header.matches(bytes) {
        Step::Entry { header, next }
    } else {
        Step::Corrupt { header, next }
    })
}

/// The payload of an entry that [`step`] has found at the position.
pub(super) fn payload<'a, F: DiskFile>(
    window: &'a mut Window<F>,
    header: &EntryHeader,
    at: u64,
    end: u64,
) -> io::Result<&'a [u8]> {
    let bytes = window.get(at + ENTRY_HEADER as u64, header.payload_len(), end)?;
    bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The next position with a valid header.
fn search<F: DiskFile>(
    window: &mut Window<F>,
    salt: u64,
    from: u64,
    end: u64,
) -> io::Result<Option<u64>> {
    const HEADER: u64 = ENTRY_HEADER as u64;
    let mut at = from;
    let limit = end.min(from.saturating_add(MAX_SEARCH));
    while at + HEADER <= limit {
        let len = WINDOW.min(limit - at);
        let Some(bytes) = window.get(at, len, end)? else {
            return Ok(None);
        };
        let headers = bytes.windows(ENTRY_HEADER).enumerate();
        for (skip, candidate) in headers {
            let position = at + skip as u64;
            if candidate[0] == ENTRY_MAGIC[0]
                && EntryHeader::read(candidate, salt, position).is_some()
            {
                return Ok(Some(position));
            }
        }
        // A header may lie across two windows.
        at += len - HEADER + 1;
    }
    Ok(None)
}

/// What was found in a file.
#[derive(Debug)]
pub(super) enum Load {
    Segment(Box<Loaded>),
    /// Written by another version.
    Foreign,
    /// No segment, or one without a readable beginning.
    Junk,
}

/// A segment, and what had to be given up in it: bytes at the end, entries before.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) segment: Segment,
    pub(super) torn: u64,
    pub(super) corrupt: Tally,
}

/// Reads a segment: its header and footer if it was finished, else all of it.
pub(super) fn load<F: DiskFile>(
    number: u64,
    file: F,
    len: u64,
    ack_bytes: &[u8],
) -> io::Result<Load> {
    let mut window = Window::new(file);
    let Some(head) = window.get(0, SEGMENT_HEADER as u64, len)? else {
        return Ok(Load::Junk);
    };
    let salt = match format::SegmentHeader::read(head) {
        format::HeaderRead::Ours(header) => header.salt,
        format::HeaderRead::Foreign => return Ok(Load::Foreign),
        format::HeaderRead::Unreadable => return Ok(Load::Junk),
    };
    let mut segment = Segment {
        number,
        salt,
        len,
        cursor: SEGMENT_HEADER as u64,
        data_end: SEGMENT_HEADER as u64,
        ack_len: ack_bytes.len() as u64,
        sealed: true,
        loaded: true,
        ..Segment::default()
    };
    let acks: Vec<Ack> = ack_bytes
        .chunks_exact(format::ACK)
        .filter_map(|bytes| Ack::read(bytes, salt))
        .collect();

    if let Some(end) = len.checked_sub(FOOTER as u64) {
        let footer = window.get(end, FOOTER as u64, len)?;
        if let Some(footer) = footer.and_then(|bytes| Footer::read(bytes, salt, end)) {
            segment.data_end = end;
            segment.written = footer.tally;
            segment.live = footer.tally;
            segment.oldest = footer.oldest;
            segment.newest = footer.newest;
            for ack in acks {
                if segment.acked.insert(ack.position) {
                    segment.live.take(&ack.tally());
                }
            }
            return Ok(Load::Segment(Box::new(Loaded {
                segment,
                torn: 0,
                corrupt: Tally::default(),
            })));
        }
    }

    let acked: BTreeSet<u32> = acks.iter().map(|ack| ack.position).collect();
    let mut corrupt = Tally::default();
    let mut at = segment.cursor;
    let mut gap = false;
    let mut expected = 0;
    loop {
        let (header, next, whole) = match step(&mut window, salt, at, len)? {
            Step::Entry { header, next } => (header, next, true),
            Step::Corrupt { header, next } => (header, next, false),
            Step::Gap { next } => {
                at = next;
                gap = true;
                continue;
            }
            Step::End => break,
        };
        if gap {
            // Their records are unknown, their number is not.
            let missing = u64::from(header.index).saturating_sub(expected).max(1);
            corrupt.entries += missing;
            gap = false;
        }
        expected = u64::from(header.index) + 1;
        let position = u32::try_from(at).map_err(io::Error::other)?;
        if acked.contains(&position) {
            segment.acked.insert(position);
        } else if whole {
            segment.wrote(&header.tally(), header.created);
        } else {
            corrupt.add(&header.tally());
            // Replay must not count it again.
            segment.acked.insert(position);
        }
        at = next;
        segment.data_end = next;
    }
    Ok(Load::Segment(Box::new(Loaded {
        torn: len - segment.data_end,
        segment,
        corrupt,
    })))
}

/// How much is read at once.
const WINDOW: u64 = 256 * 1024;
/// How far a reader looks for the next entry behind one that it cannot read: farther than any
/// request is long.
const MAX_SEARCH: u64 = 128 * 1024 * 1024;

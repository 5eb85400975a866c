//! Reads the files back into the store at the start.
//!
//! The three signals are read side by side, the older request first, so that what is kept stands in
//! about the order that it arrived in.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use std::vec;

use super::folder::{begun, files};
use super::writer::SIGNALS;
use crate::receive::decode::decode;
use crate::retain::index::Indexed;
use crate::retain::{Store, clock};
use crate::{Protocol, Signal};

/// Returns the number of lines that could not be read.
pub(crate) fn replay(dir: &Path, store: &Store) -> io::Result<u64> {
    let now = clock::now();
    let mut tapes = Vec::new();
    for signal in SIGNALS {
        let files = newest(files(dir, signal)?, store.holdings().capacity)?;
        tapes.push(Tape {
            signal,
            files: files.into_iter(),
            open: None,
            written: (0, now),
            head: None,
            unread: 0,
        });
    }
    for tape in &mut tapes {
        tape.next(store, now)?;
    }
    // Never backwards: what is read from files arrived one after the other.
    let mut latest = 0;
    while let Some(tape) = tapes
        .iter_mut()
        .filter(|tape| tape.head.is_some())
        .min_by_key(|tape| tape.head.as_ref().map_or(u64::MAX, |(time, _)| *time))
    {
        if let Some((time, indexed)) = tape.head.take() {
            let (begun, ended) = tape.written;
            latest = time.min(ended).max(begun).max(latest);
            store.accept_at(indexed, None, latest);
        }
        tape.next(store, now)?;
    }
    store.count_from_zero();
    Ok(tapes.iter().map(|tape| tape.unread).sum())
}

/// The newest files whose records may fit into memory.
///
/// A line of JSON is about three times as long as the protobuf that it becomes.
fn newest(files: Vec<PathBuf>, capacity: usize) -> io::Result<Vec<PathBuf>> {
    let mut room = (capacity as u64).saturating_mul(4);
    let mut wanted = Vec::new();
    for file in files.into_iter().rev() {
        let bytes = file.metadata()?.len();
        wanted.push(file);
        match room.checked_sub(bytes) {
            Some(left) => room = left,
            None => break,
        }
    }
    wanted.reverse();
    Ok(wanted)
}

/// When a file was last written; not later than now.
fn ended(file: &Path, now: u64) -> u64 {
    let modified = file.metadata().and_then(|data| data.modified()).ok();
    modified
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_nanos()).ok())
        .map_or(now, |time| time.min(now))
}

/// The requests of one signal, one after the other.
struct Tape {
    signal: Signal,
    files: vec::IntoIter<PathBuf>,
    open: Option<BufReader<File>>,
    /// When the open file was begun and last written. What it holds arrived between, whatever the clocks of
    /// the senders said.
    written: (u64, u64),
    /// The next request and about when it arrived.
    head: Option<(u64, Indexed)>,
    unread: u64,
}

impl Tape {
    fn next(&mut self, store: &Store, now: u64) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            let Some(reader) = &mut self.open else {
                let Some(file) = self.files.next() else {
                    return Ok(());
                };
                self.written = (begun(&file).unwrap_or(0).min(now), ended(&file, now));
                self.open = Some(BufReader::new(File::open(file)?));
                continue;
            };
            line.clear();
            reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                self.open = None;
                continue;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line = std::mem::take(&mut line);
            let capacity = store.capacity();
            match decode(self.signal, Protocol::HttpJson, line.into(), &capacity) {
                Ok(indexed) => {
                    // No line says when it arrived; its newest record is not far from that.
                    let time = indexed.chunk.times.1.min(now);
                    self.head = Some((time, indexed));
                    return Ok(());
                }
                Err(_) => self.unread += 1,
            }
        }
    }
}

/// No line that was written is longer.
const MAX_LINE: u64 = 1024 * 1024 * 1024;

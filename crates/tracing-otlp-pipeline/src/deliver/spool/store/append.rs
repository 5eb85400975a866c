//! How entries get in: staged, then committed as a group, all of it or nothing.
//!
//! Part of `store`. Nothing is ever appended behind an error: a segment that failed is given up,
//! and the next group begins a new one.

use std::io;

use super::{Active, Leave, Now, Store};
use crate::deliver::spool::{
    disk::{Disk, DiskFile as _},
    entry::Entry,
    error::Refusal,
    format::{self, FOOTER, Footer, SEGMENT_HEADER, SegmentHeader},
    segment::Segment,
};

impl<D: Disk> Store<D> {
    /// How many staged bytes are worth a commit.
    pub(in crate::deliver::spool) fn commit_bytes(&self) -> u64 {
        self.bounds.commit_bytes
    }

    /// How many bytes are staged.
    pub(in crate::deliver::spool) fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    /// Whether the staged entries should be committed before this one is staged.
    pub(in crate::deliver::spool) fn is_group_full(&self, entry: &Entry) -> bool {
        let len = format::entry_len(entry).unwrap_or(0);
        !self.staged.is_empty() && self.staged_bytes + len > self.bounds.commit_bytes
    }

    /// Takes an entry for the next commit.
    pub(in crate::deliver::spool) fn stage(&mut self, entry: Entry) -> Result<(), Refusal> {
        let len = format::entry_len(&entry).ok_or(Refusal::TooLarge)?;
        let alone = len + (SEGMENT_HEADER + FOOTER + format::ACK) as u64;
        if alone > self.bounds.max_bytes {
            return Err(Refusal::TooLarge);
        }
        self.staged_bytes += len;
        self.staged.push(entry);
        Ok(())
    }

    /// Makes all staged entries durable, or none of them: then they are out of the store again,
    /// though a later start may find them, where the disk kept what it said it could not.
    pub(in crate::deliver::spool) fn commit(&mut self, now: Now) -> io::Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut self.staged);
        let bytes = std::mem::take(&mut self.staged_bytes);
        let done = self.try_commit(&entries, bytes, now);
        if done.is_err() {
            self.abandon();
        }
        done
    }

    fn try_commit(&mut self, entries: &[Entry], bytes: u64, now: Now) -> io::Result<()> {
        let reserve = bytes + (format::ACK * entries.len()) as u64;
        let full = self.active_segment().is_some_and(|segment| {
            segment.written.entries > 0 && segment.len + bytes > self.bounds.segment_bytes
        });
        if full {
            self.seal();
        }
        // The group and the files it may need fit in before anything is written.
        self.make_room(reserve + (SEGMENT_HEADER + FOOTER) as u64);
        if self.bytes() + reserve > self.bounds.max_bytes {
            return Err(io::Error::other("files that cannot be deleted fill it"));
        }
        if self.active.is_none() {
            self.create(now)?;
        }
        let Some(active) = &mut self.active else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let Some(segment) = self.segments.get_mut(&active.number) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.buffer.clear();
        let mut index = u32::try_from(segment.written.entries).map_err(io::Error::other)?;
        for entry in entries {
            let position = segment.len + self.buffer.len() as u64;
            u32::try_from(position).map_err(io::Error::other)?;
            format::write_entry(&mut self.buffer, entry, index, segment.salt, position);
            index = index.saturating_add(1);
        }
        // Counted first: after an error any part of it may be there.
        segment.len += self.buffer.len() as u64;
        active.file.write(&self.buffer)?;
        active.file.sync()?;
        if !active.named {
            self.disk.sync()?;
            active.named = true;
        }
        active.idle_since = None;
        segment.data_end = segment.len;
        for entry in entries {
            let tally = entry.tally();
            segment.wrote(&tally, entry.created_nanos());
            self.counts.appended.add(&tally);
        }
        Ok(())
    }

    pub(super) fn active_segment(&self) -> Option<&Segment> {
        self.segments.get(&self.active.as_ref()?.number)
    }

    fn create(&mut self, now: Now) -> io::Result<()> {
        let (number, mut file) = self.create_file()?;
        let salt = self.disk.random();
        let mut header = Vec::with_capacity(SEGMENT_HEADER);
        SegmentHeader {
            number,
            salt,
            created: now.wall,
        }
        .write(&mut header);
        let segment = Segment {
            number,
            salt,
            len: SEGMENT_HEADER as u64,
            data_end: SEGMENT_HEADER as u64,
            cursor: SEGMENT_HEADER as u64,
            loaded: true,
            ..Segment::default()
        };
        self.segments.insert(number, segment);
        let written = file.write(&header);
        self.active = Some(Active {
            number,
            file,
            named: false,
            idle_since: None,
        });
        written
    }

    /// A file with the next number whose name is free.
    fn create_file(&mut self) -> io::Result<(u64, D::File)> {
        let mut tries = 0;
        loop {
            let number = self.next_number;
            // Also after a failure: the name may exist now.
            self.next_number = number.saturating_add(1);
            match self.disk.create(&format::segment_name(number)) {
                Ok(file) => return Ok((number, file)),
                // Something that is no file, or appeared after the start.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the active segment after a failed write: nothing behind its last commit counts.
    fn abandon(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        let name = format::segment_name(active.number);
        drop(active.file);
        let Some(segment) = self.segments.get_mut(&active.number) else {
            return;
        };
        segment.sealed = true;
        // What does not count should not be found by a later start either.
        match self.disk.truncate(&name, segment.data_end) {
            Ok(()) => segment.len = segment.data_end,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.leave(active.number, Leave::Vanished);
                return;
            }
            Err(_) => {}
        }
        self.delete_if_done(active.number);
    }

    /// Ends the active segment in order.
    pub(super) fn seal(&mut self) {
        let Some(mut active) = self.active.take() else {
            return;
        };
        let Some(segment) = self.segments.get_mut(&active.number) else {
            return;
        };
        segment.sealed = true;
        if segment.live.entries == 0 {
            self.delete(active.number);
            return;
        }
        let footer = Footer {
            tally: segment.written,
            oldest: segment.oldest,
            newest: segment.newest,
        };
        if active
            .file
            .write(&footer.write(segment.salt, segment.len))
            .is_ok()
        {
            segment.len += FOOTER as u64;
            // Only saves reading at the next start; the entries are durable already.
            let _ = active.file.sync();
        } else {
            let name = format::segment_name(active.number);
            let _ = self.disk.truncate(&name, segment.data_end);
        }
    }
}

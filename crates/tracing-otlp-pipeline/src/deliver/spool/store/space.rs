//! How what is too much, too old or done with leaves the disk.
//!
//! Part of `store`. Whole segments leave; a file that cannot be deleted now is tried again later.

use std::{collections::BTreeSet, io};

use super::{Id, Leave, Store};
use crate::deliver::spool::{disk::Disk, entry::Tally, format};

impl<D: Disk> Store<D> {
    /// Lets the oldest leave until this many bytes more fit in.
    pub(super) fn make_room(&mut self, bytes: u64) {
        while self.bytes().saturating_add(bytes) > self.bounds.max_bytes {
            let Some(number) = self.segments.keys().next().copied() else {
                return;
            };
            self.leave(number, Leave::Evicted);
        }
    }

    pub(super) fn leave(&mut self, number: u64, leave: Leave) {
        let Some(segment) = self.segments.get_mut(&number) else {
            return;
        };
        let mut gone = segment.live;
        gone.take(&segment.in_flight());
        for (position, handed) in &segment.handed {
            if !handed.released {
                let id = Id {
                    segment: number,
                    position: *position,
                };
                self.orphans.insert(id, (*handed, leave));
            }
        }
        self.count_leaving(&gone, leave);
        self.delete(number);
    }

    pub(super) fn count_leaving(&mut self, tally: &Tally, leave: Leave) {
        match leave {
            Leave::Evicted => self.counts.evicted.add(tally),
            Leave::Expired => self.counts.expired.add(tally),
            Leave::Vanished => self.counts.corrupt.add(tally),
        }
    }

    /// Looks whether all segments are still there: what somebody has deleted is not on disk.
    pub(super) fn miss(&mut self) {
        let there = match self.disk.list() {
            Ok(files) => files.into_iter().map(|(name, _)| name).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(_) => return,
        };
        let is_gone = |number: &u64| !there.contains(&format::segment_name(*number));
        let gone: Vec<u64> = self.segments.keys().copied().filter(is_gone).collect();
        for number in gone {
            self.leave(number, Leave::Vanished);
        }
    }

    pub(super) fn delete_if_done(&mut self, number: u64) {
        let done = self
            .segments
            .get(&number)
            .is_some_and(|segment| segment.sealed && segment.loaded && segment.live.entries == 0);
        if done {
            self.delete(number);
        }
    }

    /// Deletes the files of a segment whose content has been counted.
    pub(super) fn delete(&mut self, number: u64) {
        let Some(segment) = self.segments.remove(&number) else {
            return;
        };
        if self
            .active
            .as_ref()
            .is_some_and(|active| active.number == number)
        {
            self.active = None;
        }
        if self.reader.as_ref().is_some_and(|(of, _)| *of == number) {
            self.reader = None;
        }
        let removed = self.remove(format::segment_name(number), segment.len);
        // The acknowledgements stay until the segment is surely gone: without them it would be
        // sent again, all of it, if the crash came now. The next start removes them otherwise.
        let durable = removed && self.disk.sync().is_ok();
        self.names_unsynced |= removed && !durable;
        if segment.ack_len > 0 && durable {
            self.remove(format::ack_name(number), segment.ack_len);
        }
    }

    /// Deletes a file, later if need be.
    pub(super) fn remove(&mut self, name: String, bytes: u64) -> bool {
        match self.disk.remove(&name) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(_) => {
                self.undead.insert(name, bytes);
                false
            }
        }
    }
}

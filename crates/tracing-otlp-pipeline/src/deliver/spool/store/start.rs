//! What a start makes of the files of earlier runs.
//!
//! Part of `store`. Only the directory itself can make it fail: whatever is in the files is borne,
//! and a file that cannot be read now is tried again during replay.

use std::{collections::BTreeMap, io};

use super::{ASIDE, Now, Recovered, Signals, SpoolCounts, Store, Unopened};
use crate::deliver::spool::{
    disk::{Disk, DiskFile as _},
    entry::Tally,
    format::{self, Name},
    segment::{self, Load, Loaded, Segment},
    settings::Bounds,
};

impl<D: Disk> Store<D> {
    pub(in crate::deliver::spool) fn open(
        disk: D,
        bounds: Bounds,
        signals: Signals,
        now: Now,
    ) -> Result<(Self, Recovered), Unopened> {
        let io = |action| move |error| Unopened::Io(action, error);
        disk.prepare().map_err(io("create"))?;
        let lock = disk.lock().map_err(io("lock"))?.ok_or(Unopened::Locked)?;
        let files = disk.list().map_err(io("list"))?;
        let mut store = Self {
            disk,
            bounds,
            signals,
            segments: BTreeMap::new(),
            active: None,
            reader: None,
            next_number: 1,
            staged: Vec::new(),
            staged_bytes: 0,
            buffer: Vec::new(),
            counts: SpoolCounts::default(),
            orphans: BTreeMap::new(),
            undead: BTreeMap::new(),
            names_unsynced: false,
            foreign_files: 0,
            _lock: lock,
        };
        let recovered = store.recover(&files, now);
        Ok((store, recovered))
    }

    fn recover(&mut self, files: &[(String, u64)], now: Now) -> Recovered {
        let mut ack_files = Vec::new();
        for (name, len) in files {
            let (Name::Segment(number) | Name::Acks(number)) = format::name(name) else {
                continue;
            };
            self.next_number = self.next_number.max(number.saturating_add(1));
            if format::name(name) == Name::Acks(number) {
                ack_files.push(number);
                continue;
            }
            let unknown = Segment {
                number,
                len: *len,
                sealed: true,
                aside: Some(now.steady),
                ..Segment::default()
            };
            self.segments.insert(number, unknown);
        }
        ack_files.retain(|number| !self.segments.contains_key(number));
        // A segment that is gone may come back with the next power failure, and needs its
        // acknowledgements then.
        if !ack_files.is_empty() && self.disk.sync().is_ok() {
            for number in ack_files {
                self.remove(format::ack_name(number), 0);
            }
        }
        let mut recovered = Recovered::default();
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        for number in numbers {
            let (torn, corrupt) = self.load(number, now);
            recovered.torn_bytes += torn;
            recovered.corrupt.add(&corrupt);
        }
        let unread = self.segments.values().filter(|segment| !segment.loaded);
        recovered.unreadable_files = unread.count() as u64;
        recovered.foreign_files = self.foreign_files;
        recovered.spooled = self.counts.recovered;
        self.tick(now);
        self.make_room(0);
        recovered.bytes = self.bytes();
        recovered
    }

    /// Reads a segment that was not read before. A failure puts it aside.
    pub(super) fn load(&mut self, number: u64, now: Now) -> (u64, Tally) {
        let nothing = (0, Tally::default());
        let Some(len) = self.segments.get(&number).map(|segment| segment.len) else {
            return nothing;
        };
        let name = format::segment_name(number);
        let loaded = self.read_acks(number).and_then(|(acks, broken)| {
            let file = self.disk.open(&name)?;
            Ok((segment::load(number, file, len, &acks)?, broken))
        });
        match loaded {
            Ok((Load::Segment(loaded), broken)) => {
                let Loaded {
                    mut segment,
                    torn,
                    corrupt,
                } = *loaded;
                if torn > 0 && self.disk.truncate(&name, segment.data_end).is_ok() {
                    segment.len = segment.data_end;
                }
                segment.acks_broken = broken;
                self.counts.recovered.add(&segment.live);
                let empty = segment.live.entries == 0;
                self.segments.insert(number, segment);
                if empty {
                    self.delete(number);
                }
                (torn, corrupt)
            }
            Ok((Load::Foreign, _)) => {
                self.segments.remove(&number);
                self.foreign_files += 1;
                nothing
            }
            Ok((Load::Junk, _)) => {
                self.delete(number);
                (len, nothing.1)
            }
            Err(_) => {
                if let Some(segment) = self.segments.get_mut(&number) {
                    segment.aside = Some(now.steady + ASIDE);
                }
                nothing
            }
        }
    }

    /// The acknowledgements of a segment, and whether no more can be appended.
    fn read_acks(&self, number: u64) -> io::Result<(Vec<u8>, bool)> {
        let name = format::ack_name(number);
        let mut file = match self.disk.open(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Vec::new(), false));
            }
            Err(error) => return Err(error),
        };
        let mut acks = Vec::new();
        loop {
            let start = acks.len();
            if start >= MAX_ACK_BYTES {
                break;
            }
            acks.resize(start + ACK_CHUNK, 0);
            let count = file.read(start as u64, &mut acks[start..])?;
            acks.truncate(start + count);
            if count < ACK_CHUNK {
                break;
            }
        }
        let whole = acks.len() / format::ACK * format::ACK;
        let broken = whole < acks.len() && self.disk.truncate(&name, whole as u64).is_err();
        acks.truncate(whole);
        Ok((acks, broken))
    }
}

const ACK_CHUNK: usize = 64 * 1024;
/// More acknowledgements than entries fit into a segment.
const MAX_ACK_BYTES: usize = 512 * 1024 * 1024;

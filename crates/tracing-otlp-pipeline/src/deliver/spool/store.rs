//! The spool without its thread: what is on disk, in which order, and what may leave.
//!
//! Heart of `spool`, above `segment` and `disk`, driven by the `worker` and, action by action, by
//! the tests' model. Time is an argument.
//!
//! Invariants: an entry whose commit succeeded is given out by `next` until it is acknowledged,
//! too old, the oldest when space is needed, or found damaged, and is counted under exactly one of
//! these. A file that could not be read is never deleted for that.

use std::{collections::BTreeMap, io, time::Duration};

use super::{
    disk::{Disk, DiskFile},
    entry::{Entry, Tally},
    error::Refusal,
    format::{self, Ack, FOOTER, Footer, Name, SEGMENT_HEADER, SegmentHeader},
    segment::{self, Handed, Load, Segment, Step, Window},
    settings::Bounds,
};

/// Both clocks. Age goes by the wall clock, which may jump; everything else by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Nanoseconds since 1970.
    pub(super) wall: u64,
    /// Since any fixed moment of this run.
    pub(super) steady: Duration,
}

/// Where an entry is; in the order of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    segment: u64,
    position: u32,
}

/// What was found at a start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// What waits to be sent.
    pub spooled: Tally,
    /// The bytes of all files.
    pub bytes: u64,
    /// The bytes cut from ends that were being written when the process died.
    pub torn_bytes: u64,
    /// Entries that cannot be read; their records as far as they are known.
    pub corrupt: Tally,
    /// Files that could not be read now; they stay, and are tried again.
    pub unreadable_files: u64,
}

/// What became of everything that was recovered or appended in this run: `recovered + appended ==
/// spooled + acked + evicted + expired + corrupt`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolCounts {
    /// What earlier runs left.
    pub recovered: Tally,
    /// What became durable in this run.
    pub appended: Tally,
    /// What is on disk and not done with, in flight included.
    pub spooled: Tally,
    /// What was acknowledged.
    pub acked: Tally,
    /// What left as the oldest, for lack of space.
    pub evicted: Tally,
    /// What left because of its age.
    pub expired: Tally,
    /// What could not be read any more.
    pub corrupt: Tally,
    /// The bytes that the files take, or will take with what is reserved for their ends.
    pub bytes: u64,
}

/// Why something leaves without having been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    Evicted,
    Expired,
}

#[derive(Debug)]
pub(super) struct Store<D: Disk> {
    disk: D,
    bounds: Bounds,
    /// By number, which is by age. The one that is written is the last, if there is one.
    segments: BTreeMap<u64, Segment>,
    active: Option<Active<D::File>>,
    reader: Option<(u64, Window<D::File>)>,
    next_number: u64,
    staged: Vec<Entry>,
    staged_bytes: u64,
    buffer: Vec<u8>,
    counts: SpoolCounts,
    /// In flight, of segments that are gone.
    orphans: BTreeMap<Id, (Tally, Leave)>,
    /// Files that should be gone but could not be deleted, with their sizes.
    undead: BTreeMap<String, u64>,
    /// Deleted files that a crash of the system may bring back.
    names_unsynced: bool,
    _lock: D::Lock,
}

#[derive(Debug)]
struct Active<F> {
    number: u64,
    file: F,
    /// The name is durable.
    named: bool,
    /// Since when it holds nothing that is needed.
    idle_since: Option<Duration>,
}

/// Why a store could not be opened.
#[derive(Debug)]
pub(super) enum Unopened {
    Locked,
    Io(&'static str, io::Error),
}

impl<D: Disk> Store<D> {
    pub(super) fn open(disk: D, bounds: Bounds, now: Now) -> Result<(Self, Recovered), Unopened> {
        let io = |action| move |error| Unopened::Io(action, error);
        disk.prepare().map_err(io("create"))?;
        let lock = disk.lock().map_err(io("lock"))?.ok_or(Unopened::Locked)?;
        let files = disk.list().map_err(io("list"))?;
        let mut store = Self {
            disk,
            bounds,
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
        recovered.spooled = self.counts.recovered;
        self.tick(now);
        self.make_room(0);
        recovered.bytes = self.bytes();
        recovered
    }

    /// Reads a segment that was not read before. A failure puts it aside.
    fn load(&mut self, number: u64, now: Now) -> (u64, Tally) {
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
            Ok((
                Load::Segment {
                    mut segment,
                    torn,
                    corrupt,
                },
                broken,
            )) => {
                if torn > 0 && self.disk.truncate(&name, segment.data_end).is_ok() {
                    segment.len = segment.data_end;
                }
                segment.acks_broken = broken;
                self.counts.recovered.add(&segment.live);
                let empty = segment.live.entries == 0;
                self.segments.insert(number, *segment);
                if empty {
                    self.delete(number);
                }
                (torn, corrupt)
            }
            Ok((Load::Newer, _)) => {
                self.segments.remove(&number);
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

    /// How many staged bytes are worth a commit.
    pub(super) fn commit_bytes(&self) -> u64 {
        self.bounds.commit_bytes
    }

    /// How many bytes are staged.
    pub(super) fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    /// Whether the staged entries should be committed before this one is staged.
    pub(super) fn is_group_full(&self, entry: &Entry) -> bool {
        let len = format::entry_len(entry).unwrap_or(0);
        !self.staged.is_empty() && self.staged_bytes + len > self.bounds.commit_bytes
    }

    /// Takes an entry for the next commit.
    pub(super) fn stage(&mut self, entry: Entry) -> Result<(), Refusal> {
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
    pub(super) fn commit(&mut self, now: Now) -> io::Result<()> {
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
            let tally = Tally::one(super::entry::signal_code(entry.signal), entry.records);
            segment.wrote(&tally, entry.created_nanos());
            self.counts.appended.add(&tally);
        }
        Ok(())
    }

    fn active_segment(&self) -> Option<&Segment> {
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
        if self.disk.truncate(&name, segment.data_end).is_ok() {
            segment.len = segment.data_end;
        }
        self.delete_if_done(active.number);
    }

    /// Ends the active segment in order.
    fn seal(&mut self) {
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

    /// The oldest entry that is not in flight, which is from now on.
    pub(super) fn next(&mut self, now: Now) -> Option<(Id, Entry)> {
        let numbers: Vec<u64> = self.segments.keys().copied().collect();
        for number in numbers {
            let Some(segment) = self.segments.get(&number) else {
                continue;
            };
            if segment.aside.is_some_and(|until| until > now.steady) {
                continue;
            }
            if !segment.loaded {
                self.load(number, now);
            }
            match self.next_of(number, now) {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(_) => {
                    self.reader = None;
                    if let Some(segment) = self.segments.get_mut(&number) {
                        segment.aside = Some(now.steady + ASIDE);
                    }
                }
            }
        }
        None
    }

    fn next_of(&mut self, number: u64, now: Now) -> io::Result<Option<(Id, Entry)>> {
        loop {
            let Some(segment) = self.segments.get_mut(&number) else {
                return Ok(None);
            };
            if !segment.loaded {
                return Ok(None);
            }
            segment.aside = None;
            let released = segment.handed.iter().find(|(_, handed)| handed.released);
            let released = released.map(|(position, _)| *position);
            if released.is_none() && segment.cursor >= segment.data_end {
                self.reach_end(number);
                return Ok(None);
            }
            let at = released.map_or(segment.cursor, u64::from);
            let window = match &mut self.reader {
                Some((of, window)) if *of == number => window,
                reader => {
                    let file = self.disk.open(&format::segment_name(number))?;
                    &mut reader.insert((number, Window::new(file))).1
                }
            };
            let end = segment.data_end;
            let step = segment::step(window, segment.salt, at, end)?;
            let position = u32::try_from(at).map_err(io::Error::other)?;
            if released.is_none() {
                segment.cursor = match &step {
                    Step::Entry { next, .. } | Step::Corrupt { next, .. } | Step::Gap { next } => {
                        *next
                    }
                    Step::End => end,
                };
                if segment.acked.remove(&position) {
                    continue;
                }
            }
            let Step::Entry { header, .. } = step else {
                // A gap or an end says nothing about what was there: that is counted at the end of
                // the segment, as what is missing. A released entry was counted one by one.
                let tally = match (&step, segment.handed.remove(&position)) {
                    (_, Some(handed)) => handed.tally,
                    (Step::Corrupt { header, .. }, None) => header.tally(),
                    _ => continue,
                };
                let lost = segment.live.take(&tally);
                self.counts.corrupt.add(&lost);
                self.delete_if_done(number);
                continue;
            };
            let tally = header.tally();
            if is_expired(header.created, &self.bounds, now) {
                segment.handed.remove(&position);
                let gone = segment.live.take(&tally);
                self.counts.expired.add(&gone);
                self.delete_if_done(number);
                continue;
            }
            let payload = segment::payload(window, &header, at, end)?;
            let Some(entry) = header.entry(payload) else {
                segment.handed.remove(&position);
                let lost = segment.live.take(&tally);
                self.counts.corrupt.add(&lost);
                self.delete_if_done(number);
                continue;
            };
            let handed = Handed {
                tally,
                records: header.records,
                signal: header.signal,
                released: false,
            };
            segment.handed.insert(position, handed);
            let id = Id {
                segment: number,
                position,
            };
            return Ok(Some((id, entry)));
        }
    }

    /// All of a finished segment has been read: what was not found is lost.
    fn reach_end(&mut self, number: u64) {
        let Some(segment) = self.segments.get_mut(&number) else {
            return;
        };
        if segment.sealed && !segment.settled {
            segment.settled = true;
            let mut missing = segment.live;
            missing.take(&segment.handed_out());
            let lost = segment.live.take(&missing);
            self.counts.corrupt.add(&lost);
        }
        self.delete_if_done(number);
    }

    /// The entry is done with: delivered, or refused for good.
    pub(super) fn ack(&mut self, id: Id) {
        if let Some((tally, _)) = self.orphans.remove(&id) {
            self.counts.acked.add(&tally);
            return;
        }
        let Some(segment) = self.segments.get_mut(&id.segment) else {
            return;
        };
        let Some(handed) = segment.handed.remove(&id.position) else {
            return;
        };
        let done = segment.live.take(&handed.tally);
        self.counts.acked.add(&done);
        let ack = Ack {
            position: id.position,
            records: handed.records,
            signal: handed.signal,
        };
        ack.write(&mut segment.acks, segment.salt);
        self.delete_if_done(id.segment);
    }

    /// The entry is to be given out again.
    pub(super) fn release(&mut self, id: Id) {
        if let Some((tally, leave)) = self.orphans.remove(&id) {
            self.count_leaving(&tally, leave);
            return;
        }
        let handed = self
            .segments
            .get_mut(&id.segment)
            .and_then(|segment| segment.handed.get_mut(&id.position));
        if let Some(handed) = handed {
            handed.released = true;
        }
    }

    /// Writes the acknowledgements since the last time: they outlast the process from here on, and
    /// with `durable` the system too. Failing means that some entries may be sent twice.
    pub(super) fn write_acks(&mut self, durable: bool) -> bool {
        let mut all = true;
        let mut synced = false;
        for segment in self.segments.values_mut() {
            let wanted = !segment.acks.is_empty() || (durable && segment.acks_unsynced);
            if !wanted {
                continue;
            }
            let name = format::ack_name(segment.number);
            let disk = &self.disk;
            if segment.acks_broken {
                // Behind half a record nothing would be found.
                segment.acks_broken = match disk.truncate(&name, segment.ack_len) {
                    Ok(()) => false,
                    Err(error) => error.kind() != io::ErrorKind::NotFound,
                };
            }
            let written = !segment.acks_broken
                && disk
                    .append(&name)
                    .and_then(|mut file| {
                        file.write(&segment.acks)?;
                        if durable { file.sync() } else { Ok(()) }
                    })
                    .is_ok();
            if written {
                segment.ack_len += segment.acks.len() as u64;
                segment.acks.clear();
                segment.acks_unsynced = !durable;
                synced |= durable;
            } else {
                // They stay for the next time.
                all = false;
                segment.acks_broken = true;
            }
        }
        if durable && (synced || self.names_unsynced) {
            self.names_unsynced = self.disk.sync().is_err();
        }
        all && !(durable && (self.names_unsynced || !self.undead.is_empty()))
    }

    /// What only needs to happen now and then: ages, and files that are not needed any more.
    pub(super) fn tick(&mut self, now: Now) {
        let undead = std::mem::take(&mut self.undead);
        for (name, bytes) in undead {
            self.remove(name, bytes);
        }
        let expired: Vec<u64> = self
            .segments
            .values()
            .filter(|segment| segment.loaded && segment.live.entries > 0)
            .filter(|segment| is_expired(segment.newest, &self.bounds, now))
            .map(|segment| segment.number)
            .collect();
        for number in expired {
            self.leave(number, Leave::Expired);
        }
        let idle = self
            .active_segment()
            .is_some_and(|segment| segment.live.entries == 0 && segment.written.entries > 0);
        let mut seal = false;
        if let Some(active) = &mut self.active {
            if idle {
                let since = *active.idle_since.get_or_insert(now.steady);
                seal = now.steady.saturating_sub(since) >= IDLE;
            } else {
                active.idle_since = None;
            }
        }
        if seal {
            self.seal();
        }
    }

    /// Ends in order: the next start need not read what was written.
    pub(super) fn close(&mut self) {
        self.write_acks(true);
        self.seal();
    }

    pub(super) fn counts(&self) -> SpoolCounts {
        let mut counts = self.counts;
        counts.spooled = Tally::default();
        for segment in self.segments.values() {
            counts.spooled.add(&segment.live);
        }
        for (tally, _) in self.orphans.values() {
            counts.spooled.add(tally);
        }
        counts.bytes = self.bytes();
        counts
    }

    fn bytes(&self) -> u64 {
        let segments = self.segments.values().map(Segment::footprint);
        segments.sum::<u64>() + self.undead.values().sum::<u64>()
    }

    /// Lets the oldest leave until this many bytes more fit in.
    fn make_room(&mut self, bytes: u64) {
        while self.bytes().saturating_add(bytes) > self.bounds.max_bytes {
            let Some(number) = self.segments.keys().next().copied() else {
                return;
            };
            self.leave(number, Leave::Evicted);
        }
    }

    fn leave(&mut self, number: u64, leave: Leave) {
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
                self.orphans.insert(id, (handed.tally, leave));
            }
        }
        self.count_leaving(&gone, leave);
        self.delete(number);
    }

    fn count_leaving(&mut self, tally: &Tally, leave: Leave) {
        match leave {
            Leave::Evicted => self.counts.evicted.add(tally),
            Leave::Expired => self.counts.expired.add(tally),
        }
    }

    fn delete_if_done(&mut self, number: u64) {
        let done = self
            .segments
            .get(&number)
            .is_some_and(|segment| segment.sealed && segment.loaded && segment.live.entries == 0);
        if done {
            self.delete(number);
        }
    }

    /// Deletes the files of a segment whose content has been counted.
    fn delete(&mut self, number: u64) {
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
    fn remove(&mut self, name: String, bytes: u64) -> bool {
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

/// An entry from the future, because the clock was set back, has age zero.
fn is_expired(created: u64, bounds: &Bounds, now: Now) -> bool {
    now.wall.saturating_sub(created) > bounds.max_age
}

/// How long a file that could not be read is left alone.
const ASIDE: Duration = Duration::from_secs(5);
/// How long the active segment may be of no use before it is deleted.
const IDLE: Duration = Duration::from_secs(1);
const ACK_CHUNK: usize = 64 * 1024;
/// More acknowledgements than entries fit into a segment.
const MAX_ACK_BYTES: usize = 512 * 1024 * 1024;

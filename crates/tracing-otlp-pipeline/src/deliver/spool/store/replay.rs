//! How entries get out, oldest first, and back in when nobody took them.
//!
//! Part of `store`. An entry that was given out is in flight until it is acknowledged or released,
//! even if its segment has left meanwhile.

use std::io;

use super::{ASIDE, Id, Leave, Now, Signals, Store, is_expired};
use crate::deliver::spool::{
    disk::{Disk, DiskFile as _},
    entry::{Entry, SEVERITIES},
    format::{self, Ack},
    segment::{self, Handed, Segment, Step, Window},
};

/// How many entries may be remembered as passed over, or given back, before nothing behind them is
/// looked at: each costs memory, some 300 bytes.
const MOST_PASSED_OVER: usize = 4096;

impl<D: Disk> Store<D> {
    /// The oldest entry of these signals that is not in flight, which is from now on. Others are passed
    /// over, to be given out when they are wanted.
    pub(in crate::deliver::spool) fn next(
        &mut self,
        now: Now,
        wanted: Signals,
    ) -> Option<(Id, Entry)> {
        let given_back = |segment: &Segment| segment.handed.values().filter(|h| h.released).count();
        let mut passed = self.segments.values().map(given_back).sum();
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
            match self.next_of(number, now, wanted, &mut passed) {
                Ok(Some(found)) => return Some(found),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.leave(number, Leave::Vanished);
                }
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

    fn next_of(
        &mut self,
        number: u64,
        now: Now,
        wanted: Signals,
        passed: &mut usize,
    ) -> io::Result<Option<(Id, Entry)>> {
        loop {
            let Some(segment) = self.segments.get_mut(&number) else {
                return Ok(None);
            };
            if !segment.loaded {
                return Ok(None);
            }
            segment.aside = None;
            let mut handed = segment.handed.iter();
            let released =
                handed.find(|(_, handed)| handed.released && wanted.serve(handed.signal));
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
            // Of an entry that came back a part may be done with.
            let handed = segment.handed.get(&position);
            let tally = handed.map_or_else(|| header.tally(), |handed| handed.tally);
            if is_expired(header.created, &self.bounds, now) {
                segment.handed.remove(&position);
                let gone = segment.live.take(&tally);
                self.counts.expired.add(&gone);
                self.delete_if_done(number);
                continue;
            }
            if !self.signals.serve(header.signal) {
                segment.kept.add(&tally);
                continue;
            }
            if !wanted.serve(header.signal) {
                if *passed >= MOST_PASSED_OVER {
                    segment.cursor = at;
                    return Ok(None);
                }
                *passed += 1;
                let passed_over = Handed {
                    tally,
                    records: header.records,
                    signal: header.signal,
                    released: true,
                };
                segment.handed.insert(position, passed_over);
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
            missing.take(&segment.kept);
            let lost = segment.live.take(&missing);
            self.counts.corrupt.add(&lost);
        }
        self.delete_if_done(number);
    }

    /// The entry is done with: delivered, or refused for good.
    pub(in crate::deliver::spool) fn ack(&mut self, id: Id) {
        if let Some((handed, _)) = self.orphans.remove(&id) {
            self.counts.acked.add(&handed.tally);
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

    /// The entry is to be given out again. What of it is done with counts as acknowledged, though it
    /// will come again with the rest.
    pub(in crate::deliver::spool) fn release(&mut self, id: Id, done: &[u64; SEVERITIES]) {
        if let Some((mut handed, leave)) = self.orphans.remove(&id) {
            self.counts.acked.add(&handed.take(done));
            self.count_leaving(&handed.tally, leave);
            return;
        }
        let Some(segment) = self.segments.get_mut(&id.segment) else {
            return;
        };
        let Some(handed) = segment.handed.get_mut(&id.position) else {
            return;
        };
        let done = handed.take(done);
        self.counts.acked.add(&segment.live.take(&done));
        handed.released = true;
    }

    /// Writes the acknowledgements since the last time: they outlast the process from here on, and
    /// with `durable` the system too. Failing means that some entries may be sent twice.
    pub(in crate::deliver::spool) fn write_acks(&mut self, durable: bool) -> bool {
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
}

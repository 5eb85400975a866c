//! The spool without its thread: what is on disk, in which order, and what may leave.
//!
//! Heart of `spool`, above `segment` and `disk`, driven by the `worker` and, action by action, by
//! the tests' model. Time is an argument.
//!
//! Invariants: an entry whose commit succeeded is given out by `next` until it is acknowledged,
//! too old, the oldest when space is needed, or found damaged, and is counted under exactly one of
//! these. A file that could not be read is never deleted for that. Entries of a signal that nobody
//! here sends are passed over and stay; age and space end them as they end the others.

mod append;
mod replay;
mod space;
mod start;

use std::{collections::BTreeMap, io, time::Duration};

use super::{
    disk::Disk,
    entry::{self, Entry, Tally},
    segment::{Handed, Segment, Window},
    settings::Bounds,
};
use crate::settings::Signal;

/// Both clocks. Age goes by the wall clock, which may jump; everything else by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Nanoseconds since 1970.
    pub(super) wall: u64,
    /// Since any fixed moment of this run.
    pub(super) steady: Duration,
}

/// The signals whose entries somebody here can send; the others stay for another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signals([bool; Signal::ALL.len()]);

impl Signals {
    pub(super) fn of(signals: &[Signal]) -> Self {
        Self(Signal::ALL.map(|signal| signals.contains(&signal)))
    }

    /// Asked of a code of the format; one that is unknown here is for a newer version.
    fn serve(self, code: u8) -> bool {
        entry::signal_of(code).is_some_and(|signal| self.0[signal as usize])
    }
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
    /// Files of another version of the format; they stay as they are.
    pub foreign_files: u64,
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
    /// Somebody else has deleted its file.
    Vanished,
}

#[derive(Debug)]
pub(super) struct Store<D: Disk> {
    disk: D,
    bounds: Bounds,
    signals: Signals,
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
    orphans: BTreeMap<Id, (Handed, Leave)>,
    /// Files that should be gone but could not be deleted, with their sizes.
    undead: BTreeMap<String, u64>,
    /// Deleted files that a crash of the system may bring back.
    names_unsynced: bool,
    /// Segments of another version that were seen.
    foreign_files: u64,
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
        self.miss();
    }

    pub(super) fn counts(&self) -> SpoolCounts {
        let mut counts = self.counts;
        counts.spooled = Tally::default();
        for segment in self.segments.values() {
            counts.spooled.add(&segment.live);
        }
        for (handed, _) in self.orphans.values() {
            counts.spooled.add(&handed.tally);
        }
        counts.bytes = self.bytes();
        counts
    }

    fn bytes(&self) -> u64 {
        let segments = self.segments.values().map(Segment::footprint);
        segments.sum::<u64>() + self.undead.values().sum::<u64>()
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

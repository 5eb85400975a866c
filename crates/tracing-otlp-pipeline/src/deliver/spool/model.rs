//! The store against a model of what it promises, on a disk that does its worst.
//!
//! The model knows nothing of files: it knows which entries the store said were durable, which were
//! acknowledged, and what was done to them. After every crash a healthy start must find exactly
//! what is left of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{
    disk::Disk,
    entry::{self, Entry},
    settings::{Bounds, SpoolSettings},
    sim::{Fault, Random, SimDisk},
    store::{Id, Now, Signals, Store, Unopened},
};
use crate::settings::{Protocol, Signal};

const CONTENT_TYPE: &str = "application/x-protobuf";
const DESTINATION: &str = "http://localhost:4318";
/// Where the body begins in an entry, by the letter of the format.
const BODY_AT: usize = 56 + 3 * 2 + CONTENT_TYPE.len() + DESTINATION.len();
const SEGMENT_HEADER: u64 = 96;
const MAX_AGE: u64 = 10_000;
const SECOND: u64 = 1_000_000_000;

/// An entry that tells its number.
pub(super) fn entry(number: u64, size: usize, created: u64) -> Entry {
    let mut body = marker(number).into_bytes();
    body.resize(body.len() + size, b'.');
    Entry {
        signal: if number % 3 == 0 {
            Signal::Traces
        } else {
            Signal::Logs
        },
        records: std::array::from_fn(|band| (number + band as u64) % 4),
        created_at: entry::time(created),
        protocol: Protocol::HttpProtobuf,
        content_type: CONTENT_TYPE.into(),
        content_encoding: None,
        destination: Arc::from(DESTINATION),
        body: Bytes::from(body),
    }
}

fn marker(number: u64) -> String {
    format!("#{number:016x}#")
}

pub(super) fn number_of(entry: &Entry) -> u64 {
    let text = std::str::from_utf8(&entry.body[1..17]).unwrap();
    u64::from_str_radix(text, 16).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// The store has not said anything, or said no: it may be there.
    Maybe,
    /// Must be there.
    Committed,
    /// May be there.
    Acked,
    /// Must not be there.
    AckedForGood,
}

#[derive(Debug)]
struct Known {
    entry: Entry,
    created: u64,
    status: Status,
    damaged: bool,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Stats {
    pub(super) crashes: u64,
    in_open: u64,
    committed: u64,
    replayed: u64,
    evicted: u64,
    excused_by_age: u64,
    excused_by_damage: u64,
    refused: u64,
}

/// What a scenario may do; few of them do everything, so that most checks are sharp.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a menu")]
struct Menu {
    faults: bool,
    flips: bool,
    jumps: bool,
    small: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Model<D: Disk> {
    sim: Option<SimDisk>,
    open: Box<dyn Fn() -> D>,
    bounds: Bounds,
    menu: Menu,
    random: Random,
    known: BTreeMap<u64, Known>,
    next: u64,
    wall: u64,
    steady: Duration,
    /// The latest that the clock ever showed.
    worst_wall: u64,
    /// How many entries have left as the oldest, as far as that was counted.
    evicted: u64,
    /// They could not be counted: the machine stopped, or a file was unreadable.
    evicted_unknown: bool,
    header_flips: BTreeMap<String, u32>,
    ack_flips: bool,
    had_fault: bool,
    /// Something fails while the store starts.
    failing: bool,
    stats: Stats,
}

/// One start of the store, up to its end.
struct Session<D: Disk> {
    store: Store<D>,
    /// What somebody here can send.
    signals: Vec<Signal>,
    held: Vec<(Id, u64)>,
    seen: BTreeSet<u64>,
    /// The youngest that was given out, of each signal.
    last: [Option<u64>; Signal::ALL.len()],
    /// Some were passed over, for others that were wanted.
    passed_over: bool,
    faults: bool,
    evicted: u64,
    acked: Vec<u64>,
}

impl<D: Disk> Model<D> {
    fn new(seed: u64, menu: Menu, sim: Option<SimDisk>, open: Box<dyn Fn() -> D>) -> Self {
        let mut random = Random::new(seed);
        let max = if menu.small { 64 } else { 1024 } * 1024;
        let segment = 4096 + random.below(4096);
        let settings = SpoolSettings::new("")
            .with_max_bytes(NonZeroUsize::new(max).unwrap())
            .with_segment_bytes(NonZeroUsize::new(usize::try_from(segment).unwrap()).unwrap())
            .with_max_age(Duration::from_secs(MAX_AGE));
        Self {
            sim,
            open,
            bounds: settings.bounds(),
            menu,
            random,
            known: BTreeMap::new(),
            next: 1,
            wall: 1_700_000_000 * SECOND,
            steady: Duration::ZERO,
            worst_wall: 0,
            evicted: 0,
            evicted_unknown: false,
            header_flips: BTreeMap::new(),
            ack_flips: false,
            had_fault: false,
            failing: false,
            stats: Stats::default(),
        }
    }

    fn now(&mut self) -> Now {
        self.worst_wall = self.worst_wall.max(self.wall);
        Now {
            wall: self.wall,
            steady: self.steady,
        }
    }

    /// Mostly all of them; some processes have a destination for one.
    fn some_signals(&mut self) -> Vec<Signal> {
        match self.random.below(10) {
            0 => vec![Signal::Logs],
            1 => vec![Signal::Traces],
            _ => Signal::ALL.to_vec(),
        }
    }

    fn stopped(&self) -> bool {
        self.sim.as_ref().is_some_and(SimDisk::is_stopped)
    }

    /// Whether the files could be near the bound, with what is reserved for their ends.
    fn tight(&self, more: u64) -> bool {
        let Some(sim) = &self.sim else { return true };
        let reserve = 36 * self.known.len() as u64 + 400 * (sim.names().len() as u64 + 2);
        sim.used() + more + reserve > self.bounds.max_bytes
    }

    fn start(&mut self, signals: &[Signal]) -> Option<Session<D>> {
        let tight = self.tight(0);
        let operations = self.sim.as_ref().map(SimDisk::operations);
        let now = self.now();
        let open = || Store::open((self.open)(), self.bounds, Signals::of(signals), now);
        let is_locked = |error: &Unopened| matches!(error, Unopened::Locked);
        let opened = super::tests::patiently(open, is_locked);
        if let (Some(before), Some(sim)) = (operations, &self.sim) {
            assert!(sim.operations() - before < 5_000, "a start goes on and on");
        }
        let Ok((store, recovered)) = opened else {
            // Stopped, or the directory itself could not be used.
            self.evicted_unknown |= tight;
            return None;
        };
        let counts = store.counts();
        assert!(tight || counts.evicted.entries == 0);
        self.evicted += counts.evicted.entries;
        self.evicted_unknown |= tight && (recovered.unreadable_files > 0 || self.stopped());
        Some(Session {
            store,
            signals: signals.to_vec(),
            held: Vec::new(),
            seen: BTreeSet::new(),
            last: Default::default(),
            passed_over: false,
            faults: self.failing,
            evicted: counts.evicted.entries,
            acked: Vec::new(),
        })
    }

    /// After every action: the books are balanced, and nothing left that had room.
    fn check(&mut self, session: &mut Session<D>, tight: bool) {
        let counts = session.store.counts();
        let mut came = counts.recovered;
        came.add(&counts.appended);
        let mut went = counts.spooled;
        for tally in [counts.acked, counts.evicted, counts.expired, counts.corrupt] {
            went.add(&tally);
        }
        assert_eq!(came, went, "{counts:?}");
        let evicted = counts.evicted.entries - session.evicted;
        assert!(tight || evicted == 0, "evicted without need");
        session.evicted = counts.evicted.entries;
        self.evicted += evicted;
        self.stats.evicted += evicted;
        if let Some(sim) = &self.sim {
            if !self.had_fault && !sim.is_stopped() {
                assert!(
                    sim.used() <= self.bounds.max_bytes,
                    "more bytes than allowed"
                );
            }
        }
    }

    fn append(&mut self, session: &mut Session<D>) {
        let mut numbers = Vec::new();
        let mut bytes = 0;
        for _ in 0..=self.random.below(4) {
            let number = self.next;
            self.next += 1;
            let size = self.random.below(if self.random.clone().chance(5) {
                3000
            } else {
                250
            });
            let entry = entry(number, usize::try_from(size).unwrap(), self.wall);
            bytes += 300 + size;
            self.known.insert(
                number,
                Known {
                    entry: entry.clone(),
                    created: self.wall,
                    status: Status::Maybe,
                    damaged: false,
                },
            );
            session.store.stage(entry).unwrap();
            numbers.push(number);
        }
        let tight = self.tight(bytes);
        let now = self.now();
        if session.store.commit(now).is_ok() {
            self.stats.committed += numbers.len() as u64;
            for number in numbers {
                self.known.get_mut(&number).unwrap().status = Status::Committed;
            }
        } else {
            self.stats.refused += 1;
        }
        self.check(session, tight);
    }

    /// Takes the next entry of these signals and checks it against what is known.
    fn take(&mut self, session: &mut Session<D>, wanted: &[Signal]) -> Option<(Id, u64)> {
        let now = self.now();
        session.passed_over |= wanted != Signal::ALL;
        let found = session.store.next(now, Signals::of(wanted));
        self.check(session, false);
        let (id, entry) = found?;
        let number = number_of(&entry);
        assert!(session.signals.contains(&entry.signal), "of no use here");
        assert!(wanted.contains(&entry.signal), "not wanted now");
        let known = self.known.get(&number).expect("an invented entry");
        assert_eq!(entry, known.entry, "a changed entry");
        assert!(
            now.wall.saturating_sub(known.created) <= MAX_AGE * SECOND,
            "too old"
        );
        assert!(
            known.status != Status::AckedForGood || self.ack_flips,
            "{number} is back though its acknowledgement was durable"
        );
        if session.seen.insert(number) && !session.faults {
            // Of each signal the oldest first, and of all where none was passed over.
            let of_signal = |signal: &Signal| *signal == entry.signal || !session.passed_over;
            for signal in Signal::ALL.into_iter().filter(of_signal) {
                let last = session.last[signal as usize];
                assert!(last < Some(number), "{number} after {last:?}");
            }
            session.last[entry.signal as usize] = Some(number);
        }
        assert!(
            session.held.iter().all(|(_, held)| *held != number),
            "{number} twice"
        );
        assert!(
            !session.acked.contains(&number),
            "{number} again after its ack"
        );
        self.stats.replayed += 1;
        Some((id, number))
    }

    fn act(&mut self, session: &mut Session<D>) {
        match self.random.below(100) {
            0..35 => self.append(session),
            35..58 => {
                let wanted = self.some_signals();
                for _ in 0..8 {
                    let held = self.take(session, &wanted);
                    session.held.extend(held);
                }
            }
            58..78 => {
                let many = if self.menu.small { 5 } else { 20 };
                for _ in 0..self.random.below(many) {
                    let Some((id, number)) = self.choose(session) else {
                        break;
                    };
                    session.store.ack(id);
                    session.acked.push(number);
                    self.known.get_mut(&number).unwrap().status = Status::Acked;
                }
            }
            78..82 => {
                if let Some((id, number)) = self.choose(session) {
                    let known = &self.known[&number].entry;
                    let mut done = [0; 6];
                    if self.random.chance(30) {
                        done = known.records.map(|records| self.random.below(records + 1));
                    }
                    session.store.release(id, &done);
                    // If its segment has left meanwhile, it leaves now.
                    self.check(session, true);
                }
            }
            82..88 => {
                let durable = self.random.chance(50);
                if session.store.write_acks(durable) && durable {
                    for number in &session.acked {
                        self.known.get_mut(number).unwrap().status = Status::AckedForGood;
                    }
                }
            }
            88..91 => {
                self.steady += Duration::from_millis(self.random.below(3000));
                let now = self.now();
                session.store.tick(now);
            }
            91..93 if self.menu.faults => {
                let fault = if self.random.chance(50) {
                    Fault::Full
                } else {
                    Fault::Failing
                };
                if let Some(sim) = &self.sim {
                    sim.fail(fault);
                    session.faults = true;
                    self.had_fault = true;
                }
            }
            93..95 => {
                if let Some(sim) = &self.sim {
                    sim.heal();
                    self.steady += Duration::from_secs(10);
                }
            }
            95..96 if self.menu.flips => self.flip(),
            96..98 if self.menu.jumps => {
                let seconds =
                    [1, 60, 3_600, 9_000, 20_000][usize::try_from(self.random.below(5)).unwrap()];
                self.wall = if self.random.chance(50) {
                    self.wall + seconds * SECOND
                } else {
                    self.wall - seconds * SECOND
                };
            }
            _ => self.wall += self.random.below(SECOND),
        }
        self.check(session, false);
    }

    fn choose(&mut self, session: &mut Session<D>) -> Option<(Id, u64)> {
        if session.held.is_empty() {
            return None;
        }
        let at = usize::try_from(self.random.below(session.held.len() as u64)).unwrap();
        Some(session.held.swap_remove(at))
    }

    fn flip(&mut self) {
        let Some(sim) = &self.sim else { return };
        let acks = self.random.chance(20);
        let extension = if acks { ".ack" } else { ".seg" };
        let chosen = |name: &str| name.strip_suffix(extension).is_some();
        let Some((name, at, before)) = sim.flip(chosen) else {
            return;
        };
        if acks {
            self.ack_flips = true;
            return;
        }
        // What was acknowledged for good may come back only through its acknowledgement.
        let in_header = at < SEGMENT_HEADER;
        let header_flips = self.header_flips.entry(name).or_default();
        *header_flips += u32::from(in_header);
        let everything = *header_flips > 1;
        for (number, known) in &mut self.known {
            let marker = marker(*number).into_bytes();
            let Some(body) = before.windows(marker.len()).position(|part| part == marker) else {
                continue;
            };
            let hit = (body - BODY_AT..body + known.entry.body.len())
                .contains(&usize::try_from(at).unwrap());
            known.damaged |= hit || everything;
        }
    }

    /// A healthy start, and everything that must be there is.
    fn verify(&mut self) {
        self.failing = false;
        let mut session = self
            .start(&Signal::ALL)
            .expect("no content of the directory stops a start");
        let evictions = self.evicted > 0 || self.evicted_unknown;
        let mut found = BTreeSet::new();
        let mut ids = Vec::new();
        while let Some((id, number)) = self.take(&mut session, &Signal::ALL) {
            found.insert(number);
            ids.push(id);
        }
        // All that is left is in flight: nothing is counted that cannot be had.
        let spooled = session.store.counts().spooled.entries();
        assert_eq!(spooled, found.len() as u64, "spooled, but never given out");
        if self.random.chance(20) {
            for id in ids {
                session.store.release(id, &[0; 6]);
            }
            let again = std::iter::from_fn(|| self.take(&mut session, &Signal::ALL));
            let again: Vec<u64> = again.map(|(_, number)| number).collect();
            assert!(
                again.iter().eq(&found),
                "given back, but not given out again in order"
            );
        }
        let mut missing = Vec::new();
        for (number, known) in &mut self.known {
            if known.status != Status::Committed || found.contains(number) {
                continue;
            }
            if known.damaged {
                self.stats.excused_by_damage += 1;
                known.status = Status::Maybe;
            } else if self.worst_wall.saturating_sub(known.created) > MAX_AGE * SECOND {
                self.stats.excused_by_age += 1;
                known.status = Status::Maybe;
            } else {
                missing.push(*number);
            }
        }
        assert!(
            missing.is_empty() || evictions,
            "lost {missing:?}, found {found:?}"
        );
        if let Some(last) = missing.last() {
            // Only the oldest leave, and no more than were counted. An older one may be back when its
            // file could not be deleted.
            let required = |number: &&u64| self.known[*number].status == Status::Committed;
            if let Some(first) = found.iter().find(required) {
                assert!(self.had_fault || last < first, "{last} left before {first}");
            }
            assert!(self.evicted_unknown || missing.len() as u64 <= self.evicted);
        }
        // What is gone may come back, but need not.
        for number in missing {
            self.known.get_mut(&number).unwrap().status = Status::Maybe;
        }
        if !self.evicted_unknown {
            self.evicted = 0;
        }
        drop(session);
    }
}

/// Crashes, starts again and verifies, as often as asked.
fn torment(seed: u64, menu: Menu, crashes: u64) -> Stats {
    let sim = SimDisk::new(seed);
    sim.put("README.txt", b"not a segment");
    sim.put("spool-0000000000000000.seg.bak", &[0xE5; 300]);
    let disk = sim.clone();
    let mut model = Model::new(
        seed,
        menu,
        Some(sim.clone()),
        Box::new(move || disk.clone()),
    );
    for _ in 0..crashes {
        if model.random.chance(80) {
            let spread = if model.random.chance(30) { 15 } else { 80 };
            sim.stop_after(model.random.below(spread));
        }
        let mut power_failure = model.random.chance(70);
        model.failing = menu.faults && model.random.chance(30);
        if model.failing {
            sim.fail(Fault::Failing);
            model.had_fault = true;
        }
        let signals = model.some_signals();
        match model.start(&signals) {
            None => model.stats.in_open += 1,
            Some(mut session) => {
                for _ in 0..8 + model.random.below(28) {
                    if model.stopped() {
                        break;
                    }
                    model.act(&mut session);
                }
                if model.tight(4096) {
                    // Perhaps in flight when their segment left: not counted yet.
                    model.evicted += session.held.len() as u64;
                }
                if !model.stopped() && model.random.chance(30) {
                    sim.heal();
                    session.store.close();
                    power_failure &= model.random.chance(50);
                }
            }
        }
        sim.restart(power_failure);
        model.stats.crashes += 1;
        model.verify();
        sim.restart(false);
    }
    assert_eq!(
        sim.content("README.txt").as_deref(),
        Some(&b"not a segment"[..])
    );
    model.stats
}

fn menu(seed: u64) -> Menu {
    Menu {
        faults: seed % 3 == 1,
        flips: seed % 4 == 2,
        jumps: seed % 5 == 3,
        small: seed % 2 == 1,
    }
}

/// Runs the seeds on two threads, and names the one that fails.
fn all(seeds: std::ops::Range<u64>, run: impl Fn(u64) -> Stats + Sync) -> Stats {
    let half = |odd: u64| {
        let mut total = Stats::default();
        for seed in seeds.clone().filter(|seed| seed / 2 % 2 == odd) {
            let run = std::panic::AssertUnwindSafe(|| run(seed));
            let stats = std::panic::catch_unwind(run).unwrap_or_else(|panic| {
                eprintln!("seed {seed}, {:?}", menu(seed));
                std::panic::resume_unwind(panic)
            });
            total.add(&stats);
        }
        total
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut total = half(0);
        total.add(&other.join().unwrap());
        total
    })
}

impl Stats {
    fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.in_open += other.in_open;
        self.committed += other.committed;
        self.replayed += other.replayed;
        self.evicted += other.evicted;
        self.excused_by_age += other.excused_by_age;
        self.excused_by_damage += other.excused_by_damage;
        self.refused += other.refused;
    }
}

#[test]
fn no_committed_entry_is_lost_at_any_of_twelve_thousand_crashes() {
    let stats = all(0..240, |seed| torment(seed, menu(seed), 50));
    println!("{stats:?}");
    assert_eq!(stats.crashes, 12_000);
    // The scenarios reach what they are meant to reach.
    assert!(stats.in_open > 500, "{stats:?}");
    assert!(stats.committed > 50_000, "{stats:?}");
    assert!(stats.replayed > 100_000, "{stats:?}");
    assert!(stats.evicted > 1_000, "{stats:?}");
    assert!(stats.refused > 1_000, "{stats:?}");
    assert!(stats.excused_by_age > 100, "{stats:?}");
    assert!(stats.excused_by_damage > 10, "{stats:?}");
}

/// The same without the simulation: a store that is dropped at any moment is a process that was
/// killed between two operations.
#[test]
fn no_committed_entry_is_lost_on_the_file_system_of_this_machine() {
    let stats = all(1000..1012, |seed| {
        let directory = super::tests::Temporary::new();
        let path = directory.path().to_owned();
        let open = Box::new(move || super::disk::Directory::new(&path));
        let menu = Menu {
            faults: false,
            flips: false,
            ..menu(seed)
        };
        let mut model = Model::new(seed, menu, None, open);
        for _ in 0..20 {
            let signals = model.some_signals();
            let mut session = model.start(&signals).unwrap();
            for _ in 0..10 + model.random.below(40) {
                model.act(&mut session);
            }
            model.evicted += session.held.len() as u64;
            if model.random.chance(30) {
                session.store.close();
            }
            drop(session);
            model.stats.crashes += 1;
            model.verify();
        }
        model.stats
    });
    println!("{stats:?}");
    assert_eq!(stats.crashes, 240);
    assert!(stats.committed > 1_000, "{stats:?}");
}

//! A disk that does to the spool what real disks do: it tears writes, forgets what was not synced,
//! reorders unsynced names, flips bits, is full, fails, and stops between any two operations.
//!
//! Below `spool` in its tests. Everything is decided by a seed.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use super::disk::{Disk, DiskFile};

/// A small generator (`SplitMix64`): reproducible, and good enough to choose actions.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What fails next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Writing and creating, after part of it, until [`SimDisk::heal`].
    Full,
    /// The next operations fail at random, until [`SimDisk::heal`].
    Failing,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What a crash leaves at least.
    durable: Vec<u8>,
    content: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Rename {
    Created(String, u64),
    Removed(String, u64),
}

#[derive(Debug)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Since the last sync of the directory.
    renames: Vec<Rename>,
    random: Random,
    fault: Option<Fault>,
    /// How many operations are left until the machine stops.
    left: Option<u64>,
    stopped: bool,
    locked: bool,
    operations: u64,
}

#[derive(Debug, Clone)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct SimFile {
    disk: SimDisk,
    inode: u64,
}

#[derive(Debug)]
pub(super) struct SimLock(SimDisk);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            inodes: BTreeMap::new(),
            next_inode: 1,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renames: Vec::new(),
            random: Random::new(seed),
            fault: None,
            left: None,
            stopped: false,
            locked: false,
            operations: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    pub(super) fn heal(&self) {
        self.state().fault = None;
    }

    /// Lets the machine stop within the operation after so many others.
    pub(super) fn stop_after(&self, operations: u64) {
        self.state().left = Some(operations);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    pub(super) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The machine comes back after a power failure. Without one, `kill -9`: everything written
    /// is still there.
    pub(super) fn restart(&self, power_failure: bool) {
        let mut state = self.state();
        state.stopped = false;
        state.left = None;
        state.fault = None;
        if !power_failure {
            return;
        }
        let State {
            inodes,
            names,
            durable_names,
            renames,
            random,
            ..
        } = &mut *state;
        for rename in renames.drain(..) {
            // Each made it or not, whatever the others did.
            if random.chance(50) {
                match rename {
                    Rename::Created(name, inode) => {
                        durable_names.insert(name, inode);
                    }
                    Rename::Removed(name, inode) => {
                        if durable_names.get(&name) == Some(&inode) {
                            durable_names.remove(&name);
                        }
                    }
                }
            }
        }
        *names = durable_names.clone();
        for inode in inodes.values_mut() {
            inode.forget(random);
        }
    }

    /// Flips one bit of a file; says where, with the content as it was.
    pub(super) fn flip(&self, choose: impl Fn(&str) -> bool) -> Option<(String, u64, Vec<u8>)> {
        let mut state = self.state();
        let State {
            names,
            inodes,
            random,
            ..
        } = &mut *state;
        let files: Vec<_> = names
            .iter()
            .filter(|(name, inode)| choose(name) && !inodes[*inode].content.is_empty())
            .collect();
        let (name, inode) =
            *files.get(usize::try_from(random.below(files.len() as u64)).unwrap())?;
        let inode = inodes.get_mut(inode).unwrap();
        let before = inode.content.clone();
        let at = usize::try_from(random.below(before.len() as u64)).unwrap();
        let bit = 1 << random.below(8);
        inode.content[at] ^= bit;
        if let Some(byte) = inode.durable.get_mut(at) {
            *byte ^= bit;
        }
        Some((name.clone(), at as u64, before))
    }

    /// The bytes of all files.
    pub(super) fn used(&self) -> u64 {
        let state = self.state();
        let lengths = state
            .names
            .values()
            .map(|inode| state.inodes[inode].content.len() as u64);
        lengths.sum()
    }

    /// Puts a file there, durably.
    pub(super) fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.state();
        let inode = state.next_inode;
        state.next_inode += 1;
        state.inodes.insert(
            inode,
            Inode {
                durable: content.to_vec(),
                content: content.to_vec(),
            },
        );
        state.names.insert(name.to_owned(), inode);
        state.durable_names.insert(name.to_owned(), inode);
    }

    pub(super) fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(name)?;
        Some(state.inodes[inode].content.clone())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// An operation begins: `Ok(true)` when it is done, `Ok(false)` when the machine stops in it.
    fn begin(&self, writes: bool) -> io::Result<(MutexGuard<'_, State>, Done)> {
        let mut state = self.state();
        if state.stopped {
            return Err(io::Error::other("stopped"));
        }
        state.operations += 1;
        if state.left == Some(0) {
            state.stopped = true;
            return Ok((state, Done::Stops));
        }
        state.left = state.left.map(|left| left - 1);
        let fault = state.fault;
        let done = match fault {
            Some(Fault::Full) if writes => Done::Fails(io::ErrorKind::StorageFull),
            Some(Fault::Failing) if state.random.chance(40) => Done::Fails(io::ErrorKind::Other),
            _ => Done::Wholly,
        };
        Ok((state, done))
    }
}

/// How an operation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Wholly,
    /// With an error; anything may have happened.
    Fails(io::ErrorKind),
    Stops,
}

impl Done {
    fn result(self) -> io::Result<()> {
        match self {
            Self::Wholly => Ok(()),
            Self::Fails(kind) => Err(kind.into()),
            Self::Stops => Err(io::Error::other("stopped")),
        }
    }
}

impl Inode {
    /// A power failure: the length and each sector of what was not synced made it or not.
    fn forget(&mut self, random: &mut Random) {
        let (durable, content) = (&self.durable, &self.content);
        let (shorter, longer) = if durable.len() < content.len() {
            (durable.len(), content.len())
        } else {
            (content.len(), durable.len())
        };
        let len = shorter + usize::try_from(random.below((longer - shorter) as u64 + 1)).unwrap();
        let mut after = vec![0; len];
        for (sector, bytes) in after.chunks_mut(SECTOR).enumerate() {
            let start = sector * SECTOR;
            let written = random.chance(50);
            for (offset, byte) in bytes.iter_mut().enumerate() {
                let at = start + offset;
                let old = durable.get(at).copied();
                let new = content.get(at).copied();
                *byte = if written { new.or(old) } else { old }.unwrap_or(0);
            }
        }
        self.durable.clone_from(&after);
        self.content = after;
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn prepare(&self) -> io::Result<()> {
        self.begin(true)?.1.result()
    }

    fn lock(&self) -> io::Result<Option<SimLock>> {
        let (mut state, done) = self.begin(true)?;
        done.result()?;
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        drop(state);
        Ok(Some(SimLock(self.clone())))
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let (state, done) = self.begin(false)?;
        done.result()?;
        let lens = state.names.iter();
        Ok(lens
            .map(|(name, inode)| (name.clone(), state.inodes[inode].content.len() as u64))
            .collect())
    }

    fn create(&self, name: &str) -> io::Result<SimFile> {
        if self.state().names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.append(name)
    }

    fn append(&self, name: &str) -> io::Result<SimFile> {
        let (mut state, done) = self.begin(true)?;
        let known = state.names.get(name).copied();
        let happens = done == Done::Wholly || state.random.chance(50);
        let inode = match known {
            Some(inode) => inode,
            None if happens => {
                let inode = state.next_inode;
                state.next_inode += 1;
                state.inodes.insert(inode, Inode::default());
                state.names.insert(name.to_owned(), inode);
                state.renames.push(Rename::Created(name.to_owned(), inode));
                inode
            }
            None => 0,
        };
        done.result()?;
        drop(state);
        Ok(SimFile {
            disk: self.clone(),
            inode,
        })
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        let (state, done) = self.begin(false)?;
        done.result()?;
        let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(SimFile {
            disk: self.clone(),
            inode,
        })
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let (mut state, done) = self.begin(false)?;
        if done == Done::Wholly || state.random.chance(50) {
            let inode = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
            let len = usize::try_from(len).unwrap();
            state.inodes.get_mut(&inode).unwrap().content.resize(len, 0);
        }
        done.result()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (mut state, done) = self.begin(false)?;
        if done == Done::Wholly || state.random.chance(50) {
            let inode = state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
            state.renames.push(Rename::Removed(name.to_owned(), inode));
        }
        done.result()
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, done) = self.begin(false)?;
        if done == Done::Wholly {
            state.renames.clear();
            state.durable_names = state.names.clone();
        }
        done.result()
    }

    fn random(&self) -> u64 {
        self.state().random.next()
    }
}

impl DiskFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut state, done) = self.disk.begin(true)?;
        let count = if done == Done::Wholly {
            bytes.len()
        } else {
            usize::try_from(state.random.below(bytes.len() as u64 + 1)).unwrap()
        };
        let inode = state.inodes.get_mut(&self.inode).unwrap();
        inode.content.extend_from_slice(&bytes[..count]);
        done.result()
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, done) = self.disk.begin(false)?;
        let State { inodes, random, .. } = &mut *state;
        let inode = inodes.get_mut(&self.inode).unwrap();
        if done == Done::Wholly {
            inode.durable.clone_from(&inode.content);
        } else if done != Done::Stops {
            // As Linux does it: the pages count as clean, whether they are written or not.
            let mut after = inode.clone();
            after.forget(random);
            inode.durable = after.durable;
        }
        done.result()
    }

    fn read(&mut self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        let (state, done) = self.disk.begin(false)?;
        done.result()?;
        let content = &state.inodes[&self.inode].content;
        let from = usize::try_from(position).unwrap().min(content.len());
        let count = into.len().min(content.len() - from);
        into[..count].copy_from_slice(&content[from..from + count]);
        Ok(count)
    }
}

/// Small, so that small writes tear.
const SECTOR: usize = 32;

//! Appends requests and rotates the files.
//!
//! The receiving thread writes; a thread of its own has the system bring it to the disk now and then,
//! because that may take long.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use opentelemetry::Context;

use super::folder::{begin, begun, files, mend};
use super::{Files, replay};
use crate::otlp::to_json;
use crate::receive::decode::schema;
use crate::retain::chunk::Chunk;
use crate::retain::{Store, clock};
use crate::{Error, Signal};

#[derive(Debug)]
pub(crate) struct FileWriter {
    shared: Arc<Shared>,
    /// Held as long as the collector lives: two may not write into one directory.
    _lock: File,
    syncer: Mutex<Option<Syncer>>,
}

#[derive(Debug)]
struct Syncer {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    settings: Files,
    lanes: [Mutex<Lane>; 3],
    written: AtomicU64,
    failed: AtomicU64,
    unread: AtomicU64,
}

/// The file of one signal that is written now.
#[derive(Debug, Default)]
struct Lane {
    open: Option<Open>,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    begun: Instant,
    /// How old it was when it was opened.
    age: Duration,
    is_dirty: bool,
}

/// How the files are doing.
#[derive(Clone, Debug)]
pub(crate) struct FilesStatus {
    pub(crate) dir: PathBuf,
    /// Requests written since the start.
    pub(crate) written: u64,
    /// Requests refused because they could not be written.
    pub(crate) failed: u64,
    /// Lines that could not be read at the start.
    pub(crate) unread: u64,
}

impl FileWriter {
    /// Takes the directory, mends its files and reads them into the store.
    pub(crate) fn open(settings: &Files, store: &Store) -> Result<Self, Error> {
        let fail = |error| Error::files(settings.dir.clone(), error);
        fs::create_dir_all(&settings.dir).map_err(fail)?;
        let lock = lock(settings).map_err(fail)?;
        for signal in SIGNALS {
            for file in files(&settings.dir, signal).map_err(fail)? {
                mend(&file).map_err(fail)?;
            }
        }
        let unread = replay(&settings.dir, store).map_err(fail)?;
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            lanes: Default::default(),
            written: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            unread: AtomicU64::new(unread),
        });
        for signal in SIGNALS {
            shared.reopen(signal).map_err(fail)?;
        }
        let syncer = Syncer::start(&shared).map_err(fail)?;
        Ok(Self {
            shared,
            _lock: lock,
            syncer: Mutex::new(Some(syncer)),
        })
    }

    /// Writes a request as one line; when it returns a killed process loses nothing of it.
    pub(crate) fn append(&self, chunk: &Chunk) -> io::Result<()> {
        let done = self.shared.append(chunk);
        let counter = match done {
            Ok(()) => &self.shared.written,
            Err(_) => &self.shared.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        done
    }

    pub(crate) fn status(&self) -> FilesStatus {
        let shared = &self.shared;
        FilesStatus {
            dir: shared.settings.dir.clone(),
            written: shared.written.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
            unread: shared.unread.load(Ordering::Relaxed),
        }
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        let mut syncer = self.syncer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Syncer { stop, thread }) = syncer.take() {
            drop(stop);
            // It syncs once more before it ends; a panic there is its own.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lane(&self, signal: Signal) -> MutexGuard<'_, Lane> {
        let nth = SIGNALS.iter().position(|one| *one == signal).unwrap_or(0);
        self.lanes[nth]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, chunk: &Chunk) -> io::Result<()> {
        let mut lane = self.lane(chunk.signal);
        let lane = &mut *lane;
        lane.line.clear();
        to_json::message(schema(chunk.signal), &chunk.bytes, &mut lane.line);
        lane.line.push(b'\n');
        let length = lane.line.len() as u64;
        if lane
            .open
            .as_ref()
            .is_some_and(|open| self.is_full(open, length))
        {
            lane.open = None;
        }
        if lane.open.is_none() {
            lane.open = Some(self.begin(chunk.signal)?);
        }
        let Some(open) = &mut lane.open else {
            return Ok(());
        };
        let written = open.file.write_all(&lane.line);
        if written.is_ok() {
            open.bytes += length;
            open.is_dirty = true;
        } else if open.file.set_len(open.bytes).is_err() {
            // What stands there now is half a line: nothing may follow it.
            lane.open = None;
        }
        if lane.line.capacity() > KEPT_LINE {
            lane.line = Vec::new();
        }
        written
    }

    fn is_full(&self, open: &Open, more: u64) -> bool {
        let age = open.age + open.begun.elapsed();
        open.bytes > 0 && open.bytes + more > self.settings.max_bytes
            || age >= self.settings.max_age
    }

    /// Begins a file and removes those that are too many.
    fn begin(&self, signal: Signal) -> io::Result<Open> {
        let (file, _) = begin(&self.settings.dir, signal)?;
        let all = files(&self.settings.dir, signal)?;
        let excess = all.len().saturating_sub(self.settings.max_count);
        for file in &all[..excess] {
            // One that somebody else has removed already is as good.
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(Open {
            file,
            bytes: 0,
            begun: Instant::now(),
            age: Duration::ZERO,
            is_dirty: true,
        })
    }

    /// Goes on with the newest file if there is room in it.
    fn reopen(&self, signal: Signal) -> io::Result<()> {
        let Some(path) = files(&self.settings.dir, signal)?.pop() else {
            return Ok(());
        };
        let file = OpenOptions::new().append(true).open(&path)?;
        let begun_at = begun(&path).unwrap_or(0);
        let age = Duration::from_nanos(clock::now().saturating_sub(begun_at));
        let open = Open {
            bytes: file.metadata()?.len(),
            file,
            begun: Instant::now(),
            age,
            is_dirty: false,
        };
        if !self.is_full(&open, 1) {
            self.lane(signal).open = Some(open);
        }
        Ok(())
    }

    /// Brings to the disk what was written since the last time.
    fn sync(&self) {
        for signal in SIGNALS {
            let dirty = {
                let mut lane = self.lane(signal);
                lane.open.as_mut().and_then(|open| {
                    std::mem::take(&mut open.is_dirty).then(|| open.file.try_clone().ok())?
                })
            };
            // Outside the lock: the receiver goes on writing meanwhile.
            if let Some(file) = dirty {
                if file.sync_data().is_err() {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Syncer {
    fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let shared = Arc::clone(shared);
        let interval = shared.settings.sync_every;
        let thread = thread::Builder::new()
            .name("otlp-collector-files".to_owned())
            .spawn(move || {
                let _suppressed = Context::enter_telemetry_suppressed_scope();
                while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                    shared.sync();
                }
                shared.sync();
            })?;
        Ok(Self { stop, thread })
    }
}

fn lock(settings: &Files) -> io::Result<File> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(settings.dir.join(".lock"))?;
    match fs4::FileExt::try_lock(&lock) {
        Ok(()) => Ok(lock),
        Err(fs4::TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "another collector writes here",
        )),
        Err(fs4::TryLockError::Error(error)) => Err(error),
    }
}

pub(super) const SIGNALS: [Signal; 3] = [Signal::Logs, Signal::Traces, Signal::Metrics];
/// A line's memory is used again unless it grew beyond this.
const KEPT_LINE: usize = 8 * 1024 * 1024;

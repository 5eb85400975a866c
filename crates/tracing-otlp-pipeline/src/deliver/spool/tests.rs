//! The spool as its users meet it: on the file system of this machine, with its thread.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Entry, Recovered, Refusal, Spool, SpoolError, SpoolEvent, SpoolSettings, SpoolState,
    entry::nanos,
    model::{entry, number_of},
    sim::{Fault, Random, SimDisk},
};
use crate::{
    encode::Request,
    settings::{Protocol, Signal},
};

mod confirmed;
mod disks;
mod processes;

const SMALL_SEGMENT: NonZeroUsize = NonZeroUsize::new(16 * 1024).unwrap();

/// A directory of its own, gone with the value.
#[derive(Debug)]
pub(super) struct Temporary(PathBuf);

impl Temporary {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "tracing-otlp-spool-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fresh(number: u64, size: usize) -> Entry {
    entry(number, size, nanos(SystemTime::now()))
}

fn open(settings: &SpoolSettings) -> (Spool, Recovered) {
    patiently(
        || Spool::open(settings, &Signal::ALL, |_| {}),
        SpoolError::is_locked,
    )
    .unwrap()
}

/// Another test that starts a process may hold our lock for a moment: between `fork` and `exec`
/// the child has every open file.
pub(super) fn patiently<T, E>(
    open: impl Fn() -> Result<T, E>,
    is_locked: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        match open() {
            Err(error) if is_locked(&error) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(2));
            }
            outcome => return outcome,
        }
    }
}

/// On a current-thread runtime, as delivery has it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

async fn drain(spool: &Spool) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(replay) = spool.next().await {
        numbers.push(number_of(replay.entry()));
        replay.ack();
    }
    numbers
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

//! Requests on disk, as OTLP/JSON with one export request a line.
//!
//! `intake` writes here before it acknowledges, `replay` reads them back at the start, and so does
//! the OpenTelemetry Collector's file receiver. `writer` appends and rotates, `folder` knows the names
//! and mends what a crash has torn.

mod folder;
mod replay;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use replay::replay;
pub(crate) use writer::{FileWriter, FilesStatus};

#[cfg(test)]
mod tests;

/// Where a collector writes what it receives, and when it begins a new file.
///
/// Each signal has its own files, `logs-….jsonl`, `traces-….jsonl` and `metrics-….jsonl`. A request is
/// in the file before it is acknowledged: a killed process loses nothing that was, a machine that
/// loses power what was acknowledged since the last sync. When a file cannot be written the request
/// is refused as unavailable, and its sender tries again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Files {
    pub(crate) dir: PathBuf,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
    pub(crate) max_count: usize,
    pub(crate) sync_every: Duration,
}

impl Files {
    /// Writes into this directory, which is made when it is not there.
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            max_bytes: 64 * 1024 * 1024,
            max_age: Duration::from_secs(24 * 3600),
            max_count: 10,
            sync_every: Duration::from_secs(1),
        }
    }

    /// Begins a new file when one would grow beyond this many bytes, 64 MiB by default.
    ///
    /// A single request that is longer gets a file of its own.
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Begins a new file when one is this old, 24 hours by default.
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Keeps at most this many files of each signal and removes the oldest, 10 by default, at least 1.
    pub fn with_max_files(mut self, files: usize) -> Self {
        self.max_count = files.max(1);
        self
    }

    /// Has the system bring to the disk what was written, this often, every second by default.
    pub fn with_sync_every(mut self, interval: Duration) -> Self {
        self.sync_every = interval;
        self
    }
}

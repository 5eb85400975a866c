//! Why the spool cannot be had, and why an entry did not get in.
//!
//! Part of `spool`. The first is returned by `open`, once; the second comes with the entry, so that
//! whoever wanted it on disk can keep it in memory.

use std::{error::Error as StdError, fmt, io, path::PathBuf};

/// Why a spool could not be opened. Delivery goes on in memory.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process, or another pipeline of this one, has the directory.
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory cannot be created, read or written, or the thread cannot be started.
    Io {
        /// What was tried, as in "cannot …".
        action: &'static str,
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SpoolError {
    /// Whether another user of the directory is the reason.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { directory } => write!(
                f,
                "the spool {} is in use by another process or pipeline",
                directory.display()
            ),
            Self::Io {
                action,
                directory,
                source,
            } => write!(
                f,
                "cannot {action} the spool {}: {source}",
                directory.display()
            ),
        }
    }
}

impl StdError for SpoolError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Locked { .. } => None,
            Self::Io { source, .. } => Some(source),
        }
    }
}

/// Why an entry did not get in, or did not get durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The writer is behind: as many entries wait for it as may.
    Busy,
    /// The entry is larger than the whole spool may be, or than the format allows.
    TooLarge,
    /// The disk is full or failing; the spool tries again later.
    Degraded,
    /// The spool has been shut down, or its thread is gone.
    Closed,
}

impl Refusal {
    /// The name used in reports: `busy`, `too_large`, `degraded` or `closed`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::Degraded => "degraded",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

//! Where the spool lives and how much it may hold.
//!
//! Part of `spool`; what users set, and the derived bounds that keep any combination workable.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where requests wait on disk for a destination that is away, and how many of them.
///
/// # Examples
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use tracing_otlp_pipeline::SpoolSettings;
///
/// let settings = SpoolSettings::new("/var/lib/service/telemetry")
///     .with_max_bytes(NonZeroUsize::new(64 * 1024 * 1024).unwrap())
///     .with_max_age(Duration::from_secs(6 * 60 * 60));
/// assert_eq!(settings.max_age().as_secs(), 21_600);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    directory: PathBuf,
    /// `None`, here and below: nobody said anything, so that others still can.
    max_bytes: Option<NonZeroUsize>,
    max_age: Option<Duration>,
    replay_rate: Option<NonZeroU32>,
    segment_bytes: NonZeroUsize,
    commit_interval: Duration,
    commit_bytes: NonZeroUsize,
}

impl SpoolSettings {
    /// A spool in this directory, which is created with mode 0700 where it is missing.
    ///
    /// One process uses a directory at a time; give each instance of a service its own.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: None,
            max_age: None,
            replay_rate: None,
            segment_bytes: NonZeroUsize::MIN.saturating_add(8 * MIB - 1),
            commit_interval: Duration::from_millis(25),
            commit_bytes: NonZeroUsize::MIN.saturating_add(MIB - 1),
        }
    }

    /// Like [`new`](Self::new), for Logfire: records leave after 23 hours, because that service
    /// refuses those older than 24.
    pub fn logfire(directory: impl Into<PathBuf>) -> Self {
        Self::new(directory).with_max_age(Duration::from_secs(23 * 60 * 60))
    }

    /// Sets how many bytes all files of the spool may take, 512 MiB unless set, at least 64 KiB;
    /// when it is full the oldest segment leaves.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The same, unless it was set before: for what comes from where code is to win, like the
    /// environment.
    #[must_use]
    pub fn or_max_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_bytes.get_or_insert(bytes);
        self
    }

    /// Sets how old a request may get, 24 hours unless set; older ones are not sent any more.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The same, unless it was set before.
    #[must_use]
    pub fn or_max_age(mut self, age: Duration) -> Self {
        self.max_age.get_or_insert(age);
        self
    }

    /// Sets how many requests a second may come back from disk at most, 200 unless set.
    ///
    /// What the destination takes is the pace below that: replay begins with one request, has one
    /// more under way for each that was taken, up to
    /// [`with_max_in_flight`](crate::DeliverySettings::with_max_in_flight) without the one that is
    /// kept for fresh data, and begins anew with one after a failure. Fresh data takes turns with it.
    #[must_use]
    pub fn with_replay_rate(mut self, requests: NonZeroU32) -> Self {
        self.replay_rate = Some(requests);
        self
    }

    /// The same, unless it was set before.
    #[must_use]
    pub fn or_replay_rate(mut self, requests: NonZeroU32) -> Self {
        self.replay_rate.get_or_insert(requests);
        self
    }

    /// Sets how large a segment file grows, 8 MiB unless set, at most an eighth of
    /// [`with_max_bytes`](Self::with_max_bytes). Space comes back a segment at a time.
    #[must_use]
    pub fn with_segment_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Sets how long a request waits at most for others to share its `fsync`, 25 milliseconds
    /// unless set.
    #[must_use]
    pub fn with_commit_interval(mut self, interval: Duration) -> Self {
        self.commit_interval = interval;
        self
    }

    /// Sets how many waiting bytes cause an `fsync` before the interval is over, 1 MiB unless set.
    #[must_use]
    pub fn with_commit_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.commit_bytes = bytes;
        self
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// How old a request may get.
    pub fn max_age(&self) -> Duration {
        self.max_age.unwrap_or(MAX_AGE)
    }

    /// How many bytes all files may take.
    pub fn max_bytes(&self) -> NonZeroUsize {
        self.max_bytes.unwrap_or(MAX_BYTES)
    }

    /// How many requests a second may come back from disk.
    pub fn replay_rate(&self) -> NonZeroU32 {
        self.replay_rate.unwrap_or(REPLAY_RATE)
    }

    /// How much time lies between two of them at least.
    pub(crate) fn replay_pause(&self) -> Duration {
        Duration::from_secs(1) / self.replay_rate().get()
    }

    pub(super) fn commit_interval(&self) -> Duration {
        self.commit_interval
    }

    pub(super) fn bounds(&self) -> Bounds {
        let max_bytes = (self.max_bytes().get() as u64).max(MIN_BYTES);
        let segment_bytes = (self.segment_bytes.get() as u64)
            .min(max_bytes / 8)
            // Not so small that a full spool has more than some thousand files.
            .max((max_bytes / 1024).max(MIN_BYTES / 16))
            .min(MAX_SEGMENT_BYTES);
        Bounds {
            max_bytes,
            segment_bytes,
            commit_bytes: (self.commit_bytes.get() as u64).min(segment_bytes),
            max_age: u64::try_from(self.max_age().as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// The settings as the store uses them: free of contradictions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) max_bytes: u64,
    pub(super) segment_bytes: u64,
    pub(super) commit_bytes: u64,
    /// In nanoseconds.
    pub(super) max_age: u64,
}

const MIB: usize = 1024 * 1024;
const MAX_BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(512 * MIB - 1);
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const REPLAY_RATE: NonZeroU32 = NonZeroU32::MIN.saturating_add(200 - 1);
/// Below this a segment holds hardly an entry.
const MIN_BYTES: u64 = 64 * 1024;
/// Positions in a segment fit into 32 bits, with room for one large entry.
const MAX_SEGMENT_BYTES: u64 = 1024 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_combination_leaves_room_for_several_segments() {
        let one = NonZeroUsize::MIN;
        for bytes in [one, NonZeroUsize::MAX] {
            for segment in [one, NonZeroUsize::MAX] {
                let bounds = SpoolSettings::new("x")
                    .with_max_bytes(bytes)
                    .with_segment_bytes(segment)
                    .with_commit_bytes(NonZeroUsize::MAX)
                    .with_max_age(Duration::MAX)
                    .bounds();
                assert!(bounds.segment_bytes * 8 <= bounds.max_bytes);
                assert!(bounds.commit_bytes <= bounds.segment_bytes);
                assert!(bounds.segment_bytes >= 4096);
            }
        }
        assert!(SpoolSettings::logfire("x").max_age() < Duration::from_secs(24 * 3600));
    }
}

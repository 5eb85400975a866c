//! Keeps requests on disk while their destination is away, through any kind of end of the process.
//!
//! Side track of `deliver`: what cannot be delivered, or does not fit in memory, is appended here
//! and replayed, oldest first, when the destination is back. `docs/spool-format.md` describes the
//! files and what they guarantee.
//!
//! One thread, `tracing-otlp-spool`, does all the reading and writing; a caller only hands over.
//! Once a [`Ticket`] says yes, the entry will be replayed until it is [acknowledged](Replay::ack),
//! too old, or the oldest in a full spool. It may be replayed twice; that is for the destination to
//! bear.

mod disk;
mod entry;
mod error;
mod format;
mod inbox;
mod segment;
mod settings;
mod store;
mod worker;

#[cfg(test)]
mod model;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Poll},
    time::Instant,
};

use tokio::sync::oneshot;

pub use entry::{Entry, Tally};
pub use error::{Refusal, SpoolError};
pub use settings::SpoolSettings;
pub use store::{Recovered, SpoolCounts};

use crate::{admit::Tally as Severities, settings::Signal};
use disk::{Directory, Disk};
use entry::SEVERITIES;
use inbox::{Command, Shared};
use store::{Id, Signals, Store, Unopened};

/// What the spool tells about itself, each once per change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolEvent {
    /// The disk is full or failing: entries are given back until it is better.
    Degraded {
        /// What the system said.
        reason: String,
    },
    /// Entries are written again.
    Restored,
}

impl fmt::Display for SpoolEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Degraded { reason } => {
                write!(
                    f,
                    "the spool cannot write, records stay in memory: {reason}"
                )
            }
            Self::Restored => f.write_str("the spool writes again"),
        }
    }
}

/// How the spool is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpoolState {
    /// Entries are written.
    Working,
    /// Entries are given back; what is on disk is still replayed. An entry that comes after a
    /// pause tries the disk again.
    Degraded {
        /// What the system said.
        reason: String,
    },
    /// After the shutdown.
    Closed,
}

/// A spool; clones are handles to the same one. Dropping the last one commits what waits, without
/// waiting for that.
#[derive(Clone)]
pub struct Spool {
    handle: Arc<Handle>,
}

/// Ends the thread when nobody is left to ask for anything.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.command(Command::Close(None));
    }
}

impl Spool {
    /// Takes the directory, looks through what earlier runs left, and starts the thread.
    ///
    /// Reads the ends of finished segments and the whole of those that a crash left unfinished
    /// (usually one), so call it where reading some megabytes does not hurt. Entries of other
    /// signals than these stay where they are. `on_event` runs on the spool's thread.
    ///
    /// # Errors
    ///
    /// When another process or pipeline has the directory, or it cannot be used. No content of the
    /// directory is an error.
    pub fn open(
        settings: &SpoolSettings,
        signals: &[Signal],
        on_event: impl Fn(&SpoolEvent) + Send + 'static,
    ) -> Result<(Self, Recovered), SpoolError> {
        Self::open_on(
            Directory::new(settings.directory()),
            settings,
            signals,
            on_event,
        )
    }

    fn open_on(
        disk: impl Disk,
        settings: &SpoolSettings,
        signals: &[Signal],
        on_event: impl Fn(&SpoolEvent) + Send + 'static,
    ) -> Result<(Self, Recovered), SpoolError> {
        let directory = || settings.directory().to_owned();
        let clock = worker::Clock::start();
        let opened = Store::open(disk, settings.bounds(), Signals::of(signals), clock.now());
        let (store, recovered) = opened.map_err(|error| match error {
            Unopened::Locked => SpoolError::Locked {
                directory: directory(),
            },
            Unopened::Io(action, source) => SpoolError::Io {
                action,
                directory: directory(),
                source,
            },
        })?;
        let shared = Arc::new(Shared::new(&store.counts()));
        worker::start(
            store,
            Arc::clone(&shared),
            settings,
            clock,
            Box::new(on_event),
        )
        .map_err(|source| SpoolError::Io {
            action: "start the thread of",
            directory: directory(),
            source,
        })?;
        let handle = Arc::new(Handle { shared });
        Ok((Self { handle }, recovered))
    }

    /// Hands an entry over to be written, without waiting. The ticket tells when it is durable, at
    /// the latest a commit interval and an `fsync` later.
    ///
    /// # Errors
    ///
    /// Gives the entry back, with the reason.
    #[expect(
        clippy::result_large_err,
        reason = "the entry comes back as it was, without an allocation"
    )]
    pub fn append(&self, entry: Entry) -> Result<Ticket, Refused> {
        match self.shared().push(&entry) {
            Ok(durable) => Ok(Ticket {
                entry: Some(entry),
                durable,
            }),
            Err(reason) => Err(Refused { entry, reason }),
        }
    }

    /// The oldest entry that is not in flight and that somebody here can send, if there is one; in
    /// flight from now on.
    ///
    /// Dropping the future, or the [`Replay`] without [`ack`](Replay::ack), gives it back.
    pub async fn next(&self) -> Option<Replay> {
        self.next_of(&Signal::ALL).await
    }

    /// The same, of these signals: the destination of another one may be away.
    pub async fn next_of(&self, signals: &[Signal]) -> Option<Replay> {
        let (reply, found) = oneshot::channel();
        let wanted = Signals::of(signals);
        self.shared().command(Command::Next(wanted, reply));
        found.await.ok()?
    }

    /// Makes durable at once what was handed over, acknowledgements too. Says whether it worked.
    pub async fn sync(&self) -> bool {
        let (reply, done) = oneshot::channel();
        self.shared().command(Command::Sync(reply));
        done.await.unwrap_or(false)
    }

    /// Commits what was handed over, gives back what comes later, ends the thread and leaves the
    /// directory to others. Blocks until then, or the deadline; says whether all went well.
    ///
    /// After the deadline the thread goes on with it by itself.
    pub fn shutdown(&self, until: Instant) -> bool {
        let (reply, done) = mpsc::sync_channel(1);
        self.shared().command(Command::Close(Some(reply)));
        let left = until.saturating_duration_since(Instant::now());
        match done.recv_timeout(left) {
            Ok(well) => well,
            Err(mpsc::RecvTimeoutError::Timeout) => false,
            // The thread was gone already: it ended in an earlier shutdown, or it failed.
            Err(mpsc::RecvTimeoutError::Disconnected) => self.shared().closed_well(),
        }
    }

    /// What became of everything so far, as of the last answer: a ticket, an entry, a sync. Entries
    /// that wait for their commit are not in it yet.
    pub fn counts(&self) -> SpoolCounts {
        self.shared().counts()
    }

    /// How it is.
    pub fn state(&self) -> SpoolState {
        self.shared().state()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").finish_non_exhaustive()
    }
}

/// An entry that did not get in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The entry, unharmed.
    pub entry: Entry,
    /// Why it is back.
    pub reason: Refusal,
}

/// Becomes ready when the entry is durable, or is back.
///
/// Dropping it changes nothing for the entry.
#[derive(Debug)]
#[must_use = "an entry is durable only when its ticket says so"]
pub struct Ticket {
    entry: Option<Entry>,
    durable: oneshot::Receiver<Result<(), Refusal>>,
}

impl Future for Ticket {
    type Output = Result<(), Refused>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(outcome) = Pin::new(&mut self.durable).poll(cx) else {
            return Poll::Pending;
        };
        let entry = self.entry.take();
        let reason = match outcome {
            Ok(Ok(())) => return Poll::Ready(Ok(())),
            Ok(Err(reason)) => reason,
            // The thread is gone.
            Err(_) => Refusal::Closed,
        };
        match entry {
            Some(entry) => Poll::Ready(Err(Refused { entry, reason })),
            // Polled again after it was ready.
            None => Poll::Pending,
        }
    }
}

/// An entry from the spool, in flight until it is acknowledged or dropped.
#[derive(Debug)]
#[must_use = "an entry that is not acknowledged comes again"]
pub struct Replay {
    id: Id,
    entry: Entry,
    /// What of it is done with, by severity.
    done: [u64; SEVERITIES],
    shared: Option<Arc<Shared>>,
}

impl Replay {
    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// So many records of it are done with, though the rest may not be: given back, the entry comes
    /// again with all of them, but these are not counted again.
    pub(crate) fn done(&mut self, records: Severities) {
        let records: [u64; SEVERITIES] = records.into();
        for (done, records) in self.done.iter_mut().zip(records) {
            *done += records;
        }
    }

    /// The entry is done with, delivered or not: it leaves the spool.
    ///
    /// It outlasts the process with the next commit, and a crash of the system with the next
    /// [`sync`](Spool::sync); before that the entry is replayed once more.
    pub fn ack(mut self) {
        if let Some(shared) = self.shared.take() {
            shared.command(Command::Ack(self.id));
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.command(Command::Release(self.id, self.done));
        }
    }
}

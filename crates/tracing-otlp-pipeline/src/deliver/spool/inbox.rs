//! Between those who use the spool and its thread.
//!
//! Part of `spool`, in front of the `worker`. Handing over takes a lock and a copy of pointers, never
//! the disk; what does not fit comes back at once. Commands always get in: they only ever take away.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::Instant,
};

use tokio::sync::oneshot;

use super::{
    Replay, SpoolState,
    entry::{Entry, SEVERITIES},
    error::Refusal,
    store::{Id, Signals, SpoolCounts},
};

pub(super) type Durable = oneshot::Sender<Result<(), Refusal>>;

/// What is asked of the thread besides writing.
pub(super) enum Command {
    Next(Signals, oneshot::Sender<Option<Replay>>),
    Ack(Id),
    /// With what of it is done with, by severity.
    Release(Id, [u64; SEVERITIES]),
    Sync(oneshot::Sender<bool>),
    Close(Option<mpsc::SyncSender<bool>>),
}

/// Between the handles and the thread.
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

struct Inbox {
    entries: VecDeque<(Entry, Durable)>,
    bytes: usize,
    commands: VecDeque<Command>,
    /// The thread sleeps and nothing but an entry will wake it.
    idle: bool,
    /// Enough entries for a commit before the interval is over.
    commit_bytes: usize,
    /// Degraded: entries are refused until then.
    refuse_until: Option<Instant>,
    state: SpoolState,
    counts: SpoolCounts,
    /// The thread is gone; whether it ended well.
    ended: Option<bool>,
}

impl Shared {
    pub(super) fn new(counts: &SpoolCounts) -> Self {
        Self {
            inbox: Mutex::new(Inbox {
                entries: VecDeque::new(),
                bytes: 0,
                commands: VecDeque::new(),
                idle: false,
                commit_bytes: usize::MAX,
                refuse_until: None,
                state: SpoolState::Working,
                counts: *counts,
                ended: None,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(
        &self,
        entry: &Entry,
    ) -> Result<oneshot::Receiver<Result<(), Refusal>>, Refusal> {
        let size = entry.body.len() + ENTRY_OVERHEAD;
        let mut inbox = self.lock();
        if inbox.state == SpoolState::Closed {
            return Err(Refusal::Closed);
        }
        if inbox
            .refuse_until
            .is_some_and(|until| Instant::now() < until)
        {
            return Err(Refusal::Degraded);
        }
        if !inbox.entries.is_empty() && inbox.bytes + size > MAX_WAITING_BYTES {
            return Err(Refusal::Busy);
        }
        let (reply, durable) = oneshot::channel();
        inbox.entries.push_back((entry.clone(), reply));
        let before = inbox.bytes;
        inbox.bytes += size;
        let full = before < inbox.commit_bytes && inbox.bytes >= inbox.commit_bytes;
        let wake = std::mem::take(&mut inbox.idle) || full;
        drop(inbox);
        if wake {
            self.changed.notify_one();
        }
        Ok(durable)
    }

    pub(super) fn command(&self, command: Command) {
        let mut inbox = self.lock();
        if inbox.ended.is_some() {
            // Dropping the command answers it.
            return;
        }
        inbox.commands.push_back(command);
        drop(inbox);
        self.changed.notify_one();
    }

    pub(super) fn counts(&self) -> SpoolCounts {
        self.lock().counts
    }

    pub(super) fn state(&self) -> SpoolState {
        self.lock().state.clone()
    }

    pub(super) fn closed_well(&self) -> bool {
        self.lock().ended == Some(true)
    }

    /// Enough bytes for a commit before the interval is over.
    pub(super) fn commit_at(&self, bytes: usize) {
        self.lock().commit_bytes = bytes;
    }

    /// Gives entries back until then; with a reason, the spool is degraded by it.
    pub(super) fn refuse(&self, until: Instant, reason: Option<&str>) {
        let mut inbox = self.lock();
        inbox.refuse_until = Some(until);
        if let Some(reason) = reason {
            inbox.state = SpoolState::Degraded {
                reason: reason.to_owned(),
            };
        }
    }

    /// Shows the counts, and whether the disk works.
    pub(super) fn publish(&self, counts: &SpoolCounts, works: bool) {
        let mut inbox = self.lock();
        inbox.counts = *counts;
        if works && inbox.state != SpoolState::Closed {
            inbox.refuse_until = None;
            inbox.state = SpoolState::Working;
        }
    }

    /// Waits until there is a command, or the time has come, or entries for a commit. Without a
    /// time the first entry is enough.
    pub(super) fn wait(&self, until: Option<Instant>, group: bool) -> Work {
        let mut inbox = self.lock();
        loop {
            let due = until.is_some_and(|until| Instant::now() >= until);
            let entries = if group {
                inbox.bytes >= inbox.commit_bytes
            } else {
                !inbox.entries.is_empty()
            };
            if due || entries || !inbox.commands.is_empty() {
                inbox.bytes = 0;
                return Work {
                    entries: std::mem::take(&mut inbox.entries),
                    commands: std::mem::take(&mut inbox.commands),
                };
            }
            inbox.idle = !group;
            inbox = match until {
                None => self
                    .changed
                    .wait(inbox)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    let (inbox, _) = self
                        .changed
                        .wait_timeout(inbox, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    inbox
                }
            };
            inbox.idle = false;
        }
    }

    /// No entry and no command gets in any more. What is returned must be dropped, or answered.
    pub(super) fn end(&self, well: bool) -> Work {
        let work = self.close();
        let mut inbox = self.lock();
        inbox.ended = Some(well);
        let mut commands = work.commands;
        commands.append(&mut inbox.commands);
        Work {
            entries: work.entries,
            commands,
        }
    }

    pub(super) fn close(&self) -> Work {
        let mut inbox = self.lock();
        inbox.state = SpoolState::Closed;
        Work {
            entries: std::mem::take(&mut inbox.entries),
            commands: std::mem::take(&mut inbox.commands),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What the thread has to do.
#[derive(Default)]
pub(super) struct Work {
    pub(super) entries: VecDeque<(Entry, Durable)>,
    pub(super) commands: VecDeque<Command>,
}

/// How much may wait for the thread, beside what it commits.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Roughly what an entry takes besides its body.
const ENTRY_OVERHEAD: usize = 256;

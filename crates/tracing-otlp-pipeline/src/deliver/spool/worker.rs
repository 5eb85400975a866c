//! The thread that reads and writes.
//!
//! Part of `spool`, above `store`. Entries collect in the inbox until the commit interval is over
//! or enough of them wait, then share one `fsync`; everything else is done at once.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::Context;
use tokio::sync::oneshot;

use super::{
    Replay, SpoolEvent, SpoolState,
    disk::Disk,
    entry::{self, Entry},
    error::Refusal,
    settings::SpoolSettings,
    store::{Id, Now, SpoolCounts, Store},
};
use crate::unwind::caught;

type Durable = oneshot::Sender<Result<(), Refusal>>;

/// What is asked of the thread besides writing.
pub(super) enum Command {
    Next(oneshot::Sender<Option<Replay>>),
    Ack(Id),
    Release(Id),
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

    /// Waits until there is a command, or the time has come, or entries for a commit. Without a
    /// time the first entry is enough.
    fn wait(&self, until: Option<Instant>, group: bool) -> Work {
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
    fn end(&self, well: bool) -> Work {
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

    fn close(&self) -> Work {
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

#[derive(Default)]
struct Work {
    entries: VecDeque<(Entry, Durable)>,
    commands: VecDeque<Command>,
}

/// Both clocks of the system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            wall: entry::nanos(SystemTime::now()),
            steady: self.start.elapsed(),
        }
    }
}

pub(super) type OnEvent = Box<dyn Fn(&SpoolEvent) + Send>;

/// Starts the thread, which ends with [`Command::Close`].
pub(super) fn start<D: Disk>(
    store: Store<D>,
    shared: Arc<Shared>,
    settings: &SpoolSettings,
    clock: Clock,
    on_event: OnEvent,
) -> io::Result<()> {
    let commit_bytes = settings.bounds().commit_bytes;
    shared.lock().commit_bytes = usize::try_from(commit_bytes).unwrap_or(usize::MAX);
    let mut worker = Worker {
        store,
        shared,
        interval: settings.commit_interval(),
        clock,
        on_event,
        waiting: Vec::new(),
        group_until: None,
        acks_until: None,
        trouble: None,
    };
    thread::Builder::new()
        .name("tracing-otlp-spool".to_owned())
        .spawn(move || {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            let last = caught(|| worker.run());
            // After a panic the files are as after a crash, which is what they are made for.
            let shared = Arc::clone(&worker.shared);
            let (mut closers, well) = last.unwrap_or_default();
            // The lock of the directory goes first: whoever was answered may open it again.
            drop(worker);
            for command in shared.end(well).commands {
                if let Command::Close(reply) = command {
                    closers.extend(reply);
                }
            }
            for closer in closers {
                let _ = closer.send(well);
            }
        })?;
    Ok(())
}

struct Worker<D: Disk> {
    store: Store<D>,
    shared: Arc<Shared>,
    interval: Duration,
    clock: Clock,
    on_event: OnEvent,
    /// The tickets of what is staged.
    waiting: Vec<Durable>,
    group_until: Option<Instant>,
    acks_until: Option<Instant>,
    trouble: Option<Trouble>,
}

/// The disk refuses; it is left alone until then.
struct Trouble {
    pause: Duration,
    until: Instant,
}

/// Who waits for the end, and whether all went well.
type Closing = (Vec<mpsc::SyncSender<bool>>, bool);

impl<D: Disk> Worker<D> {
    fn run(&mut self) -> Closing {
        loop {
            let idle = || {
                let counts = self.store.counts();
                (counts.bytes > 0).then(|| Instant::now() + TICK)
            };
            let timers = [self.group_until, self.acks_until];
            let until = timers.into_iter().flatten().min().or_else(idle);
            let mut work = self.shared.wait(until, self.group_until.is_some());
            self.stage(&mut work);
            let due = self
                .group_until
                .is_some_and(|until| Instant::now() >= until);
            if due || self.store.staged_bytes() >= self.store.commit_bytes() {
                self.commit();
            }
            while let Some(command) = work.commands.pop_front() {
                if let Command::Close(reply) = command {
                    return self.close(reply, work.commands);
                }
                self.obey(command);
            }
            // One write for the acknowledgements of an interval, whatever becomes of the entries.
            if self.acks_until.is_some_and(|until| Instant::now() >= until) {
                self.acks_until = None;
                self.store.write_acks(false);
            }
            if self.group_until.is_none() {
                self.store.tick(self.clock.now());
            }
            self.publish();
        }
    }

    fn stage(&mut self, work: &mut Work) {
        for (entry, ticket) in work.entries.drain(..) {
            if self.store.is_group_full(&entry) {
                self.commit();
            }
            let trouble = self.trouble.as_ref();
            if trouble.is_some_and(|trouble| Instant::now() < trouble.until) {
                let _ = ticket.send(Err(Refusal::Degraded));
                continue;
            }
            match self.store.stage(entry) {
                Ok(()) => {
                    self.waiting.push(ticket);
                    let interval = self.interval;
                    self.group_until
                        .get_or_insert_with(|| Instant::now() + interval);
                }
                Err(reason) => drop(ticket.send(Err(reason))),
            }
        }
    }

    fn commit(&mut self) {
        self.group_until = None;
        if self.waiting.is_empty() {
            return;
        }
        let committed = self.store.commit(self.clock.now());
        let event = match &committed {
            Ok(()) => self.trouble.take().map(|_| SpoolEvent::Restored),
            Err(error) => self.run_into(error),
        };
        self.publish();
        let outcome = committed.map_err(|_| Refusal::Degraded);
        for ticket in self.waiting.drain(..) {
            let _ = ticket.send(outcome);
        }
        if let Some(event) = event {
            let _ = caught(|| (self.on_event)(&event));
        }
    }

    /// A failure is told when it is the first, and the next attempt has to wait longer.
    fn run_into(&mut self, error: &io::Error) -> Option<SpoolEvent> {
        let pause = self
            .trouble
            .as_ref()
            .map_or(FIRST_PAUSE, |trouble| (trouble.pause * 2).min(LAST_PAUSE));
        let until = Instant::now() + pause;
        let first = self.trouble.replace(Trouble { pause, until }).is_none();
        let mut inbox = self.shared.lock();
        inbox.refuse_until = Some(until);
        if !first {
            return None;
        }
        let reason = error.to_string();
        inbox.state = SpoolState::Degraded {
            reason: reason.clone(),
        };
        Some(SpoolEvent::Degraded { reason })
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Next(reply) => {
                let found = self.store.next(self.clock.now());
                self.publish();
                // If nobody waits for it any more, dropping it gives it back.
                let _ = reply.send(found.map(|(id, entry)| Replay {
                    id,
                    entry,
                    shared: Some(Arc::clone(&self.shared)),
                }));
            }
            Command::Ack(id) => {
                self.store.ack(id);
                let interval = self.interval;
                self.acks_until
                    .get_or_insert_with(|| Instant::now() + interval);
            }
            Command::Release(id) => self.store.release(id),
            Command::Sync(reply) => {
                self.commit();
                self.acks_until = None;
                let acked = self.store.write_acks(true);
                self.publish();
                let _ = reply.send(acked && self.trouble.is_none());
            }
            Command::Close(_) => {}
        }
    }

    fn close(
        &mut self,
        reply: Option<mpsc::SyncSender<bool>>,
        mut commands: VecDeque<Command>,
    ) -> Closing {
        // What came between the last look and the close belongs to it.
        let mut rest = self.shared.close();
        self.stage(&mut rest);
        self.commit();
        let mut closers: Vec<_> = reply.into_iter().collect();
        commands.append(&mut rest.commands);
        for command in commands {
            match command {
                Command::Ack(id) => self.store.ack(id),
                Command::Release(id) => self.store.release(id),
                Command::Close(reply) => closers.extend(reply),
                Command::Next(_) | Command::Sync(_) => {}
            }
        }
        self.store.close();
        self.publish();
        (closers, self.trouble.is_none())
    }

    fn publish(&self) {
        let counts = self.store.counts();
        let mut inbox = self.shared.lock();
        inbox.counts = counts;
        if self.trouble.is_none() && inbox.state != SpoolState::Closed {
            inbox.refuse_until = None;
            inbox.state = SpoolState::Working;
        }
    }
}

/// How often a spool that holds something looks for what is too old.
const TICK: Duration = Duration::from_secs(1);
/// How long the disk is left alone after a failure, doubling up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
/// How much may wait for the thread, beside what it commits.
const MAX_WAITING_BYTES: usize = 16 * 1024 * 1024;
/// Roughly what an entry takes besides its body.
const ENTRY_OVERHEAD: usize = 256;

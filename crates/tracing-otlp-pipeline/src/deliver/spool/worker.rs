//! The thread that reads and writes.
//!
//! Part of `spool`, between the `inbox` and the `store`. Entries collect until the commit interval
//! is over or enough of them wait, then share one `fsync`; everything else is done at once.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use opentelemetry::Context;

use super::{
    Replay, SpoolEvent,
    disk::Disk,
    entry::{self, SEVERITIES},
    error::Refusal,
    inbox::{Command, Durable, Shared, Work},
    settings::SpoolSettings,
    store::{Now, Store},
};
use crate::unwind::caught;

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
    shared.commit_at(usize::try_from(commit_bytes).unwrap_or(usize::MAX));
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
        if !first {
            self.shared.refuse(until, None);
            return None;
        }
        let reason = error.to_string();
        self.shared.refuse(until, Some(&reason));
        Some(SpoolEvent::Degraded { reason })
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Next(wanted, reply) => {
                let found = self.store.next(self.clock.now(), wanted);
                self.publish();
                // If nobody waits for it any more, dropping it gives it back.
                let _ = reply.send(found.map(|(id, entry)| Replay {
                    id,
                    entry,
                    done: [0; SEVERITIES],
                    shared: Some(Arc::clone(&self.shared)),
                }));
            }
            Command::Ack(id) => {
                self.store.ack(id);
                let interval = self.interval;
                self.acks_until
                    .get_or_insert_with(|| Instant::now() + interval);
            }
            Command::Release(id, done) => self.store.release(id, &done),
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
                Command::Release(id, done) => self.store.release(id, &done),
                Command::Close(reply) => closers.extend(reply),
                Command::Next(..) | Command::Sync(_) => {}
            }
        }
        self.store.close();
        self.publish();
        (closers, self.trouble.is_none())
    }

    fn publish(&self) {
        self.shared
            .publish(&self.store.counts(), self.trouble.is_none());
    }
}

/// How often a spool that holds something looks for what is too old.
const TICK: Duration = Duration::from_secs(1);
/// How long the disk is left alone after a failure, doubling up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

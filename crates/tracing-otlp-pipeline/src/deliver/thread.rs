//! The one thread that owns all I/O.
//!
//! Heart of `deliver`: takes requests from the queue, sends them over the `wire`, and settles them.
//!
//! Telemetry is suppressed on this thread and on every thread that its runtime starts, so whatever
//! the HTTP client, the resolver or TLS log here cannot become a record or a span again. It does
//! not matter which runtime the application has, or whether it has one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use opentelemetry::Context;
use tokio::{runtime::Runtime, time::Instant};

use super::{
    overflow::{Overflow, Replayed},
    queue::{Decision, Outcome, Queue, Step, Ticket},
    split,
    spool::{Refusal, Refused},
    watch::Watch,
};
use crate::{
    encode::{Request, Shape},
    error::Error,
    event::DeliveryEvent,
    ledger::LossReason,
    notice::Notifier,
    settings::{Destination, Signal},
    unwind::{caught, caught_async},
    wire::{Transport, Wire},
};

/// Asks the application whether the process is online.
pub(crate) type Connectivity = Arc<dyn Fn() -> bool + Send + Sync>;

/// Where requests of a signal go, and how long one may take.
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) timeout: Duration,
    pub(crate) shape: Shape,
}

/// Starts the thread; returns when it is ready to send.
pub(crate) fn start(
    queue: Arc<Queue>,
    routes: Vec<Route>,
    connect_timeout: Duration,
    notifier: Notifier,
    connectivity: Option<Connectivity>,
    overflow: Option<Arc<Overflow>>,
) -> Result<JoinHandle<()>, Error> {
    let (ready, is_ready) = mpsc::sync_channel(1);
    let thread = Builder::new()
        .name("tracing-otlp-delivery".to_owned())
        .spawn(move || {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            match prepare(&routes, connect_timeout) {
                Ok((runtime, ways)) => {
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    work(
                        &runtime,
                        &Delivery::new(queue, ways, notifier, connectivity, overflow),
                    );
                    // Name resolution may hang; nobody waits for it any more.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })
        .map_err(|error| {
            Error::resource("the delivery thread could not be started").because(error)
        })?;
    match is_ready.recv() {
        Ok(outcome) => outcome.map(|()| thread),
        Err(_) => Err(Error::resource("the delivery thread died at its start")),
    }
}

/// The way of the requests of one signal.
pub(super) struct Way {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) shape: Shape,
}

pub(super) type Ways = [Option<Way>; Signal::ALL.len()];

fn prepare(routes: &[Route], connect_timeout: Duration) -> Result<(Runtime, Ways), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("tracing-otlp-resolve")
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(1))
        // For the whole life of the thread, so the guard is never dropped.
        .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
        .build()
        .map_err(|error| {
            Error::resource("the delivery runtime could not be built").because(error)
        })?;
    let mut ways = Ways::default();
    for route in routes {
        let wire = Wire::new(&route.destination, route.timeout, connect_timeout)?;
        ways[route.destination.signal() as usize] = Some(Way {
            transport: Arc::new(wire),
            shape: route.shape.clone(),
        });
    }
    Ok((runtime, ways))
}

fn work(runtime: &Runtime, delivery: &Arc<Delivery>) {
    while !delivery.queue.is_finished() {
        // Each request is guarded by itself; this guards the loop.
        let _ = caught(|| runtime.block_on(Arc::clone(delivery).serve()));
    }
}

/// What the loop and its tasks share.
pub(super) struct Delivery {
    queue: Arc<Queue>,
    ways: Ways,
    watch: Watch,
    connectivity: Option<Connectivity>,
    overflow: Option<Arc<Overflow>>,
    replays: AtomicBool,
}

impl Delivery {
    pub(super) fn new(
        queue: Arc<Queue>,
        ways: Ways,
        notifier: Notifier,
        connectivity: Option<Connectivity>,
        overflow: Option<Arc<Overflow>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            queue,
            ways,
            watch: Watch::new(notifier),
            connectivity,
            overflow,
            replays: AtomicBool::new(false),
        })
    }

    /// Takes steps until there is none left, waits, and begins again.
    pub(super) async fn serve(self: Arc<Self>) {
        if !self.replays.swap(true, SeqCst) {
            tokio::spawn(Arc::clone(&self).replay());
        }
        let mut was_online = true;
        loop {
            self.ask_for_connectivity();
            let online = self.queue.is_online();
            if std::mem::replace(&mut was_online, online) != online {
                self.tell(&[DeliveryEvent::Connectivity { online }]);
            }
            let until = loop {
                match self.queue.next(Instant::now()) {
                    Step::Wait(until) => break until,
                    Step::Send {
                        ticket,
                        request,
                        limit,
                        event,
                    } => {
                        self.tell(event.as_slice());
                        tokio::spawn(Arc::clone(&self).see_through(ticket, request, limit));
                    }
                    Step::GiveUp {
                        ticket,
                        request,
                        reason,
                    } => self.give_up(ticket, request, reason),
                }
            };
            self.watch.look_at(self.queue.ledger());
            if self.queue.is_finished() {
                return;
            }
            self.wait(until, online).await;
        }
    }

    /// Waits for the time, or for something to happen.
    async fn wait(&self, until: Option<Instant>, online: bool) {
        let mut until = until;
        if !online && self.connectivity.is_some() {
            let ask = Instant::now() + ASK_AGAIN;
            until = Some(until.map_or(ask, |until| until.min(ask)));
        }
        match until {
            Some(until) => {
                let _ = tokio::time::timeout_at(until, self.queue.woken()).await;
            }
            None => self.queue.woken().await,
        }
    }

    fn ask_for_connectivity(&self) {
        if let Some(ask) = &self.connectivity {
            // Who panics does not know, and trying is the better guess.
            self.queue.set_reachable(caught(|| ask()).unwrap_or(true));
        }
    }

    fn tell(&self, events: &[DeliveryEvent]) {
        self.watch.notifier().tell(events);
    }

    /// Sees one request through one attempt, and does what is to be done then.
    async fn see_through(self: Arc<Self>, ticket: Ticket, request: Request, limit: Option<usize>) {
        let seen = caught_async(self.attempt(ticket, &request, limit)).await;
        if seen.is_err() {
            self.settle_lost(ticket, &request, LossReason::Panic);
        }
    }

    /// People are told before the request is settled, so that a flush returns after the notices
    /// that belong to it.
    async fn attempt(self: &Arc<Self>, ticket: Ticket, request: &Request, limit: Option<usize>) {
        let Some(way) = &self.ways[request.signal as usize] else {
            // Batch processors exist only for signals that have a destination.
            self.settle_lost(ticket, request, LossReason::Unreachable);
            return;
        };
        if request.exceeds(way.shape.max_bytes) {
            // Larger than we send, whatever the destination may take.
            if !self.split(ticket, request, way, false) {
                self.settle_lost(ticket, request, LossReason::TooLarge);
            }
            return;
        }
        if let Some(limit) = limit {
            if plain_bytes(request, way).is_some_and(|bytes| bytes > limit)
                && self.split(ticket, request, way, false)
            {
                return;
            }
        }
        let sent = Instant::now();
        let answer = way.transport.send(request).await;
        let chance = fastrand::f64();
        let (decision, events) = self.queue.judge(ticket, &answer, Instant::now(), chance);
        if decision == Decision::Nothing {
            return;
        }
        let transport = &*way.transport;
        self.watch.see(request.signal, transport, &answer, sent);
        self.tell(&events);
        match decision {
            Decision::Settle(outcome) => self.queue.settle(ticket, outcome),
            Decision::Retry(due) => self.queue.put_back(ticket, due),
            Decision::GiveUp(reason) => self.give_up(ticket, request.clone(), reason),
            Decision::Split => {
                if !self.split(ticket, request, way, true) {
                    self.settle_lost(ticket, request, LossReason::TooLarge);
                }
            }
            Decision::Nothing => {}
        }
    }

    /// Splits a request in two, if that is possible. The limit is learned from an answer, and only
    /// where there was more than one record: a single one that is too large says nothing about
    /// the size of requests.
    fn split(&self, ticket: Ticket, request: &Request, way: &Way, refused: bool) -> bool {
        let Ok(Some(halves)) = split::halve(request, &way.shape) else {
            return false;
        };
        let bytes = plain_bytes(request, way).unwrap_or_default();
        if refused {
            self.queue
                .was_too_large(request.signal, bytes, Instant::now());
        }
        self.tell(&[DeliveryEvent::Split {
            signal: request.signal,
            records: request.records,
            bytes,
        }]);
        self.queue.replace(ticket, halves);
        true
    }

    /// The end of a request that could not be delivered: to disk if there is a spool.
    fn give_up(self: &Arc<Self>, ticket: Ticket, request: Request, reason: LossReason) {
        let way = self.ways[request.signal as usize].as_ref();
        let (Some(overflow), Some(way)) = (&self.overflow, way) else {
            self.settle_lost(ticket, &request, reason);
            return;
        };
        if self.queue.give_back(ticket) {
            return;
        }
        let Some(entry) = overflow.entry(&request, &way.shape) else {
            self.settle_lost(ticket, &request, reason);
            return;
        };
        match overflow.spool.append(entry) {
            Ok(durable) => {
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    match durable.await {
                        Ok(()) => this.settle_spooled(ticket, &request),
                        Err(refused) => this.refused(ticket, &request, reason, &refused),
                    }
                });
            }
            Err(refused) => self.refused(ticket, &request, reason, &refused),
        }
    }

    /// The spool did not take a request: it stays in memory where that may help.
    fn refused(&self, ticket: Ticket, request: &Request, reason: LossReason, refused: &Refused) {
        let may_help = matches!(refused.reason, Refusal::Busy | Refusal::Degraded);
        if !(may_help && self.queue.keep(ticket, Instant::now())) {
            self.settle_lost(ticket, request, reason);
        }
    }

    fn settle_spooled(&self, ticket: Ticket, request: &Request) {
        let records = request.records;
        self.tell(&[DeliveryEvent::Spooled {
            signal: request.signal,
            records,
        }]);
        self.queue.settle(ticket, Outcome::spooled(records));
    }

    /// Brings back what is on disk, at its own pace, while there is room and somebody to take it.
    async fn replay(self: Arc<Self>) {
        let Some(overflow) = &self.overflow else {
            return;
        };
        loop {
            overflow.reconcile(self.queue.ledger());
            let mut pause = NOTHING_TO_REPLAY;
            if self.queue.wants_replay(Instant::now()) {
                if let Some(replay) = overflow.spool.next().await {
                    pause = REPLAY_PACE;
                    let signal = replay.entry().signal;
                    let way = self.ways[signal as usize].as_ref();
                    let request = way.and_then(|way| overflow.request(replay.entry(), &way.shape));
                    if let Some(request) = request {
                        self.queue.push_replay(request, Replayed::new(replay));
                    } else {
                        // Nobody can send it, today or later.
                        let account = self.queue.ledger().signal(signal);
                        let lost = account.unspooled(overflow.severities(replay.entry()));
                        account.lost(LossReason::SpoolCorrupt, lost);
                        replay.ack();
                    }
                }
            } else if self.queue.is_full_of_replays() {
                self.queue.replay_ended().await;
                pause = REPLAY_PACE;
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn settle_lost(&self, ticket: Ticket, request: &Request, reason: LossReason) {
        let records = request.records;
        if let Some(way) = &self.ways[request.signal as usize] {
            self.watch.lost(&*way.transport, records);
        }
        self.tell(&[DeliveryEvent::Lost {
            signal: request.signal,
            records,
            reason,
        }]);
        self.queue.settle(ticket, Outcome::lost(records, reason));
    }
}

/// How large the request is, uncompressed.
fn plain_bytes(request: &Request, way: &Way) -> Option<usize> {
    let plain = request.protobuf(way.shape.max_bytes).ok()?;
    Some(plain.len())
}

/// The pace of the replay: slow enough to leave the network to fresh data, fast enough to catch up.
const REPLAY_PACE: Duration = Duration::from_millis(25);

/// How long to wait where there is nothing on disk, or nobody to take it.
const NOTHING_TO_REPLAY: Duration = Duration::from_secs(1);

/// How often the application is asked whether the process is back online.
const ASK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_is_suppressed_on_every_thread_of_the_runtime() {
        let (runtime, _) = prepare(&[], Duration::from_secs(1)).unwrap();
        let suppressed = runtime.block_on(async {
            let blocking = tokio::task::spawn_blocking(Context::is_current_telemetry_suppressed);
            blocking.await.unwrap()
        });
        assert!(suppressed);
    }
}

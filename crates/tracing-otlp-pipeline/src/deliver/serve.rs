//! The loop that sees every request to its end, and the tasks that it starts.
//!
//! Heart of `deliver`: takes steps from the queue, sends requests over the `wire`, and settles them.
//! All of it runs on the one thread; the tests run it on their own, with the clock in their hands.

mod attempt;
mod disk;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    overflow::Overflow,
    queue::{Queue, Step},
    thread::{Connectivity, Ways},
    watch::Watch,
};
use crate::{event::DeliveryEvent, notice::Notifier, unwind::caught};

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

    /// Whether there is nothing more to do, ever.
    pub(super) fn is_finished(&self) -> bool {
        self.queue.is_finished()
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
            self.look();
            if self.queue.is_finished() {
                return;
            }
            self.wait(until, online).await;
        }
    }

    /// Tells of losses that no request tells of.
    pub(super) fn look(&self) {
        self.watch.look_at(self.queue.ledger());
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
}

/// How often the application is asked whether the process is back online.
const ASK_AGAIN: Duration = Duration::from_secs(1);

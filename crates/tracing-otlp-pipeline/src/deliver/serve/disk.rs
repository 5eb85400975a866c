//! To the spool with what cannot be delivered, and back with it at a pace of its own.
//!
//! Part of `serve`, for as long as there is a spool; without one what is given up is lost.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Delivery;
use crate::{
    deliver::{
        overflow::Replayed,
        queue::{Outcome, Ticket},
        spool::{Refusal, Refused},
    },
    encode::Request,
    event::DeliveryEvent,
    ledger::LossReason,
};

impl Delivery {
    /// The end of a request that could not be delivered: to disk if there is a spool.
    pub(super) fn give_up(self: &Arc<Self>, ticket: Ticket, request: Request, reason: LossReason) {
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
    pub(super) async fn replay(self: Arc<Self>) {
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
}

/// The pace of the replay: slow enough to leave the network to fresh data, fast enough to catch up.
const REPLAY_PACE: Duration = Duration::from_millis(25);

/// How long to wait where there is nothing on disk, or nobody to take it.
const NOTHING_TO_REPLAY: Duration = Duration::from_secs(1);

//! To the spool with what cannot be delivered, and back with it at a pace of its own.
//!
//! Part of `serve`, for as long as there is a spool; without one what is given up is lost.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::Delivery;
use crate::{
    deliver::{
        overflow::{Overflow, Replayed},
        queue::{Outcome, Ticket, Welcome},
        spool::{Refusal, Refused, Replay},
    },
    encode::Request,
    event::DeliveryEvent,
    ledger::LossReason,
    notice::Notice,
    settings::Signal,
    unwind::caught_async,
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
        let Some(entry) = Overflow::entry(&request, &way.shape) else {
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
        if let Some(overflow) = &self.overflow {
            // The oldest may have left for it.
            overflow.reconcile(self.queue.ledger());
        }
    }

    /// Tells once of what stays on disk because its signal has no destination here.
    fn tell_of_kept(&self) {
        for signal in Signal::ALL {
            let records = self.queue.ledger().signal(signal).counts().recovered();
            if records > 0 && self.ways[signal as usize].is_none() {
                let kept = Notice::SpoolKeeps { signal, records };
                self.watch.notifier().say(&kept);
            }
        }
    }

    /// Brings back what is on disk, for as long as there is a spool.
    pub(super) async fn replay(self: Arc<Self>) {
        let Some(overflow) = &self.overflow else {
            return;
        };
        self.tell_of_kept();
        // Whatever panics costs one entry a while, and not the rest of the backlog.
        while caught_async(self.bring_all_back(overflow)).await.is_err() {
            tokio::time::sleep(NOTHING_TO_REPLAY).await;
        }
    }

    /// Brings back one entry after the other, while there is room and somebody to take it. How many
    /// are in memory at once follows the destination's answers, so it is the destination that sets
    /// the pace; the setting is its upper bound.
    async fn bring_all_back(&self, overflow: &Overflow) {
        let has_way = |signal| self.ways[signal as usize].is_some();
        loop {
            overflow.reconcile(self.queue.ledger());
            self.look();
            let pause = match self.queue.replay_welcome(Instant::now(), has_way) {
                Welcome::Yes(signals) => match overflow.spool.next_of(&signals).await {
                    Some(replay) => {
                        // It may have been found only now, in a file that could not be read before.
                        overflow.reconcile(self.queue.ledger());
                        self.bring_back(replay);
                        overflow.replay_pause
                    }
                    None => NOTHING_TO_REPLAY,
                },
                Welcome::Enough => {
                    // Or the way to another destination is open again.
                    let ended = self.queue.replay_ended();
                    let _ = tokio::time::timeout(ASK_AGAIN, ended).await;
                    continue;
                }
                Welcome::No => ASK_AGAIN,
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn bring_back(&self, replay: Replay) {
        let signal = replay.entry().signal;
        let Some(way) = &self.ways[signal as usize] else {
            // The spool gives out only what has a way; dropping the entry gives it back.
            return;
        };
        if let Some(request) = Overflow::request(replay.entry(), &way.shape) {
            self.queue.push_replay(request, Replayed::new(replay));
            return;
        }
        // Its checksum is right, but nobody can make a request of it, today or later.
        let account = self.queue.ledger().signal(signal);
        account.lost_on_disk(LossReason::SpoolCorrupt, replay.entry().severities());
        replay.ack();
    }
}

/// How long to wait where there is nothing on disk.
const NOTHING_TO_REPLAY: Duration = Duration::from_secs(1);

/// How long to wait where nobody takes anything, or memory is full of what is younger.
const ASK_AGAIN: Duration = Duration::from_millis(250);

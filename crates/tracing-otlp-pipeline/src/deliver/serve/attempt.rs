//! Sees one request through one attempt, and does what is to be done then.
//!
//! Part of `serve`, a task for each request that is under way.

use std::sync::Arc;

use tokio::time::Instant;

use super::Delivery;
use crate::{
    deliver::{
        cut,
        queue::{Decision, Outcome, Ticket},
        split,
        thread::Way,
    },
    encode::Request,
    event::DeliveryEvent,
    ledger::LossReason,
    unwind::caught_async,
};

impl Delivery {
    /// Sees one request through one attempt, and does what is to be done then.
    pub(super) async fn see_through(
        self: Arc<Self>,
        ticket: Ticket,
        request: Request,
        limit: Option<usize>,
    ) {
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
            if !self.split(ticket, request, way, false) && !self.cut_to_send(ticket, request, way) {
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
                if !self.split(ticket, request, way, true) && !self.cut(ticket, request, way) {
                    self.settle_lost(ticket, request, LossReason::TooLarge);
                }
            }
            Decision::Nothing => {}
        }
    }

    /// Cuts the only record of a request that was refused, if that is possible. Nothing is cut before
    /// the destination has seen it whole: a guess at its limit is good enough to split, not to cut.
    fn cut(&self, ticket: Ticket, request: &Request, way: &Way) -> bool {
        let Some(bytes) = plain_bytes(request, way) else {
            return false;
        };
        let now = Instant::now();
        let target = self.queue.single_was_too_large(request.signal, bytes, now);
        self.cut_to(target, bytes, ticket, request, way)
    }

    /// Cuts the only record of a request that is larger than we send, if that is possible.
    fn cut_to_send(&self, ticket: Ticket, request: &Request, way: &Way) -> bool {
        let Some(bytes) = plain_bytes(request, way) else {
            return false;
        };
        // A form that takes more bytes than protobuf has to be cut by as much again.
        let (largest, most) = (request.bytes_at_most(), way.shape.max_bytes);
        let target = bytes.saturating_mul(most) / largest.max(1);
        self.cut_to(target.min(bytes / 10 * 9), bytes, ticket, request, way)
    }

    fn cut_to(
        &self,
        target: usize,
        bytes: usize,
        ticket: Ticket,
        request: &Request,
        way: &Way,
    ) -> bool {
        let Ok(Some(shorter)) = cut::cut(request, &way.shape, target) else {
            return false;
        };
        self.tell(&[DeliveryEvent::Cut {
            signal: request.signal,
            bytes,
            left: plain_bytes(&shorter, way).unwrap_or_default(),
        }]);
        self.queue.replace(ticket, vec![shorter]);
        true
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
        self.queue.replace(ticket, vec![halves.0, halves.1]);
        true
    }

    pub(super) fn settle_lost(&self, ticket: Ticket, request: &Request, reason: LossReason) {
        let records = request.records;
        if let Some(way) = &self.ways[request.signal as usize] {
            self.watch.lost(&*way.transport, records);
        }
        self.watch.tell_lost(request.signal, reason, records);
        self.queue.settle(ticket, Outcome::lost(records, reason));
    }
}

/// How large the request is, uncompressed.
fn plain_bytes(request: &Request, way: &Way) -> Option<usize> {
    let plain = request.protobuf(way.shape.max_bytes).ok()?;
    Some(plain.len())
}

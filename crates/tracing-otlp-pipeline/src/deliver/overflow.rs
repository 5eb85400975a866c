//! Sends to the spool what cannot be delivered now, and brings it back.
//!
//! Part of `deliver`, between the queue and the spool. Knows which entries this process wrote: those
//! count as spooled until they are delivered or lost; what an earlier process left is counted apart.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use super::spool::{Entry, Recovered, Replay, Spool, SpoolCounts};
use crate::{
    encode::{Request, Shape},
    ledger::{Ledger, LossReason},
    settings::{Compression, Protocol, Signal},
};

/// The spool as delivery sees it.
#[derive(Debug)]
pub(crate) struct Overflow {
    pub(super) spool: Spool,
    /// Marks the entries of this process.
    run: String,
    recovered: Recovered,
    /// What the spool lost, as far as it has been counted.
    counted: Mutex<SpoolCounts>,
}

impl Overflow {
    pub(crate) fn new(spool: Spool, recovered: Recovered) -> Self {
        let counted = spool.counts();
        Self {
            spool,
            run: format!("run-{:016x}", fastrand::u64(..)),
            // What was lost while opening was lost by an earlier process.
            recovered,
            counted: Mutex::new(counted),
        }
    }

    /// The entry for a request of this process, always as protobuf: the next process may be told
    /// to send something else.
    pub(super) fn entry(&self, request: &Request, shape: &Shape) -> Option<Entry> {
        let mark = Arc::from(&*self.run);
        if request.source.is_none() {
            return Some(Entry::of(request, shape.protocol, mark));
        }
        let neutral = Shape {
            protocol: Protocol::HttpProtobuf,
            compression: Compression::Gzip,
            ..shape.clone()
        };
        let plain = request.protobuf(shape.max_bytes).ok()?;
        let request = neutral.fit(plain, request.records).ok()?;
        Some(Entry::of(&request, neutral.protocol, mark))
    }

    /// The request of an entry, in the shape that its destination wants today.
    pub(super) fn request(entry: &Entry, shape: &Shape) -> Option<Request> {
        let request = entry.to_request()?;
        let same = request.content_type == shape.content_type()
            && request.content_encoding == shape.compression.encoding()
            && shape.protocol != Protocol::HttpJson;
        if same {
            return Some(request);
        }
        let plain = request.protobuf(shape.max_bytes).ok()?;
        shape.fit(plain, request.records).ok()
    }

    pub(super) fn is_own(&self, entry: &Entry) -> bool {
        *entry.destination == *self.run
    }

    /// Leaves the directory to others; what was not written in time was counted before.
    pub(crate) fn close(&self, ledger: &Ledger, until: Instant) {
        let _ = self.spool.shutdown(until);
        self.reconcile(ledger);
    }

    /// Counts what the spool itself lost since the last look.
    pub(super) fn reconcile(&self, ledger: &Ledger) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.spool.counts();
        let before = std::mem::replace(&mut *counted, now);
        for signal in Signal::ALL {
            let account = ledger.signal(signal);
            for (reason, now, before) in [
                (LossReason::SpoolFull, &now.evicted, &before.evicted),
                (LossReason::SpoolExpired, &now.expired, &before.expired),
                (LossReason::SpoolCorrupt, &now.corrupt, &before.corrupt),
            ] {
                let lost = now.records(signal).saturating_sub(before.records(signal));
                if lost == 0 {
                    continue;
                }
                // The oldest go first, and those of earlier processes are the oldest.
                let counts = account.counts();
                let earlier = self
                    .recovered
                    .spooled
                    .records(signal)
                    .saturating_sub(counts.replayed() + counts.replayed_lost());
                account.replayed(0, lost.min(earlier));
                let own = account.unspooled(lost - lost.min(earlier));
                account.lost(reason, own);
            }
        }
    }
}

/// Where a request came from that was on disk before.
#[derive(Debug, Clone)]
pub(crate) struct Replayed {
    /// Whether this process wrote it.
    pub(super) own: bool,
    /// Whether it is only a part of the entry.
    pub(super) is_part: bool,
    back: Arc<Back>,
}

impl Replayed {
    pub(super) fn new(replay: Replay, own: bool) -> Self {
        Self {
            own,
            is_part: false,
            back: Arc::new(Back {
                replay: Mutex::new(Some(replay)),
                parts: AtomicUsize::new(1),
            }),
        }
    }

    /// Two parts take the place of this one.
    pub(super) fn split(&mut self) {
        self.is_part = true;
        self.back.parts.fetch_add(1, SeqCst);
    }

    /// This part is done with: delivered, lost for good, or an entry of its own.
    pub(super) fn done(&self) {
        self.back.parts.fetch_sub(1, SeqCst);
    }
}

/// The way back to the spool: an entry of which every part is done is acknowledged, any other comes
/// again.
#[derive(Debug)]
struct Back {
    replay: Mutex<Option<Replay>>,
    parts: AtomicUsize,
}

impl Drop for Back {
    fn drop(&mut self) {
        let replay = self
            .replay
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(replay) = replay.take() {
            if self.parts.load(SeqCst) == 0 {
                replay.ack();
            }
        }
    }
}

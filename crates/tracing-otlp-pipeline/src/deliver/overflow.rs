//! Sends to the spool what cannot be delivered now, and brings it back.
//!
//! Part of `deliver`, between the queue and the spool. Whatever is on disk counts as spooled until it
//! is delivered or lost, also what an earlier process left: each entry says how severe its records
//! are, and the ledger follows the spool's own counts.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::spool::{Entry, Recovered, Replay, Spool, SpoolCounts};
use crate::{
    admit::Tally,
    encode::{Request, Shape},
    ledger::{Ledger, LossReason},
    settings::{Compression, Protocol, Signal},
};

/// The spool as delivery sees it.
#[derive(Debug)]
pub(crate) struct Overflow {
    pub(super) spool: Spool,
    /// How much time lies between two entries that come back, at least.
    pub(super) replay_pause: Duration,
    /// What the spool found and lost, as far as the ledger knows of it.
    counted: Mutex<SpoolCounts>,
}

impl Overflow {
    pub(crate) fn new(
        spool: Spool,
        replay_pause: Duration,
        recovered: &Recovered,
        ledger: &Ledger,
    ) -> Self {
        for signal in Signal::ALL {
            // Found and lost in one: no start of this process has seen it whole.
            let damaged = recovered.corrupt.severities(signal);
            let account = ledger.signal(signal);
            account.recovered(damaged);
            account.lost_on_disk(LossReason::SpoolCorrupt, damaged);
        }
        let this = Self {
            spool,
            replay_pause,
            counted: Mutex::default(),
        };
        // What a start finds may be too old or too much, and is lost with it.
        this.reconcile(ledger);
        this
    }

    /// The entry for a request of this process, always as protobuf: the next process may be told
    /// to send something else.
    pub(super) fn entry(request: &Request, shape: &Shape) -> Option<Entry> {
        if request.exceeds(shape.max_bytes) {
            return None;
        }
        if request.source.is_none() {
            return Some(Entry::of(request, shape.protocol));
        }
        let neutral = Shape {
            protocol: Protocol::HttpProtobuf,
            compression: Compression::Gzip,
            ..shape.clone()
        };
        let plain = request.protobuf(shape.max_bytes).ok()?;
        let request = neutral.fit(plain, request.severities).ok()?;
        Some(Entry::of(&request, neutral.protocol))
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
        shape.fit(plain, request.severities).ok()
    }

    /// Leaves the directory to others; what was not written in time was counted before.
    pub(crate) fn close(&self, ledger: &Ledger, until: Instant) {
        let _ = self.spool.shutdown(until);
        self.reconcile(ledger);
    }

    /// Counts what the spool itself found and lost since the last look.
    pub(super) fn reconcile(&self, ledger: &Ledger) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.spool.counts();
        let before = std::mem::replace(&mut *counted, now);
        let recovered = now.recovered.since(&before.recovered);
        let lost = [
            (LossReason::SpoolFull, &now.evicted, &before.evicted),
            (LossReason::SpoolExpired, &now.expired, &before.expired),
            (LossReason::SpoolCorrupt, &now.corrupt, &before.corrupt),
        ];
        for signal in Signal::ALL {
            let account = ledger.signal(signal);
            account.recovered(recovered.severities(signal));
            for (reason, now, before) in lost {
                let lost = now.since(before).severities(signal);
                if lost.total() > 0 {
                    account.lost_on_disk(reason, lost);
                }
            }
        }
    }
}

/// Where a request came from that was on disk before.
#[derive(Debug, Clone)]
pub(crate) struct Replayed {
    /// Whether it is only a part of the entry.
    pub(super) is_part: bool,
    back: Arc<Back>,
}

impl Replayed {
    pub(super) fn new(replay: Replay) -> Self {
        Self {
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
    pub(super) fn done(&self, records: Tally) {
        let replay = self.back.replay.lock();
        let mut replay = replay.unwrap_or_else(PoisonError::into_inner);
        if let Some(replay) = &mut *replay {
            replay.done(records);
        }
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

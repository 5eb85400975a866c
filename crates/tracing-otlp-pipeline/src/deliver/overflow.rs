//! Sends to the spool what cannot be delivered now, and brings it back.
//!
//! Part of `deliver`, between the queue and the spool. Whatever is on disk counts as spooled until it
//! is delivered or lost, also what an earlier process left. Of the entries that this process wrote it
//! is known how severe their records are; the others count as INFO.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Instant,
};

use super::spool::{Entry, Recovered, Replay, Spool, SpoolCounts};
use crate::{
    admit::{SeverityBand, Tally},
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
    /// What the spool lost, as far as it has been counted.
    counted: Mutex<SpoolCounts>,
}

impl Overflow {
    pub(crate) fn new(spool: Spool, recovered: &Recovered, ledger: &Ledger) -> Self {
        for signal in Signal::ALL {
            let records = recovered.spooled.records(signal);
            ledger.signal(signal).recovered(records);
        }
        let counted = spool.counts();
        Self {
            spool,
            run: format!("run-{:016x}", fastrand::u64(..)),
            // What was lost while opening was lost by an earlier process.
            counted: Mutex::new(counted),
        }
    }

    /// The entry for a request of this process, always as protobuf: the next process may be told
    /// to send something else.
    pub(super) fn entry(&self, request: &Request, shape: &Shape) -> Option<Entry> {
        if request.exceeds(shape.max_bytes) {
            return None;
        }
        let mark = Arc::from(mark(&self.run, &request.severities));
        if request.source.is_none() {
            return Some(Entry::of(request, shape.protocol, mark));
        }
        let neutral = Shape {
            protocol: Protocol::HttpProtobuf,
            compression: Compression::Gzip,
            ..shape.clone()
        };
        let plain = request.protobuf(shape.max_bytes).ok()?;
        let request = neutral.fit(plain, request.severities).ok()?;
        Some(Entry::of(&request, neutral.protocol, mark))
    }

    /// The request of an entry, in the shape that its destination wants today.
    pub(super) fn request(&self, entry: &Entry, shape: &Shape) -> Option<Request> {
        let mut request = entry.to_request()?;
        request.severities = self.severities(entry);
        let same = request.content_type == shape.content_type()
            && request.content_encoding == shape.compression.encoding()
            && shape.protocol != Protocol::HttpJson;
        if same {
            return Some(request);
        }
        let plain = request.protobuf(shape.max_bytes).ok()?;
        shape.fit(plain, request.severities).ok()
    }

    /// How severe the records of an entry are, as the ledger has counted them.
    pub(super) fn severities(&self, entry: &Entry) -> Tally {
        let own = entry.destination.strip_prefix(&*self.run);
        let own = own.and_then(|numbers| Tally::parse(numbers.strip_prefix(' ')?));
        own.filter(|tally| tally.total() == entry.records)
            .unwrap_or_else(|| entry.records.into())
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
                account.lost_on_disk(reason, lost);
            }
        }
    }
}

/// What an entry has in the place of a destination, of which there is one for each signal: who wrote
/// it, and how many records of each severity it holds.
fn mark(run: &str, severities: &Tally) -> String {
    let mut mark = run.to_owned();
    for band in SeverityBand::ALL {
        mark.push(if mark.len() == run.len() { ' ' } else { ',' });
        mark.push_str(&severities.get(band).to_string());
    }
    mark
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

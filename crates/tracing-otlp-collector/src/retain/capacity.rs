//! Says how much the store keeps before the oldest leave.
//!
//! It is read by the store on each arrival.

use super::head::Head;
use crate::Signal;

/// How much a collector keeps; whatever is reached first makes the oldest leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Capacity {
    pub(crate) records: usize,
    pub(crate) spans: usize,
    pub(crate) requests: usize,
    pub(crate) bytes: usize,
}

impl Capacity {
    /// Keeps at most this many log records, 100,000 by default.
    pub fn with_records(mut self, records: usize) -> Self {
        self.records = records;
        self
    }

    /// Keeps at most this many spans, 100,000 by default.
    pub fn with_spans(mut self, spans: usize) -> Self {
        self.spans = spans;
        self
    }

    /// Keeps at most this many raw requests, 10,000 by default, if requests are kept at all.
    pub fn with_requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// Keeps at most about this many bytes of records, spans and requests together, 256 MiB by
    /// default.
    ///
    /// A request's records are kept as the bytes they were sent in, with a small fixed head for each of
    /// them; both count. What goes over the limit is made up by the oldest of any kind, one request
    /// at a time. Metrics are bounded by this alone.
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The most items of a signal.
    pub(crate) fn items(&self, signal: Signal) -> usize {
        match signal {
            Signal::Logs => self.records,
            Signal::Traces => self.spans,
            Signal::Metrics => usize::MAX,
        }
    }

    /// The most items of one request with this many bytes that are worth noting: with one more it is
    /// too large to be kept, or its oldest leave at once.
    pub(crate) fn worth_noting(&self, signal: Signal, bytes: usize) -> usize {
        let room = self.bytes.saturating_sub(bytes) / size_of::<Head>();
        self.items(signal).min(room + 1)
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            records: 100_000,
            spans: 100_000,
            requests: 10_000,
            bytes: 256 * 1024 * 1024,
        }
    }
}

//! Counts what arrived, what was refused and what has left.
//!
//! The store adds to it under its lock, so the numbers of one reading belong together.

/// How much a collector saw since its start or the last clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Accepted requests with logs.
    pub log_requests: u64,
    /// Accepted requests with spans.
    pub trace_requests: u64,
    /// Accepted requests with metrics.
    pub metric_requests: u64,
    /// Requests answered with an error.
    pub refused: u64,
    /// Log records that arrived.
    pub logs: u64,
    /// Spans that arrived.
    pub spans: u64,
    /// Data points of metrics that arrived.
    pub data_points: u64,
    /// Log records that left because the store was full.
    pub evicted_logs: u64,
    /// Spans that left because the store was full.
    pub evicted_spans: u64,
    /// Kept requests that left because the store was full.
    pub evicted_requests: u64,
}

impl Counts {
    /// Accepted requests of all signals.
    pub fn requests(&self) -> u64 {
        self.log_requests + self.trace_requests + self.metric_requests
    }
}

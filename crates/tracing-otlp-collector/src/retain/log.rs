//! One log record as it arrived, with the answers tests ask for.
//!
//! `batch` makes it from a request; the store, the audit and the tree hand it on.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::attributes::{self, hex_or_none, shared_accessors};
use super::origin::Origin;

/// A log record with the resource and the scope it came with; cloning is cheap.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLog {
    origin: Arc<Origin>,
    record: Arc<LogRecord>,
}

impl StoredLog {
    pub(crate) fn new(origin: Arc<Origin>, record: LogRecord) -> Self {
        Self {
            origin,
            record: Arc::new(record),
        }
    }

    /// The record as the wire had it.
    pub fn record(&self) -> &LogRecord {
        &self.record
    }

    /// The body's value, `None` when it is empty.
    pub fn body(&self) -> Option<&Value> {
        self.record
            .body
            .as_ref()
            .and_then(|body| body.value.as_ref())
    }

    /// The body, if it is a string.
    pub fn body_str(&self) -> Option<&str> {
        self.body().and_then(attributes::text)
    }

    /// The severity as a number from 1 (TRACE) to 24 (FATAL4), 0 when unspecified.
    pub fn severity_number(&self) -> i32 {
        self.record.severity_number
    }

    /// The severity as the sender names it, empty when it does not.
    pub fn severity_text(&self) -> &str {
        &self.record.severity_text
    }

    /// The event's name, empty when it has none.
    pub fn event_name(&self) -> &str {
        &self.record.event_name
    }

    /// When it happened, in nanoseconds since 1970, 0 when unknown.
    pub fn time_unix_nano(&self) -> u64 {
        self.record.time_unix_nano
    }

    /// When it was observed, in nanoseconds since 1970, 0 when unknown.
    pub fn observed_time_unix_nano(&self) -> u64 {
        self.record.observed_time_unix_nano
    }

    /// The flags; the lowest eight bits are the trace flags, 1 meaning sampled.
    pub fn flags(&self) -> u32 {
        self.record.flags
    }

    shared_accessors!(record);
}

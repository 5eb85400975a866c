//! One log record as it arrived, with the answers tests ask for.
//!
//! The store hands it out; it is decoded from the bytes that arrived when it is first looked at.

use std::fmt;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::attributes::{self, hex_or_none, shared_accessors};
use super::head::Head;
use super::origin::Origin;
use super::view::View;

/// A log record with the resource and the scope it came with; cloning is cheap.
#[derive(Clone)]
pub struct StoredLog {
    view: Arc<View>,
    index: u32,
}

impl StoredLog {
    pub(crate) fn new(view: Arc<View>, index: u32) -> Self {
        Self { view, index }
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.view.head(self.index)
    }

    fn origin(&self) -> &Origin {
        self.view.origin(self.index)
    }

    /// The record as the wire had it.
    pub fn record(&self) -> &LogRecord {
        self.view.log(self.index)
    }

    /// The body's value, `None` when it is empty.
    pub fn body(&self) -> Option<&Value> {
        self.record()
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
        self.record().severity_number
    }

    /// The severity as the sender names it, empty when it does not.
    pub fn severity_text(&self) -> &str {
        &self.record().severity_text
    }

    /// The event's name, empty when it has none.
    pub fn event_name(&self) -> &str {
        &self.record().event_name
    }

    /// When it happened, in nanoseconds since 1970, 0 when unknown.
    pub fn time_unix_nano(&self) -> u64 {
        self.record().time_unix_nano
    }

    /// When it was observed, in nanoseconds since 1970, 0 when unknown.
    pub fn observed_time_unix_nano(&self) -> u64 {
        self.record().observed_time_unix_nano
    }

    /// The flags; the lowest eight bits are the trace flags, 1 meaning sampled.
    pub fn flags(&self) -> u32 {
        self.record().flags
    }

    shared_accessors!(record);
}

impl PartialEq for StoredLog {
    fn eq(&self, other: &Self) -> bool {
        self.record() == other.record() && self.origin() == other.origin()
    }
}

impl fmt::Debug for StoredLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredLog")
            .field("origin", self.origin())
            .field("record", self.record())
            .finish()
    }
}

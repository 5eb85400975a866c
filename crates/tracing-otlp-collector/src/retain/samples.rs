//! Records and spans for the unit tests of this crate.
//!
//! Ids are made from one byte, so that tests can speak of "trace 1, span 2".

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use prost::Message as _;

use super::index::{Indexed, index};
use super::{StoredLog, StoredSpan};
use crate::Signal;

pub(crate) fn trace_id(n: u8) -> Vec<u8> {
    vec![n; 16]
}

pub(crate) fn span_id(n: u8) -> Vec<u8> {
    vec![n; 8]
}

pub(crate) fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(Value::StringValue(text.to_owned())),
    }
}

pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        key_strindex: 0,
    }
}

/// A record at this nanosecond, in this trace and span; 0 leaves an id out.
pub(crate) fn record(body: &str, time: u64, trace: u8, span: u8) -> LogRecord {
    LogRecord {
        time_unix_nano: time,
        severity_number: 9,
        severity_text: "INFO".to_owned(),
        body: Some(text(body)),
        trace_id: if trace == 0 { vec![] } else { trace_id(trace) },
        span_id: if span == 0 { vec![] } else { span_id(span) },
        ..LogRecord::default()
    }
}

/// A span of a millisecond that starts at this nanosecond; parent 0 makes it a root.
pub(crate) fn span(name: &str, start: u64, trace: u8, id: u8, parent: u8) -> Span {
    Span {
        name: name.to_owned(),
        trace_id: trace_id(trace),
        span_id: span_id(id),
        parent_span_id: if parent == 0 { vec![] } else { span_id(parent) },
        start_time_unix_nano: start,
        end_time_unix_nano: start + 1_000_000,
        kind: 1,
        ..Span::default()
    }
}

pub(crate) fn logs_request(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs {
        log_records,
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        scope_logs,
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }
}

pub(crate) fn trace_request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans {
        spans,
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![ResourceSpans {
        scope_spans,
        ..ResourceSpans::default()
    }];
    ExportTraceServiceRequest { resource_spans }
}

pub(crate) fn indexed_logs(records: Vec<LogRecord>) -> Indexed {
    let bytes = logs_request(records).encode_to_vec();
    index(Signal::Logs, bytes.into(), usize::MAX).unwrap()
}

pub(crate) fn indexed_spans(spans: Vec<Span>) -> Indexed {
    let bytes = trace_request(spans).encode_to_vec();
    index(Signal::Traces, bytes.into(), usize::MAX).unwrap()
}

pub(crate) fn stored_logs(records: Vec<LogRecord>) -> Vec<StoredLog> {
    let view = Arc::new(indexed_logs(records).chunk).view();
    let indexes = 0..u32::try_from(view.chunk.heads.len()).unwrap();
    indexes
        .map(|index| StoredLog::new(Arc::clone(&view), index))
        .collect()
}

pub(crate) fn stored_spans(spans: Vec<Span>) -> Vec<StoredSpan> {
    let view = Arc::new(indexed_spans(spans).chunk).view();
    let indexes = 0..u32::try_from(view.chunk.heads.len()).unwrap();
    indexes
        .map(|index| StoredSpan::new(Arc::clone(&view), index))
        .collect()
}

/// The generator `SplitMix64`: enough randomness for mutations, and the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap()
    }

    /// Changes, inserts, removes, repeats or cuts at one to three places.
    pub(crate) fn mutate(&mut self, bytes: &[u8], favourites: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let favourite = favourites[self.below(favourites.len())];
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = favourite,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.insert(at, favourite),
                3 if at < bytes.len() => {
                    bytes.remove(at);
                }
                4 => {
                    let end = (at + self.below(40)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.truncate(at.max(bytes.len() / 2)),
            }
        }
        bytes
    }
}

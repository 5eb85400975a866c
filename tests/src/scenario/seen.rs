//! What arrived, in the form in which two runs are equal.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Attributes, LogRecord, Span, Value};

/// A record that arrived, or should.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Which record of the set it is.
    pub case: String,
    /// The severity number.
    pub severity_number: i32,
    /// The severity's text.
    pub severity_text: String,
    /// The event's name, empty where it has none.
    pub event_name: String,
    /// The body.
    pub body: Value,
    /// Name, version and schema of the scope.
    pub scope: [String; 3],
    /// The scope's attributes.
    pub scope_attributes: Attributes,
    /// The attributes, sorted, without `case`.
    pub attributes: Attributes,
    /// How many attributes were dropped.
    pub dropped: u32,
    /// The name of the span it points at, `None` where it has no ids.
    pub span: Option<String>,
    /// The flags.
    pub flags: u32,
}

/// A span that arrived, or should.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenSpan {
    /// The name.
    pub name: String,
    /// The kind's number.
    pub kind: i32,
    /// The parent's name, or its id where it is not of this process.
    pub parent: Option<String>,
    /// The status' number.
    pub status: i32,
    /// What goes with the status.
    pub status_message: String,
    /// The attributes, sorted, without those that differ from run to run.
    pub attributes: Attributes,
    /// The names of its events.
    pub events: Vec<String>,
    /// How many links it has.
    pub links: usize,
}

/// The records as they are in every run.
///
/// # Panics
///
/// When a time is missing, when the two differ, when a key occurs twice, or when a record has no
/// `case`.
pub fn seen(logs: &[LogRecord], spans: &[Span]) -> Vec<Seen> {
    let names: BTreeMap<_, _> = spans
        .iter()
        .map(|span| ((&*span.trace_id, &*span.span_id), &*span.name))
        .collect();
    let see = |log: &LogRecord| {
        let case = log.attribute("case").and_then(Value::as_str);
        let case = case.unwrap_or_else(|| panic!("a record of no case: {log:?}"));
        assert!(log.time_unix_nano > 0, "{case}: no time");
        assert_eq!(
            log.time_unix_nano, log.observed_time_unix_nano,
            "{case}: both times are one clock read"
        );
        let span = match (&*log.trace_id, &*log.span_id) {
            ("", "") => None,
            ids => Some(match names.get(&ids) {
                Some(name) => (*name).to_owned(),
                None => format!("an orphan of {ids:?}"),
            }),
        };
        Seen {
            case: case.to_owned(),
            severity_number: log.severity_number,
            severity_text: log.severity_text.clone(),
            event_name: log.event_name.clone(),
            body: sorted(&log.body),
            scope: [
                log.origin.scope_name.clone(),
                log.origin.scope_version.clone(),
                log.origin.scope_schema_url.clone(),
            ],
            scope_attributes: attributes(&log.origin.scope_attributes),
            attributes: attributes(&log.attributes)
                .into_iter()
                .filter(|(key, _)| key != "case")
                .collect(),
            dropped: log.dropped_attributes_count.expect("the receiver shows it"),
            span,
            flags: log.flags,
        }
    };
    logs.iter().map(see).collect()
}

/// The spans as they are in every run.
///
/// # Panics
///
/// When a time is missing or runs backwards, when two spans have the same id, or when a span is in
/// another trace than its parent.
pub fn seen_spans(spans: &[Span]) -> Vec<SeenSpan> {
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "every id stands for one span");
    let see = |span: &Span| {
        let times = (span.start_time_unix_nano, span.end_time_unix_nano);
        assert!(
            times.0 > 0 && times.0 <= times.1,
            "{}: {times:?}",
            span.name
        );
        let parent = spans
            .iter()
            .find(|other| other.span_id == span.parent_span_id);
        if let Some(parent) = parent {
            assert_eq!(parent.trace_id, span.trace_id, "{}", span.name);
        }
        let parent = match parent {
            Some(parent) => parent.name.clone(),
            None => span.parent_span_id.clone(),
        };
        SeenSpan {
            name: span.name.clone(),
            kind: span.kind,
            parent: Some(parent).filter(|parent| !parent.is_empty()),
            status: span.status_code,
            status_message: span.status_message.clone(),
            attributes: attributes(&span.attributes)
                .into_iter()
                .filter(|(key, _)| !differs(key))
                .collect(),
            events: span.events.iter().map(|event| event.name.clone()).collect(),
            links: span.links.len(),
        }
    };
    spans.iter().map(see).collect()
}

/// Where the trace layer says which thread, line and how long.
fn differs(key: &str) -> bool {
    let parts = ["code.", "thread."];
    parts.iter().any(|part| key.starts_with(part))
        || ["busy_ns", "idle_ns", "target"].contains(&key)
}

fn attributes(from: &Attributes) -> Attributes {
    let map: BTreeMap<_, _> = from
        .iter()
        .map(|(key, value)| (key.clone(), without_backtrace(key, sorted(value))))
        .collect();
    assert_eq!(map.len(), from.len(), "a key occurs twice: {from:?}");
    map.into_iter().collect()
}

/// A map's order has no meaning in OTLP, and differs from run to run.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Map(entries) => Value::Map(attributes(entries)),
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// Whether there is a backtrace is up to `RUST_BACKTRACE`.
fn without_backtrace(key: &str, value: Value) -> Value {
    match (key, value) {
        ("exception.stacktrace", Value::String(text)) => {
            let end = text.find("\n\nStack backtrace:").unwrap_or(text.len());
            Value::String(text[..end].to_owned())
        }
        (_, value) => value,
    }
}

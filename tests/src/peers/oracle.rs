//! The oracle: captured OTLP bytes, read by the Python project's protobuf classes.
//!
//! It stands behind any capture of request bodies (a scripted server, a file) and knows them
//! only as bytes. `tests/peers/oracle.py` does the reading and describes the canonical document.
//!
//! The one thing to know: it is strict. Unknown fields, snake-case names, ids of a wrong length
//! and repeated names are errors; what a tolerant receiver would take is listed in `deviations`.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::{SETUP, missing, python};
use crate::child::workspace_root;
use crate::model::{Attributes, LogRecord, Origin, Span, SpanEvent, SpanLink, Value};

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `ExportLogsServiceRequest`.
    Logs,
    /// `ExportTraceServiceRequest`.
    Traces,
    /// `ExportMetricsServiceRequest`.
    Metrics,
}

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Binary protobuf: `application/x-protobuf`, or a gRPC message without its five-byte prefix.
    Protobuf,
    /// OTLP/JSON: `application/json`.
    Json,
}

/// The independent reader of OTLP bytes.
///
/// # Examples
///
/// ```
/// use tracing_otlp_tests::peers::{Format, Oracle};
///
/// let Some(oracle) = Oracle::find() else { return };
/// let body = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9}]}]}]}"#;
/// let records = oracle.logs(Format::Json, body).unwrap();
/// assert_eq!(records[0].severity_number, 9);
/// ```
#[derive(Debug, Clone)]
pub struct Oracle {
    python: PathBuf,
}

impl Oracle {
    /// The oracle, if it is installed.
    ///
    /// # Panics
    ///
    /// When it is not, and `TRACING_OTLP_REQUIRE_PEERS=1`.
    pub fn find() -> Option<Self> {
        let found = python().map(|python| Self { python });
        if found.is_none() {
            missing("the oracle (PyPI opentelemetry-proto)", SETUP);
        }
        found
    }

    /// The canonical document of one body.
    ///
    /// # Errors
    ///
    /// When the body is not OTLP, strictly read.
    pub fn read(&self, signal: Signal, format: Format, body: &[u8]) -> Result<Json, Unreadable> {
        let mut documents = self.read_each(signal, format, &[body])?;
        documents
            .pop()
            .ok_or_else(|| Unreadable("the oracle said nothing".to_owned()))
    }

    /// The canonical documents of many bodies, in one process.
    ///
    /// # Errors
    ///
    /// When one of them is not OTLP, strictly read; it says which.
    pub fn read_each<B: AsRef<[u8]>>(
        &self,
        signal: Signal,
        format: Format,
        bodies: &[B],
    ) -> Result<Vec<Json>, Unreadable> {
        let mut frames = Vec::new();
        for body in bodies.iter().map(AsRef::as_ref) {
            frames.extend_from_slice(&(body.len() as u64).to_be_bytes());
            frames.extend_from_slice(body);
        }
        let mut process = Command::new(&self.python)
            .arg(workspace_root().join("tests/peers/oracle.py"))
            .args([signal.word(), format.word(), "--frames"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the interpreter of the virtual environment starts");
        // It reads everything before it writes. If it dies early, its own words say why.
        let sent = process
            .stdin
            .take()
            .map(|mut stdin| stdin.write_all(&frames));
        let output = process
            .wait_with_output()
            .expect("the oracle can be waited for");
        let words = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(2) => return Err(Unreadable(words.trim().to_owned())),
            _ => panic!(
                "the oracle itself failed ({}, input {sent:?}):\n{words}",
                output.status
            ),
        }
        let documents: Vec<Json> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("the oracle prints JSON lines"))
            .collect();
        assert_eq!(documents.len(), bodies.len(), "one document a body");
        Ok(documents)
    }

    /// The log records of one body.
    ///
    /// # Errors
    ///
    /// When the body is not OTLP, strictly read; and when an attribute key occurs twice or the
    /// sender deviates from the specification, because no test wants to overlook that.
    pub fn logs(&self, format: Format, body: &[u8]) -> Result<Vec<LogRecord>, Unreadable> {
        let document = self.read(Signal::Logs, format, body)?;
        faultless(&document)?;
        Ok(records(&document).iter().map(log_record).collect())
    }

    /// The spans of one body.
    ///
    /// # Errors
    ///
    /// As [`Oracle::logs`].
    pub fn spans(&self, format: Format, body: &[u8]) -> Result<Vec<Span>, Unreadable> {
        let document = self.read(Signal::Traces, format, body)?;
        faultless(&document)?;
        Ok(records(&document).iter().map(span).collect())
    }

    /// The log records of many bodies, in order, read in one process.
    ///
    /// # Errors
    ///
    /// As [`Oracle::logs`].
    pub fn logs_of_each<B: AsRef<[u8]>>(
        &self,
        format: Format,
        bodies: &[B],
    ) -> Result<Vec<LogRecord>, Unreadable> {
        let mut all = Vec::new();
        for document in self.read_each(Signal::Logs, format, bodies)? {
            faultless(&document)?;
            all.extend(records(&document).iter().map(log_record));
        }
        Ok(all)
    }
}

/// The body is not what the specification wants; the oracle's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Signal {
    fn word(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        }
    }
}

fn faultless(document: &Json) -> Result<(), Unreadable> {
    for (list, what) in [
        ("duplicate_keys", "duplicate keys"),
        ("deviations", "deviations"),
    ] {
        let found = &document[list];
        if !items(found).is_empty() {
            return Err(Unreadable(format!("readable, but with {what}: {found}")));
        }
    }
    Ok(())
}

// The document is the oracle's, so what is missing in it is a fault of the oracle, not of a body:
// the readers below panic.

fn records(document: &Json) -> &[Json] {
    items(&document["records"])
}

fn log_record(from: &Json) -> LogRecord {
    LogRecord {
        origin: origin(from),
        time_unix_nano: number(&from["time_unix_nano"]),
        observed_time_unix_nano: number(&from["observed_time_unix_nano"]),
        severity_number: number(&from["severity_number"]),
        severity_text: text(&from["severity_text"]),
        event_name: text(&from["event_name"]),
        body: value(&from["body"]),
        attributes: attributes(&from["attributes"]),
        dropped_attributes_count: Some(number(&from["dropped_attributes_count"])),
        flags: number(&from["flags"]),
        trace_id: text(&from["trace_id"]),
        span_id: text(&from["span_id"]),
    }
}

fn span(from: &Json) -> Span {
    Span {
        origin: origin(from),
        name: text(&from["name"]),
        kind: number(&from["kind"]),
        trace_id: text(&from["trace_id"]),
        span_id: text(&from["span_id"]),
        parent_span_id: text(&from["parent_span_id"]),
        trace_state: text(&from["trace_state"]),
        start_time_unix_nano: number(&from["start_time_unix_nano"]),
        end_time_unix_nano: number(&from["end_time_unix_nano"]),
        status_code: number(&from["status"]["code"]),
        status_message: text(&from["status"]["message"]),
        attributes: attributes(&from["attributes"]),
        events: items(&from["events"]).iter().map(span_event).collect(),
        links: items(&from["links"]).iter().map(span_link).collect(),
    }
}

fn span_event(from: &Json) -> SpanEvent {
    SpanEvent {
        time_unix_nano: number(&from["time_unix_nano"]),
        name: text(&from["name"]),
        attributes: attributes(&from["attributes"]),
    }
}

fn span_link(from: &Json) -> SpanLink {
    SpanLink {
        trace_id: text(&from["trace_id"]),
        span_id: text(&from["span_id"]),
        attributes: attributes(&from["attributes"]),
    }
}

fn origin(from: &Json) -> Origin {
    let scope = &from["scope"];
    Origin {
        resource: attributes(&from["resource"]),
        resource_schema_url: text(&from["resource_schema_url"]),
        scope_name: text(&scope["name"]),
        scope_version: text(&scope["version"]),
        scope_schema_url: text(&scope["schema_url"]),
        scope_attributes: attributes(&scope["attributes"]),
    }
}

fn attributes(from: &Json) -> Attributes {
    items(from)
        .iter()
        .map(|pair| (text(&pair[0]), value(&pair[1])))
        .collect()
}

fn value(from: &Json) -> Value {
    let typed = from.as_object().and_then(|object| object.iter().next());
    let (kind, inner) = typed.expect("a typed value has one entry");
    match kind.as_str() {
        "empty" => Value::Empty,
        "string" => Value::String(text(inner)),
        "int" => Value::Int(number(inner)),
        "double" => Value::Double(number(inner)),
        "bool" => Value::Bool(inner.as_bool().expect("a truth value")),
        "bytes" => Value::Bytes(bytes(&text(inner))),
        "array" => Value::Array(items(inner).iter().map(value).collect()),
        "map" => Value::Map(attributes(inner)),
        other => panic!("the oracle knows a type that we do not: {other}"),
    }
}

fn items(from: &Json) -> &[Json] {
    from.as_array().expect("a list")
}

fn text(from: &Json) -> String {
    from.as_str().expect("a text").to_owned()
}

/// Numbers come bare where they are small and as text where JSON could harm them.
fn number<T: std::str::FromStr>(from: &Json) -> T {
    let text = from
        .as_str()
        .map_or_else(|| from.to_string(), str::to_owned);
    text.parse()
        .unwrap_or_else(|_| panic!("not a number of its type: {text}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hexadecimal digit");
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs
        .filter_map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).ok())
        .collect()
}

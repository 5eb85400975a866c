//! What rotel prints with `--debug-log-verbosity detailed`, read back into typed records.
//!
//! It stands between the agent's lines and the [`model`](crate::model). A record that is not
//! printed to its end is left out.
//!
//! The one thing to know: the agent escapes nothing. A text may run over several lines and may
//! look like the agent's own labels, so a value ends only where it is whole *and* the next line is
//! a label that may follow. A text that imitates both is misread; the oracle is for such texts.

use crate::model::{Attributes, LogRecord, Origin, Span, SpanEvent, SpanLink, Value};

mod value;

use value::{typed, value};

/// The complete log records among these lines.
pub(super) fn logs(lines: &[String]) -> Vec<LogRecord> {
    let mut reader = Reader { lines, at: 0 };
    let mut origin = Origin::default();
    let mut records = Vec::new();
    while let Some(line) = reader.peek() {
        if is_numbered(line, "ResourceLog #") {
            reader.skip();
            origin = reader.resource().unwrap_or_default();
        } else if is_numbered(line, "ScopeLogs #") {
            reader.skip();
            reader.scope("ScopeLogs SchemaURL: ", &mut origin);
        } else if is_numbered(line, "LogRecord #") {
            reader.skip();
            let start = reader.at;
            match reader.log_record(&origin) {
                Some(record) => records.push(record),
                None => reader.at = start,
            }
        } else {
            reader.skip();
        }
    }
    records
}

/// The complete spans among these lines. The last one may lack events or links that are yet to
/// be printed: call it when something has been printed after.
pub(super) fn spans(lines: &[String]) -> Vec<Span> {
    let mut reader = Reader { lines, at: 0 };
    let mut origin = Origin::default();
    let mut spans = Vec::new();
    while let Some(line) = reader.peek() {
        if is_numbered(line, "ResourceSpans #") {
            reader.skip();
            origin = reader.resource().unwrap_or_default();
        } else if is_numbered(line, "ScopeSpans #") {
            reader.skip();
            reader.scope("ScopeSpans SchemaURL: ", &mut origin);
        } else if is_numbered(line, "Span #") {
            reader.skip();
            let start = reader.at;
            match reader.span(&origin) {
                Some(span) => spans.push(span),
                None => reader.at = start,
            }
        } else {
            reader.skip();
        }
    }
    spans
}

struct Reader<'a> {
    lines: &'a [String],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&str> {
        self.lines.get(self.at).map(String::as_str)
    }

    fn skip(&mut self) {
        self.at += 1;
    }

    /// What follows `label` on this line, and on to the next line.
    fn labelled(&mut self, label: &str) -> Option<String> {
        let text = self.peek()?.strip_prefix(label)?.to_owned();
        self.skip();
        Some(text)
    }

    fn number<T: std::str::FromStr>(&mut self, label: &str) -> Option<T> {
        self.labelled(label)?.parse().ok()
    }

    /// A plain text that may run over several lines, up to a line that `ends` likes.
    fn text(&mut self, label: &str, ends: impl Fn(&str) -> bool) -> Option<String> {
        let mut text = self.labelled(label)?;
        loop {
            let line = self.peek()?;
            if ends(line) {
                return Some(text);
            }
            text.push('\n');
            text.push_str(line);
            self.skip();
        }
    }

    /// A typed value, up to where it is whole and `ends` likes the next line (or there is none).
    fn value(&mut self, label: &str, ends: impl Fn(&str) -> bool) -> Option<Value> {
        let mut text = self.labelled(label)?;
        loop {
            let whole = if self.peek().is_none_or(&ends) {
                value(&text)
            } else {
                None
            };
            if whole.is_some() {
                return whole;
            }
            text.push('\n');
            text.push_str(self.peek()?);
            self.skip();
        }
    }

    /// Lines of `INDENT-> KEY: VALUE`.
    fn attributes(&mut self, indent: &str, ends: impl Fn(&str) -> bool) -> Option<Attributes> {
        let arrow = format!("{indent}-> ");
        let mut attributes = Attributes::new();
        while let Some(line) = self.peek() {
            let Some((key, label)) = key_and_label(line, &arrow) else {
                break;
            };
            let (key, label) = (key.to_owned(), label.to_owned());
            let ends = |next: &str| key_and_label(next, &arrow).is_some() || ends(next);
            let value = self.value(&label, ends)?;
            attributes.push((key, value));
        }
        Some(attributes)
    }

    fn resource(&mut self) -> Option<Origin> {
        let resource_schema_url = self.labelled("Resource SchemaURL: ").unwrap_or_default();
        let mut origin = Origin {
            resource_schema_url,
            ..Origin::default()
        };
        if self.labelled("Resource attributes:").is_some() {
            let ends =
                |line: &str| is_numbered(line, "ScopeLogs #") || is_numbered(line, "ScopeSpans #");
            origin.resource = self.attributes("     ", ends)?;
        }
        Some(origin)
    }

    fn scope(&mut self, schema: &str, origin: &mut Origin) {
        origin.scope_schema_url = self.labelled(schema).unwrap_or_default();
        let scope = self.labelled("InstrumentationScope ").unwrap_or_default();
        let (name, version) = scope.rsplit_once(' ').unwrap_or((&scope, ""));
        (origin.scope_name, origin.scope_version) = (name.to_owned(), version.to_owned());
        origin.scope_attributes = Attributes::new();
        if self.labelled("InstrumentationScope attributes:").is_some() {
            let ends = |line: &str| is_numbered(line, "LogRecord #") || is_numbered(line, "Span #");
            origin.scope_attributes = self.attributes("     ", ends).unwrap_or_default();
        }
    }

    fn log_record(&mut self, origin: &Origin) -> Option<LogRecord> {
        let observed_time_unix_nano = self.number("ObservedTimestamp: ")?;
        let time_unix_nano = self.number("Timestamp: ")?;
        let severity_text = self.labelled("SeverityText: ")?;
        // Left out for a number that the specification does not know.
        let severity = self.labelled("SeverityNumber: ");
        let severity_number = severity.as_deref().and_then(in_brackets).unwrap_or(0);
        let event_name = self.text("EventName: ", |line| line.starts_with("Body: "));
        let body = self.value("Body: ", |line| {
            line == "Attributes:" || line.starts_with(TRACE_ID)
        })?;
        let attributes = match self.labelled("Attributes:") {
            Some(_) => self.attributes("     ", |line| line.starts_with(TRACE_ID))?,
            None => Attributes::new(),
        };
        Some(LogRecord {
            origin: origin.clone(),
            time_unix_nano,
            observed_time_unix_nano,
            severity_number,
            severity_text,
            event_name: event_name.unwrap_or_default(),
            body,
            attributes,
            dropped_attributes_count: None,
            trace_id: self.labelled(TRACE_ID)?,
            span_id: self.labelled("    Span ID        : ")?,
            flags: self.number("Flags: ")?,
        })
    }

    fn span(&mut self, origin: &Origin) -> Option<Span> {
        let trace_id = self.labelled(TRACE_ID)?;
        let parent_span_id = self.labelled("    Parent ID      : ")?;
        let span_id = self.labelled("    ID             : ")?;
        let name = self.text("    Name           : ", |line| line.starts_with(KIND))?;
        let kind = self.labelled(KIND)?;
        let trace_state = self.labelled("    TraceState     : ").unwrap_or_default();
        let start_time_unix_nano = self.number("Start time: ")?;
        let end_time_unix_nano = self.number("End time: ")?;
        let (status_code, status_message) = self.status();
        let attributes = match self.labelled("Attributes:") {
            Some(_) => self.attributes("     ", |line| line == "Events:" || after_span(line))?,
            None => Attributes::new(),
        };
        Some(Span {
            origin: origin.clone(),
            name,
            kind: span_kind(&kind),
            trace_id,
            span_id,
            parent_span_id,
            trace_state,
            start_time_unix_nano,
            end_time_unix_nano,
            status_code,
            status_message,
            attributes,
            events: self.span_events()?,
            links: self.span_links()?,
        })
    }

    fn status(&mut self) -> (i32, String) {
        let Some(code) = self.labelled("    Status code    : ") else {
            return (0, String::new());
        };
        let code = match code.as_str() {
            "STATUS_CODE_OK" => 1,
            "STATUS_CODE_ERROR" => 2,
            _ => 0,
        };
        let ends = |line: &str| line == "Attributes:" || line == "Events:" || after_span(line);
        let start = self.at;
        let message = self.text("    Status message : ", ends).or_else(|| {
            // The last line of all: there is nothing yet that could end it.
            self.at = start;
            self.labelled("    Status message : ")
        });
        (code, message.unwrap_or_default())
    }

    fn span_events(&mut self) -> Option<Vec<SpanEvent>> {
        let mut events = Vec::new();
        if self.labelled("Events:").is_none() {
            return Some(events);
        }
        while self
            .peek()
            .is_some_and(|line| is_numbered(line, "SpanEvent #"))
        {
            self.skip();
            let name = self.text("     -> Name: ", |line| line.starts_with(EVENT_TIME))?;
            let time_unix_nano = self.number(EVENT_TIME)?;
            self.labelled("     -> DroppedAttributesCount: ")?;
            let attributes = self.nested_attributes()?;
            events.push(SpanEvent {
                time_unix_nano,
                name,
                attributes,
            });
        }
        Some(events)
    }

    fn span_links(&mut self) -> Option<Vec<SpanLink>> {
        let mut links = Vec::new();
        if self.labelled("Links:").is_none() {
            return Some(links);
        }
        while self
            .peek()
            .is_some_and(|line| is_numbered(line, "SpanLink #"))
        {
            self.skip();
            let trace_id = self.labelled("     -> Trace ID: ")?;
            let span_id = self.labelled("     -> ID: ")?;
            self.labelled("     -> TraceState: ")?;
            self.labelled("     -> DroppedAttributesCount: ")?;
            links.push(SpanLink {
                trace_id,
                span_id,
                attributes: self.nested_attributes()?,
            });
        }
        Some(links)
    }

    fn nested_attributes(&mut self) -> Option<Attributes> {
        if self.labelled("     -> Attributes::").is_none() {
            return Some(Attributes::new());
        }
        let ends = |line: &str| {
            is_numbered(line, "SpanEvent #") || is_numbered(line, "SpanLink #") || after_span(line)
        };
        self.attributes("          ", ends)
    }
}

/// `LABEL` and then nothing but digits.
fn is_numbered(line: &str, label: &str) -> bool {
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    line.strip_prefix(label).is_some_and(digits)
}

/// The key of a line `ARROW KEY: VALUE`, and all that stands before the value.
fn key_and_label<'a>(line: &'a str, arrow: &str) -> Option<(&'a str, &'a str)> {
    let rest = line.strip_prefix(arrow)?;
    // A key may hold ": " as well; the value begins at the first one that a type follows.
    let split = rest
        .match_indices(": ")
        .map(|(at, _)| at)
        .find(|at| typed(&rest[at + 2..]))?;
    Some((&rest[..split], &line[..arrow.len() + split + 2]))
}

/// A line that cannot belong to a span: the next one, or the agent's own log.
fn after_span(line: &str) -> bool {
    const NEXT: [&str; 4] = ["Span #", "ScopeSpans #", "ResourceSpans #", "ResourceLog #"];
    line == "Links:"
        || NEXT.iter().any(|label| is_numbered(line, label))
        || line.starts_with("\u{1b}[2m")
}

/// `SEVERITY_NUMBER_INFO(9)` is 9.
fn in_brackets(text: &str) -> Option<i32> {
    text.strip_suffix(')')?.rsplit_once('(')?.1.parse().ok()
}

fn span_kind(name: &str) -> i32 {
    const KINDS: [&str; 6] = [
        "UNSPECIFIED",
        "INTERNAL",
        "SERVER",
        "CLIENT",
        "PRODUCER",
        "CONSUMER",
    ];
    let name = name.trim_start_matches("SPAN_KIND_");
    KINDS
        .iter()
        .zip(0..)
        .find(|(known, _)| **known == name)
        .map_or(0, |(_, number)| number)
}

const TRACE_ID: &str = "    Trace ID       : ";
const KIND: &str = "    Kind           : ";
const EVENT_TIME: &str = "     -> Timestamp: ";

//! Events for people, with the ids of their spans, on stderr.
//!
//! It stands beside the way of an event. It is a layer of our own and not `fmt`'s because `init`
//! promises that nothing an application logs panics or hangs: `fmt` formats values while it holds
//! a span's lock, and lets their panics through.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, Write as _};

use serde_json::{Map, Value};
use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_otlp_layer::{Linker, SpanIds, emitting, formatting, is_suppressed, may_enter};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::environment::Environment;
use crate::error::Error;

/// What the console shows of each event, on stderr.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Console {
    /// Text where stderr is a terminal, JSON where it is not. The default.
    #[default]
    Auto,
    /// One line of text: time, level, spans with their fields, target, message, fields, ids.
    Text,
    /// One JSON object a line: `timestamp`, `level`, `target`, `message`, `trace_id`, `span_id`,
    /// `fields`, `spans`.
    Json,
    /// Nothing.
    Off,
}

impl Console {
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, Error> {
        const NAME: &str = "TRACING_OTLP_CONSOLE";
        let Some(text) = environment.text(NAME)? else {
            return Ok(Self::Auto);
        };
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "off" | "none" => Ok(Self::Off),
            _ => Err(Error::variable(
                NAME,
                &text,
                "expected auto, text, json or off",
            )),
        }
    }
}

/// The layer, for the choice resolved against what stderr is.
pub(crate) fn layer(console: Console, quiet: bool) -> ConsoleLayer {
    let is_terminal = std::io::stderr().is_terminal();
    let form = match console {
        Console::Off => None,
        Console::Text => Some(Form::Text {
            colours: is_terminal,
        }),
        Console::Auto if is_terminal => Some(Form::Text { colours: true }),
        Console::Auto | Console::Json => Some(Form::Json),
    };
    ConsoleLayer {
        form,
        quiet,
        linker: Linker::new(),
    }
}

#[derive(Clone, Copy)]
enum Form {
    Text { colours: bool },
    Json,
}

/// Prints events.
pub(crate) struct ConsoleLayer {
    form: Option<Form>,
    /// Somebody else has formatted the fields already: what they log in here was logged then.
    quiet: bool,
    linker: Linker,
}

/// A span's fields, read once.
struct Shown(Map<String, Value>);

impl<S> Layer<S> for ConsoleLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.linker.set_dispatch(dispatch);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if let Some(span) = self.form.and_then(|_| ctx.span(id)) {
            let fields = self.read(|reader| attributes.record(reader)).fields;
            span.extensions_mut().replace(Shown(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = self.form.and_then(|_| ctx.span(id)) {
            let fields = self.read(|reader| values.record(reader)).fields;
            if let Some(shown) = span.extensions_mut().get_mut::<Shown>() {
                shown.0.extend(fields);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let Some(form) = self.form else { return };
        if is_suppressed() || !may_enter() {
            return;
        }
        let mut reader = self.read(|reader| event.record(reader));
        let normalized = event.normalized_metadata();
        let is_log = normalized.is_some();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        if is_log {
            reader.fields.retain(|name, _| !name.starts_with("log."));
        }
        let ids = self.linker.span_context(event).map(SpanIds::from);
        let spans = spans(event, &ctx);
        let mut line = match form {
            Form::Text { colours } => text(colours, metadata, &reader, ids.as_ref(), &spans),
            Form::Json => json(metadata, reader, ids.as_ref(), spans),
        };
        line.push('\n');
        // One write a line, so that lines of several threads do not mix; a closed stderr is not
        // the application's problem.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

impl ConsoleLayer {
    fn read(&self, record: impl FnOnce(&mut Reader)) -> Reader {
        let mut reader = Reader::default();
        if self.quiet {
            emitting(|| record(&mut reader));
        } else {
            record(&mut reader);
        }
        reader
    }
}

/// The event's spans, outermost first, with their fields.
fn spans<S>(event: &Event<'_>, ctx: &Context<'_, S>) -> Vec<(&'static str, Map<String, Value>)>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let shown = |span: SpanRef<'_, S>| {
        let fields = span
            .extensions()
            .get::<Shown>()
            .map(|shown| shown.0.clone());
        (span.name(), fields.unwrap_or_default())
    };
    ctx.event_scope(event)
        .map(|scope| scope.from_root().map(shown).collect())
        .unwrap_or_default()
}

fn timestamp() -> String {
    let mut time = String::new();
    // Formatting the system's clock into a String does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

fn text(
    colours: bool,
    metadata: &Metadata<'_>,
    reader: &Reader,
    ids: Option<&SpanIds>,
    spans: &[(&'static str, Map<String, Value>)],
) -> String {
    let paint = |code: &str, text: &str| {
        if colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let level = match *metadata.level() {
        Level::ERROR => paint("31", "ERROR"),
        Level::WARN => paint("33", " WARN"),
        Level::INFO => paint("32", " INFO"),
        Level::DEBUG => paint("34", "DEBUG"),
        Level::TRACE => paint("35", "TRACE"),
    };
    let mut line = format!("{} {level} ", paint("2", &timestamp()));
    for (name, fields) in spans {
        line.push_str(&paint("1", name));
        if !fields.is_empty() {
            line.push('{');
            line.push_str(&pairs(fields));
            line.push('}');
        }
        line.push(':');
    }
    if !spans.is_empty() {
        line.push(' ');
    }
    line.push_str(&paint("2", metadata.target()));
    line.push(':');
    if let Some(message) = &reader.message {
        line.push(' ');
        line.push_str(&plain(message));
    }
    if !reader.fields.is_empty() {
        line.push(' ');
        line.push_str(&pairs(&reader.fields));
    }
    if let Some(ids) = ids {
        line.push(' ');
        line.push_str(&paint("2", &ids.to_string()));
    }
    line
}

fn pairs(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (index, (name, value)) in fields.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        let _ = match value {
            Value::String(value) => write!(text, "{space}{name}={value:?}"),
            other => write!(text, "{space}{name}={other}"),
        };
    }
    text
}

/// A text without its quotes; control characters escaped and further lines indented, so that no
/// value can forge a line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let mut plain = String::with_capacity(text.len());
            for c in text.chars() {
                if c == '\n' {
                    plain.push_str("\n    ");
                } else if c.is_control() && c != '\t' {
                    plain.extend(c.escape_default());
                } else {
                    plain.push(c);
                }
            }
            plain
        }
        other => other.to_string(),
    }
}

fn json(
    metadata: &Metadata<'_>,
    reader: Reader,
    ids: Option<&SpanIds>,
    spans: Vec<(&'static str, Map<String, Value>)>,
) -> String {
    let mut object = Map::new();
    object.insert("timestamp".to_owned(), timestamp().into());
    object.insert("level".to_owned(), metadata.level().as_str().into());
    object.insert("target".to_owned(), metadata.target().into());
    if let Some(message) = reader.message {
        object.insert("message".to_owned(), message);
    }
    if let Some(ids) = ids {
        object.insert("trace_id".to_owned(), ids.trace_id().to_string().into());
        object.insert("span_id".to_owned(), ids.span_id().to_string().into());
    }
    if !reader.fields.is_empty() {
        object.insert("fields".to_owned(), reader.fields.into());
    }
    if !spans.is_empty() {
        let spans = spans.into_iter().map(|(name, fields)| {
            let mut span = Map::new();
            span.insert("name".to_owned(), name.into());
            span.extend(fields);
            Value::Object(span)
        });
        object.insert("spans".to_owned(), spans.collect());
    }
    Value::Object(object).to_string()
}

/// Reads fields, with user code fenced in.
#[derive(Default)]
struct Reader {
    message: Option<Value>,
    fields: Map<String, Value>,
}

impl Reader {
    fn put(&mut self, field: &Field, value: Value) {
        if field.name() == "message" {
            self.message = Some(value);
        } else {
            self.fields.insert(field.name().to_owned(), value);
        }
    }

    fn render(render: impl FnOnce(&mut String) -> fmt::Result) -> Value {
        let mut text = String::new();
        match formatting(|| render(&mut text)) {
            // A Debug that reports an error keeps what it wrote.
            Some(_) => text.into(),
            None => "<panicked while formatting>".into(),
        }
    }
}

impl Visit for Reader {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = serde_json::Number::from_f64(value)
            .map_or_else(|| Value::String(value.to_string()), Value::Number);
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let text = Self::render(|text| {
            write!(text, "{value}")?;
            let mut source = value.source();
            // An error that is its own source must not hang us.
            for _ in 0..16 {
                let Some(error) = source else { break };
                write!(text, ": {error}")?;
                source = error.source();
            }
            Ok(())
        });
        self.put(field, text);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = Self::render(|text| write!(text, "{value:?}"));
        self.put(field, text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use tracing_subscriber::prelude::*;

    /// Keeps each event's text, as a stderr that is no terminal would show it.
    struct Keeps(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeps {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut reader = Reader::default();
            event.record(&mut reader);
            let span = ("span", reader.fields.clone());
            let line = text(false, event.metadata(), &reader, None, &[span]);
            self.0.lock().unwrap().push(line);
        }
    }

    #[test]
    fn no_value_forges_a_line_or_moves_the_cursor() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Keeps(kept.clone()));
        let forged = "end\n2026-01-01T00:00:00Z ERROR forged\r\u{1b}[2J\u{85}x\u{7f}\u{9b}0m";
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(field = forged, shown = %forged, debug = ?forged, "{forged}");
        });
        let kept = kept.lock().unwrap();
        let lines: Vec<_> = kept[0].split('\n').collect();
        assert!(lines[0].contains(" INFO span{debug="), "{lines:#?}");
        // Only the message has a second line, and that is not where lines of the log begin.
        assert_eq!(lines.len(), 2, "{lines:#?}");
        assert!(lines[1].starts_with("    2026-01-01"), "{lines:#?}");
        assert!(!kept[0].chars().any(|c| c.is_control() && c != '\n'));
    }
}

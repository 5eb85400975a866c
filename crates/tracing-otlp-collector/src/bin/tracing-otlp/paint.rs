//! Puts items on lines, with colours where they are seen.

use std::fmt::Write as _;

use serde_json::Value;

/// Writes log records for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Painter {
    pub(crate) has_colours: bool,
}

impl Painter {
    /// `13:00:00.123 WARN  shop: payment slow  ms=812 user=ada`
    pub(crate) fn log(self, item: &Value) -> String {
        let record = &item["record"];
        let severity = record["severityNumber"].as_u64().unwrap_or(0);
        let name = level(severity);
        let mut line = format!(
            "{} {} ",
            self.dim(&clock(item)),
            self.paint(colour(severity), &format!("{name:<5}"))
        );
        if let Some(service) = item["service"].as_str().filter(|name| !name.is_empty()) {
            line.push_str(&self.dim(&format!("{}: ", clean(service))));
        }
        line.push_str(&clean(&value(&record["body"])));
        let attributes = record["attributes"].as_array().into_iter().flatten();
        for (nth, attribute) in attributes.enumerate() {
            line.push_str(if nth == 0 { "  " } else { " " });
            let key = attribute["key"].as_str().unwrap_or_default();
            line.push_str(&self.dim(&format!("{}=", clean(key))));
            line.push_str(&clean(&value(&attribute["value"])));
        }
        if matches!(item["link"].as_str(), Some("orphaned")) {
            line.push_str(&self.paint(RED, "  [orphaned]"));
        }
        line
    }

    /// `GET /orders 12.5ms error`
    pub(crate) fn span(self, item: &Value) -> String {
        let span = &item["span"];
        let mut line = self.paint(BOLD, &clean(span["name"].as_str().unwrap_or_default()));
        let _ = match item["state"].as_str() {
            Some("pending") => write!(line, " {}", self.paint(YELLOW, "pending")),
            _ => write!(line, " {}", self.dim(&duration(length(span)))),
        };
        if span["status"]["code"].as_u64() == Some(2) {
            line.push_str(&self.paint(RED, " error"));
            if let Some(message) = span["status"]["message"].as_str() {
                let _ = write!(line, ": {}", clean(message));
            }
        }
        line
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(RED, text)
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.has_colours && !colour.is_empty() {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

fn length(span: &Value) -> u64 {
    nanos(&span["endTimeUnixNano"]).saturating_sub(nanos(&span["startTimeUnixNano"]))
}

/// A 64-bit number of OTLP/JSON.
pub(crate) fn nanos(value: &Value) -> u64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .or_else(|| value.as_u64())
        .unwrap_or(0)
}

/// The time of day in UTC: of what happened, else of its arrival.
fn clock(item: &Value) -> String {
    let record = &item["record"];
    let nanos = match nanos(&record["timeUnixNano"]) {
        0 => nanos(&record["observedTimeUnixNano"]),
        time => time,
    };
    if nanos == 0 {
        let received = item["receivedAt"].as_str().unwrap_or_default();
        if let Some(time) = received.get("0000-00-00T".len()..received.len().saturating_sub(1)) {
            return time.to_owned();
        }
    }
    let seconds = nanos / 1_000_000_000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        nanos / 1_000_000 % 1000
    )
}

fn level(severity: u64) -> &'static str {
    match severity {
        1..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        17..=20 => "ERROR",
        21..=24 => "FATAL",
        _ => "-",
    }
}

fn colour(severity: u64) -> &'static str {
    match severity {
        1..=4 => "2",
        5..=8 => "34",
        9..=12 => "32",
        13..=16 => YELLOW,
        17..=24 => RED,
        _ => "",
    }
}

/// An `AnyValue` as a person would write it.
pub(crate) fn value(any_value: &Value) -> String {
    let Some((kind, inside)) = any_value
        .as_object()
        .and_then(|object| object.iter().next())
    else {
        return String::new();
    };
    match kind.as_str() {
        "arrayValue" => {
            let values = inside["values"].as_array().into_iter().flatten();
            format!("[{}]", values.map(value).collect::<Vec<_>>().join(", "))
        }
        "kvlistValue" => {
            let entries = inside["values"].as_array().into_iter().flatten();
            let entries = entries.map(|entry| {
                let key = entry["key"].as_str().unwrap_or_default();
                format!("{key}: {}", value(&entry["value"]))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        _ => inside
            .as_str()
            .map_or_else(|| inside.to_string(), str::to_owned),
    }
}

/// Nothing that arrives may steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' => '⏎',
            '\t' => ' ',
            c if c.is_control()
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                '\u{fffd}'
            }
            c => c,
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{:.1}µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}ms", nanos as f64 / 1e6),
        _ => format!("{:.2}s", nanos as f64 / 1e9),
    }
}

const RED: &str = "31";
const YELLOW: &str = "33";
const BOLD: &str = "1";

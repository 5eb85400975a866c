//! Writes OTLP values short, on one line and safe for a terminal.
//!
//! The tree and the audit's list of orphans use it.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use crate::StoredLog;
use crate::retain::id::hex;

/// A record's body, at most 160 characters of it; the event's name when there is no body.
pub(crate) fn body(log: &StoredLog) -> String {
    match log.body() {
        None => one_line(log.event_name(), BODY_CHARS),
        Some(Value::StringValue(text)) => one_line(text, BODY_CHARS),
        Some(other) => short(other, BODY_CHARS),
    }
}

/// An attribute's value, at most 48 characters of it; strings that are not one word are quoted.
pub(super) fn attribute(value: Option<&Value>) -> String {
    value.map_or_else(String::new, |value| short(value, ATTRIBUTE_CHARS))
}

/// Text without line breaks and control characters, cut after so many characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::new();
    for (nth, letter) in text.chars().enumerate() {
        if nth == max {
            line.push('…');
            break;
        }
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

fn short(value: &Value, max: usize) -> String {
    let mut text = String::new();
    write(&mut text, value, max.saturating_mul(4));
    if text.chars().nth(max).is_some() {
        text = text.chars().take(max).collect();
        text.push('…');
    }
    text
}

/// Stops descending once there is more text than will be shown.
fn write(text: &mut String, value: &Value, enough: usize) {
    if text.len() > enough {
        return;
    }
    // Writing to a String cannot fail.
    let _ = match value {
        Value::StringValue(word) if is_word(word) => write!(text, "{word}"),
        Value::StringValue(other) => write!(text, "\"{}\"", one_line(other, enough)),
        Value::BoolValue(flag) => write!(text, "{flag}"),
        Value::IntValue(number) => write!(text, "{number}"),
        Value::DoubleValue(number) => write!(text, "{number:?}"),
        Value::BytesValue(bytes) => {
            let shown = &bytes[..bytes.len().min(enough)];
            write!(text, "0x{}", hex(shown))
        }
        Value::ArrayValue(array) => {
            text.push('[');
            for (nth, element) in array.values.iter().enumerate() {
                if !separate(text, nth, enough) {
                    break;
                }
                write_any(text, Some(element), enough);
            }
            text.push(']');
            Ok(())
        }
        Value::KvlistValue(list) => {
            text.push('{');
            for (nth, entry) in list.values.iter().enumerate() {
                if !separate(text, nth, enough) {
                    break;
                }
                let _ = write!(text, "{}: ", one_line(&entry.key, enough));
                write_any(text, entry.value.as_ref(), enough);
            }
            text.push('}');
            Ok(())
        }
        Value::StringValueStrindex(_) => Ok(()),
    };
}

fn write_any(text: &mut String, value: Option<&AnyValue>, enough: usize) {
    match value.and_then(|value| value.value.as_ref()) {
        Some(value) => write(text, value, enough),
        None => text.push_str("null"),
    }
}

/// Writes the comma before every element but the first; `false` when there is enough text.
fn separate(text: &mut String, nth: usize, enough: usize) -> bool {
    if nth > 0 {
        text.push_str(", ");
    }
    text.len() <= enough
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= ATTRIBUTE_CHARS
        && text
            .chars()
            .all(|letter| !letter.is_whitespace() && !letter.is_control() && letter != '"')
}

const BODY_CHARS: usize = 160;
const ATTRIBUTE_CHARS: usize = 48;

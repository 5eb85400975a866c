//! Searches text, writes values as text, reads times and durations.
//!
//! The filter's words end up here. Letters of ASCII match in any case; other letters do where they
//! are part of what is searched for.

use std::fmt::Write as _;

use memchr::memmem;

use crate::otlp::any_value::{self, View};
use crate::otlp::to_json;
use crate::otlp::wire::{self, Raw};
use crate::retain::clock;

/// Text that is searched for, whatever its case.
#[derive(Clone, Debug)]
pub(crate) struct Needle {
    /// In small letters.
    lower: String,
    search: Search,
}

#[derive(Clone, Debug)]
enum Search {
    Everything,
    /// No letters in it: bytes are bytes.
    Exact(Box<memmem::Finder<'static>>),
    /// Looks for the byte at `rare` in both cases, then compares around it.
    Ascii {
        rare: usize,
        low: u8,
        high: u8,
    },
    /// Letters beyond ASCII: texts are put in small letters first.
    Unicode,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        let search = if lower.is_empty() {
            Search::Everything
        } else if !lower.is_ascii() {
            Search::Unicode
        } else if !lower.bytes().any(|b| b.is_ascii_alphabetic()) {
            Search::Exact(Box::new(memmem::Finder::new(lower.as_bytes()).into_owned()))
        } else {
            let rare = (0..lower.len())
                .min_by_key(|at| frequency(lower.as_bytes()[*at]))
                .unwrap_or(0);
            let low = lower.as_bytes()[rare];
            Search::Ascii {
                rare,
                low,
                high: low.to_ascii_uppercase(),
            }
        };
        Self { lower, search }
    }

    pub(crate) fn is_in(&self, text: &str) -> bool {
        match self.search {
            Search::Unicode => text.to_lowercase().contains(&self.lower),
            _ => self.may_be_in(text.as_bytes()),
        }
    }

    /// Whether a message with these bytes can have it in any of its texts.
    pub(crate) fn may_be_in(&self, bytes: &[u8]) -> bool {
        let wanted = self.lower.as_bytes();
        match &self.search {
            Search::Everything | Search::Unicode => true,
            Search::Exact(finder) => finder.find(bytes).is_some(),
            Search::Ascii { rare, low, high } => {
                memchr::memchr2_iter(*low, *high, bytes).any(|at| {
                    at.checked_sub(*rare)
                        .and_then(|start| bytes.get(start..start + wanted.len()))
                        .is_some_and(|part| part.eq_ignore_ascii_case(wanted))
                })
            }
        }
    }
}

/// How common a byte is in logs, roughly: the rarest makes the best search.
fn frequency(byte: u8) -> u8 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 9,
        b'l' | b'd' | b'c' | b'u' | b'p' | b'm' | b'g' | b'.' => 7,
        b'0'..=b'9' | b'h' | b'f' | b'v' | b'/' | b'_' | b'-' => 5,
        b'b' | b'w' | b'y' | b'k' => 3,
        _ => 1,
    }
}

/// Writes a value as a person would: text without quotes, the rest as plain JSON.
pub(crate) fn plain(view: &View<'_>, out: &mut String) {
    match view {
        View::Text(text) => out.push_str(text),
        other => nested(other, out),
    }
}

fn nested(view: &View<'_>, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match view {
        View::Empty => write!(out, "null"),
        View::Text(text) => {
            out.push_str(&quoted(text));
            Ok(())
        }
        View::Bool(flag) => write!(out, "{flag}"),
        View::Int(number) => write!(out, "{number}"),
        View::Double(number) => write!(out, "{number}"),
        View::Bytes(bytes) => write!(out, "\"{}\"", crate::retain::id::hex(bytes)),
        View::Array(array) => {
            out.push('[');
            for (nth, value) in wire::all(array, 1).enumerate() {
                out.push_str(if nth == 0 { "" } else { "," });
                nested(&View::of(value.bytes()), out);
            }
            write!(out, "]")
        }
        View::Map(map) => {
            out.push('{');
            for (nth, entry) in wire::all(map, 1).map(Raw::bytes).enumerate() {
                out.push_str(if nth == 0 { "" } else { "," });
                out.push_str(&quoted(any_value::key(entry)));
                out.push(':');
                nested(&View::of(&any_value::value(entry)), out);
            }
            write!(out, "}}")
        }
    };
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    to_json::string(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Whether any text inside this value contains the needle.
pub(crate) fn has_text(view: &View<'_>, needle: &Needle) -> bool {
    match view {
        View::Text(text) => needle.is_in(text),
        View::Array(array) => {
            wire::all(array, 1).any(|value| has_text(&View::of(value.bytes()), needle))
        }
        View::Map(map) => wire::all(map, 1)
            .any(|entry| has_text(&View::of(&any_value::value(entry.bytes())), needle)),
        _ => false,
    }
}

/// The levels' names with the numbers they stand for.
pub(crate) const LEVELS: [(&str, u8, u8); 7] = [
    ("unset", 0, 0),
    ("trace", 1, 4),
    ("debug", 5, 8),
    ("info", 9, 12),
    ("warn", 13, 16),
    ("error", 17, 20),
    ("fatal", 21, 24),
];

/// The name of a severity number; numbers that the specification lacks are unset.
pub(crate) fn level(severity: u8) -> &'static str {
    LEVELS
        .iter()
        .find(|(_, from, to)| (*from..=*to).contains(&severity))
        .map_or("unset", |(name, ..)| name)
}

/// RFC 3339, nanoseconds since 1970, `now`, or a time ago such as `-15m`.
pub(crate) fn parse_time(text: &str, now: u64) -> Option<u64> {
    if text == "now" {
        return Some(now);
    }
    if let Some(ago) = text.strip_prefix('-') {
        return Some(now.saturating_sub(parse_duration(ago)?));
    }
    text.parse().ok().or_else(|| clock::parse_rfc3339(text))
}

/// A number and its unit, from `ns` to `d`; a bare number is nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<u64> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "" | "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" | "min" => 60e9,
        "h" => 3600e9,
        "d" => 86_400e9,
        _ => return None,
    };
    let nanos = number.parse::<f64>().ok()? * factor;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded and not negative by the line itself"
    )]
    (0.0..9e18).contains(&nanos).then_some(nanos as u64)
}

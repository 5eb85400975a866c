//! Cutting what is too long, too deep or too much.
//!
//! Part of the draft, third stop on the way of an event. Texts are cut while they are written,
//! so a `Debug` of a gigabyte costs no gigabyte.

use std::fmt;

use opentelemetry::Key;
use opentelemetry::logs::AnyValue;

use crate::settings::Limits;

/// A string that stops growing at `limit` characters, and tells the writer so.
pub(crate) struct Bounded {
    pub(crate) text: String,
    room: usize,
}

impl Bounded {
    pub(crate) fn new(limit: usize) -> Self {
        Self::reusing(String::new(), limit)
    }

    /// The same in an empty buffer that has been used before.
    pub(crate) fn reusing(text: String, limit: usize) -> Self {
        Self { text, room: limit }
    }
}

impl fmt::Write for Bounded {
    #[inline]
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.room == usize::MAX {
            self.text.push_str(s);
            return Ok(());
        }
        let kept = prefix(s, self.room);
        self.room -= kept.chars().count();
        self.text.push_str(kept);
        if kept.len() == s.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// The first `limit` characters of `s`.
///
/// Source: Common specification, "Attribute Limits": every character counts as 1.
pub(crate) fn prefix(s: &str, limit: usize) -> &str {
    // A text of so few bytes has no more characters.
    if s.len() <= limit {
        return s;
    }
    match s.char_indices().nth(limit) {
        Some((end, _)) => &s[..end],
        None => s,
    }
}

/// The longest prefix of `s` with at most `limit` bytes that ends between two characters.
fn prefix_bytes(s: &str, limit: usize) -> &str {
    if s.len() <= limit {
        return s;
    }
    let mut end = limit;
    while !s.is_char_boundary(end) {
        end -= 1;
    }
    &s[..end]
}

/// The value, cut at `limit` characters if it is a text.
#[cfg(feature = "log")]
pub(crate) fn cut(value: &AnyValue, limit: usize) -> AnyValue {
    match value {
        AnyValue::String(text) => AnyValue::String(prefix(text.as_str(), limit).to_owned().into()),
        other => other.clone(),
    }
}

/// About how many bytes a value takes in a request.
fn size_of(value: &AnyValue) -> usize {
    match value {
        AnyValue::String(text) => text.as_str().len() + 4,
        AnyValue::Bytes(bytes) => bytes.len() + 4,
        AnyValue::ListAny(items) => items.iter().map(size_of).sum::<usize>() + 4,
        AnyValue::Map(map) => {
            map.iter()
                .map(|(key, value)| key.as_str().len() + size_of(value) + 4)
                .sum::<usize>()
                + 4
        }
        _ => 11,
    }
}

/// Drops the last attributes, then cuts the body, until the record fits; tells how many left.
pub(crate) fn fit(
    body: &mut Option<AnyValue>,
    attributes: &mut Vec<(Key, AnyValue)>,
    limits: &Limits,
) -> u32 {
    let limit = limits.record_bytes;
    let mut total = body.as_ref().map_or(0, size_of)
        + attributes
            .iter()
            .map(|(key, value)| key.as_str().len() + size_of(value) + 4)
            .sum::<usize>();
    let mut dropped = 0;
    while total > limit {
        let Some((key, value)) = attributes.pop() else {
            break;
        };
        total -= key.as_str().len() + size_of(&value) + 4;
        dropped += 1;
    }
    if total > limit {
        if let Some(AnyValue::String(text)) = body {
            let cut = prefix_bytes(text.as_str(), limit.saturating_sub(4)).to_owned();
            *body = Some(AnyValue::String(cut.into()));
        } else {
            *body = None;
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn cuts_fall_between_characters() {
        for (limit, expected) in [(0, ""), (1, "a"), (2, "añ"), (3, "añb"), (9, "añb")] {
            assert_eq!(prefix("añb", limit), expected);
        }
        for (limit, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "añ"), (9, "añb")] {
            assert_eq!(prefix_bytes("añb", limit), expected);
        }
        let mut text = Bounded::new(3);
        assert!(text.write_str("ññ").is_ok());
        assert!(text.write_str("ññ").is_err());
        assert_eq!(text.text, "ñññ");
        let mut text = Bounded::new(2);
        assert!(text.write_str("ññ").is_ok(), "just full is not too long");
    }

    #[test]
    fn a_record_over_its_size_loses_its_last_attributes_then_part_of_its_body() {
        let limits = Limits::default().with_record_bytes(40);
        let mut body = Some(AnyValue::String("x".repeat(100).into()));
        let mut attributes = vec![
            ("a".into(), AnyValue::Int(1)),
            ("b".into(), AnyValue::Int(2)),
        ];
        assert_eq!(fit(&mut body, &mut attributes, &limits), 2);
        assert_eq!(body, Some(AnyValue::String("x".repeat(36).into())));

        let mut body = Some(AnyValue::String("short".into()));
        let mut attributes = vec![
            ("a".into(), AnyValue::Int(1)),
            ("b".into(), AnyValue::Int(2)),
        ];
        assert_eq!(fit(&mut body, &mut attributes, &limits), 1);
        assert_eq!(attributes, vec![("a".into(), AnyValue::Int(1))]);
        assert_eq!(body, Some(AnyValue::String("short".into())));
    }
}

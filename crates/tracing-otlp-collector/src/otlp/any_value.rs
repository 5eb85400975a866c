//! Looks at attributes and values where they lie, without making messages of them.
//!
//! `query` asks here for each record of a scan, so nothing is copied unless a sender split one value
//! over several fields, as protobuf allows.

use std::borrow::Cow;

use super::wire::{self, Raw, fields};

/// What an `AnyValue` holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View<'a> {
    Empty,
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// The bytes of an `ArrayValue`.
    Array(Cow<'a, [u8]>),
    /// The bytes of a `KeyValueList`.
    Map(Cow<'a, [u8]>),
    Bytes(&'a [u8]),
}

impl<'a> View<'a> {
    /// Of several values the last counts; parts of one list that follow each other belong together.
    pub(crate) fn of(any_value: &'a [u8]) -> Self {
        let mut view = Self::Empty;
        for (number, raw) in fields(any_value) {
            view = match (number, view) {
                (1, _) => Self::Text(raw.text()),
                (2, _) => Self::Bool(raw.number() != 0),
                (3 | 8, _) => Self::Int(raw.number().cast_signed_()),
                (4, _) => Self::Double(f64::from_bits(raw.number())),
                (5, Self::Array(before)) => Self::Array(joined(before, raw)),
                (5, _) => Self::Array(Cow::Borrowed(raw.bytes())),
                (6, Self::Map(before)) => Self::Map(joined(before, raw)),
                (6, _) => Self::Map(Cow::Borrowed(raw.bytes())),
                (7, _) => Self::Bytes(raw.bytes()),
                (_, before) => before,
            }
        }
        view
    }
}

/// `u64::cast_signed` of newer Rusts.
pub(crate) trait CastSigned {
    fn cast_signed_(self) -> i64;
}

impl CastSigned for u64 {
    fn cast_signed_(self) -> i64 {
        i64::from_ne_bytes(self.to_ne_bytes())
    }
}

fn joined<'a>(before: Cow<'a, [u8]>, raw: Raw<'a>) -> Cow<'a, [u8]> {
    let mut whole = before.into_owned();
    whole.extend_from_slice(raw.bytes());
    Cow::Owned(whole)
}

/// The message in this field; parts of it belong together.
pub(crate) fn message_in(message: &[u8], number: u32) -> Option<Cow<'_, [u8]>> {
    let mut parts = wire::all(message, number);
    let first = Cow::Borrowed(parts.next()?.bytes());
    Some(parts.fold(first, joined))
}

/// The key of a `KeyValue`.
pub(crate) fn key(key_value: &[u8]) -> &str {
    wire::last(key_value, 1).map_or("", Raw::text)
}

/// The `AnyValue` of a `KeyValue`; empty when it has none.
pub(crate) fn value(key_value: &[u8]) -> Cow<'_, [u8]> {
    message_in(key_value, 2).unwrap_or_default()
}

/// The `AnyValue` of the first attribute with this key, in the list that `number` repeats.
pub(crate) fn find<'a>(message: &'a [u8], number: u32, wanted: &str) -> Option<Cow<'a, [u8]>> {
    wire::all(message, number)
        .map(Raw::bytes)
        .find(|key_value| key(key_value) == wanted)
        .map(value)
}

/// The text of the first attribute with this key, if it is text.
pub(crate) fn find_text<'a>(message: &'a [u8], number: u32, wanted: &str) -> Option<Cow<'a, str>> {
    match find(message, number, wanted)? {
        Cow::Borrowed(bytes) => match View::of(bytes) {
            View::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        },
        Cow::Owned(bytes) => match View::of(&bytes) {
            View::Text(text) => Some(Cow::Owned(text.to_owned())),
            _ => None,
        },
    }
}

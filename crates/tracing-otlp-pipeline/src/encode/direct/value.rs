//! Writes values and attributes.
//!
//! Part of `direct`. A message comes after its length, so lengths are worked out first. That of a
//! plain value is a sum; those of the levels of a nested one are collected in one walk and used
//! up by the writing one, in the same order, so that depth costs nothing twice.

use std::collections::HashMap;

use opentelemetry::{Array, Key, KeyValue, Value, logs::AnyValue};

use super::wire::{
    Out, bytes, fixed64, len_of_bytes, len_of_text, len_of_varint, put_bytes, put_fixed64,
    put_head, put_heads, put_varint, varint,
};

// `KeyValue`, and `KeyValueList` and `ArrayValue`, of common.proto.
const KEY: u8 = bytes(1);
const VALUE: u8 = bytes(2);
const ITEM: u8 = bytes(1);

// `AnyValue` of common.proto.
const STRING: u8 = bytes(1);
const BOOL: u8 = varint(2);
const INT: u8 = varint(3);
const DOUBLE: u8 = fixed64(4);
const ARRAY: u8 = bytes(5);
const MAP: u8 = bytes(6);
const BYTES: u8 = bytes(7);

/// How many levels of lists and maps are written. A level takes up to three of a protobuf message
/// and four of a JSON one, receivers bound those (100 and 128 in most), and one that meets a
/// deeper message refuses the whole request. The walk here is bounded with it.
const MAX_DEPTH: usize = 28;

/// What stands for a list or a map that lies deeper.
const TOO_DEEP: &str = "[nested too deeply]";

/// The value of a log record's body or attribute, as it is written.
enum Form<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Nested(Nested<'a>),
    /// A kind that came with a newer SDK.
    Unknown,
}

#[derive(Clone, Copy)]
enum Nested<'a> {
    List(&'a [AnyValue]),
    Map(&'a HashMap<Key, AnyValue>),
}

#[inline]
fn form(value: &AnyValue, depth: usize) -> Form<'_> {
    match value {
        AnyValue::String(text) => Form::Text(text.as_str()),
        AnyValue::Int(int) => Form::Int(*int),
        AnyValue::Double(double) => Form::Double(*double),
        AnyValue::Boolean(truth) => Form::Bool(*truth),
        AnyValue::Bytes(bytes) => Form::Bytes(bytes),
        AnyValue::ListAny(_) | AnyValue::Map(_) if depth >= MAX_DEPTH => Form::Text(TOO_DEEP),
        AnyValue::ListAny(items) => Form::Nested(Nested::List(items)),
        AnyValue::Map(map) => Form::Nested(Nested::Map(map)),
        _ => Form::Unknown,
    }
}

/// The lengths of the levels of one nested value, outermost first; kept between records for its
/// memory alone.
#[derive(Debug, Default)]
pub(super) struct Levels {
    lens: Vec<usize>,
    next: usize,
}

impl Levels {
    pub(super) fn clear(&mut self) {
        self.lens.clear();
        self.lens.shrink_to(super::tray::KEPT_RECORDS);
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.lens.capacity() * size_of::<usize>()
    }

    /// Writes an attribute of a log record.
    #[inline]
    pub(super) fn put_attribute(&mut self, out: &mut Out, tag: u8, key: &str, value: &AnyValue) {
        self.put_pair(out, tag, key, value, 0);
    }

    /// Writes a value of a log record.
    pub(super) fn put_value(&mut self, out: &mut Out, tag: u8, value: &AnyValue) {
        let len = self.len_of(value, 0);
        self.put_any(out, tag, len, value, 0);
    }

    fn measure_any(&mut self, value: &AnyValue, depth: usize) -> usize {
        match form(value, depth) {
            Form::Nested(nested) => len_of_bytes(self.measure(nested, depth)),
            plain => len_of_plain(&plain),
        }
    }

    /// The length of what is in a list or map.
    fn measure(&mut self, nested: Nested<'_>, depth: usize) -> usize {
        let place = self.lens.len();
        self.lens.push(0);
        let len = match nested {
            Nested::List(items) => items
                .iter()
                .map(|item| len_of_bytes(self.measure_any(item, depth + 1)))
                .sum(),
            Nested::Map(map) => map
                .iter()
                .map(|(key, value)| {
                    let value = self.measure_any(value, depth + 1);
                    len_of_bytes(len_of_text(key.as_str()) + len_of_bytes(value))
                })
                .sum(),
        };
        self.lens[place] = len;
        len
    }

    /// The length of a value whose turn to be written it is.
    #[inline]
    fn len_of(&mut self, value: &AnyValue, depth: usize) -> usize {
        match form(value, depth) {
            Form::Nested(nested) => {
                if depth == 0 {
                    self.lens.clear();
                    self.next = 0;
                    self.measure(nested, 0);
                }
                len_of_bytes(self.lens.get(self.next).copied().unwrap_or(0))
            }
            plain => len_of_plain(&plain),
        }
    }

    #[inline]
    fn put_pair(&mut self, out: &mut Out, tag: u8, key: &str, value: &AnyValue, depth: usize) {
        let len = self.len_of(value, depth);
        put_key(out, tag, key, len);
        self.put_any(out, VALUE, len, value, depth);
    }

    /// Writes a value of that length.
    #[expect(
        clippy::inline_always,
        reason = "hot, and the compiler changes its mind about it"
    )]
    #[inline(always)]
    fn put_any(&mut self, out: &mut Out, tag: u8, len: usize, value: &AnyValue, depth: usize) {
        match form(value, depth) {
            Form::Text(text) => {
                put_heads(out, (tag, len), (STRING, text.len()));
                out.extend_from_slice(text.as_bytes());
            }
            Form::Bytes(bytes) => {
                put_heads(out, (tag, len), (BYTES, bytes.len()));
                out.extend_from_slice(bytes);
            }
            plain => {
                put_head(out, tag, len);
                match plain {
                    Form::Bool(truth) => put_bool(out, truth),
                    Form::Int(int) => put_int(out, int),
                    Form::Double(double) => put_fixed64(out, DOUBLE, double.to_bits()),
                    Form::Nested(nested) => self.put_nested(out, nested, depth),
                    Form::Text(_) | Form::Bytes(_) | Form::Unknown => {}
                }
            }
        }
    }

    #[inline(never)]
    fn put_nested(&mut self, out: &mut Out, nested: Nested<'_>, depth: usize) {
        let len = self.lens.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        match nested {
            Nested::List(items) => {
                put_head(out, ARRAY, len);
                for item in items {
                    let len = self.len_of(item, depth + 1);
                    self.put_any(out, ITEM, len, item, depth + 1);
                }
            }
            Nested::Map(map) => {
                put_head(out, MAP, len);
                for (key, value) in map {
                    self.put_pair(out, ITEM, key.as_str(), value, depth + 1);
                }
            }
        }
    }
}

/// Starts a pair whose value has that length, and writes its key.
#[expect(
    clippy::inline_always,
    reason = "hot, and the compiler changes its mind about it"
)]
#[inline(always)]
fn put_key(out: &mut Out, tag: u8, key: &str, value: usize) {
    let len = len_of_text(key) + len_of_bytes(value);
    if key.is_empty() {
        put_head(out, tag, len);
    } else {
        put_heads(out, (tag, len), (KEY, key.len()));
        out.extend_from_slice(key.as_bytes());
    }
}

#[inline]
fn len_of_plain(form: &Form<'_>) -> usize {
    match form {
        Form::Text(text) => len_of_bytes(text.len()),
        Form::Bool(_) => LEN_OF_BOOL,
        Form::Int(int) => len_of_int(*int),
        Form::Double(_) => LEN_OF_DOUBLE,
        Form::Bytes(bytes) => len_of_bytes(bytes.len()),
        Form::Nested(_) | Form::Unknown => 0,
    }
}

const LEN_OF_BOOL: usize = 2;
const LEN_OF_DOUBLE: usize = 9;

#[inline]
const fn len_of_int(int: i64) -> usize {
    1 + len_of_varint(unsigned(int))
}

#[inline]
fn put_bool(out: &mut Out, truth: bool) {
    out.extend_from_slice(&[BOOL, u8::from(truth)]);
}

#[inline]
fn put_int(out: &mut Out, int: i64) {
    out.push(INT);
    put_varint(out, unsigned(int));
}

/// A negative number is written as a large one, in two's complement.
#[inline]
const fn unsigned(int: i64) -> u64 {
    u64::from_ne_bytes(int.to_ne_bytes())
}

/// Attributes of a span or a scope, as they are written.
pub(super) fn pairs<'a>(
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> impl Iterator<Item = (&'a Key, &'a Value)> {
    let attributes = attributes.into_iter();
    attributes.map(|attribute| (&attribute.key, &attribute.value))
}

/// How many bytes the attributes of a span, a scope or a resource take.
pub(super) fn len_of_attributes<'a>(
    attributes: impl Iterator<Item = (&'a Key, &'a Value)>,
) -> usize {
    attributes
        .map(|(key, value)| {
            len_of_bytes(len_of_text(key.as_str()) + len_of_bytes(len_of_value(value)))
        })
        .sum()
}

/// Writes the attributes of a span, a scope or a resource.
pub(super) fn put_attributes<'a>(
    out: &mut Out,
    tag: u8,
    attributes: impl Iterator<Item = (&'a Key, &'a Value)>,
) {
    for (key, value) in attributes {
        let len = len_of_value(value);
        put_key(out, tag, key.as_str(), len);
        put_head(out, VALUE, len);
        put_plain_value(out, value);
    }
}

fn len_of_value(value: &Value) -> usize {
    match value {
        Value::Bool(_) => LEN_OF_BOOL,
        Value::I64(int) => len_of_int(*int),
        Value::F64(_) => LEN_OF_DOUBLE,
        Value::String(text) => len_of_bytes(text.as_str().len()),
        Value::Array(array) => len_of_bytes(len_of_items(array)),
        _ => 0,
    }
}

fn len_of_items(array: &Array) -> usize {
    match array {
        Array::Bool(items) => items.len() * len_of_bytes(LEN_OF_BOOL),
        Array::F64(items) => items.len() * len_of_bytes(LEN_OF_DOUBLE),
        Array::I64(items) => items
            .iter()
            .map(|item| len_of_bytes(len_of_int(*item)))
            .sum(),
        Array::String(items) => items
            .iter()
            .map(|item| len_of_bytes(len_of_bytes(item.as_str().len())))
            .sum(),
        _ => 0,
    }
}

fn put_plain_value(out: &mut Out, value: &Value) {
    match value {
        Value::Bool(truth) => put_bool(out, *truth),
        Value::I64(int) => put_int(out, *int),
        Value::F64(double) => put_fixed64(out, DOUBLE, double.to_bits()),
        Value::String(text) => put_bytes(out, STRING, text.as_str().as_bytes()),
        Value::Array(array) => {
            put_head(out, ARRAY, len_of_items(array));
            put_items(out, array);
        }
        _ => {}
    }
}

fn put_items(out: &mut Out, array: &Array) {
    match array {
        Array::Bool(items) => {
            for item in items {
                put_head(out, ITEM, LEN_OF_BOOL);
                put_bool(out, *item);
            }
        }
        Array::I64(items) => {
            for item in items {
                put_head(out, ITEM, len_of_int(*item));
                put_int(out, *item);
            }
        }
        Array::F64(items) => {
            for item in items {
                put_head(out, ITEM, LEN_OF_DOUBLE);
                put_fixed64(out, DOUBLE, item.to_bits());
            }
        }
        Array::String(items) => {
            for item in items {
                let text = item.as_str().as_bytes();
                put_head(out, ITEM, len_of_bytes(text.len()));
                put_bytes(out, STRING, text);
            }
        }
        _ => {}
    }
}

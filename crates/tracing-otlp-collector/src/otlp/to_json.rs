//! Writes checked protobuf bytes as OTLP/JSON, straight from one buffer into another.
//!
//! The API's answers and the files are written with it. 64-bit integers are strings, ids hex, other
//! bytes base64, enums numbers, and doubles that JSON lacks strings, as the OTLP specification
//! has it.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::any_value::CastSigned as _;
use super::check::wire_type_of;
use super::schema::{Field, Kind, Message, Shape};
use super::wire::{DELIMITED, Raw, Reader, fields};

/// Writes a message of this kind as an object.
pub(crate) fn message(schema: &'static Message, bytes: &[u8], out: &mut Vec<u8>) {
    let survey = Survey::of(schema, bytes);
    let mut object = ObjectWriter::new(out);
    if let Some((field, raw)) = survey.chosen {
        // Parts of one choice are joined; a part of another choice before them is forgotten.
        let whole = survey.joined.as_deref().map_or(raw, Raw::Bytes);
        one(field, whole, object.member(field.json));
    }
    let mut done = 0_u32;
    let mut rest = fields(bytes);
    while let Some((number, raw)) = rest.next() {
        let Some(field) = schema.field(number) else {
            continue;
        };
        let bit = 1 << number;
        if done & bit != 0 || field.shape == Shape::Choice {
            continue;
        }
        done |= bit;
        let out = object.member(field.json);
        match field.shape {
            Shape::Many => {
                let same = rest.clone().filter(|(other, _)| *other == number);
                list(field, raw, same.map(|(_, raw)| raw), out);
            }
            _ if !survey.repeats => one(field, raw, out),
            _ => {
                let mut same = rest.clone().filter(|(other, _)| *other == number);
                if let Kind::Message(_) = field.kind {
                    let mut whole = raw.bytes().to_vec();
                    same.for_each(|(_, raw)| whole.extend_from_slice(raw.bytes()));
                    one(field, Raw::Bytes(&whole), out);
                } else {
                    let last = same.by_ref().last().map_or(raw, |(_, raw)| raw);
                    one(field, last, out);
                }
            }
        }
    }
    object.end();
}

/// What a look at the whole message tells.
struct Survey<'a> {
    /// The choice that counts, with its last part.
    chosen: Option<(&'static Field, Raw<'a>)>,
    /// All parts of the choice, if it is a message and there are several.
    joined: Option<Cow<'a, [u8]>>,
    /// Whether a field that should be there once is there more often.
    repeats: bool,
}

impl<'a> Survey<'a> {
    fn of(schema: &'static Message, bytes: &'a [u8]) -> Self {
        let mut survey = Self {
            chosen: None,
            joined: None,
            repeats: false,
        };
        let mut seen = 0_u32;
        for (number, raw) in fields(bytes) {
            let Some(field) = schema.field(number) else {
                continue;
            };
            match field.shape {
                Shape::Many => {}
                Shape::One => {
                    survey.repeats |= seen & (1 << number) != 0;
                    seen |= 1 << number;
                }
                Shape::Choice => survey.choose(field, raw),
            }
        }
        survey
    }

    fn choose(&mut self, field: &'static Field, raw: Raw<'a>) {
        let again = self
            .chosen
            .filter(|(before, _)| before.number == field.number);
        self.joined = match (again, field.kind) {
            (Some((_, before)), Kind::Message(_)) => {
                let mut whole = self
                    .joined
                    .take()
                    .unwrap_or(Cow::Borrowed(before.bytes()))
                    .into_owned();
                whole.extend_from_slice(raw.bytes());
                Some(Cow::Owned(whole))
            }
            _ => None,
        };
        self.chosen = Some((field, raw));
    }
}

fn list<'a>(field: &Field, first: Raw<'a>, rest: impl Iterator<Item = Raw<'a>>, out: &mut Vec<u8>) {
    out.push(b'[');
    let mut is_first = true;
    let wire_type = wire_type_of(field.kind);
    for raw in std::iter::once(first).chain(rest) {
        if let (Raw::Bytes(packed), true) = (raw, wire_type != DELIMITED) {
            let mut reader = Reader::new(packed);
            while let (false, Ok(raw)) =
                (reader.is_empty(), reader.value(field.number, wire_type, 0))
            {
                comma(&mut is_first, out);
                one(field, raw, out);
            }
        } else {
            comma(&mut is_first, out);
            one(field, raw, out);
        }
    }
    out.push(b']');
}

fn comma(is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(is_first) {
        out.push(b',');
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "protobuf keeps the low bits, as prost does"
)]
fn one(field: &Field, raw: Raw<'_>, out: &mut Vec<u8>) {
    let bits = raw.number();
    // Writing to a Vec cannot fail.
    let _ = match field.kind {
        Kind::Message(schema) => {
            message(schema, raw.bytes(), out);
            Ok(())
        }
        Kind::String => {
            string(raw.text(), out);
            Ok(())
        }
        Kind::Id => {
            out.push(b'"');
            hex(raw.bytes(), out);
            out.push(b'"');
            Ok(())
        }
        Kind::Bytes => write!(out, "\"{}\"", STANDARD.encode(raw.bytes())),
        Kind::Double => {
            double(f64::from_bits(bits), out);
            Ok(())
        }
        Kind::Bool => write!(out, "{}", bits != 0),
        Kind::Int32 | Kind::Enum(_) => write!(out, "{}", bits as i32),
        Kind::Uint32 | Kind::Fixed32 => write!(out, "{}", bits as u32),
        Kind::Sint32 => {
            let bits = bits as u32;
            write!(out, "{}", ((bits >> 1) as i32) ^ -((bits & 1) as i32))
        }
        Kind::Int64 | Kind::Sfixed64 => write!(out, "\"{}\"", bits.cast_signed_()),
        Kind::Uint64 | Kind::Fixed64 => write!(out, "\"{bits}\""),
    };
}

pub(crate) fn double(number: f64, out: &mut Vec<u8>) {
    let text = if number.is_nan() {
        "\"NaN\""
    } else if number == f64::INFINITY {
        "\"Infinity\""
    } else if number == f64::NEG_INFINITY {
        "\"-Infinity\""
    } else {
        // `Debug` writes the shortest text that reads back, with an exponent where that is shorter.
        let _ = write!(out, "{number:?}");
        return;
    };
    out.extend_from_slice(text.as_bytes());
}

/// Writes text in quotes.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        let _ = match byte {
            b'"' => out.write_all(b"\\\""),
            b'\\' => out.write_all(b"\\\\"),
            b'\n' => out.write_all(b"\\n"),
            b'\r' => out.write_all(b"\\r"),
            b'\t' => out.write_all(b"\\t"),
            other => write!(out, "\\u{other:04x}"),
        };
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

pub(crate) fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Writes the members of one object.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_first: true,
        }
    }

    /// Writes a name and hands out the place for its value.
    pub(crate) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        comma(&mut self.is_first, self.out);
        string(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

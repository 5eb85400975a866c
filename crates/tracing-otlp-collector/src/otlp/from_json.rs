//! Reads OTLP/JSON as a stream and writes the protobuf bytes of the same message.
//!
//! Hand-written leniently, because real senders write what the serde types of the official crate
//! reject: empty lists and objects, `"NaN"`, null anywhere, numbers where the specification wants
//! strings and the other way round, names in `snake_case`, halves of characters. Unknown members are
//! ignored.
//!
//! No tree of the input is built, so a hostile body takes no more memory than its own bytes again.

use std::borrow::Cow;
use std::fmt;
use std::ptr;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::check::wire_type_of;
use super::scalar::Scalar;
use super::schema::{ANY_VALUE, Field, Kind, Message, Shape};
use super::surrogates;

/// Converts one message; the error says what is wrong and where.
pub(crate) fn convert(schema: &'static Message, json: &[u8]) -> Result<Vec<u8>, String> {
    match convert_strictly(schema, json) {
        // JavaScript writes a text that it has cut through a character like this.
        Err(Failure::NoJson(error)) => match surrogates::mend(json) {
            Some(mended) => convert_strictly(schema, &mended).map_err(Failure::into_text),
            None => Err(error),
        },
        other => other.map_err(Failure::into_text),
    }
}

enum Failure {
    NoJson(String),
    NotThis(String),
}

impl Failure {
    fn into_text(self) -> String {
        match self {
            Self::NoJson(text) | Self::NotThis(text) => text,
        }
    }
}

fn convert_strictly(schema: &'static Message, json: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut writer = Writer {
        out: Vec::with_capacity(json.len() / 2),
        path: Vec::new(),
        problem: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = InMessage {
        schema,
        writer: &mut writer,
    }
    .deserialize(&mut deserializer)
    .and_then(|_| deserializer.end());
    match (read, writer.problem.take()) {
        (Ok(()), _) => Ok(writer.out),
        (Err(_), Some(problem)) => {
            Err(Failure::NotThis(format!("{}{problem}", Path(&writer.path))))
        }
        (Err(error), None) => Err(Failure::NoJson(error.to_string())),
    }
}

struct Writer {
    out: Vec<u8>,
    path: Vec<Step>,
    problem: Option<String>,
}

#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl Writer {
    /// Keeps the sentence and the path; the parser's own error only ends the reading.
    fn fail<E: Error>(&mut self, problem: String) -> E {
        self.problem = Some(problem);
        E::custom("")
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "the low seven bits")]
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        #[expect(clippy::cast_possible_truncation, reason = "less than 0x80")]
        self.out.push(value as u8);
    }

    fn key(&mut self, field: &Field) {
        self.varint(u64::from(field.number) << 3 | u64::from(wire_type_of(field.kind)));
    }

    fn delimited(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Begins a message in a field and returns the place where its length goes.
    fn begin(&mut self, field: &Field) -> usize {
        self.key(field);
        self.out.push(0);
        self.out.len()
    }

    /// Writes the length of what stands after `start`; longer lengths move it.
    fn end(&mut self, start: usize) {
        let length = self.out.len() - start;
        if let Ok(short @ 0..0x80) = u8::try_from(length) {
            self.out[start - 1] = short;
            return;
        }
        let content = self.out.len();
        self.varint(length as u64);
        // Written behind the content first: bring it to the front, over its place holder.
        let varint = self.out.split_off(content);
        self.out.splice(start - 1..start, varint);
    }

    #[expect(
        clippy::cast_sign_loss,
        reason = "protobuf writes negative numbers as their two's complement"
    )]
    fn scalar(&mut self, field: &Field, value: &Scalar<'_>) -> Result<(), String> {
        match field.kind {
            Kind::Bool => {
                let flag = value.boolean()?;
                self.key(field);
                self.varint(flag.into());
            }
            Kind::Int32 => self.varint_field(field, i64::from(value.integer::<i32>()?) as u64),
            Kind::Enum(from_name) => {
                let number = value.enumeration(from_name)?;
                self.varint_field(field, i64::from(number) as u64);
            }
            Kind::Int64 => self.varint_field(field, value.integer::<i64>()? as u64),
            Kind::Uint32 => self.varint_field(field, value.integer::<u32>()?.into()),
            Kind::Uint64 => self.varint_field(field, value.integer::<u64>()?),
            Kind::Sint32 => {
                let number = value.integer::<i32>()?;
                let zigzag = (number << 1) ^ (number >> 31);
                self.varint_field(field, u64::from(zigzag as u32));
            }
            Kind::Fixed32 => {
                let number = value.integer::<u32>()?;
                self.key(field);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Kind::Fixed64 => self.fixed64_field(field, value.integer::<u64>()?),
            Kind::Sfixed64 => self.fixed64_field(field, value.integer::<i64>()? as u64),
            Kind::Double => self.fixed64_field(field, value.double()?.to_bits()),
            Kind::String => {
                let text = value.text()?;
                self.key(field);
                self.delimited(text.as_bytes());
            }
            Kind::Bytes | Kind::Id => {
                let bytes = match field.kind {
                    Kind::Id => value.hex()?,
                    _ => value.base64()?,
                };
                self.key(field);
                self.delimited(&bytes);
            }
            Kind::Message(_) => return value.expected("an object"),
        }
        Ok(())
    }

    fn varint_field(&mut self, field: &Field, bits: u64) {
        self.key(field);
        self.varint(bits);
    }

    fn fixed64_field(&mut self, field: &Field, bits: u64) {
        self.key(field);
        self.out.extend_from_slice(&bits.to_le_bytes());
    }
}

/// Reads the members of an object into the message that the writer is in.
struct InMessage<'w> {
    schema: &'static Message,
    writer: &'w mut Writer,
}

/// Whether there was anything but null.
type IsThere = bool;

impl<'de> DeserializeSeed<'de> for InMessage<'_> {
    type Value = IsThere;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<IsThere, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl InMessage<'_> {
    fn unexpected<E: Error>(self, found: &Scalar<'_>) -> Result<IsThere, E> {
        let problem = format!("expected an object, found {}", found.name());
        Err(self.writer.fail(problem))
    }
}

impl<'de> Visitor<'de> for InMessage<'_> {
    type Value = IsThere;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IsThere, A::Error> {
        let Self { schema, writer } = self;
        while let Some(field) = map.next_key_seed(Name(schema))? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            writer.path.push(Step::Field(field.json));
            map.next_value_seed(InField {
                field,
                writer: &mut *writer,
            })?;
            writer.path.pop();
        }
        Ok(true)
    }

    fn visit_unit<E: Error>(self) -> Result<IsThere, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<IsThere, E> {
        self.unexpected(&Scalar::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<IsThere, E> {
        self.unexpected(&Scalar::Int(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<IsThere, E> {
        self.unexpected(&Scalar::Int(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<IsThere, E> {
        self.unexpected(&Scalar::Double(number))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<IsThere, E> {
        self.unexpected(&Scalar::Text(Cow::Borrowed("")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<IsThere, A::Error> {
        self.unexpected(&Scalar::List)
    }
}

/// Finds the field that a member's name stands for.
struct Name(&'static Message);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.named(name))
    }
}

/// Reads the value of one member.
struct InField<'w> {
    field: &'static Field,
    writer: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for InField<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { field, writer } = self;
        if field.shape == Shape::Many {
            deserializer.deserialize_any(InList { field, writer })
        } else {
            element(field, writer, deserializer).map(|_| ())
        }
    }
}

/// Reads one value into a field; null leaves nothing.
fn element<'de, D: Deserializer<'de>>(
    field: &'static Field,
    writer: &mut Writer,
    deserializer: D,
) -> Result<IsThere, D::Error> {
    if let Kind::Message(schema) = field.kind {
        let before = writer.out.len();
        let start = writer.begin(field);
        let is_there = InMessage {
            schema,
            writer: &mut *writer,
        }
        .deserialize(deserializer)?;
        if is_there {
            writer.end(start);
        } else {
            writer.out.truncate(before);
        }
        Ok(is_there)
    } else {
        let value = deserializer.deserialize_any(AnyScalar)?;
        if matches!(value, Scalar::Null) {
            return Ok(false);
        }
        match writer.scalar(field, &value) {
            Ok(()) => Ok(true),
            Err(problem) => Err(writer.fail(problem)),
        }
    }
}

struct InList<'w> {
    field: &'static Field,
    writer: &'w mut Writer,
}

impl InList<'_> {
    fn unexpected<E: Error>(self, found: &Scalar<'_>) -> Result<(), E> {
        let problem = format!("expected a list, found {}", found.name());
        Err(self.writer.fail(problem))
    }
}

impl<'de> Visitor<'de> for InList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { field, writer } = self;
        let mut index = 0;
        loop {
            writer.path.push(Step::Index(index));
            let next = list.next_element_seed(InElement {
                field,
                writer: &mut *writer,
            })?;
            writer.path.pop();
            if next.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        self.unexpected(&Scalar::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.unexpected(&Scalar::Int(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.unexpected(&Scalar::Int(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.unexpected(&Scalar::Double(number))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.unexpected(&Scalar::Text(Cow::Borrowed("")))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.unexpected(&Scalar::Object)
    }
}

struct InElement<'w> {
    field: &'static Field,
    writer: &'w mut Writer,
}

impl<'de> DeserializeSeed<'de> for InElement<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self { field, writer } = self;
        let is_there = element(field, writer, deserializer)?;
        let is_value =
            matches!(field.kind, Kind::Message(schema) if ptr::eq(schema, &raw const ANY_VALUE));
        if !is_there && is_value {
            // A null in a list of values is an empty value, which OTLP has too.
            writer.key(field);
            writer.varint(0);
        }
        Ok(())
    }
}

struct AnyScalar;

impl<'de> Visitor<'de> for AnyScalar {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Double(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    /// The inside is read, because the parser wants to come to the end of it.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Object)
    }
}

struct Path<'a>(&'a [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if nth == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.0.is_empty() {
            f.write_str(": ")?;
        }
        Ok(())
    }
}

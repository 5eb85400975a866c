//! Holds protobuf bytes against the schema, as strictly as prost would decode them.
//!
//! `retain` calls it once for each request; what passes can be read later, field by field or with
//! prost, and cannot fail. It allocates nothing, so no bytes are worth more memory than they have.

use super::schema::{Field, Kind, Message, Shape};
use super::wire::{
    DELIMITED, FIXED32, FIXED64, Problem, RECURSION_LIMIT, Raw, Reader, START_GROUP, VARINT,
};

/// Checks a whole message of this kind.
#[cfg(test)]
pub(crate) fn check(message: &'static Message, bytes: &[u8]) -> Result<(), Problem> {
    inside(message, bytes, Depth(RECURSION_LIMIT))
}

/// How many levels are left.
#[derive(Clone, Copy)]
pub(crate) struct Depth(u32);

impl Depth {
    pub(crate) fn top() -> Self {
        Self(RECURSION_LIMIT)
    }

    #[inline]
    fn below(self) -> Result<Self, Problem> {
        match self.0 {
            0 => Err(Problem::Recursion),
            left => Ok(Self(left - 1)),
        }
    }
}

/// Checks one message and shows each of its known fields to `see`.
///
/// A field that holds a message is checked by `see` if that says so, with the depth it is given.
#[inline]
pub(crate) fn walk<'a>(
    message: &'static Message,
    bytes: &'a [u8],
    depth: Depth,
    mut see: impl FnMut(u32, Raw<'a>, Depth) -> Result<Seen, Problem>,
) -> Result<(), Problem> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let (number, wire_type) = reader.key()?;
        let Some(field) = message.field(number) else {
            // prost counts the skipping as a level.
            depth.below()?;
            reader.value(number, wire_type, depth.0)?;
            continue;
        };
        if wire_type == START_GROUP {
            return Err(Problem::WireType);
        }
        let raw = reader.value(number, wire_type, depth.0)?;
        if let Kind::Message(nested) = field.kind {
            let Raw::Bytes(bytes) = raw else {
                return Err(Problem::WireType);
            };
            let below = depth.below()?;
            if matches!(see(number, raw, below)?, Seen::Checked) {
                continue;
            }
            inside(nested, bytes, below)?;
        } else {
            scalar(field, wire_type, raw)?;
            see(number, raw, depth)?;
        }
    }
    Ok(())
}

/// What was done with a field that holds a message.
pub(crate) enum Seen {
    /// Its inside has been checked.
    Checked,
    /// Its inside is still to be checked.
    Only,
}

pub(crate) fn inside(message: &'static Message, bytes: &[u8], depth: Depth) -> Result<(), Problem> {
    walk(message, bytes, depth, |_, _, _| Ok(Seen::Only))
}

#[inline]
fn scalar(field: &Field, wire_type: u8, raw: Raw<'_>) -> Result<(), Problem> {
    let wanted = wire_type_of(field.kind);
    if wire_type == wanted {
        if matches!(field.kind, Kind::String) && std::str::from_utf8(raw.bytes()).is_err() {
            return Err(Problem::Utf8);
        }
        return Ok(());
    }
    if wire_type != DELIMITED || field.shape != Shape::Many {
        return Err(Problem::WireType);
    }
    // Numbers that repeat may be packed.
    let mut reader = Reader::new(raw.bytes());
    while !reader.is_empty() {
        reader.value(field.number, wanted, 0)?;
    }
    Ok(())
}

pub(crate) fn wire_type_of(kind: Kind) -> u8 {
    match kind {
        Kind::Bool
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Enum(_) => VARINT,
        Kind::Fixed32 => FIXED32,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => FIXED64,
        Kind::String | Kind::Bytes | Kind::Id | Kind::Message(_) => DELIMITED,
    }
}

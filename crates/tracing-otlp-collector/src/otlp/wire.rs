//! Reads the fields of one protobuf message, one after the other.
//!
//! `check` uses [`Reader`] on bytes of unknown origin; everybody else uses [`fields`] on bytes that
//! `check` has accepted.

/// What stands behind a field's number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// A group of old, which OTLP does not use; it has been skipped.
    Group,
}

impl<'a> Raw<'a> {
    /// The bytes of a string, of bytes or of a message; empty for anything else.
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// The text of a string, which `check` has found to be UTF-8.
    pub(crate) fn text(self) -> &'a str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// The bits of a number.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => number,
            Self::Fixed32(number) => number.into(),
            Self::Bytes(_) | Self::Group => 0,
        }
    }
}

/// Why bytes are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Varint,
    Key,
    WireType,
    Underflow,
    Group,
    Utf8,
    Recursion,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Varint => "invalid varint",
            Self::Key => "invalid field key",
            Self::WireType => "a field has the wrong wire type",
            Self::Underflow => "a length goes past the end",
            Self::Group => "groups are not closed as they were opened",
            Self::Utf8 => "a string is not UTF-8",
            Self::Recursion => "recursion limit reached",
        })
    }
}

#[derive(Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Problem> {
        if let Some((&byte, rest)) = self.bytes.split_first() {
            if byte < 0x80 {
                self.bytes = rest;
                return Ok(byte.into());
            }
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Problem> {
        let mut value = 0;
        for (nth, byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * nth);
            if *byte < 0x80 {
                // The tenth byte has room for one bit.
                if nth == 9 && *byte > 1 {
                    return Err(Problem::Varint);
                }
                self.bytes = &self.bytes[nth + 1..];
                return Ok(value);
            }
        }
        Err(Problem::Varint)
    }

    #[inline]
    pub(crate) fn key(&mut self) -> Result<(u32, u8), Problem> {
        let key = u32::try_from(self.varint()?).map_err(|_| Problem::Key)?;
        let wire_type = (key & 7) as u8;
        if wire_type > 5 || key >> 3 == 0 {
            return Err(Problem::Key);
        }
        Ok((key >> 3, wire_type))
    }

    #[inline]
    pub(crate) fn fixed32(&mut self) -> Result<u32, Problem> {
        let (bytes, rest) = self.bytes.split_first_chunk().ok_or(Problem::Underflow)?;
        self.bytes = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn fixed64(&mut self) -> Result<u64, Problem> {
        let (bytes, rest) = self.bytes.split_first_chunk().ok_or(Problem::Underflow)?;
        self.bytes = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    #[inline]
    pub(crate) fn delimited(&mut self) -> Result<&'a [u8], Problem> {
        let length = usize::try_from(self.varint()?).map_err(|_| Problem::Underflow)?;
        if length > self.bytes.len() {
            return Err(Problem::Underflow);
        }
        let (inside, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        Ok(inside)
    }

    /// Reads what stands behind a key; a group may hold `depth` groups in each other.
    #[inline]
    pub(crate) fn value(
        &mut self,
        number: u32,
        wire_type: u8,
        depth: u32,
    ) -> Result<Raw<'a>, Problem> {
        Ok(match wire_type {
            VARINT => Raw::Varint(self.varint()?),
            FIXED64 => Raw::Fixed64(self.fixed64()?),
            DELIMITED => Raw::Bytes(self.delimited()?),
            FIXED32 => Raw::Fixed32(self.fixed32()?),
            START_GROUP => {
                self.skip_group(number, depth)?;
                Raw::Group
            }
            _ => return Err(Problem::Group),
        })
    }

    fn skip_group(&mut self, number: u32, depth: u32) -> Result<(), Problem> {
        loop {
            let (inner, wire_type) = self.key()?;
            if wire_type == END_GROUP {
                return if inner == number {
                    Ok(())
                } else {
                    Err(Problem::Group)
                };
            }
            let depth = depth.checked_sub(1).ok_or(Problem::Recursion)?;
            if depth == 0 {
                return Err(Problem::Recursion);
            }
            self.value(inner, wire_type, depth)?;
        }
    }
}

/// The fields of a message that `check` has accepted, in the order of the wire.
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields(Reader::new(message))
}

#[derive(Clone)]
pub(crate) struct Fields<'a>(Reader<'a>);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Raw<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (number, wire_type) = self.0.key().ok()?;
        let value = self.0.value(number, wire_type, RECURSION_LIMIT).ok()?;
        Some((number, value))
    }
}

/// All values of one field.
pub(crate) fn all(message: &[u8], number: u32) -> impl Iterator<Item = Raw<'_>> {
    fields(message)
        .filter(move |(found, _)| *found == number)
        .map(|(_, raw)| raw)
}

/// The value of a field that is there once; of several the last counts.
pub(crate) fn last(message: &[u8], number: u32) -> Option<Raw<'_>> {
    all(message, number).last()
}

/// Where `part` begins in the bytes that it was cut from.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const DELIMITED: u8 = 2;
pub(crate) const START_GROUP: u8 = 3;
pub(crate) const END_GROUP: u8 = 4;
pub(crate) const FIXED32: u8 = 5;

/// How deep messages may lie in each other; prost's own limit.
pub(crate) const RECURSION_LIMIT: u32 = 100;

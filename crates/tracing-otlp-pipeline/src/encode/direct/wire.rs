//! The few forms of protobuf's wire format that OTLP needs.
//!
//! Part of `direct`. A field is one byte of number and type, the numbers being below 16, and what
//! follows from the type. Scalars with their default value are left out by the callers, as proto3
//! says; members of a `oneof` are not.

pub(super) type Out = Vec<u8>;

/// The first byte of a field: 64 bits follow.
pub(super) const fn fixed64(field: u8) -> u8 {
    field << 3 | 1
}

/// The first byte of a field: a length and so many bytes follow.
pub(super) const fn bytes(field: u8) -> u8 {
    field << 3 | 2
}

/// The first byte of a field: 32 bits follow.
pub(super) const fn fixed32(field: u8) -> u8 {
    field << 3 | 5
}

/// The first byte of a field: a variable-length integer follows.
pub(super) const fn varint(field: u8) -> u8 {
    field << 3
}

/// How many bytes a variable-length integer takes.
#[inline]
pub(super) const fn len_of_varint(value: u64) -> usize {
    // Seven bits a byte, at least one byte.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// How many bytes a field with so many bytes in it takes.
#[inline]
pub(super) const fn len_of_bytes(len: usize) -> usize {
    1 + len_of_varint(len as u64) + len
}

/// How many bytes a text takes that is left out when empty.
#[inline]
pub(super) const fn len_of_text(text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        len_of_bytes(text.len())
    }
}

#[inline]
pub(super) fn put_varint(out: &mut Out, value: u64) {
    if value < 0x80 {
        out.push(low_bits(value));
    } else {
        put_long_varint(out, value);
    }
}

// What is long is out of line, so that what is short can be in line.
#[inline(never)]
fn put_long_varint(out: &mut Out, value: u64) {
    let (bytes, len) = long_varint(value);
    out.extend_from_slice(&bytes[..len]);
}

/// A variable-length integer and how many bytes it has.
fn long_varint(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut len = 1;
    for byte in &mut bytes {
        *byte = low_bits(value);
        value >>= 7;
        if value == 0 {
            break;
        }
        *byte |= 0x80;
        len += 1;
    }
    (bytes, len)
}

/// The lowest seven bits.
#[inline]
const fn low_bits(value: u64) -> u8 {
    (value & 0x7f) as u8
}

/// Starts a field with so many bytes in it.
#[inline]
pub(super) fn put_head(out: &mut Out, tag: u8, len: usize) {
    if len < 0x80 {
        out.extend_from_slice(&[tag, low_bits(len as u64)]);
    } else {
        put_long_head(out, tag, len);
    }
}

#[inline(never)]
fn put_long_head(out: &mut Out, tag: u8, len: usize) {
    out.push(tag);
    put_varint(out, len as u64);
}

/// Starts a field and, at once, the field that it begins with: mostly both lengths are short.
#[inline]
pub(super) fn put_heads(out: &mut Out, outer: (u8, usize), inner: (u8, usize)) {
    if outer.1 < 0x80 && inner.1 < 0x80 {
        let (outer_len, inner_len) = (low_bits(outer.1 as u64), low_bits(inner.1 as u64));
        out.extend_from_slice(&[outer.0, outer_len, inner.0, inner_len]);
    } else {
        put_long_head(out, outer.0, outer.1);
        put_head(out, inner.0, inner.1);
    }
}

#[inline]
pub(super) fn put_bytes(out: &mut Out, tag: u8, bytes: &[u8]) {
    put_head(out, tag, bytes.len());
    out.extend_from_slice(bytes);
}

/// A text that is left out when empty.
#[inline]
pub(super) fn put_text(out: &mut Out, tag: u8, text: &str) {
    if !text.is_empty() {
        put_bytes(out, tag, text.as_bytes());
    }
}

/// A number that is left out when zero.
#[inline]
pub(super) fn put_number(out: &mut Out, tag: u8, value: u32) {
    if value != 0 {
        out.push(tag);
        put_varint(out, u64::from(value));
    }
}

/// How many bytes a number takes that is left out when zero.
#[inline]
pub(super) const fn len_of_number(value: u32) -> usize {
    if value == 0 {
        0
    } else {
        1 + len_of_varint(value as u64)
    }
}

#[inline]
pub(super) fn put_fixed64(out: &mut Out, tag: u8, value: u64) {
    let mut field = [tag; 9];
    field[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&field);
}

#[inline]
pub(super) fn put_fixed32(out: &mut Out, tag: u8, value: u32) {
    let mut field = [tag; 5];
    field[1..].copy_from_slice(&value.to_le_bytes());
    out.extend_from_slice(&field);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_takes_as_many_bytes_as_is_said() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for value in edges.chain([u64::MAX]) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out.len(), len_of_varint(value), "{value}");
            assert_eq!(prost::encoding::decode_varint(&mut &*out).unwrap(), value);
        }
    }
}

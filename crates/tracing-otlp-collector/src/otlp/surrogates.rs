//! Replaces halves of characters in JSON's escapes.
//!
//! JavaScript's texts are UTF-16, and one that was cut through an emoji ends with half of it:
//! `JSON.stringify` writes `\ud83d`. No text of OTLP can hold that. Without this, one such record
//! would cost its sender the whole request. Only asked when the parser has given up.

/// The same JSON with U+FFFD for each half; `None` when there is none.
pub(super) fn mend(json: &[u8]) -> Option<Vec<u8>> {
    let mut mended = None;
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', json.get(at..).unwrap_or_default()) {
        at += next;
        at += match unit(json, at) {
            Some(0xd800..=0xdbff) if matches!(unit(json, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                let mended = mended.get_or_insert_with(|| json.to_vec());
                mended[at..at + 6].copy_from_slice(br"\ufffd");
                6
            }
            Some(_) => 6,
            // Another escape, of one letter, which may be a backslash.
            None => 2,
        };
    }
    mended
}

/// The unit of UTF-16 whose escape stands here.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(br"\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    // `from_str_radix` would also take a sign.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

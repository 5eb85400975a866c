//! Tells ids from bytes that only look like them, and writes them.
//!
//! The audit and the tree must agree on what an id is, so it stands here once.

use std::fmt::Write as _;

/// Sixteen bytes, not all of them zero.
pub(crate) fn is_trace_id(bytes: &[u8]) -> bool {
    bytes.len() == 16 && is_set(bytes)
}

/// Eight bytes, not all of them zero.
pub(crate) fn is_span_id(bytes: &[u8]) -> bool {
    bytes.len() == 8 && is_set(bytes)
}

/// Whether there is anything but zeros; a parent's id without it means a root.
pub(crate) fn is_set(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte != 0)
}

/// Writes bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

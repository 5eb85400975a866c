//! Texts of fields: formatted in a buffer that each thread keeps, then copied once.
//!
//! Part of capture, first stop on the way of an event. The copy is reference-counted, because the
//! official batch processor clones every record into its queue; its size is known by then, so it is
//! one allocation, and the buffer does not grow again for the next event.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use opentelemetry::StringValue;

use crate::draft::error::PANICKED;
use crate::draft::limits::Bounded;
use crate::guard;

thread_local! {
    /// Empty while it is in use: a `Debug` that logs has its own event formatted elsewhere.
    static BUFFER: Cell<String> = const { Cell::new(String::new()) };
}

/// What a thread keeps for the next text, in bytes.
const KEPT_CAPACITY: usize = 16 * 1024;

/// A text for a record, and how many bytes it has.
pub(crate) struct Text {
    pub(crate) value: StringValue,
    pub(crate) bytes: usize,
}

impl Text {
    #[inline]
    pub(crate) fn of(text: &str) -> Self {
        Self {
            value: if text.is_empty() {
                StringValue::from("")
            } else {
                StringValue::from(Arc::<str>::from(text))
            },
            bytes: text.len(),
        }
    }

    /// The text of a value, cut at `limit` characters.
    pub(crate) fn of_debug(value: &dyn fmt::Debug, limit: usize) -> Self {
        let buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        let mut text = Bounded::reusing(buffer, limit);
        // `Err` in here says that the limit was reached or that a Debug failed: what was written
        // until then stands.
        let done = guard::formatting(|| write!(text, "{value:?}"));
        let found = if done.is_some() {
            Self::of(&text.text)
        } else {
            Self {
                value: PANICKED.into(),
                bytes: PANICKED.len(),
            }
        };
        let mut buffer = text.text;
        if buffer.capacity() <= KEPT_CAPACITY {
            buffer.clear();
            let _ = BUFFER.try_with(|kept| kept.set(buffer));
        }
        found
    }
}

//! Texts of fields: formatted in a buffer that each thread keeps, then copied once.
//!
//! Part of capture, first stop on the way of an event. The copy is reference-counted, because the
//! official batch processor clones every record into its queue; its size is known by then, so it is
//! one allocation, and the buffer does not grow again for the next event.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use opentelemetry::StringValue;
use opentelemetry::logs::AnyValue;

use super::constant::Constant;
use crate::draft::error::PANICKED;
use crate::draft::limits::Bounded;
use crate::guard;

thread_local! {
    /// Empty while it is in use: a `Debug` that logs has its own event formatted elsewhere.
    static BUFFER: Cell<String> = const { Cell::new(String::new()) };
}

/// What a thread keeps for the next text, in bytes.
const KEPT_CAPACITY: usize = 16 * 1024;

/// A text for a record.
#[derive(Clone)]
pub(crate) enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Text {
    #[inline]
    pub(crate) fn of(text: &str) -> Self {
        Self::of_field(text, None)
    }

    /// The text of a field of which more is known.
    #[inline]
    pub(crate) fn of_field(text: &str, known: Option<&Constant>) -> Self {
        match known.and_then(|known| known.twin_of(text)) {
            Some(twin) => Self::Static(twin),
            None if text.is_empty() => Self::Static(""),
            None => Self::Shared(Arc::from(text)),
        }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
        }
    }

    #[inline]
    pub(crate) fn into_value(self) -> AnyValue {
        AnyValue::String(match self {
            Self::Static(text) => StringValue::from(text),
            Self::Shared(text) => StringValue::from(text),
        })
    }

    /// The text of a value, cut at `limit` characters.
    pub(crate) fn of_debug(value: &dyn fmt::Debug, limit: usize, known: Option<&Constant>) -> Self {
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        // `Err` in here says that the limit was reached or that a Debug failed: what was written
        // until then stands.
        let done = if limit == usize::MAX {
            guard::formatting(|| write!(buffer, "{value:?}"))
        } else {
            let mut text = Bounded::reusing(std::mem::take(&mut buffer), limit);
            let done = guard::formatting(|| write!(text, "{value:?}"));
            buffer = text.text;
            done
        };
        let found = match done {
            Some(_) => Self::of_field(&buffer, known),
            None => Self::Static(PANICKED),
        };
        if buffer.capacity() <= KEPT_CAPACITY {
            buffer.clear();
            let _ = BUFFER.try_with(|kept| kept.set(buffer));
        }
        found
    }
}

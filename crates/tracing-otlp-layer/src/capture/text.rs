//! Texts of fields: formatted in a buffer that each thread keeps, then copied once.
//!
//! Part of capture, first stop on the way of an event. The copy is reference-counted, because the
//! official batch processor clones every record into its queue; its size is known by then, so it is
//! one allocation, and the buffer does not grow again for the next event.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use opentelemetry::StringValue;
use opentelemetry::logs::AnyValue;

use super::constant::Constant;
use crate::draft::error::PANICKED;
use crate::draft::limits::Bounded;
use crate::guard;

thread_local! {
    /// Borrowed while it is in use: a `Debug` that logs has its own event formatted elsewhere.
    static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
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
    pub(crate) fn of_debug(value: &dyn fmt::Debug, limit: usize, known: &Constant) -> Self {
        let through = |buffer: &mut String| Self::formatted(buffer, value, limit, known);
        BUFFER
            .try_with(|buffer| Some(through(&mut *buffer.try_borrow_mut().ok()?)))
            .ok()
            .flatten()
            .unwrap_or_else(|| Self::of_debug_apart(value, limit, known))
    }

    #[cold]
    fn of_debug_apart(value: &dyn fmt::Debug, limit: usize, known: &Constant) -> Self {
        Self::formatted(&mut String::new(), value, limit, known)
    }

    /// Formats a value in an empty buffer, and leaves it so.
    #[expect(clippy::inline_always, reason = "two callers, of which one is hot")]
    #[inline(always)]
    fn formatted(
        buffer: &mut String,
        value: &dyn fmt::Debug,
        limit: usize,
        known: &Constant,
    ) -> Self {
        // `Err` in here says that the limit was reached or that a Debug failed: what was written
        // until then stands.
        let done = if limit == usize::MAX {
            guard::formatting(|| write!(buffer, "{value:?}"))
        } else {
            let mut text = Bounded::reusing(std::mem::take(buffer), limit);
            let done = guard::formatting(|| write!(text, "{value:?}"));
            *buffer = text.text;
            done
        };
        let found = match done {
            Some(_) => Self::of_field(buffer, Some(known)),
            None => Self::Static(PANICKED),
        };
        buffer.clear();
        if buffer.capacity() > KEPT_CAPACITY {
            *buffer = String::new();
        }
        found
    }
}

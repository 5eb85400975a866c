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

/// Lends the thread's buffer, if it is there and free.
#[inline]
fn with_buffer<R>(work: impl FnOnce(&mut String) -> R) -> Option<R> {
    BUFFER
        .try_with(|buffer| Some(work(&mut *buffer.try_borrow_mut().ok()?)))
        .ok()
        .flatten()
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

    /// Formats a value of which it is known what it will be: compares what comes with that, and copies
    /// nothing if they are the same. What comes back is another text.
    #[expect(clippy::inline_always, reason = "one caller for each kind of visitor")]
    #[inline(always)]
    pub(crate) fn other_than(expected: &'static str, value: &dyn fmt::Debug) -> Option<Self> {
        let mut comparing = Comparing {
            expected,
            same: 0,
            other: None,
        };
        let done = guard::formatting(|| write!(comparing, "{value:?}"));
        if done.is_some() && comparing.same == expected.len() {
            // There is nothing in it to drop.
            std::mem::forget(comparing);
            return None;
        }
        Some(Self::unexpected(comparing, done.is_some()))
    }

    #[cold]
    fn unexpected(mut comparing: Comparing, is_done: bool) -> Self {
        let mut text = std::mem::take(comparing.other());
        let found = if is_done {
            Self::of(&text)
        } else {
            Self::Static(PANICKED)
        };
        empty(&mut text);
        let _none_at_thread_end = with_buffer(|buffer| *buffer = text);
        found
    }

    /// The text of a value, cut at `limit` characters.
    #[inline(never)]
    pub(crate) fn of_debug(value: &dyn fmt::Debug, limit: usize, known: &Constant) -> Self {
        let through = |buffer: &mut String| Self::formatted(buffer, value, limit, known);
        with_buffer(through).unwrap_or_else(|| Self::of_debug_apart(value, limit, known))
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
        empty(buffer);
        found
    }
}

fn empty(buffer: &mut String) {
    buffer.clear();
    if buffer.capacity() > KEPT_CAPACITY {
        *buffer = String::new();
    }
}

/// Takes what is written while it is the text that is expected.
struct Comparing {
    expected: &'static str,
    /// So many bytes of it have come so far, or [`DIFFERENT`].
    same: usize,
    /// Everything that was written, once it is something else: in the thread's buffer, if it is free.
    other: Option<String>,
}

const DIFFERENT: usize = usize::MAX;

impl fmt::Write for Comparing {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // In one piece, most of the time.
        if self.same == 0 && self.expected == text {
            self.same = text.len();
            return Ok(());
        }
        self.take_piece(text);
        Ok(())
    }
}

impl Comparing {
    #[inline(never)]
    fn take_piece(&mut self, text: &str) {
        let left = self.expected.get(self.same..).unwrap_or_default();
        if self.same != DIFFERENT && left.starts_with(text) {
            self.same += text.len();
        } else {
            self.other().push_str(text);
        }
    }

    /// Everything that was written so far, to be gone on with.
    fn other(&mut self) -> &mut String {
        self.other.get_or_insert_with(|| {
            let mut buffer = with_buffer(std::mem::take).unwrap_or_default();
            buffer.push_str(&self.expected[..self.same]);
            self.same = DIFFERENT;
            buffer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes its pieces one by one, and may end in a panic.
    struct Pieces(&'static [&'static str], bool);

    impl fmt::Debug for Pieces {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|piece| f.write_str(piece))?;
            assert!(!self.1, "in Debug");
            Ok(())
        }
    }

    /// Formats a value whose field has always been `one two`.
    fn expecting(value: &dyn fmt::Debug) -> Option<Text> {
        Text::other_than("one two", value)
    }

    #[test]
    fn a_text_that_is_expected_stays_static_in_whatever_pieces_it_comes() {
        for pieces in [&["one two"][..], &["one", " two"], &["", "one two", ""]] {
            assert!(expecting(&Pieces(pieces, false)).is_none());
        }
    }

    #[test]
    fn another_text_than_is_expected_is_whole() {
        for (pieces, text) in [
            (&["three"][..], "three"),
            (&["one ", "three"], "one three"),
            (&["one two", " three"], "one two three"),
            (&["one ", "x", "one two"], "one xone two"),
            (&["one two", "x", "", "y"], "one twoxy"),
            (&["one "], "one "),
            (&["one two", "one two"], "one twoone two"),
            (&[], ""),
        ] {
            let found = expecting(&Pieces(pieces, false)).unwrap();
            assert_eq!(found.as_str(), text);
            // And what is in the buffer now does not get into the next one.
            let unknown = Constant::default();
            let next = Text::of_debug(&7, usize::MAX, &unknown);
            assert_eq!(next.as_str(), "7");
        }
    }

    #[test]
    fn a_panic_in_an_expected_text_is_caught_too() {
        for pieces in [&["one two"][..], &["one"], &["three"]] {
            let text = expecting(&Pieces(pieces, true)).unwrap();
            assert_eq!(text.as_str(), PANICKED);
        }
    }

    #[test]
    fn a_text_inside_another_that_is_not_as_expected_does_not_disturb_it() {
        struct Outer;
        impl fmt::Debug for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outer ")?;
                let inner = expecting(&7).unwrap();
                f.write_str(inner.as_str())
            }
        }
        let text = expecting(&Outer).unwrap();
        assert_eq!(text.as_str(), "outer 7");
    }
}

//! The fixed part of each record and span: what queries ask for most, and where its bytes are.
//!
//! `index` fills it in while it checks a request; the bytes themselves stay as they were sent.

/// One record, span or metric of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// When it happened or at least was seen, for spans when they started; 0 when unknown.
    pub(crate) time: u64,
    /// When a span ended.
    pub(crate) end: u64,
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) parent: [u8; 8],
    /// Where its message begins in the chunk's bytes.
    pub(crate) offset: u32,
    pub(crate) length: u32,
    /// Which of the chunk's origins it has.
    pub(crate) origin: u32,
    pub(crate) severity: u8,
    pub(crate) kind: Kind,
    pub(crate) ids: Ids,
    pub(crate) flags: Flags,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Log,
    Span,
    /// Logfire's early notice of a span: it carries the open span's id as its parent.
    PendingSpan,
    /// A log record that travels as a span, as Logfire's Python SDK sends them.
    SpanLog,
    Metric,
}

/// What is known about an item's two ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// Neither is there.
    None,
    /// Both are sound.
    Sound,
    /// One is missing, has a wrong length or is all zeros.
    Malformed,
}

impl Ids {
    pub(crate) fn of(trace: &[u8], span: &[u8]) -> Self {
        if trace.is_empty() && span.is_empty() {
            Self::None
        } else if super::id::is_trace_id(trace) && super::id::is_span_id(span) {
            Self::Sound
        } else {
            Self::Malformed
        }
    }
}

/// Small facts, each a bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// The body is text, so a search for text may look at the bytes alone.
    pub(crate) const TEXT_BODY: u8 = 1;
    /// The span's status is error.
    pub(crate) const ERROR: u8 = 2;
    /// The span names a parent, and the parent is not said to be remote.
    pub(crate) const LOCAL_PARENT: u8 = 4;

    pub(crate) fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// A span among all spans: its trace id and its span id.
pub(crate) type SpanKey = ([u8; 16], [u8; 8]);

impl Head {
    pub(crate) fn key(&self) -> SpanKey {
        (self.trace, self.span)
    }
}

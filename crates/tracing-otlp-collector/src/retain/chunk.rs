//! One accepted request: its bytes as they were sent, and a head for each of its items.
//!
//! `index` makes it, the store keeps it in the order of arrival, and everybody reads it without a
//! copy. So what a record weighs is its bytes and a fixed head, whatever a sender puts in.

use std::ops::Range;
use std::sync::{Mutex, PoisonError, Weak};

use bytes::Bytes;

use super::head::Head;
use super::view::View;
use crate::Signal;

#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) signal: Signal,
    pub(crate) bytes: Bytes,
    pub(crate) heads: Box<[Head]>,
    pub(crate) origins: Box<[OriginAt]>,
    /// The order number of the first head; the others follow it.
    pub(crate) first: u64,
    /// When it arrived, in nanoseconds since 1970.
    pub(crate) received: u64,
    /// The earliest and the latest time of its items.
    pub(crate) times: (u64, u64),
    /// Data points, for metrics.
    pub(crate) points: u64,
    /// How many of the items are log records that travel as spans.
    pub(crate) span_logs: u32,
    /// What people hold who look at it as messages.
    view: Mutex<Weak<View>>,
}

/// Where the messages lie that the items of one scope share: those of `ResourceLogs` and `ScopeLogs`, or
/// their siblings. Resource and scope are fields of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OriginAt {
    pub(crate) resource: At,
    pub(crate) scope: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl At {
    pub(crate) fn range(self) -> Range<usize> {
        let start = self.offset as usize;
        start..start + self.length as usize
    }
}

impl Chunk {
    pub(crate) fn new(
        signal: Signal,
        bytes: Bytes,
        heads: Vec<Head>,
        origins: Vec<OriginAt>,
        points: u64,
    ) -> Self {
        let times = heads.iter().fold((u64::MAX, 0), |(first, last), head| {
            (first.min(head.time), last.max(head.time))
        });
        let is_span_log = |head: &&Head| head.kind == super::head::Kind::SpanLog;
        Self {
            signal,
            bytes,
            span_logs: u32::try_from(heads.iter().filter(is_span_log).count()).unwrap_or(u32::MAX),
            heads: heads.into_boxed_slice(),
            origins: origins.into_boxed_slice(),
            first: 0,
            received: 0,
            times,
            points,
            view: Mutex::new(Weak::new()),
        }
    }

    /// The bytes of one item's message.
    pub(crate) fn item(&self, head: &Head) -> &[u8] {
        let at = At {
            offset: head.offset,
            length: head.length,
        };
        self.bytes.get(at.range()).unwrap_or_default()
    }

    /// The bytes of the `Resource…` message around an item.
    pub(crate) fn resource_group(&self, head: &Head) -> &[u8] {
        self.origin(head)
            .and_then(|origin| self.bytes.get(origin.resource.range()))
            .unwrap_or_default()
    }

    /// The bytes of the `Scope…` message around an item.
    pub(crate) fn scope_group(&self, head: &Head) -> &[u8] {
        self.origin(head)
            .and_then(|origin| self.bytes.get(origin.scope.range()))
            .unwrap_or_default()
    }

    fn origin(&self, head: &Head) -> Option<&OriginAt> {
        self.origins.get(head.origin as usize)
    }

    /// What it adds to the bytes that the store keeps, with its spans' place in the index.
    pub(crate) fn weight(&self) -> usize {
        let indexed = match self.signal {
            Signal::Traces => self.heads.len() * super::span_index::WEIGHT,
            Signal::Logs | Signal::Metrics => 0,
        };
        self.bytes.len()
            + size_of_val(&*self.heads)
            + size_of_val(&*self.origins)
            + size_of::<Self>()
            + AROUND
            + indexed
    }

    /// The messages of this chunk; as long as somebody holds them, all hold the same.
    pub(crate) fn view(self: &std::sync::Arc<Self>) -> std::sync::Arc<View> {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        view.upgrade().unwrap_or_else(|| {
            let made = std::sync::Arc::new(View::new(std::sync::Arc::clone(self)));
            *view = std::sync::Arc::downgrade(&made);
            made
        })
    }
}

/// What an allocator puts around the five allocations of a chunk, and its place in a lane. It is what counts
/// where a sender sends each record by itself.
const AROUND: usize = 144;

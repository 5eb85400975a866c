//! One record, span or metric as a question sees it.
//!
//! `scan` makes it, `filter` asks it. Every answer is read from the bytes when it is asked for.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use super::link::Link;
use super::text::{self, Needle};
use crate::otlp::any_value::{self, View, find, message_in};
use crate::otlp::wire::{self, Raw};
use crate::retain::Store;
use crate::retain::chunk::Chunk;
use crate::retain::head::{Flags, Head, Ids, Kind};
use crate::retain::id::hex;

pub(crate) struct Item<'a> {
    pub(crate) chunk: &'a Chunk,
    pub(crate) head: &'a Head,
    /// Which of the chunk's items it is.
    pub(crate) index: u32,
    pub(crate) store: &'a Store,
    pub(crate) now: u64,
    link: OnceCell<Link>,
    /// The data point that a question about a metric looks at, with the field of its attributes.
    point: Cell<Option<(&'a [u8], u32)>>,
}

impl<'a> Item<'a> {
    pub(crate) fn new(
        store: &'a Store,
        chunk: &'a Chunk,
        (index, head): (u32, &'a Head),
        now: u64,
    ) -> Self {
        Self {
            chunk,
            head,
            index,
            store,
            now,
            link: OnceCell::new(),
            point: Cell::new(None),
        }
    }

    /// Makes this the point whose attributes are the metric's.
    pub(crate) fn look_at(&self, point: &'a [u8], field: u32) {
        self.point.set(Some((point, field)));
    }

    pub(crate) fn seq(&self) -> u64 {
        self.chunk.first + u64::from(self.index)
    }

    /// When it happened, or else when it was seen, or else when it arrived.
    pub(crate) fn time(&self) -> u64 {
        match self.head.time {
            0 => self.chunk.received,
            time => time,
        }
    }

    pub(crate) fn message(&self) -> &'a [u8] {
        self.chunk.item(self.head)
    }

    pub(crate) fn is_log(&self) -> bool {
        matches!(self.head.kind, Kind::Log | Kind::SpanLog)
    }

    pub(crate) fn is_span(&self) -> bool {
        matches!(self.head.kind, Kind::Span | Kind::PendingSpan)
    }

    /// The number of the field that repeats the attributes.
    pub(crate) fn attributes_field(&self) -> u32 {
        match self.head.kind {
            Kind::Log => 6,
            Kind::Span | Kind::PendingSpan | Kind::SpanLog => 9,
            Kind::Metric => 12,
        }
    }

    pub(crate) fn level(&self) -> &'static str {
        text::level(self.head.severity)
    }

    pub(crate) fn service(&self) -> Option<Cow<'a, str>> {
        let resource = self.resource()?;
        match resource {
            Cow::Borrowed(resource) => any_value::find_text(resource, 1, "service.name"),
            Cow::Owned(resource) => any_value::find_text(&resource, 1, "service.name")
                .map(|text| Cow::Owned(text.into_owned())),
        }
    }

    pub(crate) fn resource(&self) -> Option<Cow<'a, [u8]>> {
        message_in(self.chunk.resource_group(self.head), 1)
    }

    pub(crate) fn scope(&self) -> Option<Cow<'a, [u8]>> {
        message_in(self.chunk.scope_group(self.head), 1)
    }

    pub(crate) fn scope_name(&self) -> Cow<'a, str> {
        match self.scope() {
            Some(Cow::Borrowed(scope)) => wire::last(scope, 1).map_or("", Raw::text).into(),
            Some(Cow::Owned(scope)) => wire::last(&scope, 1)
                .map_or("", Raw::text)
                .to_owned()
                .into(),
            None => Cow::Borrowed(""),
        }
    }

    /// The body as an `AnyValue`; of records that travel as spans it is Logfire's message.
    pub(crate) fn body(&self) -> Option<Cow<'a, [u8]>> {
        match self.head.kind {
            Kind::Log => message_in(self.message(), 5),
            Kind::SpanLog => self.attribute("logfire.msg"),
            _ => None,
        }
    }

    pub(crate) fn event_name(&self) -> &'a str {
        match self.head.kind {
            Kind::Log => wire::last(self.message(), 12).map_or("", Raw::text),
            _ => "",
        }
    }

    /// The name of a span or of a metric.
    pub(crate) fn name(&self) -> Option<&'a str> {
        let number = match self.head.kind {
            Kind::Log => return None,
            Kind::Metric => 1,
            _ => 5,
        };
        Some(wire::last(self.message(), number).map_or("", Raw::text))
    }

    pub(crate) fn kind_name(&self) -> Option<&'static str> {
        if !self.is_span() {
            return None;
        }
        Some(match wire::last(self.message(), 6).map_or(0, Raw::number) {
            1 => "internal",
            2 => "server",
            3 => "client",
            4 => "producer",
            5 => "consumer",
            _ => "unspecified",
        })
    }

    pub(crate) fn status_name(&self) -> Option<&'static str> {
        if !self.is_span() {
            return None;
        }
        let status = message_in(self.message(), 15).unwrap_or_default();
        Some(match wire::last(&status, 3).map_or(0, Raw::number) {
            1 => "ok",
            2 => "error",
            _ => "unset",
        })
    }

    /// In nanoseconds; nothing for a span that has not ended.
    pub(crate) fn duration(&self) -> u64 {
        self.head.end.saturating_sub(self.head.time)
    }

    pub(crate) fn trace_hex(&self) -> Option<String> {
        match self.head.ids {
            Ids::None => None,
            Ids::Sound => Some(hex(&self.head.trace)),
            Ids::Malformed => self.id_bytes().0.map(hex),
        }
    }

    pub(crate) fn span_hex(&self) -> Option<String> {
        match (self.head.ids, self.head.kind) {
            (Ids::None, _) => None,
            (Ids::Sound, Kind::SpanLog | Kind::PendingSpan) => Some(hex(&self.head.parent)),
            (Ids::Sound, _) => Some(hex(&self.head.span)),
            (Ids::Malformed, _) => self.id_bytes().1.map(hex),
        }
    }

    fn id_bytes(&self) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        let (trace, span) = match self.head.kind {
            Kind::Log => (9, 10),
            _ => (1, 2),
        };
        let id = |number| wire::last(self.message(), number).map(Raw::bytes);
        (id(trace), id(span))
    }

    /// Of a log record, `None` for anything else.
    pub(crate) fn link(&self) -> Option<Link> {
        self.is_log().then(|| {
            *self
                .link
                .get_or_init(|| Link::of(self.store, self.head, self.chunk.received, self.now))
        })
    }

    pub(crate) fn attribute(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        if let Some((point, field)) = self.point.get() {
            return by_path(point, field, key);
        }
        by_path(self.message(), self.attributes_field(), key)
    }

    pub(crate) fn resource_attribute(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        in_part(self.resource()?, 1, key)
    }

    pub(crate) fn scope_attribute(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        in_part(self.scope()?, 3, key)
    }

    pub(crate) fn any_attribute(&self, key: &str) -> Option<Cow<'a, [u8]>> {
        self.attribute(key)
            .or_else(|| self.scope_attribute(key))
            .or_else(|| self.resource_attribute(key))
    }

    /// Whether the text is in the body, a name, or any attribute that is text.
    pub(crate) fn has_text(&self, needle: &Needle) -> bool {
        let message = self.message();
        // What is not in the bytes is in no text; a body of another type has its text made first.
        let has_text_body = self.head.kind != Kind::Log || self.head.flags.has(Flags::TEXT_BODY);
        if has_text_body && !needle.may_be_in(message) {
            return false;
        }
        let in_body = || {
            self.body().is_some_and(|body| {
                let mut text = String::new();
                match View::of(&body) {
                    View::Text(text) => needle.is_in(text),
                    View::Empty => false,
                    other => {
                        text::plain(&other, &mut text);
                        needle.is_in(&text)
                    }
                }
            })
        };
        let in_status = || {
            self.is_span()
                && message_in(message, 15).is_some_and(|status| {
                    wire::last(&status, 2).is_some_and(|message| needle.is_in(message.text()))
                })
        };
        let in_description = || {
            self.head.kind == Kind::Metric
                && wire::last(message, 2).is_some_and(|d| needle.is_in(d.text()))
        };
        in_body()
            || needle.is_in(self.event_name()) && !self.event_name().is_empty()
            || self.name().is_some_and(|name| needle.is_in(name))
            || in_status()
            || in_description()
            || wire::all(
                self.point.get().map_or(message, |(point, _)| point),
                self.point
                    .get()
                    .map_or(self.attributes_field(), |(_, field)| field),
            )
            .any(|attribute| {
                let value = any_value::value(attribute.bytes());
                text::has_text(&View::of(&value), needle)
            })
    }
}

fn in_part<'a>(part: Cow<'a, [u8]>, number: u32, key: &str) -> Option<Cow<'a, [u8]>> {
    match part {
        Cow::Borrowed(part) => by_path(part, number, key),
        Cow::Owned(part) => by_path(&part, number, key).map(|value| Cow::Owned(value.into_owned())),
    }
}

/// The attribute with this key, or what lies at `b` in the attribute `a` when the key is `a.b`.
pub(crate) fn by_path<'a>(message: &'a [u8], number: u32, key: &str) -> Option<Cow<'a, [u8]>> {
    let exact = find(message, number, key);
    if exact.is_some() || !key.contains('.') {
        return exact;
    }
    key.match_indices('.').take(MAX_DOTS).find_map(|(dot, _)| {
        let outer = find(message, number, &key[..dot])?;
        let View::Map(map) = View::of(&outer) else {
            return None;
        };
        by_path(&map, 1, &key[dot + 1..]).map(|inner| Cow::Owned(inner.into_owned()))
    })
}

/// Keys with more dots are no paths: trying all ways to cut them would take too long.
const MAX_DOTS: usize = 6;

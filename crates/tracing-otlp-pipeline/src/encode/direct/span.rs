//! Writes one span.
//!
//! Part of `direct`: `Span` of trace.proto, without its own length.

use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

use super::{
    record::{nanos, put_nanos},
    value::{len_of_attributes, pairs, put_attributes},
    wire::{
        Out, bytes, fixed32, fixed64, len_of_number, len_of_text, put_bytes, put_fixed32, put_head,
        put_number, put_text, put_varint, varint,
    },
};

const TRACE_ID: u8 = bytes(1);
const SPAN_ID: u8 = bytes(2);
const TRACE_STATE: u8 = bytes(3);
const PARENT_SPAN_ID: u8 = bytes(4);
const NAME: u8 = bytes(5);
const KIND: u8 = varint(6);
const START_TIME: u8 = fixed64(7);
const END_TIME: u8 = fixed64(8);
const ATTRIBUTE: u8 = bytes(9);
const DROPPED_ATTRIBUTES: u8 = varint(10);
const EVENT: u8 = bytes(11);
const DROPPED_EVENTS: u8 = varint(12);
const LINK: u8 = bytes(13);
const DROPPED_LINKS: u8 = varint(14);
const STATUS: u8 = bytes(15);
/// Field 16, whose number takes a second byte.
const FLAGS: [u8; 2] = [0x80 | fixed32(0), 1];

mod event {
    use super::{bytes, fixed64, varint};

    pub(super) const TIME: u8 = fixed64(1);
    pub(super) const NAME: u8 = bytes(2);
    pub(super) const ATTRIBUTE: u8 = bytes(3);
    pub(super) const DROPPED_ATTRIBUTES: u8 = varint(4);
}

mod link {
    use super::{bytes, fixed32, varint};

    pub(super) const TRACE_ID: u8 = bytes(1);
    pub(super) const SPAN_ID: u8 = bytes(2);
    pub(super) const TRACE_STATE: u8 = bytes(3);
    pub(super) const ATTRIBUTE: u8 = bytes(4);
    pub(super) const DROPPED_ATTRIBUTES: u8 = varint(5);
    pub(super) const FLAGS: u8 = fixed32(6);
}

mod status {
    use super::{bytes, varint};

    pub(super) const MESSAGE: u8 = bytes(2);
    pub(super) const CODE: u8 = varint(3);
}

const LEN_OF_TRACE_ID: usize = 2 + 16;
const LEN_OF_SPAN_ID: usize = 2 + 8;
const LEN_OF_FIXED32: usize = 1 + 4;
const LEN_OF_FIXED64: usize = 1 + 8;

pub(super) fn put(out: &mut Out, span: &SpanData) {
    let context = &span.span_context;
    put_bytes(out, TRACE_ID, &context.trace_id().to_bytes());
    put_bytes(out, SPAN_ID, &context.span_id().to_bytes());
    put_text(out, TRACE_STATE, &context.trace_state().header());
    if span.parent_span_id != SpanId::INVALID {
        put_bytes(out, PARENT_SPAN_ID, &span.parent_span_id.to_bytes());
    }
    put_text(out, NAME, &span.name);
    put_number(out, KIND, kind(&span.span_kind));
    put_nanos(out, START_TIME, nanos(span.start_time));
    put_nanos(out, END_TIME, nanos(span.end_time));
    put_attributes(out, ATTRIBUTE, pairs(&span.attributes));
    put_number(out, DROPPED_ATTRIBUTES, span.dropped_attributes_count);
    for event in span.events.iter() {
        put_event(out, event);
    }
    put_number(out, DROPPED_EVENTS, span.events.dropped_count);
    for link in span.links.iter() {
        put_link(out, link);
    }
    put_number(out, DROPPED_LINKS, span.links.dropped_count);
    put_status(out, &span.status);
    out.extend_from_slice(&FLAGS);
    let flags = flags(context.trace_flags().to_u8(), span.parent_span_is_remote);
    out.extend_from_slice(&flags.to_le_bytes());
}

fn kind(kind: &SpanKind) -> u32 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// `SpanFlags` of trace.proto: it is known whether the other side is remote, and whether it is.
fn flags(own: u8, is_remote: bool) -> u32 {
    u32::from(own) | 0x100 | if is_remote { 0x200 } else { 0 }
}

fn put_event(out: &mut Out, event: &Event) {
    let time = nanos(event.timestamp);
    let len = if time == 0 { 0 } else { LEN_OF_FIXED64 }
        + len_of_text(&event.name)
        + len_of_attributes(pairs(&event.attributes))
        + len_of_number(event.dropped_attributes_count);
    put_head(out, EVENT, len);
    put_nanos(out, event::TIME, time);
    put_text(out, event::NAME, &event.name);
    put_attributes(out, event::ATTRIBUTE, pairs(&event.attributes));
    put_number(
        out,
        event::DROPPED_ATTRIBUTES,
        event.dropped_attributes_count,
    );
}

fn put_link(out: &mut Out, link: &Link) {
    let context = &link.span_context;
    let state = context.trace_state().header();
    let len = LEN_OF_TRACE_ID
        + LEN_OF_SPAN_ID
        + len_of_text(&state)
        + len_of_attributes(pairs(&link.attributes))
        + len_of_number(link.dropped_attributes_count)
        + LEN_OF_FIXED32;
    put_head(out, LINK, len);
    put_bytes(out, link::TRACE_ID, &context.trace_id().to_bytes());
    put_bytes(out, link::SPAN_ID, &context.span_id().to_bytes());
    put_text(out, link::TRACE_STATE, &state);
    put_attributes(out, link::ATTRIBUTE, pairs(&link.attributes));
    put_number(out, link::DROPPED_ATTRIBUTES, link.dropped_attributes_count);
    let flags = flags(context.trace_flags().to_u8(), context.is_remote());
    put_fixed32(out, link::FLAGS, flags);
}

fn put_status(out: &mut Out, status: &Status) {
    let (code, message) = match status {
        Status::Unset => (0, ""),
        Status::Ok => (1, ""),
        Status::Error { description } => (2, &**description),
    };
    // Written even when empty, like the official conversion does.
    put_head(out, STATUS, len_of_text(message) + len_of_number(code));
    put_text(out, status::MESSAGE, message);
    if code != 0 {
        out.push(status::CODE);
        put_varint(out, code.into());
    }
}

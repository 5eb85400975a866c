//! Writes items as the API shows them: OTLP/JSON with what the collector knows around it.
//!
//! `logs`, `traces` and the live stream use it.

use std::io::Write as _;

use super::item::Item;
use crate::otlp::any_value::View;
use crate::otlp::schema::{LOG_RECORD, SPAN};
use crate::otlp::to_json::{self, ObjectWriter, hex, string};
use crate::otlp::wire::{self, Raw};
use crate::retain::clock::rfc3339;
use crate::retain::head::Kind;

/// Writes a number; to a Vec that cannot fail.
pub(crate) fn number(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

/// Writes a 64-bit number the way OTLP/JSON does: as a string.
pub(crate) fn long(value: u64, out: &mut Vec<u8>) {
    let _ = write!(out, "\"{value}\"");
}

/// Writes items as a list.
pub(crate) fn list<T>(
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut one: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (nth, item) in items.into_iter().enumerate() {
        if nth > 0 {
            out.push(b',');
        }
        one(item, out);
    }
    out.push(b']');
}

/// A log record.
pub(crate) fn log(item: &Item<'_>, out: &mut Vec<u8>) {
    let mut object = common(item, out);
    let link = item.link().map_or("", super::link::Link::name);
    string(link, object.member("link"));
    if item.head.kind == Kind::SpanLog {
        object.member("fromSpan").extend_from_slice(b"true");
        span_as_record(item, object.member("record"));
    } else {
        to_json::message(&LOG_RECORD, item.message(), object.member("record"));
    }
    object.end();
}

/// A span, announced or ended.
pub(crate) fn span(item: &Item<'_>, out: &mut Vec<u8>) {
    let mut object = common(item, out);
    let is_pending = item.head.kind == Kind::PendingSpan;
    let state = if is_pending { "pending" } else { "ended" };
    string(state, object.member("state"));
    let out = object.member("span");
    if is_pending {
        to_json::message(&SPAN, &announced(item), out);
    } else {
        to_json::message(&SPAN, item.message(), out);
    }
    object.end();
}

/// The span that an announcement is about: open, and with its own ids.
///
/// The announcement carries the open span's id as its parent, and that span's parent as an attribute.
/// Of a field that is there twice the last counts, so the right ones are put behind it.
fn announced(item: &Item<'_>) -> Vec<u8> {
    let mut span = item.message().to_vec();
    let mut put = |number: u8, id: &[u8]| {
        span.push(number << 3 | wire::DELIMITED);
        span.push(u8::try_from(id.len()).unwrap_or(0));
        span.extend_from_slice(id);
    };
    put(2, &item.head.parent);
    let parent = pending_parent(item).unwrap_or_default();
    put(4, if parent == [0; 8] { &[] } else { &parent });
    // It has not ended.
    span.push(8 << 3 | wire::FIXED64);
    span.extend_from_slice(&[0; 8]);
    span
}

/// The parent of the span that an announcement is about.
pub(crate) fn pending_parent(item: &Item<'_>) -> Option<[u8; 8]> {
    let value = item.attribute("logfire.pending_parent_id")?;
    let View::Text(text) = View::of(&value) else {
        return None;
    };
    let id = u64::from_str_radix(text, 16).ok()?;
    (text.len() == 16).then(|| id.to_be_bytes())
}

/// The log record that a span of Logfire's stands for.
fn span_as_record(item: &Item<'_>, out: &mut Vec<u8>) {
    let message = item.message();
    let mut record = ObjectWriter::new(out);
    super::write::long(item.head.time, record.member("timeUnixNano"));
    super::write::long(item.head.time, record.member("observedTimeUnixNano"));
    number(item.head.severity, record.member("severityNumber"));
    string(
        &item.level().to_ascii_uppercase(),
        record.member("severityText"),
    );
    let mut body = ObjectWriter::new(record.member("body"));
    let text = match item.body().as_deref().map(View::of) {
        Some(View::Text(text)) => text.to_owned(),
        _ => item.name().unwrap_or_default().to_owned(),
    };
    string(&text, body.member("stringValue"));
    body.end();
    attributes(message, 9, record.member("attributes"));
    quoted_hex(&item.head.trace, record.member("traceId"));
    let parent = item.head.parent;
    let parent: &[u8] = if parent == [0; 8] { &[] } else { &parent };
    quoted_hex(parent, record.member("spanId"));
    record.end();
}

pub(crate) fn quoted_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    hex(bytes, out);
    out.push(b'"');
}

/// What records and spans have in common.
fn common<'o>(item: &Item<'_>, out: &'o mut Vec<u8>) -> ObjectWriter<'o> {
    let mut object = ObjectWriter::new(out);
    number(item.seq(), object.member("seq"));
    string(&rfc3339(item.chunk.received), object.member("receivedAt"));
    string(
        &item.service().unwrap_or_default(),
        object.member("service"),
    );
    resource(item, object.member("resource"));
    scope(item, object.member("scope"));
    object
}

fn resource(item: &Item<'_>, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    let resource = item.resource().unwrap_or_default();
    attributes(&resource, 1, object.member("attributes"));
    let schema_url = wire::last(item.chunk.resource_group(item.head), 3);
    string(schema_url.map_or("", Raw::text), object.member("schemaUrl"));
    object.end();
}

pub(crate) fn scope(item: &Item<'_>, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    let scope = item.scope().unwrap_or_default();
    let text = |number| wire::last(&scope, number).map_or("", Raw::text);
    string(text(1), object.member("name"));
    string(text(2), object.member("version"));
    attributes(&scope, 3, object.member("attributes"));
    object.end();
}

/// The attributes that a field repeats, as OTLP/JSON has them.
pub(crate) fn attributes(message: &[u8], field: u32, out: &mut Vec<u8>) {
    list(wire::all(message, field), out, |attribute, out| {
        to_json::message(&crate::otlp::schema::KEY_VALUE, attribute.bytes(), out);
    });
}

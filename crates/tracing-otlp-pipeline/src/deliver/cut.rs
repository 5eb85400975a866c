//! Makes a record smaller that is too large to be sent alone.
//!
//! Part of `deliver`, behind an answer that calls for a smaller request, where there is nothing to
//! split. The longest strings and bytes are cut, as many of them and as far as is needed; what is
//! short stays whole, so that ids and names survive. No attribute is dropped.
//!
//! Whoever reads the record finds the attribute `tracing_otlp.cut_bytes` in it: how many bytes it
//! has lost.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    trace::v1::Span,
};
use prost::Message;

use crate::{
    encode::{Request, Shape},
    settings::Signal,
};

/// The attribute that tells of the cut.
pub(super) const ATTRIBUTE: &str = "tracing_otlp.cut_bytes";

/// No value is cut to less than so many bytes.
pub(super) const FLOOR: usize = 128;

/// The request with its only record cut, so that it has at most `target` bytes, uncompressed, or as
/// few as can be. `None` when it is not one record, or nothing is left to cut.
pub(super) fn cut(
    request: &Request,
    shape: &Shape,
    target: usize,
) -> Result<Option<Request>, String> {
    if request.records != 1 {
        return Ok(None);
    }
    let plain = request.protobuf(shape.max_bytes)?;
    let before = plain.len();
    let wanted = before.saturating_sub(target).saturating_add(MARK_BYTES);
    let shorter = match request.signal {
        Signal::Logs => shorten(plain, wanted, |request: &mut ExportLogsServiceRequest| {
            let scopes = request.resource_logs.iter_mut();
            let mut records = scopes
                .flat_map(|resource| &mut resource.scope_logs)
                .flat_map(|scope| &mut scope.log_records);
            records.next()
        }),
        Signal::Traces => shorten(plain, wanted, |request: &mut ExportTraceServiceRequest| {
            let scopes = request.resource_spans.iter_mut();
            let mut spans = scopes
                .flat_map(|resource| &mut resource.scope_spans)
                .flat_map(|scope| &mut scope.spans);
            spans.next()
        }),
        // A data point has nothing long in it that could go.
        Signal::Metrics => return Ok(None),
    }?;
    // Where there is next to nothing to cut, the mark may take more than that.
    let shorter = shorter.filter(|shorter| shorter.len() < before);
    shorter
        .map(|shorter| shape.fit(shorter, request.severities))
        .transpose()
}

fn shorten<M: Message + Default, R: Record>(
    plain: Bytes,
    wanted: usize,
    only: impl Fn(&mut M) -> Option<&mut R>,
) -> Result<Option<Bytes>, String> {
    let mut message = M::decode(plain).map_err(|error| error.to_string())?;
    let Some(record) = only(&mut message) else {
        return Ok(None);
    };
    let mut lengths = Vec::new();
    record.visit(&mut |long| lengths.push(long.len()));
    let level = level(lengths, wanted);
    let mut cut = 0;
    record.visit(&mut |mut long| cut += long.cut_to(level));
    if cut == 0 {
        return Ok(None);
    }
    mark(record.attributes(), cut);
    Ok(Some(message.encode_to_vec().into()))
}

/// The length to which the longer ones are cut, so that so many bytes go; not below the floor.
fn level(mut lengths: Vec<usize>, wanted: usize) -> usize {
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    let mut sum = 0_usize;
    for (index, length) in lengths.iter().enumerate() {
        sum = sum.saturating_add(*length);
        // Cut to the length of the next one, would these be enough?
        let next = lengths.get(index + 1).copied().unwrap_or(0);
        let kept = sum.saturating_sub(wanted) / (index + 1);
        if kept >= next && sum >= wanted {
            return kept.max(FLOOR);
        }
    }
    FLOOR
}

/// What can be cut.
enum Long<'a> {
    Text(&'a mut String),
    Bytes(&'a mut Vec<u8>),
}

impl Long<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Cuts it, a text between two characters; returns how many bytes went.
    fn cut_to(&mut self, level: usize) -> usize {
        let before = self.len();
        match self {
            Self::Text(text) => {
                let mut end = level.min(text.len());
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text.truncate(end);
            }
            Self::Bytes(bytes) => bytes.truncate(level),
        }
        before - self.len()
    }
}

/// A log record or a span.
trait Record {
    /// Shows every value that can be cut, always in the same order.
    fn visit(&mut self, visitor: &mut dyn FnMut(Long<'_>));

    fn attributes(&mut self) -> &mut Vec<KeyValue>;
}

impl Record for LogRecord {
    fn visit(&mut self, visitor: &mut dyn FnMut(Long<'_>)) {
        visit_value(self.body.as_mut(), visitor);
        visit_attributes(&mut self.attributes, visitor);
    }

    fn attributes(&mut self) -> &mut Vec<KeyValue> {
        &mut self.attributes
    }
}

impl Record for Span {
    fn visit(&mut self, visitor: &mut dyn FnMut(Long<'_>)) {
        visit_attributes(&mut self.attributes, visitor);
        for event in &mut self.events {
            visit_attributes(&mut event.attributes, visitor);
        }
        for link in &mut self.links {
            visit_attributes(&mut link.attributes, visitor);
        }
        if let Some(status) = &mut self.status {
            visitor(Long::Text(&mut status.message));
        }
    }

    fn attributes(&mut self) -> &mut Vec<KeyValue> {
        &mut self.attributes
    }
}

fn visit_attributes(attributes: &mut [KeyValue], visitor: &mut dyn FnMut(Long<'_>)) {
    for attribute in attributes {
        visit_value(attribute.value.as_mut(), visitor);
    }
}

/// Decoding has bounded how deep this can go.
fn visit_value(value: Option<&mut AnyValue>, visitor: &mut dyn FnMut(Long<'_>)) {
    match value.and_then(|any| any.value.as_mut()) {
        Some(Value::StringValue(text)) => visitor(Long::Text(text)),
        Some(Value::BytesValue(bytes)) => visitor(Long::Bytes(bytes)),
        Some(Value::ArrayValue(list)) => {
            for value in &mut list.values {
                visit_value(Some(value), visitor);
            }
        }
        Some(Value::KvlistValue(map)) => visit_attributes(&mut map.values, visitor),
        _ => {}
    }
}

/// Says how many bytes have been cut, those of earlier cuts included.
fn mark(attributes: &mut Vec<KeyValue>, cut: usize) {
    let cut = i64::try_from(cut).unwrap_or(i64::MAX);
    let mine = attributes.iter_mut().find(|one| one.key == ATTRIBUTE);
    let value = mine.and_then(|one| one.value.as_mut()?.value.as_mut());
    if let Some(Value::IntValue(before)) = value {
        *before = before.saturating_add(cut);
        return;
    }
    attributes.retain(|one| one.key != ATTRIBUTE);
    attributes.push(KeyValue {
        key: ATTRIBUTE.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::IntValue(cut)),
        }),
        ..KeyValue::default()
    });
}

/// What the mark takes, and more.
const MARK_BYTES: usize = 64;

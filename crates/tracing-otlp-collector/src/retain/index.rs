//! Checks a request's bytes and notes where its items are, in one pass.
//!
//! It stands between `receive` and the store and runs outside the store's lock. Nothing is decoded
//! into messages here.

use bytes::Bytes;

use super::chunk::{At, Chunk, OriginAt};
use super::head::{Flags, Head, Ids, Kind};
use super::id::is_set;
use crate::Signal;
use crate::otlp::any_value::{self, View};
use crate::otlp::check::{Depth, Seen, inside, walk};
use crate::otlp::schema::{
    LOG_RECORD, LOGS_REQUEST, METRIC, METRICS_REQUEST, Message, RESOURCE_LOGS, RESOURCE_METRICS,
    RESOURCE_SPANS, SCOPE_LOGS, SCOPE_METRICS, SCOPE_SPANS, SPAN, TRACE_REQUEST,
};
use crate::otlp::wire::{self, Problem, Raw, offset};

/// What a request holds: the chunk, with at most the last `limit` of its items.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) chunk: Chunk,
    /// Items that were counted, but are too many to be kept.
    pub(crate) left_out: u64,
}

/// Checks the bytes and notes at most `limit` items, the last of them.
pub(crate) fn index(signal: Signal, bytes: Bytes, limit: usize) -> Result<Indexed, Problem> {
    let mut whole = Indexer::run(signal, &bytes, 0, limit)?;
    let left_out = whole.items.saturating_sub(limit as u64);
    if left_out > 0 {
        // Rare enough for a second pass: the oldest are those to leave out.
        whole = Indexer::run(signal, &bytes, left_out, limit)?;
    }
    let Indexer {
        heads,
        origins,
        points,
        ..
    } = whole;
    let chunk = Chunk::new(signal, bytes, heads, origins, points);
    Ok(Indexed { chunk, left_out })
}

/// Checks the bytes, and counts their log records, spans or data points.
#[cfg(feature = "forward")]
pub(crate) fn count(signal: Signal, bytes: &[u8]) -> Result<u64, Problem> {
    let whole = Indexer::run(signal, bytes, 0, 0)?;
    Ok(match signal {
        Signal::Metrics => whole.points,
        Signal::Logs | Signal::Traces => whole.items,
    })
}

struct Indexer<'a> {
    signal: Signal,
    bytes: &'a [u8],
    heads: Vec<Head>,
    origins: Vec<OriginAt>,
    points: u64,
    items: u64,
    skip: u64,
    limit: usize,
}

/// The messages of a signal from the outside in, with the number of the field below.
fn levels(signal: Signal) -> [&'static Message; 4] {
    match signal {
        Signal::Logs => [&LOGS_REQUEST, &RESOURCE_LOGS, &SCOPE_LOGS, &LOG_RECORD],
        Signal::Traces => [&TRACE_REQUEST, &RESOURCE_SPANS, &SCOPE_SPANS, &SPAN],
        Signal::Metrics => [&METRICS_REQUEST, &RESOURCE_METRICS, &SCOPE_METRICS, &METRIC],
    }
}

impl<'a> Indexer<'a> {
    fn run(signal: Signal, bytes: &'a [u8], skip: u64, limit: usize) -> Result<Self, Problem> {
        let mut indexer = Self {
            signal,
            bytes,
            heads: Vec::new(),
            origins: Vec::new(),
            points: 0,
            items: 0,
            skip,
            limit,
        };
        let [request, group, scope, item] = levels(signal);
        walk(request, bytes, Depth::top(), |number, raw, depth| {
            if number != 1 {
                return Ok(Seen::Only);
            }
            let resource_group = raw.bytes();
            walk(group, resource_group, depth, |number, raw, depth| {
                if number != 2 {
                    return Ok(Seen::Only);
                }
                let scope_group = raw.bytes();
                let before = indexer.heads.len();
                walk(scope, scope_group, depth, |number, raw, depth| {
                    if number != 2 {
                        return Ok(Seen::Only);
                    }
                    indexer.item(item, raw.bytes(), depth)?;
                    Ok(Seen::Checked)
                })?;
                if indexer.heads.len() > before {
                    let origin = OriginAt {
                        resource: indexer.at(resource_group),
                        scope: indexer.at(scope_group),
                    };
                    indexer.origins.push(origin);
                }
                Ok(Seen::Checked)
            })?;
            Ok(Seen::Checked)
        })?;
        Ok(indexer)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the limit on bodies is below 4 GiB; see `Builder::with_max_body`"
    )]
    fn at(&self, part: &[u8]) -> At {
        At {
            offset: offset(self.bytes, part) as u32,
            length: part.len() as u32,
        }
    }

    fn item(
        &mut self,
        schema: &'static Message,
        message: &[u8],
        depth: Depth,
    ) -> Result<(), Problem> {
        let head = match self.signal {
            Signal::Logs => log(schema, message, depth)?,
            Signal::Traces => span(schema, message, depth)?,
            Signal::Metrics => {
                inside(schema, message, depth)?;
                let points = points(message);
                if self.items >= self.skip {
                    self.points += points;
                }
                Head {
                    kind: Kind::Metric,
                    ..EMPTY
                }
            }
        };
        let is_wanted = self.items >= self.skip && self.heads.len() < self.limit;
        self.items += 1;
        if is_wanted {
            let At { offset, length } = self.at(message);
            // Their origin is noted when their scope has been read.
            let origin = u32::try_from(self.origins.len()).unwrap_or(u32::MAX);
            self.heads.push(Head {
                offset,
                length,
                origin,
                ..head
            });
        }
        Ok(())
    }
}

fn log(schema: &'static Message, message: &[u8], depth: Depth) -> Result<Head, Problem> {
    let mut head = EMPTY;
    let mut observed = 0;
    let (mut trace, mut span): (&[u8], &[u8]) = (&[], &[]);
    let (mut has_body, mut has_odd_body) = (false, false);
    walk(schema, message, depth, |number, raw, _| {
        match number {
            1 => head.time = raw.number(),
            11 => observed = raw.number(),
            2 => head.severity = severity(raw.number()),
            5 if !has_body && is_plain_text(raw.bytes()) => has_body = true,
            5 => has_odd_body = true,
            9 => trace = raw.bytes(),
            10 => span = raw.bytes(),
            _ => {}
        }
        Ok(Seen::Only)
    })?;
    if head.time == 0 {
        head.time = observed;
    }
    // A record without a body has no text to miss.
    if !has_odd_body {
        head.flags.0 |= Flags::TEXT_BODY;
    }
    Ok(with_ids(head, trace, span))
}

fn span(schema: &'static Message, message: &[u8], depth: Depth) -> Result<Head, Problem> {
    let mut head = Head {
        kind: Kind::Span,
        ..EMPTY
    };
    let (mut trace, mut span, mut parent): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    let mut flags = 0;
    let mut is_marked = false;
    walk(schema, message, depth, |number, raw, _| {
        match number {
            1 => trace = raw.bytes(),
            2 => span = raw.bytes(),
            4 => parent = raw.bytes(),
            7 => head.time = raw.number(),
            8 => head.end = raw.number(),
            9 => is_marked |= any_value::key(raw.bytes()) == "logfire.span_type",
            16 => flags = raw.number(),
            _ => {}
        }
        Ok(Seen::Only)
    })?;
    if let Some(status) = any_value::message_in(message, 15) {
        if wire::last(&status, 3).map(Raw::number) == Some(2) {
            head.flags.0 |= Flags::ERROR;
        }
    }
    if is_set(parent) && flags & 0x300 != 0x300 {
        head.flags.0 |= Flags::LOCAL_PARENT;
    }
    head.parent = parent.try_into().unwrap_or_default();
    if is_marked {
        mark(&mut head, message);
    }
    Ok(with_ids(head, trace, span))
}

/// Notes what Logfire's own attributes make of a span.
fn mark(head: &mut Head, span: &[u8]) {
    let text = any_value::find_text(span, 9, "logfire.span_type");
    head.kind = match text.as_deref() {
        Some("pending_span") => Kind::PendingSpan,
        Some("log") => Kind::SpanLog,
        _ => return,
    };
    if let Some(level) = any_value::find(span, 9, "logfire.level_num") {
        if let View::Int(level) = View::of(&level) {
            head.severity = u8::try_from(level).unwrap_or(0);
        }
    }
}

fn with_ids(mut head: Head, trace: &[u8], span: &[u8]) -> Head {
    head.ids = Ids::of(trace, span);
    head.trace = trace.try_into().unwrap_or_default();
    head.span = span.try_into().unwrap_or_default();
    head
}

/// The number, or 0 when it is none of the specification's or nearby.
fn severity(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(0)
}

/// Whether this `AnyValue` is one string and nothing else.
fn is_plain_text(any_value: &[u8]) -> bool {
    let mut fields = wire::fields(any_value);
    matches!((fields.next(), fields.next()), (Some((1, _)), None))
}

fn points(metric: &[u8]) -> u64 {
    let is_data = |(number, _): &(u32, Raw<'_>)| matches!(number, 5 | 7 | 9 | 10 | 11);
    wire::fields(metric)
        .filter(is_data)
        .last()
        .map_or(0, |(_, data)| wire::all(data.bytes(), 1).count() as u64)
}

const EMPTY: Head = Head {
    time: 0,
    end: 0,
    trace: [0; 16],
    span: [0; 8],
    parent: [0; 8],
    offset: 0,
    length: 0,
    origin: 0,
    severity: 0,
    kind: Kind::Log,
    ids: Ids::None,
    flags: Flags(0),
};

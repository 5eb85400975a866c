//! A chunk as people read it: messages of the official crate, made when they are asked for.
//!
//! [`StoredLog`](crate::StoredLog) and [`StoredSpan`](crate::StoredSpan) point into one. It lives as
//! long as any of them, so what was decoded is decoded once, and the store's bound is not touched.

use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::chunk::Chunk;
use super::head::Head;
use super::origin::{Origin, Source};
use crate::Signal;
use crate::otlp::any_value::message_in;
use crate::otlp::wire::{self, Raw};

pub(crate) struct View {
    pub(crate) chunk: Arc<Chunk>,
    items: Items,
    origins: Box<[OnceLock<Arc<Origin>>]>,
}

enum Items {
    Logs(Box<[OnceLock<LogRecord>]>),
    Spans(Box<[OnceLock<Span>]>),
    None,
}

impl View {
    pub(super) fn new(chunk: Arc<Chunk>) -> Self {
        let items = match chunk.signal {
            Signal::Logs => Items::Logs(cells(chunk.heads.len())),
            Signal::Traces => Items::Spans(cells(chunk.heads.len())),
            Signal::Metrics => Items::None,
        };
        Self {
            items,
            origins: cells(chunk.origins.len()),
            chunk,
        }
    }

    pub(crate) fn head(&self, index: u32) -> Option<&Head> {
        self.chunk.heads.get(index as usize)
    }

    pub(super) fn log(&self, index: u32) -> &LogRecord {
        static EMPTY: OnceLock<LogRecord> = OnceLock::new();
        match &self.items {
            Items::Logs(logs) => self.decoded(logs, index),
            _ => None,
        }
        .unwrap_or_else(|| EMPTY.get_or_init(LogRecord::default))
    }

    pub(super) fn span(&self, index: u32) -> &Span {
        static EMPTY: OnceLock<Span> = OnceLock::new();
        match &self.items {
            Items::Spans(spans) => self.decoded(spans, index),
            _ => None,
        }
        .unwrap_or_else(|| EMPTY.get_or_init(Span::default))
    }

    fn decoded<'a, M: Message + Default>(
        &self,
        cells: &'a [OnceLock<M>],
        index: u32,
    ) -> Option<&'a M> {
        let head = self.head(index)?;
        // The bytes were checked when they arrived, so decoding cannot fail.
        let decode = || M::decode(self.chunk.item(head)).unwrap_or_default();
        Some(cells.get(index as usize)?.get_or_init(decode))
    }

    pub(super) fn origin(&self, index: u32) -> &Origin {
        static EMPTY: OnceLock<Origin> = OnceLock::new();
        self.head(index)
            .and_then(|head| {
                let cell = self.origins.get(head.origin as usize)?;
                Some(&**cell.get_or_init(|| Arc::new(origin(&self.chunk, head))))
            })
            .unwrap_or_else(|| EMPTY.get_or_init(Origin::default))
    }
}

fn origin(chunk: &Chunk, head: &Head) -> Origin {
    let (group, scope) = (chunk.resource_group(head), chunk.scope_group(head));
    Origin {
        source: Source {
            resource: decode(group),
            schema_url: schema_url(group),
        },
        scope: decode(scope),
        schema_url: schema_url(scope),
    }
}

fn decode<M: Message + Default>(group: &[u8]) -> M {
    let message = message_in(group, 1).unwrap_or_default();
    M::decode(&*message).unwrap_or_default()
}

pub(crate) fn schema_url(group: &[u8]) -> String {
    wire::last(group, 3).map_or("", Raw::text).to_owned()
}

fn cells<T>(n: usize) -> Box<[OnceLock<T>]> {
    std::iter::repeat_with(OnceLock::new).take(n).collect()
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

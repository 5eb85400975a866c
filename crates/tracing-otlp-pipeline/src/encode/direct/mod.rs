//! Writes batches as OTLP, straight from the SDK's records to bytes.
//!
//! First step of `encode`, unless the official conversion was chosen: no message structs in between,
//! and no memory of its own but for the finished body, because the buffers are kept.
//!
//! A record is written by `record` or `span`, with the help of `value` and `wire`; `tray` holds the
//! records of a batch and `scopes` their scopes until one request, or as many as it takes, is made
//! of them.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use opentelemetry_sdk::{Resource, logs::LogBatch, trace::SpanData};

use super::{
    EncodeError, FRAME, Piece, Request, Shape, compress::Packer, frame_head, json, official::unique,
};
use crate::{
    admit::SeverityBand,
    settings::{Compression, Protocol},
    unwind::caught,
};

mod record;
mod scopes;
mod span;
mod tray;
mod value;
mod wire;

use scopes::Finder;
use tray::{KEPT_BYTES, ResourceFields, Sorter, Tray};
use value::Levels;

/// Encodes the batches of one signal.
#[derive(Debug)]
pub(crate) struct Direct {
    shape: Shape,
    resource: ResourceFields,
    bench: Mutex<Bench>,
}

/// What is kept between batches for its memory alone.
#[derive(Debug, Default)]
struct Bench {
    tray: Tray,
    levels: Levels,
    sorter: Sorter,
    plain: Vec<u8>,
    packer: Packer,
}

impl Direct {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            resource: ResourceFields::default(),
            bench: Mutex::default(),
        }
    }

    pub(super) fn set_resource(&mut self, resource: &Resource) {
        self.resource = ResourceFields::of(resource);
    }

    pub(super) fn logs(&self, batch: &LogBatch<'_>) -> Result<Vec<Piece>, EncodeError> {
        self.encode(|Bench { tray, levels, .. }| {
            let mut finder = Finder::default();
            for (record, scope) in batch.iter() {
                let name = record.target().map_or(scope.name(), AsRef::as_ref);
                let scope = finder.find(&mut tray.scopes, name, scope);
                let band = SeverityBand::of(record.severity_number());
                tray.add(scope, band, |out| record::put(out, record, levels));
            }
        })
    }

    pub(super) fn spans(&self, mut batch: Vec<SpanData>) -> Result<Vec<Piece>, EncodeError> {
        self.encode(|Bench { tray, .. }| {
            for span in &mut batch {
                unique(&mut span.attributes);
            }
            let mut finder = Finder::default();
            for span in &batch {
                let scope = &span.instrumentation_scope;
                let scope = finder.find(&mut tray.scopes, scope.name(), scope);
                tray.add(scope, SeverityBand::Info, |out| span::put(out, span));
            }
        })
    }

    /// Makes requests of the records that the closure puts on the tray.
    fn encode(&self, fill: impl FnOnce(&mut Bench)) -> Result<Vec<Piece>, EncodeError> {
        let mut bench = self.bench();
        let encoded = caught(|| {
            fill(&mut bench);
            let mut pieces = Vec::with_capacity(1);
            let mut from = 0;
            while from < bench.tray.records() {
                let end = bench
                    .tray
                    .end_within(from, &self.resource, self.max_message());
                self.cut(&mut bench, from..end, &mut pieces);
                from = end;
            }
            pieces
        });
        bench.clear();
        encoded.map_err(|_| EncodeError::Panicked)
    }

    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.bench.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max_message(&self) -> usize {
        self.shape.max_bytes.saturating_sub(self.frame())
    }

    fn frame(&self) -> usize {
        if self.shape.protocol == Protocol::Grpc {
            FRAME
        } else {
            0
        }
    }

    /// Makes a request, or several where the message is small enough and the body is not: JSON is
    /// longer, and what cannot be compressed may grow.
    fn cut(&self, bench: &mut Bench, part: Range<usize>, pieces: &mut Vec<Piece>) {
        let records = bench.tray.severities(&part);
        let request = self.request(bench, part.clone());
        let is_too_large = |request: &Request| request.exceeds(self.shape.max_bytes);
        if part.len() > 1 && request.as_ref().is_ok_and(is_too_large) {
            let middle = part.start + part.len() / 2;
            self.cut(bench, part.start..middle, pieces);
            self.cut(bench, middle..part.end, pieces);
        } else {
            let request = request.map_err(EncodeError::Failed);
            pieces.push(Piece { request, records });
        }
    }

    fn request(&self, bench: &mut Bench, part: Range<usize>) -> Result<Request, String> {
        let Bench {
            tray,
            sorter,
            plain,
            packer,
            ..
        } = bench;
        let shape = &self.shape;
        let severities = tray.severities(&part);
        let frame = self.frame();
        let mut put = |zeros, out: &mut Vec<u8>| {
            tray.put_request(part.clone(), &self.resource, sorter, zeros, out);
        };
        let (mut source, mut compression) = (None, shape.compression);
        let mut body = Vec::new();
        if shape.protocol == Protocol::HttpJson {
            put(0, &mut body);
            let message = Bytes::from(body);
            source = Some(message.clone());
            body = json::encode(shape.signal, message)?;
            compression = shape.compression_of(body.len());
            if compression != Compression::None {
                body = packer.pack(compression, &body, 0)?;
            }
        } else if compression == Compression::None {
            put(frame, &mut body);
        } else {
            put(frame, plain);
            compression = shape.compression_of(plain.len() - frame);
            body = match compression {
                Compression::None => plain.clone(),
                _ => packer.pack(compression, &plain[frame..], frame)?,
            };
        }
        if frame > 0 {
            let head = frame_head(body.len() - frame, compression)?;
            body[..frame].copy_from_slice(&head);
        }
        Ok(shape.request(body.into(), compression, source, severities))
    }
}

impl Bench {
    /// Now, not before the next batch, which may never come: a large one leaves no memory behind.
    fn clear(&mut self) {
        self.tray.clear();
        self.levels.clear();
        self.sorter.clear();
        self.plain.clear();
        self.plain.shrink_to(KEPT_BYTES);
    }

    /// How much memory the buffers take, about.
    #[cfg(test)]
    fn kept(&self) -> usize {
        let lists = self.tray.kept() + self.levels.kept() + self.sorter.kept();
        lists + self.plain.capacity() + self.packer.kept()
    }
}

#[cfg(test)]
mod tests;

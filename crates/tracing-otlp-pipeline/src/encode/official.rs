//! Lets the official OTLP exporters encode, and keeps what they would have sent.
//!
//! First step of `encode`, where this was chosen. The official exporter is given an HTTP client that
//! keeps the finished body and answers 200 at once: conversion and grouping are the official ones,
//! compression and network are ours.
//!
//! The official builder reads `OTEL_EXPORTER_OTLP_*` for whatever is not set in code. All that
//! matters is set, of what is captured only the body is looked at, and a compression that the
//! environment wants is undone where it is not the destination's.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    LogExporter, Protocol as OfficialProtocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter as _},
    trace::{SpanData, SpanExporter as _},
};

use super::{EncodeError, Request, Shape, compress, dropped};
use crate::{
    admit::Tally,
    error::Error,
    unwind::{Panicked, caught, caught_async},
};

/// Keeps the body of the one request that is being encoded.
#[derive(Debug, Clone, Default)]
struct Capture {
    slot: Arc<Mutex<Option<Bytes>>>,
}

impl Capture {
    fn put(&self, captured: Option<Bytes>) -> Option<Bytes> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *slot, captured)
    }
}

#[async_trait]
impl HttpClient for Capture {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        self.put(Some(request.into_body()));
        Ok(http::Response::new(Bytes::new()))
    }
}

/// Encodes batches of log records.
#[derive(Debug)]
pub(crate) struct LogEncoder {
    official: LogExporter,
    capture: Capture,
    shape: Shape,
}

impl LogEncoder {
    pub(super) fn new(shape: Shape) -> Result<Self, Error> {
        let capture = Capture::default();
        let builder = LogExporter::builder().with_http();
        let official = configure(builder, &capture).build().map_err(not_built)?;
        Ok(Self {
            official,
            capture,
            shape,
        })
    }

    pub(super) async fn encode(
        &self,
        batch: LogBatch<'_>,
        records: Tally,
    ) -> Result<Request, EncodeError> {
        let says_dropped = dropped::is_said(&batch);
        self.capture.put(None);
        let exported = caught_async(self.official.export(batch)).await;
        let fit = |mut message: Bytes| {
            if says_dropped {
                let encoding = compress::recognise(&message);
                let limit = self.shape.max_bytes;
                message = dropped::patch(compress::decompress(encoding, message, limit)?)?;
            }
            self.shape.fit(message, records)
        };
        finish(exported, &self.capture, fit)
    }

    pub(super) fn set_resource(&mut self, resource: &Resource) {
        self.official.set_resource(resource);
    }

    pub(super) fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.official.shutdown_with_timeout(timeout)
    }
}

/// Encodes batches of spans.
#[derive(Debug)]
pub(crate) struct SpanEncoder {
    official: SpanExporter,
    capture: Capture,
    shape: Shape,
}

impl SpanEncoder {
    pub(super) fn new(shape: Shape) -> Result<Self, Error> {
        let capture = Capture::default();
        let builder = SpanExporter::builder().with_http();
        let official = configure(builder, &capture).build().map_err(not_built)?;
        Ok(Self {
            official,
            capture,
            shape,
        })
    }

    pub(super) async fn encode(
        &self,
        mut batch: Vec<SpanData>,
        records: Tally,
    ) -> Result<Request, EncodeError> {
        for span in &mut batch {
            unique(&mut span.attributes);
        }
        self.capture.put(None);
        let exported = caught_async(self.official.export(batch)).await;
        let fit = |message| self.shape.fit(message, records);
        finish(exported, &self.capture, fit)
    }

    pub(super) fn set_resource(&mut self, resource: &Resource) {
        self.official.set_resource(resource);
    }

    pub(super) fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.official.shutdown_with_timeout(timeout)
    }
}

/// Keeps the latest value of each key, in the place of the first.
///
/// The SDK keeps every value that was ever set on a span, which OTLP forbids (Common
/// specification, "Attribute Collections").
pub(super) fn unique(attributes: &mut Vec<KeyValue>) {
    let mut kept = 0;
    for next in 0..attributes.len() {
        let known = (0..kept).find(|&known| attributes[known].key == attributes[next].key);
        attributes.swap(known.unwrap_or(kept), next);
        if known.is_none() {
            kept += 1;
        }
    }
    attributes.truncate(kept);
}

fn configure<B: WithExportConfig + WithHttpConfig>(builder: B, capture: &Capture) -> B {
    builder
        .with_http_client(capture.clone())
        .with_endpoint("http://localhost/")
        .with_protocol(OfficialProtocol::HttpBinary)
        .with_timeout(Duration::from_secs(10))
        // Delivery cuts what is too large.
        .with_max_request_body_size(usize::MAX)
}

fn not_built(error: opentelemetry_otlp::ExporterBuildError) -> Error {
    Error::configuration("the official exporter could not be built").because(error)
}

fn finish(
    exported: Result<OTelSdkResult, Panicked>,
    capture: &Capture,
    fit: impl FnOnce(Bytes) -> Result<Request, String>,
) -> Result<Request, EncodeError> {
    match exported {
        Err(Panicked) => return Err(EncodeError::Panicked),
        Ok(Err(error)) => return Err(EncodeError::Failed(error.to_string())),
        Ok(Ok(())) => {}
    }
    let captured = capture
        .put(None)
        .ok_or_else(|| EncodeError::Failed("the official exporter sent nothing".to_owned()))?;
    match caught(|| fit(captured)) {
        Ok(fitted) => fitted.map_err(EncodeError::Failed),
        Err(Panicked) => Err(EncodeError::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_value_of_a_key_stays_in_the_place_of_the_first() {
        let list = |pairs: &[(&'static str, i64)]| {
            let pairs = pairs.iter().map(|&(key, value)| KeyValue::new(key, value));
            pairs.collect::<Vec<_>>()
        };
        let mut attributes = list(&[("a", 1), ("b", 2), ("a", 3), ("c", 4), ("b", 5), ("a", 6)]);
        unique(&mut attributes);
        assert_eq!(attributes, list(&[("a", 6), ("b", 5), ("c", 4)]));
        let mut none = Vec::new();
        unique(&mut none);
        assert!(none.is_empty());
    }
}

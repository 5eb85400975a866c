//! Lets the official OTLP exporters encode, and keeps what they would have sent.
//!
//! First step of `encode`. The official exporter is given an HTTP client that keeps the finished
//! body and answers 200 at once: conversion, grouping and compression are the official ones, the
//! network is ours.
//!
//! The official builder reads `OTEL_EXPORTER_OTLP_*` for whatever is not set in code. All that
//! matters is set, and of what is captured only the body is looked at.

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

use super::{EncodeError, Request, Shape, compress, dropped, scan::Scan};
use crate::{
    error::Error,
    settings::{Compression, Protocol},
    unwind::caught_async,
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
    pub(crate) fn new(shape: Shape) -> Result<Self, Error> {
        let capture = Capture::default();
        let builder = LogExporter::builder().with_http();
        let official = configure(builder, &capture, &shape)
            .build()
            .map_err(not_built)?;
        Ok(Self {
            official,
            capture,
            shape,
        })
    }

    pub(crate) async fn encode(
        &self,
        batch: LogBatch<'_>,
        scan: &Scan,
    ) -> Result<Request, EncodeError> {
        self.capture.put(None);
        let exported = caught_async(self.official.export(batch)).await;
        finish(exported, &self.capture, &self.shape, scan)
    }

    pub(crate) fn set_resource(&mut self, resource: &Resource) {
        self.official.set_resource(resource);
    }

    pub(crate) fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
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
    pub(crate) fn new(shape: Shape) -> Result<Self, Error> {
        let capture = Capture::default();
        let builder = SpanExporter::builder().with_http();
        let official = configure(builder, &capture, &shape)
            .build()
            .map_err(not_built)?;
        Ok(Self {
            official,
            capture,
            shape,
        })
    }

    pub(crate) async fn encode(
        &self,
        mut batch: Vec<SpanData>,
        scan: &Scan,
    ) -> Result<Request, EncodeError> {
        for span in &mut batch {
            unique(&mut span.attributes);
        }
        self.capture.put(None);
        let exported = caught_async(self.official.export(batch)).await;
        finish(exported, &self.capture, &self.shape, scan)
    }

    pub(crate) fn set_resource(&mut self, resource: &Resource) {
        self.official.set_resource(resource);
    }

    pub(crate) fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.official.shutdown_with_timeout(timeout)
    }
}

/// Keeps the latest value of each key, in the place of the first.
///
/// The SDK keeps every value that was ever set on a span, which OTLP forbids (Common
/// specification, "Attribute Collections").
fn unique(attributes: &mut Vec<KeyValue>) {
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

fn configure<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    capture: &Capture,
    shape: &Shape,
) -> B {
    let builder = builder
        .with_http_client(capture.clone())
        .with_endpoint("http://localhost/")
        .with_protocol(OfficialProtocol::HttpBinary)
        .with_timeout(Duration::from_secs(10))
        .with_max_request_body_size(shape.max_bytes);
    // JSON is made from the uncompressed protobuf, so compressing that would be wasted.
    match (shape.protocol, shape.compression) {
        (Protocol::HttpJson, _) | (_, Compression::None) => builder,
        (_, Compression::Gzip) => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
        (_, Compression::Zstd) => builder.with_compression(opentelemetry_otlp::Compression::Zstd),
    }
}

fn not_built(error: opentelemetry_otlp::ExporterBuildError) -> Error {
    Error::configuration("the official exporter could not be built").because(error)
}

fn finish(
    exported: Result<OTelSdkResult, crate::unwind::Panicked>,
    capture: &Capture,
    shape: &Shape,
    scan: &Scan,
) -> Result<Request, EncodeError> {
    match exported {
        Err(_) => return Err(EncodeError::Panicked),
        Ok(Err(error)) => return Err(EncodeError::Failed(error.to_string())),
        Ok(Ok(())) => {}
    }
    let captured = capture
        .put(None)
        .ok_or_else(|| EncodeError::Failed("the official exporter sent nothing".to_owned()))?;
    let fit = || {
        let captured = if scan.has_dropped_attributes {
            let encoding = compress::recognise(&captured);
            dropped::patch(compress::decompress(encoding, captured, shape.max_bytes)?)?
        } else {
            captured
        };
        shape.fit(captured, scan.records)
    };
    match crate::unwind::caught(fit) {
        Ok(fitted) => fitted.map_err(EncodeError::Failed),
        Err(_) => Err(EncodeError::Panicked),
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

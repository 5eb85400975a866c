//! Encodes the batches of one signal, in the way that was chosen.
//!
//! The front of `encode`, as `batch` sees it: a batch goes in, requests come out.

use std::time::Duration;

use opentelemetry_sdk::{Resource, error::OTelSdkResult, logs::LogBatch, trace::SpanData};

use super::{EncodeError, Piece, Request, Shape, direct::Direct, official};
use crate::{admit::Tally, error::Error, settings::Encoder};

/// Encodes batches of log records.
#[derive(Debug)]
pub(crate) enum LogEncoder {
    Direct(Direct),
    Official(official::LogEncoder),
}

impl LogEncoder {
    pub(crate) fn new(encoder: Encoder, shape: Shape) -> Result<Self, Error> {
        Ok(match encoder {
            Encoder::Direct => Self::Direct(Direct::new(shape)),
            Encoder::Official => Self::Official(official::LogEncoder::new(shape)?),
        })
    }

    /// The requests that a batch makes; their records are those of the batch.
    pub(crate) async fn encode(&self, batch: LogBatch<'_>, records: Tally) -> Vec<Piece> {
        match self {
            Self::Direct(direct) => or_all_lost(direct.logs(&batch), records),
            Self::Official(official) => one(official.encode(batch, records).await, records),
        }
    }

    pub(crate) fn set_resource(&mut self, resource: &Resource) {
        match self {
            Self::Direct(direct) => direct.set_resource(resource),
            Self::Official(official) => official.set_resource(resource),
        }
    }

    pub(crate) fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Direct(_) => Ok(()),
            Self::Official(official) => official.shutdown_with_timeout(timeout),
        }
    }
}

/// Encodes batches of spans.
#[derive(Debug)]
pub(crate) enum SpanEncoder {
    Direct(Direct),
    Official(official::SpanEncoder),
}

impl SpanEncoder {
    pub(crate) fn new(encoder: Encoder, shape: Shape) -> Result<Self, Error> {
        Ok(match encoder {
            Encoder::Direct => Self::Direct(Direct::new(shape)),
            Encoder::Official => Self::Official(official::SpanEncoder::new(shape)?),
        })
    }

    /// The requests that a batch makes; their records are those of the batch.
    pub(crate) async fn encode(&self, batch: Vec<SpanData>, records: Tally) -> Vec<Piece> {
        match self {
            Self::Direct(direct) => or_all_lost(direct.spans(batch), records),
            Self::Official(official) => one(official.encode(batch, records).await, records),
        }
    }

    pub(crate) fn set_resource(&mut self, resource: &Resource) {
        match self {
            Self::Direct(direct) => direct.set_resource(resource),
            Self::Official(official) => official.set_resource(resource),
        }
    }

    pub(crate) fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::Direct(_) => Ok(()),
            Self::Official(official) => official.shutdown_with_timeout(timeout),
        }
    }
}

fn one(request: Result<Request, EncodeError>, records: Tally) -> Vec<Piece> {
    vec![Piece { request, records }]
}

fn or_all_lost(pieces: Result<Vec<Piece>, EncodeError>, records: Tally) -> Vec<Piece> {
    pieces.unwrap_or_else(|error| one(Err(error), records))
}

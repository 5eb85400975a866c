//! What every request goes through once its protocol is known: unpack, decode, hand over, count.
//!
//! It stands between the two protocols and `retain`; both call it in the same way, so neither can
//! forget a limit or a count.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::refusal::Refusal;
use super::signal::{Protocol, Signal};
use super::unpack::{Encoding, unpack};
use super::{body, decode};
use crate::retain::{ReceivedRequest, Store};

#[derive(Debug)]
pub(crate) struct Intake {
    store: Arc<Store>,
    max_body: usize,
}

/// A request whose body has been read from the wire.
pub(super) struct Arrived<'a> {
    pub(super) signal: Signal,
    pub(super) protocol: Protocol,
    pub(super) encoding: Option<Encoding>,
    pub(super) headers: &'a HeaderMap,
    pub(super) packed: Bytes,
    pub(super) wire_size: usize,
}

impl Intake {
    pub(crate) fn new(store: Arc<Store>, max_body: usize) -> Self {
        Self { store, max_body }
    }

    /// The most bytes that a message may have.
    pub(super) fn max_body(&self) -> usize {
        self.max_body
    }

    /// Reads a body that may have `overhead` bytes around its message.
    pub(super) async fn read(
        &self,
        incoming: &mut hyper::body::Incoming,
        overhead: usize,
    ) -> Result<Bytes, Refusal> {
        body::read(incoming, self.max_body.saturating_add(overhead)).await
    }

    /// Unpacks, decodes and stores; a refusal has not been counted yet unless it was kept.
    pub(super) fn take(&self, arrived: Arrived<'_>) -> Result<(), Refusal> {
        let Arrived {
            signal,
            protocol,
            encoding,
            headers,
            packed,
            wire_size,
        } = arrived;
        let bytes = unpack(encoding, packed, self.max_body).inspect_err(|_| self.refused())?;
        let decoded = match protocol {
            Protocol::HttpJson => decode::json(signal, &bytes),
            Protocol::HttpProtobuf | Protocol::Grpc => decode::protobuf(signal, &bytes),
        };
        let request = self.store.keeps_requests().then(|| {
            let encoding = encoding.map(|encoding| encoding.name().to_owned());
            ReceivedRequest::new(
                signal,
                protocol,
                encoding,
                headers.clone(),
                bytes,
                wire_size,
            )
        });
        match decoded {
            Ok(batch) => {
                self.store.accept(batch, request);
                Ok(())
            }
            Err(refusal) => {
                self.store
                    .refuse(request.map(|r| r.with_refusal(refusal.message.clone())));
                Err(refusal)
            }
        }
    }

    /// Counts a request that was refused before it came to [`take`](Self::take).
    pub(super) fn refused(&self) {
        self.store.refuse(None);
    }
}

//! What every request goes through once its protocol is known: unpack, check, write, pass on, hand
//! over, count.
//!
//! It stands between the two protocols and `retain`; both call it in the same way, so neither can
//! forget a limit or a count.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::budget::{Budget, Held};
use super::onward::Onward;
use super::refusal::{Reason, Refusal};
use super::signal::{Protocol, Signal};
use super::unpack::{Encoding, unpack};
use super::{body, decode};
use crate::retain::files::{FileWriter, FilesStatus};
use crate::retain::index::Indexed;
use crate::retain::{ReceivedRequest, Store};

#[derive(Debug)]
pub(crate) struct Intake {
    store: Arc<Store>,
    max_body: usize,
    files: Option<FileWriter>,
    onward: Option<Arc<dyn Onward>>,
    budget: Budget,
}

/// A request whose body has been read from the wire.
pub(super) struct Arrived<'a> {
    pub(super) signal: Signal,
    pub(super) protocol: Protocol,
    pub(super) encoding: Option<Encoding>,
    pub(super) headers: &'a HeaderMap,
    pub(super) path: &'a str,
    pub(super) packed: Bytes,
    pub(super) wire_size: usize,
    /// What the body takes of the budget until it is stored.
    pub(super) _held: Held,
}

impl Intake {
    pub(crate) fn new(
        store: Arc<Store>,
        max_body: usize,
        files: Option<FileWriter>,
        onward: Option<Arc<dyn Onward>>,
    ) -> Self {
        Self {
            store,
            max_body,
            files,
            onward,
            budget: Budget::new(max_body.saturating_mul(AT_ONCE)),
        }
    }

    /// How the files are doing, if there are any.
    pub(crate) fn files(&self) -> Option<FilesStatus> {
        self.files.as_ref().map(FileWriter::status)
    }

    /// Who is given what was received too, if there is somebody.
    pub(crate) fn onward(&self) -> Option<&dyn Onward> {
        self.onward.as_deref()
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
    ) -> Result<(Bytes, Held), Refusal> {
        let limit = self.max_body.saturating_add(overhead);
        body::read(incoming, limit, self.budget.hold()).await
    }

    /// Unpacks, checks and stores, or counts and keeps the refusal.
    pub(super) fn take(&self, arrived: &Arrived<'_>) -> Result<(), Refusal> {
        let Arrived {
            signal,
            protocol,
            encoding,
            headers,
            path,
            ref packed,
            wire_size,
            _held: _,
        } = *arrived;
        let rejected = |refusal: &Refusal| {
            let rejected = refusal.rejected(path, Some(signal), Some(protocol));
            rejected.with_headers(headers).with_body(packed)
        };
        let bytes = unpack(encoding, packed.clone(), self.max_body)
            .inspect_err(|refusal| self.store.refuse(None, rejected(refusal)))?;
        let request = self.store.keeps_requests().then(|| {
            let encoding = encoding.map(|encoding| encoding.name().to_owned());
            ReceivedRequest::new(
                signal,
                protocol,
                encoding,
                headers.clone(),
                bytes.clone(),
                wire_size,
            )
        });
        let decoded = decode::decode(signal, protocol, bytes, &self.store.capacity())
            .and_then(|indexed| self.write(&indexed).map(|()| indexed));
        match decoded {
            Ok(indexed) => {
                if let Some(onward) = &self.onward {
                    onward.pass(&indexed);
                }
                self.store.accept(indexed, request);
                Ok(())
            }
            Err(refusal) => {
                let request = request.map(|r| r.with_refusal(refusal.message.clone()));
                self.store.refuse(request, rejected(&refusal));
                Err(refusal)
            }
        }
    }

    /// Writes it to a file, if there are files, before anybody is told that it was accepted.
    fn write(&self, indexed: &Indexed) -> Result<(), Refusal> {
        let Some(files) = &self.files else {
            return Ok(());
        };
        files.append(&indexed.chunk).map_err(|error| {
            Refusal::new(
                Reason::Unavailable,
                format!("the request cannot be written to disk: {error}"),
            )
        })
    }

    /// Counts and keeps a request that was refused before it came to [`take`](Self::take).
    pub(super) fn refused(
        &self,
        refusal: &Refusal,
        path: &str,
        protocol: Option<Protocol>,
        headers: &HeaderMap,
    ) {
        let signal = Signal::of_http_path(path).or_else(|| Signal::of_grpc_method(path));
        let rejected = refusal.rejected(path, signal, protocol);
        self.store.refuse(None, rejected.with_headers(headers));
    }
}

/// How many of the longest requests may be on their way at the same time.
const AT_ONCE: usize = 4;

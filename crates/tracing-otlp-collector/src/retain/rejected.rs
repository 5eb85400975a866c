//! Requests that were refused, each with its reason: the dead-letter page.
//!
//! `receive` hands them over, the API shows them. The newest are kept, with as much of their bodies
//! as a bound allows.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{Protocol, Signal};

/// One refused request.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    pub(crate) id: u64,
    /// When it arrived, in nanoseconds since 1970.
    pub(crate) at: u64,
    pub(crate) signal: Option<Signal>,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) path: String,
    /// The HTTP status it was answered with, also for gRPC, where it is what HTTP would have said.
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// How long the body was, as far as it was read.
    pub(crate) size: usize,
    /// Names and values; those of secrets are masked.
    pub(crate) headers: Vec<(String, String)>,
    /// The beginning of the body as it came over the wire.
    pub(crate) body: Bytes,
}

impl Rejected {
    pub(crate) fn with_headers(mut self, headers: &http::HeaderMap) -> Self {
        self.headers = headers
            .iter()
            .take(MAX_HEADERS)
            .map(|(name, value)| {
                let value = if super::request::is_secret(name.as_str()) {
                    "***".to_owned()
                } else {
                    let text = String::from_utf8_lossy(value.as_bytes());
                    text.chars().take(MAX_VALUE).collect()
                };
                (name.as_str().to_owned(), value)
            })
            .collect();
        self
    }

    /// Keeps a copy of the body's beginning.
    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        self.size = body.len();
        self.body = Bytes::copy_from_slice(&body[..body.len().min(MAX_BODY)]);
        self
    }

    fn weight(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + size_of::<(String, String)>())
            .sum();
        size_of::<Self>() + self.path.len() + self.reason.len() + headers + self.body.len()
    }
}

#[derive(Debug)]
pub(crate) struct Rejections {
    kept: VecDeque<Rejected>,
    bytes: usize,
    /// They may take a part of the whole capacity only: nobody pushes records out with rubbish.
    capacity: usize,
    next: u64,
}

impl Rejections {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            bytes: 0,
            capacity: capacity / SHARE,
            next: 1,
        }
    }

    /// Adds one; what it weighs is asked for with [`bytes`](Self::bytes).
    pub(super) fn push(&mut self, mut rejected: Rejected) {
        rejected.id = self.next;
        self.next += 1;
        self.bytes += rejected.weight();
        self.kept.push_back(rejected);
        while self.kept.len() > MAX_KEPT || self.bytes > self.capacity {
            self.evict();
        }
    }

    /// What all of them weigh.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn evict(&mut self) {
        self.bytes -= self.kept.pop_front().map_or(0, |gone| gone.weight());
    }

    pub(super) fn to_vec(&self) -> Vec<Rejected> {
        self.kept.iter().cloned().collect()
    }
}

const MAX_KEPT: usize = 200;
const MAX_BODY: usize = 256 * 1024;
const MAX_HEADERS: usize = 50;
const MAX_VALUE: usize = 1000;
const SHARE: usize = 32;

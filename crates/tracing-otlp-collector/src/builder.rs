//! Holds what a collector can be told before it starts.
//!
//! It stands at the collector's door; nothing here is read again once the thread runs.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{Capacity, Collector, Error};

/// The settings of a [`Collector`]; `Collector::builder()` makes one.
///
/// # Examples
///
/// ```
/// use tracing_otlp_collector::{Capacity, Collector};
///
/// let collector = Collector::builder()
///     .with_max_body(1024 * 1024)
///     .with_capacity(Capacity::default().with_records(500))
///     .keep_requests(true)
///     .start()?;
/// assert!(collector.endpoint().starts_with("http://127.0.0.1:"));
/// # Ok::<(), tracing_otlp_collector::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    pub(crate) address: SocketAddr,
    pub(crate) max_body: usize,
    pub(crate) capacity: Capacity,
    pub(crate) keep_requests: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            max_body: DEFAULT_MAX_BODY,
            capacity: Capacity::default(),
            keep_requests: false,
        }
    }

    /// Listens on this address; port 0, as in the default `127.0.0.1:0`, takes a free port.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Refuses requests longer than this many bytes, 64 MiB unless told otherwise.
    ///
    /// The limit holds for the bytes on the wire and again for what they unpack to: unpacking
    /// stops at the limit, so a small request that unpacks to gigabytes costs no more memory than
    /// an honest one. Nothing is decoded into larger structures; no more than 4 GiB are possible.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes.min(u32::MAX as usize);
        self
    }

    /// Keeps at most this much; the oldest leave first and are counted in
    /// [`Counts`](crate::Counts).
    pub fn with_capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
        self
    }

    /// Keeps the unpacked bytes and headers of each request too, off by default.
    ///
    /// They share the capacity in bytes with the records. Header values may be secrets: those of
    /// `authorization` and the like are kept, but not shown by `Debug`.
    pub fn keep_requests(mut self, keep: bool) -> Self {
        self.keep_requests = keep;
        self
    }

    /// Starts the collector and returns once its port accepts connections.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound (see [`Error::is_address_in_use`]) or the system gives no
    /// thread.
    pub fn start(self) -> Result<Collector, Error> {
        Collector::from_builder(&self)
    }
}

/// What the specification asks of a client's requests: no more than 64 MiB unless told otherwise.
const DEFAULT_MAX_BODY: usize = 64 * 1024 * 1024;

//! Holds what a collector can be told before it starts.
//!
//! It stands at the collector's door; nothing here is read again once the thread runs.

use std::io;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use crate::receive::ToOnward;
use crate::{Capacity, Collector, Error, Files};

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
    address: SocketAddr,
    more: Vec<SocketAddr>,
    is_flexible: bool,
    pub(crate) origins: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) max_body: usize,
    pub(crate) capacity: Capacity,
    pub(crate) keep_requests: bool,
    pub(crate) files: Option<Files>,
    pub(crate) onward: Option<Arc<dyn ToOnward>>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            more: Vec::new(),
            is_flexible: false,
            origins: Vec::new(),
            hosts: Vec::new(),
            max_body: DEFAULT_MAX_BODY,
            capacity: Capacity::default(),
            keep_requests: false,
            files: None,
            onward: None,
        }
    }

    /// Listens on this address; port 0, as in the default `127.0.0.1:0`, takes a free port.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Listens on this address too; every address speaks every protocol.
    pub fn with_another_address(mut self, address: SocketAddr) -> Self {
        self.more.push(address);
        self
    }

    /// Takes a free port where the one that was asked for is taken, off by default.
    ///
    /// [`Collector::local_addrs`] says which.
    pub fn with_free_ports_if_taken(mut self, is_flexible: bool) -> Self {
        self.is_flexible = is_flexible;
        self
    }

    /// Lets web pages of this origin, such as `http://localhost:5173`, read `/api` and send logs to
    /// `/api/otel/logs`; without it only the collector's own page may.
    pub fn with_allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Lets `/api` and the page be asked for by this host name.
    ///
    /// Addresses and `localhost` always work; other names are refused, since anybody's name can be
    /// made to point at this machine.
    pub fn with_allowed_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
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

    /// Writes what is received to files too, off by default, and reads them back at the start.
    pub fn with_files(mut self, files: Files) -> Self {
        self.files = Some(files);
        self
    }

    /// Starts the collector and returns once its port accepts connections.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound (see [`Error::is_address_in_use`]), the directory for files
    /// cannot be used, or the system gives no thread.
    pub fn start(self) -> Result<Collector, Error> {
        Collector::from_builder(&self)
    }

    /// Binds every address.
    pub(crate) fn listen(&self) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), Error> {
        let mut listeners = Vec::new();
        let mut listening = Vec::new();
        for address in iter::once(&self.address).chain(&self.more) {
            let listener = match TcpListener::bind(address) {
                Err(error) if self.is_flexible && error.kind() == io::ErrorKind::AddrInUse => {
                    TcpListener::bind(SocketAddr::new(address.ip(), 0))
                }
                bound => bound,
            }
            .map_err(|error| Error::bind(*address, error))?;
            listening.push(listener.local_addr().map_err(Error::start)?);
            listeners.push(listener);
        }
        Ok((listeners, listening))
    }
}

/// What the specification asks of a client's requests: no more than 64 MiB unless told otherwise.
const DEFAULT_MAX_BODY: usize = 64 * 1024 * 1024;

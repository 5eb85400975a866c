//! The handle of a proxy, and what it can be told.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use tokio::sync::Semaphore;
use tracing_otlp_pipeline::Courier;

use super::cors::Origins;
use super::gate::{Clock, Gate, Say};
use super::rate::{RateLimit, Sessions};
use super::token::SessionKeys;
use super::upstream::Upstream;
use crate::Error;
use crate::receive::{Reader, ReceiverThread};

/// A running proxy for clients that nobody can trust, such as browsers and phones.
///
/// It takes OTLP over HTTP from sessions with a token, within limits, and sends it on with the
/// credentials that clients must not have. Each request is sent once, and its client told how it went:
/// the client still has the data, and tries again where that makes sense.
///
/// Dropping it closes the port and ends its thread within three seconds.
///
/// # Examples
///
/// ```
/// use tracing_otlp_collector::{Collector, Proxy, SessionKeys, Upstream};
///
/// let collector = Collector::start()?;
/// let keys = SessionKeys::new("a key of at least thirty-two bytes")?;
/// let proxy = Proxy::builder(Upstream::new(&collector.endpoint())?, keys)
///     .with_allowed_origin("https://shop.example")
///     .start()?;
/// println!("send to {}/v1/logs", proxy.endpoint());
/// # Ok::<(), tracing_otlp_collector::Error>(())
/// ```
pub struct Proxy {
    gate: Arc<Gate>,
    receiver: ReceiverThread,
}

impl Proxy {
    /// Starts from defaults, for this upstream and sessions whose tokens these keys have signed.
    pub fn builder(upstream: Upstream, keys: SessionKeys) -> ProxyBuilder {
        ProxyBuilder {
            upstream,
            keys,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            origins: Vec::new(),
            audience: None,
            rate: RateLimit::default(),
            sessions: SESSIONS,
            max_body: MAX_BODY,
            body_timeout: BODY_TIMEOUT,
            clock: Arc::new(SystemTime::now),
            say: Arc::new(|_| {}),
        }
    }

    /// The base URL, such as `http://127.0.0.1:43567`, without a path.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// The address and port that are listened on.
    pub fn local_addr(&self) -> SocketAddr {
        // A proxy without an address cannot be built.
        let first = self.receiver.listening().first().copied();
        first.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// How many requests were answered so far, by HTTP status.
    pub fn answered(&self) -> BTreeMap<u16, u64> {
        let answered = self.gate.answered.lock();
        answered.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many sessions are remembered.
    pub fn sessions(&self) -> usize {
        self.gate.sessions.len()
    }

    /// Closes the port, lets requests in flight finish for one second, and ends the thread.
    ///
    /// # Errors
    ///
    /// When the thread is still busy after three seconds; it then ends on its own later.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.receiver.stop()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.local_addr())
            .field("answered", &self.answered())
            .finish_non_exhaustive()
    }
}

/// The settings of a [`Proxy`].
#[derive(Clone)]
#[must_use]
pub struct ProxyBuilder {
    upstream: Upstream,
    keys: SessionKeys,
    address: SocketAddr,
    origins: Vec<String>,
    audience: Option<String>,
    rate: RateLimit,
    sessions: NonZeroUsize,
    max_body: usize,
    body_timeout: Duration,
    clock: Clock,
    say: Say,
}

impl ProxyBuilder {
    /// Listens on this address; port 0, as in the default `127.0.0.1:0`, takes a free port.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Lets web pages of this origin send, such as `https://shop.example`; without any, none may.
    pub fn with_allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Demands that tokens are for this audience (`aud`). Without it, tokens must be for none.
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets how much one session may send.
    pub fn with_rate(mut self, limit: RateLimit) -> Self {
        self.rate = limit;
        self
    }

    /// Sets how many sessions are remembered, 100,000 unless set: a fixed few bytes each.
    ///
    /// Beyond that, those are forgotten that have not been seen for longest, and come back with a
    /// full allowance.
    pub fn with_max_sessions(mut self, sessions: NonZeroUsize) -> Self {
        self.sessions = sessions;
        self
    }

    /// Refuses requests longer than this many bytes, 1 MiB unless told otherwise, on the wire and
    /// again when they are unpacked. All requests on their way together may take 64 times as much.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes.min(u32::MAX as usize);
        self
    }

    /// Sets how long a body may take to come, 30 seconds unless set; then the answer is 408.
    pub fn with_body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Asks this clock what time it is, for the ends of tokens and for rates: so that a test can turn
    /// it by hand. The system's, unless set.
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Calls back with a line for people when the upstream cannot be used, and when it can again.
    ///
    /// Nothing that the upstream wrote is in it.
    pub fn on_notice(mut self, callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.say = Arc::new(callback);
        self
    }

    /// Starts the proxy and returns once its port accepts connections.
    ///
    /// # Errors
    ///
    /// When an origin is none or the upstream cannot be used by this build
    /// ([`Error::is_configuration`]), the address cannot be bound
    /// ([`Error::is_address_in_use`]), or the system gives no thread.
    pub fn start(self) -> Result<Proxy, Error> {
        // Reading certificates may log.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let courier = Courier::new(self.upstream.destinations()).map_err(Error::upstream)?;
        let gate = Arc::new(Gate {
            origins: Origins::new(&self.origins)?,
            keys: self.keys,
            audience: self.audience,
            sessions: Sessions::new(self.rate, self.sessions),
            reader: Reader::new(self.max_body, AT_ONCE),
            courier,
            body_timeout: self.body_timeout,
            timeout: self.upstream.timeout(),
            turns: Semaphore::new(AT_ONCE),
            clock: self.clock,
            say: self.say,
            url: self.upstream.url(),
            trouble: Mutex::default(),
            answered: Mutex::default(),
        });
        let address = self.address;
        let listener = TcpListener::bind(address).map_err(|error| Error::bind(address, error))?;
        let receiver = ReceiverThread::start(vec![listener], Arc::clone(&gate))?;
        Ok(Proxy { gate, receiver })
    }
}

impl fmt::Debug for ProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBuilder")
            .field("upstream", &self.upstream)
            .field("keys", &self.keys)
            .field("address", &self.address)
            .field("origins", &self.origins)
            .field("rate", &self.rate)
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

/// Requests that wait for the upstream at the same time, and the longest bodies that are held.
const AT_ONCE: usize = 64;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_BODY: usize = 1024 * 1024;
const SESSIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(100_000 - 1);

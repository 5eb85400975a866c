//! Carries one encoded request to its destination and brings back the answer.
//!
//! Last stop inside the process, behind `deliver`. Everything here runs on the delivery thread (and
//! its blocking pool, for name resolution), where telemetry is suppressed.

use std::{
    error::Error as StdError,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, Method, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::{
    encode::Request,
    error::Error,
    settings::{Destination, Protocol},
};

pub(crate) mod answer;
#[cfg(feature = "grpc")]
mod grpc;
mod http1;
mod tls;
mod wait;

pub(crate) use answer::{Answer, Status};

/// The way to one destination, as `deliver` sees it.
#[async_trait]
pub(crate) trait Transport: Send + Sync {
    /// The URL for people.
    fn url(&self) -> &str;
    /// What two transports share when they lead to the same server.
    fn origin(&self) -> &str;
    /// Sends the request once.
    async fn send(&self, request: &Request) -> Answer;
}

/// OTLP specification, "OTLP/HTTP Response": a client should bound what it reads.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// The version is that of the exporter whose encoding is sent (OTLP exporter specification,
/// "User Agent").
const AGENT: &str = concat!(
    "OTel-OTLP-Exporter-Rust/0.33.1 tracing-otlp/",
    env!("CARGO_PKG_VERSION")
);

type Client = hyper_util::client::legacy::Client<tls::Connector, Full<Bytes>>;

/// The way to one destination: its client with the pool of connections, and what every request
/// has in common.
pub(crate) struct Wire {
    client: Mutex<Client>,
    connector: tls::Connector,
    protocol: Protocol,
    uri: Uri,
    headers: HeaderMap,
    timeout: Duration,
    url: String,
    origin: String,
}

impl Wire {
    /// Must run inside the delivery runtime's thread: reading the certificates takes a while.
    pub(crate) fn new(
        destination: &Destination,
        timeout: Duration,
        connect_timeout: Duration,
    ) -> Result<Self, Error> {
        let protocol = destination.protocol();
        let connector = tls::connector(destination, connect_timeout)?;
        let mut headers = destination.headers().clone();
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(AGENT));
        Ok(Self {
            client: Mutex::new(client(protocol, connector.clone())),
            connector,
            protocol,
            uri: destination.uri()?,
            headers,
            timeout,
            url: destination.url(),
            origin: destination.origin(),
        })
    }

    fn client(&self) -> std::sync::MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(&self, request: &Request) -> Answer {
        let mut outgoing = http::Request::new(Full::new(request.body.clone()));
        *outgoing.method_mut() = Method::POST;
        *outgoing.uri_mut() = self.uri.clone();
        *outgoing.headers_mut() = self.headers.clone();
        let headers = outgoing.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
        headers.remove(CONTENT_ENCODING);
        match self.protocol {
            #[cfg(feature = "grpc")]
            Protocol::Grpc => grpc::prepare(&mut outgoing, request, self.timeout),
            _ => http1::prepare(&mut outgoing, request),
        }
        let response = self.client().request(outgoing);
        let response = match response.await {
            Ok(response) => response,
            Err(error) => return Answer::Unreachable(chain(&error)),
        };
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await;
        match self.protocol {
            #[cfg(feature = "grpc")]
            Protocol::Grpc => grpc::answer(&head, body.map_err(|error| chain(&*error))),
            _ => http1::answer(&head, body.ok().map(http_body_util::Collected::to_bytes)),
        }
    }
}

#[async_trait]
impl Transport for Wire {
    fn url(&self) -> &str {
        &self.url
    }

    fn origin(&self) -> &str {
        &self.origin
    }

    /// Redirects are not followed: the answer would be lost, and the headers may hold secrets.
    async fn send(&self, request: &Request) -> Answer {
        let exchanged = tokio::time::timeout(self.timeout, self.exchange(request)).await;
        exchanged.unwrap_or_else(|_| {
            // All HTTP/2 requests share one connection; if that one is dead, the next request must
            // not find it in the pool. HTTP/1.1 gives up the connection by itself.
            if self.protocol == Protocol::Grpc {
                *self.client() = client(self.protocol, self.connector.clone());
            }
            Answer::TimedOut(self.timeout)
        })
    }
}

/// What an HTTP answer means, for tests of `deliver`.
#[cfg(test)]
pub(crate) fn http_answer(response: http::Response<&'static str>) -> Answer {
    let (head, body) = response.into_parts();
    http1::answer(&head, Some(Bytes::from_static(body.as_bytes())))
}

/// What a gRPC answer without a message means, for tests of `deliver`.
#[cfg(all(test, feature = "grpc"))]
pub(crate) fn grpc_answer(response: http::Response<()>) -> Answer {
    let (head, ()) = response.into_parts();
    grpc::answer(&head, Ok(http_body_util::Collected::default()))
}

fn client(protocol: Protocol, connector: tls::Connector) -> Client {
    let mut builder =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
    builder
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30));
    #[cfg(feature = "grpc")]
    builder.http2_only(protocol == Protocol::Grpc);
    #[cfg(not(feature = "grpc"))]
    let _ = protocol;
    builder.build(connector)
}

/// The whole story of an error: the outermost layer alone says "client error (Connect)".
fn chain(error: &dyn StdError) -> String {
    let mut story = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !story.ends_with(&text) {
            let _infallible = write!(story, ": {text}");
        }
        next = error.source();
    }
    story
}

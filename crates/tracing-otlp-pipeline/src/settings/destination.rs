//! Where requests go, and how they get there.
//!
//! Part of `settings`; read by `encode` (the shape of a body) and `wire` (the rest).
//!
//! What is secret (header values, user information, the query) is never printed from here.

use std::{fmt, time::Duration};

use base64::Engine as _;
use http::{
    HeaderMap, Uri,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
    uri::{Authority, PathAndQuery, Scheme},
};

use super::{Compression, Protocol, Signal};
use crate::error::Error;

/// Where the requests of one signal go, and how.
///
/// Defaults: OTLP over HTTP with protobuf, gzip, no extra headers, a timeout of 10 seconds.
///
/// ```
/// use tracing_otlp_pipeline::{Destination, Signal};
///
/// let destination = Destination::from_base(Signal::Logs, "http://localhost:4318/")?
///     .with_header("x-tenant", "blue")?;
/// assert_eq!(destination.url(), "http://localhost:4318/v1/logs");
/// # Ok::<(), tracing_otlp_pipeline::Error>(())
/// ```
#[derive(Clone)]
pub struct Destination {
    signal: Signal,
    scheme: Option<Scheme>,
    authority: Authority,
    path: Path,
    protocol: Protocol,
    compression: Compression,
    headers: HeaderMap,
    timeout: Duration,
}

/// The path as it was given, which means different things to different protocols.
#[derive(Clone)]
enum Path {
    /// To be used as it is by OTLP/HTTP.
    Full(PathAndQuery),
    /// To be followed by the path of the signal.
    Base(PathAndQuery),
}

impl Destination {
    /// A destination whose URL is used as it is by OTLP/HTTP, path included.
    ///
    /// This is the meaning of `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` and its like (OTLP exporter
    /// specification, "Endpoint URLs for OTLP/HTTP"). For gRPC it is the same as
    /// [`from_base`](Self::from_base), and `host:port` without a scheme means `http`.
    ///
    /// User information in the URL is sent as `authorization: Basic …` and never printed.
    ///
    /// # Errors
    ///
    /// When the URL has no host, cannot be read, or its scheme is neither `http` nor `https`.
    pub fn new(signal: Signal, url: &str) -> Result<Self, Error> {
        Self::parse(signal, url, Path::Full)
    }

    /// A destination below a base URL, to which OTLP/HTTP appends `/v1/logs`, `/v1/traces` or
    /// `/v1/metrics`.
    ///
    /// This is the meaning of `OTEL_EXPORTER_OTLP_ENDPOINT`. gRPC appends the path of the method
    /// instead, and accepts `host:port` without a scheme as `http`.
    ///
    /// # Errors
    ///
    /// When the URL has no host, cannot be read, or its scheme is neither `http` nor `https`.
    pub fn from_base(signal: Signal, url: &str) -> Result<Self, Error> {
        Self::parse(signal, url, Path::Base)
    }

    fn parse(signal: Signal, url: &str, path: fn(PathAndQuery) -> Path) -> Result<Self, Error> {
        // The text is not repeated in the messages: it may hold a password.
        let refuse = |what: &str| Error::configuration(format!("endpoint for {signal} {what}"));
        let uri: Uri = url
            .trim()
            .parse()
            .map_err(|error: http::uri::InvalidUri| refuse("is not a valid url").because(error))?;
        let parts = uri.into_parts();
        if parts
            .scheme
            .as_ref()
            .is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS)
        {
            return Err(refuse("must start with http:// or https://"));
        }
        let authority = parts
            .authority
            .filter(|authority| !authority.host().is_empty())
            .ok_or_else(|| refuse("has no host"))?;
        let (authority, authorization) = split_userinfo(&authority)
            .ok_or_else(|| refuse("has user information that cannot be sent"))?;
        // The type takes any text for a port, and a client would then go to the scheme's own.
        let has_port = authority.as_str() != authority.host();
        if has_port && authority.port_u16().is_none() {
            return Err(refuse("has a port that is no number from 0 to 65535"));
        }
        let mut headers = HeaderMap::new();
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(Self {
            signal,
            scheme: parts.scheme,
            authority,
            path: path(
                parts
                    .path_and_query
                    .unwrap_or_else(|| PathAndQuery::from_static("/")),
            ),
            protocol: Protocol::default(),
            compression: Compression::default(),
            headers,
            timeout: Duration::from_secs(10),
        })
    }

    /// Sets how requests are encoded and carried.
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets how request bodies are compressed.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sends one more header with every request, instead of an earlier one of the same name.
    ///
    /// The value is a secret to this crate: no `Debug`, notice or error shows it. Headers that
    /// describe the request itself (`content-type`, `content-encoding`, `te`, …) stay as the
    /// protocol wants them; `user-agent` can be replaced.
    ///
    /// # Errors
    ///
    /// When the name or the value holds characters that a header must not hold, or the header says
    /// where a request ends (`content-length`, `transfer-encoding`, `connection` and their like).
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let name: HeaderName = name.trim().parse().map_err(|error| {
            Error::configuration(format!("{name:?} is not a valid header name")).because(Box::<
                dyn std::error::Error + Send + Sync,
            >::from(
                error as http::header::InvalidHeaderName,
            ))
        })?;
        if FRAMING.contains(&name) {
            return Err(Error::configuration(format!(
                "header {name} is the protocol's own and cannot be set"
            )));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            Error::configuration(format!("the value of header {name} is not valid"))
        })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets how long a request may take, from connecting to the end of the answer.
    ///
    /// 10 seconds unless set (`OTEL_EXPORTER_OTLP_TIMEOUT`).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The signal whose requests go here.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How requests are encoded and carried.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How request bodies are compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How long a request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The URL for people: without user information and without the query, which may hold keys.
    pub fn url(&self) -> String {
        let path = self.path_and_query();
        let path = path.split('?').next().unwrap_or_default();
        format!("{}://{}{}", self.scheme(), self.authority, path)
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        self.scheme.as_ref().unwrap_or(&Scheme::HTTP)
    }

    pub(crate) fn is_https(&self) -> bool {
        *self.scheme() == Scheme::HTTPS
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// What two destinations share when they are the same server.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority)
    }

    /// The URI that requests are sent to.
    pub(crate) fn uri(&self) -> Result<Uri, Error> {
        Uri::builder()
            .scheme(self.scheme().clone())
            .authority(self.authority.clone())
            .path_and_query(self.path_and_query())
            .build()
            .map_err(|error| {
                Error::configuration(format!("endpoint for {} is not a valid url", self.signal))
                    .because(error)
            })
    }

    fn path_and_query(&self) -> String {
        let (given, wanted) = match (&self.path, self.protocol) {
            (Path::Full(given) | Path::Base(given), Protocol::Grpc) => {
                (given, self.signal.grpc_path())
            }
            (Path::Full(given), _) => return given.to_string(),
            (Path::Base(given), _) => (given, self.signal.http_path()),
        };
        let prefix = given.path().trim_end_matches('/');
        match given.query() {
            Some(query) if self.protocol != Protocol::Grpc => format!("{prefix}{wanted}?{query}"),
            _ => format!("{prefix}{wanted}"),
        }
    }

    /// Whether this build can serve the destination.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let signal = self.signal;
        if self.scheme.is_none() && self.protocol != Protocol::Grpc {
            return Err(Error::configuration(format!(
                "endpoint for {signal} must start with http:// or https://"
            )));
        }
        if self.timeout.is_zero() {
            return Err(Error::configuration(format!(
                "timeout for {signal} must not be zero"
            )));
        }
        let lacks = |feature: &str, what: &str| {
            Err(Error::unsupported(format!(
                "{what} for {signal} needs the feature \"{feature}\""
            )))
        };
        if self.protocol == Protocol::Grpc && !cfg!(feature = "grpc") {
            return lacks("grpc", "the protocol grpc");
        }
        if self.compression == Compression::Zstd && !cfg!(feature = "zstd") {
            return lacks("zstd", "the compression zstd");
        }
        if self.is_https() && !cfg!(feature = "tls") {
            return lacks("tls", "an https endpoint");
        }
        self.uri().map(drop)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.keys().map(|name| (name, "***")).collect();
        f.debug_struct("Destination")
            .field("signal", &self.signal)
            .field("url", &self.url())
            .field("protocol", &self.protocol)
            .field("compression", &self.compression)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Takes `user:password@` out of an authority and makes the header of it that HTTP wants
/// (RFC 7617). `None` when no header can be made.
fn split_userinfo(authority: &Authority) -> Option<(Authority, Option<HeaderValue>)> {
    let text = authority.as_str();
    let Some((userinfo, host)) = text.rsplit_once('@') else {
        return Some((authority.clone(), None));
    };
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let mut credentials: Vec<u8> = percent_encoding::percent_decode_str(user).collect();
    credentials.push(b':');
    credentials.extend(percent_encoding::percent_decode_str(password));
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some((host.parse().ok()?, Some(value)))
}

/// Headers that say where a request ends: a wrong one cuts it short without a word.
const FRAMING: [HeaderName; 6] = [
    http::header::CONNECTION,
    http::header::CONTENT_LENGTH,
    http::header::TE,
    http::header::TRAILER,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn base(signal: Signal, url: &str) -> Destination {
        Destination::from_base(signal, url).unwrap()
    }

    #[test]
    fn a_base_url_gets_the_path_of_the_signal_without_a_double_slash() {
        for url in ["http://c:4318", "http://c:4318/"] {
            assert_eq!(base(Signal::Logs, url).url(), "http://c:4318/v1/logs");
        }
        assert_eq!(
            base(Signal::Traces, "https://c/otlp/").url(),
            "https://c/otlp/v1/traces"
        );
    }

    #[test]
    fn a_full_url_is_used_as_it_is() {
        let full = Destination::new(Signal::Logs, "http://c:4318/in?k=v").unwrap();
        assert_eq!(full.uri().unwrap(), "http://c:4318/in?k=v");
        assert_eq!(full.url(), "http://c:4318/in");
        let root = Destination::new(Signal::Logs, "http://c:4318").unwrap();
        assert_eq!(root.uri().unwrap(), "http://c:4318/");
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn grpc_takes_a_host_and_port_and_keeps_a_prefix() {
        let plain = base(Signal::Logs, "localhost:4317").with_protocol(Protocol::Grpc);
        assert_eq!(
            plain.uri().unwrap(),
            "http://localhost:4317/opentelemetry.proto.collector.logs.v1.LogsService/Export"
        );
        plain.validate().unwrap();
        let prefixed = base(Signal::Traces, "https://c/otlp/").with_protocol(Protocol::Grpc);
        assert_eq!(
            prefixed.uri().unwrap(),
            "https://c/otlp/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        );
    }

    #[test]
    fn http_without_a_scheme_is_refused() {
        let error = base(Signal::Logs, "localhost:4318").validate().unwrap_err();
        assert!(error.is_configuration());
        assert!(error.to_string().contains("http://"), "{error}");
    }

    #[test]
    fn nonsense_is_refused() {
        for url in [
            "",
            "/v1/logs",
            "ftp://c/",
            "http://",
            "http://c d/",
            "http://c:99999/",
            "unix:/run/x",
        ] {
            assert!(
                Destination::new(Signal::Logs, url).is_err(),
                "{url:?} was accepted"
            );
        }
        assert!(
            base(Signal::Logs, "http://c")
                .with_header("a b", "c")
                .is_err()
        );
        assert!(
            base(Signal::Logs, "http://c")
                .with_header("a", "c\n")
                .is_err()
        );
        let zero = base(Signal::Logs, "http://c").with_timeout(Duration::ZERO);
        assert!(zero.validate().is_err());
    }

    #[test]
    fn secrets_are_never_printed() {
        let destination = base(Signal::Logs, "http://ann:s%33cret@c:4318/?key=s3cret")
            .with_header("x-token", "s3cret")
            .unwrap();
        let shown = format!("{destination:?} {destination:#?} {}", destination.url());
        assert!(
            !shown.contains("s3cret") && !shown.contains("s%33cret"),
            "{shown}"
        );
        assert!(!shown.contains("ann"), "{shown}");
        assert!(shown.contains("***"));
        assert_eq!(
            destination.headers()[AUTHORIZATION],
            "Basic YW5uOnMzY3JldA=="
        );
        assert!(!destination.uri().unwrap().to_string().contains('@'));
        let error = Destination::new(Signal::Logs, "ftp://ann:s3cret@c").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("s3cret"));
        let error = base(Signal::Logs, "http://c").with_header("x-token", "s3cret\n");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}

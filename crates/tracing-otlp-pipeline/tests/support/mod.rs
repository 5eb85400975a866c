//! A scripted OTLP server on a real socket, and helpers to emit and decode.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Version};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use prost::Message as _;
use tokio::sync::oneshot;

/// Long enough for any machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers like a collector that took everything, in the protocol of the request.
    Accept,
    /// Answers with this status, content type and body.
    Http(u16, &'static str, Bytes),
    /// Answers with this gRPC status and message and, for status 0, this message body.
    Grpc(u32, &'static str, Bytes),
    /// Answers with this gRPC status in the headers alone.
    GrpcTrailersOnly(u32, &'static str),
    /// Answers with this status, these headers and a body in plain text.
    With(u16, Vec<(&'static str, String)>, &'static str),
    /// Answers with this gRPC status and a `RetryInfo` of so many seconds.
    RetryInfo(u32, u64),
    /// Takes requests of up to so many bytes, uncompressed, and calls larger ones too large, in the
    /// way of the protocol.
    UpTo(usize),
    /// Answers like the other, but only after a time.
    Late(Duration, Box<Reply>),
    /// Answers like the other, but only when somebody says so.
    Until(Arc<std::sync::atomic::AtomicBool>, Box<Reply>),
    /// Answers like the other, but waits so long after each part of the request that it has read.
    Slowly(Duration, Box<Reply>),
    /// Answers with the head and a part of the body, then closes the connection.
    Truncated(u16),
    /// Closes the connection before it has read the request (HTTP/1: at the first byte of the body).
    Reset,
    /// Never answers.
    Hang,
    /// Closes the connection instead of answering.
    HangUp,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The how-manieth connection it came over.
    pub(crate) connection: usize,
    pub(crate) version: Version,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
    pub(crate) reply: Reply,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body without framing and compression.
    pub(crate) fn plain(&self) -> Vec<u8> {
        let mut body = self.body.clone();
        let encoding = if self.header("content-type") == Some("application/grpc") {
            let flag = body.split_to(1)[0];
            let length = u32::from_be_bytes(body.split_to(4)[..].try_into().unwrap());
            assert_eq!(length as usize, body.len());
            let encoding = self.header("grpc-encoding");
            assert_eq!(encoding.is_some(), flag == 1);
            encoding
        } else {
            self.header("content-encoding")
        };
        match encoding {
            None => body.to_vec(),
            Some("gzip") => {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&*body)
                    .read_to_end(&mut plain)
                    .unwrap();
                plain
            }
            #[cfg(feature = "zstd")]
            Some("zstd") => zstd::decode_all(&*body).unwrap(),
            Some(other) => panic!("unexpected encoding {other}"),
        }
    }

    pub(crate) fn logs(&self) -> ExportLogsServiceRequest {
        ExportLogsServiceRequest::decode(&*self.plain()).unwrap()
    }

    pub(crate) fn spans(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(&*self.plain()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.plain()).unwrap()
    }

    /// The bodies of the log records, where they are strings.
    pub(crate) fn messages(&self) -> Vec<String> {
        use opentelemetry_proto::tonic::common::v1::any_value::Value;
        let logs = self.logs();
        let scopes = logs.resource_logs.iter().flat_map(|r| &r.scope_logs);
        scopes
            .flat_map(|scope| &scope.log_records)
            .filter_map(|record| match record.body.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => Some(text.clone()),
                _ => None,
            })
            .collect()
    }
}

#[derive(Default)]
struct Shared {
    script: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    arrived: Condvar,
    resets: std::sync::atomic::AtomicUsize,
    then: Mutex<Option<Reply>>,
}

impl Shared {
    /// Takes an answer that comes with slow reading out of the script: it is not for the request that
    /// comes meanwhile.
    fn slowly(&self, next: Option<Reply>) -> Option<(Duration, Reply)> {
        let Some(Reply::Slowly(pause, then)) = next else {
            return None;
        };
        let _taken = self.script.lock().unwrap().pop_front();
        Some((pause, *then))
    }

    fn then(&self) -> Reply {
        self.then.lock().unwrap().clone().unwrap_or(Reply::Accept)
    }
}

/// Answers by script, then by `Accept` (or what `then` says); stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Turns a TCP stream into what HTTP is spoken over.
pub(crate) type Accept = Arc<
    dyn Fn(
            tokio::net::TcpStream,
        )
            -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Box<dyn Stream>>> + Send>>
        + Send
        + Sync,
>;

pub(crate) trait Stream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin
{
}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

impl Server {
    pub(crate) fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        Self::start_then(script, Reply::Accept)
    }

    /// Goes on with `then` when the script is over.
    pub(crate) fn start_then(script: impl IntoIterator<Item = Reply>, then: Reply) -> Self {
        Self::start_over(
            script,
            then,
            Arc::new(|stream| Box::pin(async move { Ok(Box::new(stream) as Box<dyn Stream>) })),
        )
    }

    pub(crate) fn start_over(
        script: impl IntoIterator<Item = Reply>,
        then: Reply,
        accept: Accept,
    ) -> Self {
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into_iter().collect()),
            then: Mutex::new(Some(then)),
            ..Shared::default()
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("test-server".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                    tokio::select! {
                        () = serve(listener, theirs, accept) => {}
                        _ = stopped => {}
                    }
                });
            })
            .unwrap();
        Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request is answered like this, after those that have their answer already.
    pub(crate) fn next(&self, reply: Reply) {
        self.shared.script.lock().unwrap().push_back(reply);
    }

    /// From now on, when the script is over, the answer is this.
    pub(crate) fn then(&self, reply: Reply) {
        *self.shared.then.lock().unwrap() = Some(reply);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub(crate) fn wait_for(&self, requests: usize) -> Vec<Received> {
        let received = self.shared.received.lock().unwrap();
        let (received, timeout) = self
            .shared
            .arrived
            .wait_timeout_while(received, PATIENCE, |received| received.len() < requests)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "only {} of {requests} requests came",
            received.len()
        );
        received.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, shared: Arc<Shared>, accept: Accept) {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    for connection in 0.. {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (shared, accept) = (Arc::clone(&shared), Arc::clone(&accept));
        tokio::spawn(async move {
            let Ok(stream) = accept(stream).await else {
                return;
            };
            let service = hyper::service::service_fn(move |request| {
                answer(connection, request, Arc::clone(&shared))
            });
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Answer = http::Response<BoxBody<Bytes, std::io::Error>>;

async fn answer(
    connection: usize,
    request: http::Request<hyper::body::Incoming>,
    shared: Arc<Shared>,
) -> Result<Answer, std::io::Error> {
    let (head, body) = request.into_parts();
    let next = shared.script.lock().unwrap().front().cloned();
    if let Reply::Reset = next.clone().unwrap_or_else(|| shared.then()) {
        shared.script.lock().unwrap().pop_front();
        shared
            .resets
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        return Err(std::io::Error::other("resetting"));
    }
    let slow = shared.slowly(next);
    let pause = slow.as_ref().map(|(pause, _)| *pause);
    let body = read(body, pause).await?;
    let content_type = head.headers["content-type"].to_str().unwrap().to_owned();
    let next = match slow {
        Some((_, then)) => Some(then),
        None => shared.script.lock().unwrap().pop_front(),
    };
    let reply = next.unwrap_or_else(|| shared.then());
    let received = Received {
        connection,
        version: head.version,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
        at: Instant::now(),
        reply: reply.clone(),
    };
    let bytes = received.plain().len();
    shared.received.lock().unwrap().push(received);
    shared.arrived.notify_all();
    let mut reply = reply;
    while let Reply::Late(time, then) = reply {
        tokio::time::sleep(time).await;
        reply = *then;
    }
    if let Reply::Until(now, then) = reply {
        while !now.load(std::sync::atomic::Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        reply = *then;
    }
    if let Reply::UpTo(limit) = reply {
        reply = match &*content_type {
            _ if bytes <= limit => Reply::Accept,
            "application/grpc" => {
                Reply::Grpc(8, "grpc: received message larger than max", Bytes::new())
            }
            "application/json" => Reply::Http(413, "text/plain", "too much".into()),
            _ => Reply::Http(400, "text/plain", "request body too large".into()),
        };
    }
    Ok(match reply {
        Reply::Accept if content_type == "application/grpc" => grpc(0, "", &Bytes::new()),
        Reply::Accept if content_type == "application/json" => {
            http(200, &content_type, "{}".into())
        }
        Reply::Accept => http(200, &content_type, Bytes::new()),
        Reply::Http(status, content_type, body) => http(status, content_type, body),
        Reply::Grpc(status, message, body) => grpc(status, message, &body),
        Reply::GrpcTrailersOnly(status, message) => {
            let mut response = http(200, "application/grpc", Bytes::new());
            let headers = response.headers_mut();
            headers.insert("grpc-status", status.into());
            headers.insert("grpc-message", message.parse().unwrap());
            response
        }
        Reply::With(status, headers, body) => {
            let mut response = http(status, "text/plain", body.into());
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Reply::RetryInfo(status, seconds) => {
            let mut response = http(200, "application/grpc", Bytes::new());
            let headers = response.headers_mut();
            headers.insert("grpc-status", status.into());
            headers.insert(
                "grpc-status-details-bin",
                retry_info(seconds).parse().unwrap(),
            );
            response
        }
        Reply::Truncated(status) => http::Response::builder()
            .status(status)
            .header("content-type", &content_type)
            .header("content-length", 100)
            .body(Broken(Some(Bytes::from_static(b"\x0a\x20half"))).boxed())
            .unwrap(),
        Reply::Late(..) | Reply::Slowly(..) | Reply::Until(..) | Reply::UpTo(_) | Reply::Reset => {
            unreachable!("replaced above")
        }
        Reply::Hang => std::future::pending().await,
        Reply::HangUp => return Err(std::io::Error::other("hanging up")),
    })
}

/// Reads to the end, with a pause after each part where there is one.
async fn read(
    mut body: hyper::body::Incoming,
    pause: Option<Duration>,
) -> Result<Bytes, std::io::Error> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(std::io::Error::other)?;
        all.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(all.freeze())
}

fn infallible(never: Infallible) -> std::io::Error {
    match never {}
}

fn http(status: u16, content_type: &str, body: Bytes) -> Answer {
    http::Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(Full::new(body).map_err(infallible).boxed())
        .unwrap()
}

fn grpc(status: u32, message: &'static str, body: &Bytes) -> Answer {
    let mut framed = BytesMut::new();
    if status == 0 {
        framed.put_u8(0);
        framed.put_u32(u32::try_from(body.len()).unwrap());
        framed.put_slice(body);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.into());
    trailers.insert("grpc-message", message.parse().unwrap());
    http::Response::builder()
        .status(200)
        .header("content-type", "application/grpc")
        .body(
            Full::new(framed.freeze())
                .with_trailers(async { Some(Ok(trailers)) })
                .map_err(infallible)
                .boxed(),
        )
        .unwrap()
}

/// `google.rpc.Status` with a `RetryInfo`, as the header wants it.
fn retry_info(seconds: u64) -> String {
    use base64::Engine as _;
    let mut delay = BytesMut::new();
    prost::encoding::uint64::encode(1, &seconds, &mut delay);
    let mut info = BytesMut::new();
    prost::encoding::bytes::encode(1, &delay.freeze(), &mut info);
    let mut any = BytesMut::new();
    let kind = "type.googleapis.com/google.rpc.RetryInfo".to_owned();
    prost::encoding::string::encode(1, &kind, &mut any);
    prost::encoding::bytes::encode(2, &info.freeze(), &mut any);
    let mut status = BytesMut::new();
    prost::encoding::bytes::encode(3, &any.freeze(), &mut status);
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(&status)
}

/// A body that breaks off.
struct Broken(Option<Bytes>);

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(Some(match self.0.take() {
            Some(part) => Ok(hyper::body::Frame::data(part)),
            None => Err(std::io::Error::other("breaking off")),
        }))
    }
}

/// An address where connections are made and nothing is ever read.
pub(crate) struct BlackHole {
    listener: std::net::TcpListener,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        Self {
            listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Emits one record with this body.
pub(crate) fn emit(provider: &SdkLoggerProvider, message: impl Into<AnyValue>) {
    let logger = provider.logger("test");
    let mut record = logger.create_log_record();
    record.set_severity_number(Severity::Info);
    record.set_body(message.into());
    logger.emit(record);
}

/// Waits for a condition that another thread will bring about.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "it never came to pass that {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A directory that is made by who uses it, and goes when the test is over.
pub(crate) struct Directory(pub(crate) std::path::PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let name = format!(
            "tracing-otlp-pipeline-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
        );
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Things said by callbacks, in order.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub(crate) fn say(&self, what: &dyn std::fmt::Display) {
        self.0.lock().unwrap().push(what.to_string());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

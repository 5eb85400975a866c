//! A receiver that fails as it is told: dies and returns on its port, hangs, throttles.
//!
//! It stands where the collector does in other suites, and knows OTLP only by the generated
//! protobuf classes. [`Mood`] says what becomes of requests from now on.
//!
//! The one thing to know: what was *taken* was read and answered with success, and nothing else.
//! A receiver that read a request and never answered has the records, or not: nobody but it knows.
//! Those are the *unanswered*, the only ones that OTLP lets arrive twice.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::victim::PATIENCE;

/// What becomes of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mood {
    /// They are taken and answered.
    Taking,
    /// They are read and never answered.
    Hanging,
    /// They are answered with this status (429 or 503; in gRPC `UNAVAILABLE`), and with the wish
    /// to be left alone for so many seconds, if there is one.
    Throttling(u16, Option<u8>),
    /// There is nobody: the port is closed.
    Dead,
}

/// What has come.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Arrived {
    /// How often each record was taken, by its message.
    pub records: BTreeMap<String, u64>,
    /// How many were taken in all.
    pub taken: u64,
    /// How often each span was taken, by its id.
    pub spans: BTreeMap<Vec<u8>, u64>,
    /// How many records were in requests that were read and never answered.
    pub unanswered_records: u64,
    /// How many spans were.
    pub unanswered_spans: u64,
    /// When a request was sent away with an answer.
    pub throttled: Vec<Instant>,
    /// When a request came, whatever became of it.
    pub requests: Vec<Instant>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    /// The mood from so many records on.
    turns: Option<(u64, Mood)>,
    arrived: Arrived,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A predicate that panicked has failed its own test; the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Order {
    Die(oneshot::Sender<()>),
    Return(oneshot::Sender<()>),
}

/// The receiver; it stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    /// Keeps the port while nobody listens. Bound, and never listened to.
    _holder: TcpSocket,
    shared: Arc<Shared>,
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on a free port of 127.0.0.1, and takes everything.
    pub fn start() -> Self {
        let holder = reusable();
        holder
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port");
        let address = holder.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                mood: Mood::Dead,
                turns: None,
                arrived: Arrived::default(),
            }),
            changed: Condvar::new(),
        });
        let (orders, taken) = mpsc::unbounded_channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(live(address, theirs, taken));
        });
        let receiver = Self {
            address,
            _holder: holder,
            shared,
            orders: Some(orders),
            thread: Some(thread),
        };
        receiver.order(Order::Return);
        receiver.set(Mood::Taking);
        receiver
    }

    /// The base URL for an exporter.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what becomes of requests that have not been read yet; to [`Mood::Dead`] and back by
    /// [`die`](Self::die) and [`come_back`](Self::come_back).
    pub fn set(&self, mood: Mood) {
        self.shared.lock().mood = mood;
    }

    /// Changes it once so many records have been taken, and not one request later.
    ///
    /// A receiver that turns [`Mood::Dead`] hangs up on whoever asks; [`die`](Self::die) closes its port
    /// too.
    pub fn turn_after(&self, records: u64, mood: Mood) {
        self.shared.lock().turns = Some((records, mood));
    }

    /// Closes the port and every connection. What is being answered is answered to its end, so that
    /// it is known what was taken; what hangs or comes now is cut off.
    pub fn die(&self) {
        self.set(Mood::Dead);
        self.order(Order::Die);
    }

    /// Listens on the same port again, in this mood.
    pub fn come_back(&self, mood: Mood) {
        self.set(mood);
        self.order(Order::Return);
    }

    /// What has come so far.
    pub fn arrived(&self) -> Arrived {
        self.shared.lock().arrived.clone()
    }

    /// Waits until `enough` likes what has come.
    ///
    /// # Panics
    ///
    /// When it does not within a minute.
    pub fn wait_for(&self, what: &str, mut enough: impl FnMut(&Arrived) -> bool) {
        let state = self.shared.lock();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| !enough(&state.arrived));
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(state);
        assert!(!timeout.timed_out(), "it never came to pass that {what}");
    }

    fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, is_done) = oneshot::channel();
        let orders = self.orders.as_ref().expect("it is not dropped yet");
        orders.send(order(done)).expect("the receiver lives");
        is_done.blocking_recv().expect("the receiver obeys");
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Two sockets may have the port, as long as only one listens.
fn reusable() -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket
}

async fn live(
    address: SocketAddr,
    shared: Arc<Shared>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let mut listener: Option<TcpListener> = None;
    let (dying, _) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        let order = tokio::select! {
            order = orders.recv() => order,
            accepted = accepted => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&shared), dying.subscribe()));
                }
                continue;
            }
        };
        match order {
            None => return,
            Some(Order::Return(done)) => {
                let socket = reusable();
                socket.bind(address).expect("the port is kept");
                listener = Some(socket.listen(1024).expect("a listener"));
                let _ = done.send(());
            }
            Some(Order::Die(done)) => {
                listener = None;
                dying.send_replace(());
                let all = async { while connections.join_next().await.is_some() {} };
                let _ = tokio::time::timeout(Duration::from_secs(5), all).await;
                connections.abort_all();
                let _ = done.send(());
            }
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, mut dying: watch::Receiver<()>) {
    let theirs = dying.clone();
    let service = hyper::service::service_fn(move |request| {
        answer(request, Arc::clone(&shared), theirs.clone())
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = dying.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, io::Error>;

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
    mut dying: watch::Receiver<()>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let is_grpc = head
        .headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/grpc");
    let contents = Contents::of(head.uri.path(), &head.headers, is_grpc, body)?;
    let mood = {
        let mut state = shared.lock();
        let mood = state.mood;
        state.arrived.take(mood, contents);
        let taken = state.arrived.taken;
        if let Some((_, next)) = state.turns.take_if(|(records, _)| taken >= *records) {
            state.mood = next;
        }
        mood
    };
    shared.changed.notify_all();
    match mood {
        Mood::Taking if is_grpc => Ok(grpc(0, None)),
        Mood::Taking => Ok(http(200, None)),
        Mood::Throttling(_, wait) if is_grpc => Ok(grpc(UNAVAILABLE, wait)),
        Mood::Throttling(status, wait) => Ok(http(status, wait)),
        Mood::Hanging => {
            let _ = dying.changed().await;
            Err(io::Error::other("dead"))
        }
        Mood::Dead => Err(io::Error::other("dead")),
    }
}

/// What is in a request.
enum Contents {
    Records(Vec<String>),
    Spans(Vec<Vec<u8>>),
}

impl Contents {
    fn of(path: &str, headers: &HeaderMap, is_grpc: bool, body: Bytes) -> io::Result<Self> {
        let body = plain(headers, is_grpc, body)?;
        let is_logs = path.ends_with("/v1/logs") || path.contains("LogsService");
        Ok(if is_logs {
            let request = ExportLogsServiceRequest::decode(&*body).map_err(io::Error::other)?;
            let scopes = request.resource_logs.into_iter().flat_map(|r| r.scope_logs);
            let records = scopes.flat_map(|scope| scope.log_records);
            let message = |value: Option<Value>| match value {
                Some(Value::StringValue(text)) => text,
                other => format!("{other:?}"),
            };
            Self::Records(
                records
                    .map(|record| message(record.body.and_then(|body| body.value)))
                    .collect(),
            )
        } else {
            let request = ExportTraceServiceRequest::decode(&*body).map_err(io::Error::other)?;
            let scopes = request
                .resource_spans
                .into_iter()
                .flat_map(|r| r.scope_spans);
            Self::Spans(
                scopes
                    .flat_map(|scope| scope.spans)
                    .map(|span| span.span_id)
                    .collect(),
            )
        })
    }
}

impl Arrived {
    fn take(&mut self, mood: Mood, contents: Contents) {
        let now = Instant::now();
        self.requests.push(now);
        match (mood, contents) {
            (Mood::Taking, Contents::Records(records)) => {
                self.taken += records.len() as u64;
                for record in records {
                    *self.records.entry(record).or_default() += 1;
                }
            }
            (Mood::Taking, Contents::Spans(spans)) => {
                for span in spans {
                    *self.spans.entry(span).or_default() += 1;
                }
            }
            (Mood::Hanging | Mood::Dead, Contents::Records(records)) => {
                self.unanswered_records += records.len() as u64;
            }
            (Mood::Hanging | Mood::Dead, Contents::Spans(spans)) => {
                self.unanswered_spans += spans.len() as u64;
            }
            (Mood::Throttling(..), _) => self.throttled.push(now),
        }
    }
}

/// Without frame and compression.
fn plain(headers: &HeaderMap, is_grpc: bool, mut body: Bytes) -> io::Result<Vec<u8>> {
    let mut packed = headers.contains_key("content-encoding");
    if is_grpc {
        if body.len() < FRAME {
            return Err(io::Error::other("a frame that is cut"));
        }
        packed = body.split_to(FRAME)[0] == 1;
    }
    if !packed {
        return Ok(body.to_vec());
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain)?;
    Ok(plain)
}

/// The length of what gRPC puts before a message.
const FRAME: usize = 5;
/// The code that clients try again.
const UNAVAILABLE: u8 = 14;

fn http(status: u16, retry_after: Option<u8>) -> Response<Body> {
    let mut response = Response::new(Full::default().map_err(|never| match never {}).boxed());
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/x-protobuf"),
    );
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", u16::from(seconds).into());
    }
    response
}

/// Trailers after an empty message, or an error in the headers alone.
fn grpc(status: u8, retry_after: Option<u8>) -> Response<Body> {
    let body = if status == 0 {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        Full::new(Bytes::from_static(&[0; FRAME]))
            .with_trailers(async { Some(Ok(trailers)) })
            .map_err(|never| match never {})
            .boxed()
    } else {
        Full::default().map_err(|never| match never {}).boxed()
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/grpc"),
    );
    if status != 0 {
        headers.insert("grpc-status", u16::from(status).into());
    }
    if let Some(seconds) = retry_after {
        let details = STANDARD_NO_PAD.encode(retry_info(seconds));
        let details = details.parse().expect("base64 is a header's value");
        headers.insert("grpc-status-details-bin", details);
    }
    response
}

/// `google.rpc.Status` with a `RetryInfo`.
fn retry_info(seconds: u8) -> Bytes {
    let mut delay = BytesMut::new();
    prost::encoding::uint64::encode(1, &seconds.into(), &mut delay);
    let mut info = BytesMut::new();
    prost::encoding::bytes::encode(1, &delay.freeze(), &mut info);
    let mut any = BytesMut::new();
    let kind = "type.googleapis.com/google.rpc.RetryInfo".to_owned();
    prost::encoding::string::encode(1, &kind, &mut any);
    prost::encoding::bytes::encode(2, &info.freeze(), &mut any);
    let mut status = BytesMut::new();
    prost::encoding::bytes::encode(3, &any.freeze(), &mut status);
    status.freeze()
}

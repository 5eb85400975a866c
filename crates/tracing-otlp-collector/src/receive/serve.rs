//! Accepts connections and hands each request to who answers it.
//!
//! It runs on the thread that `thread` starts. HTTP/1 and HTTP/2 share the port: the first bytes
//! of a connection say which it is.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The body of every answer.
pub(crate) type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// Who answers the requests of a port.
pub(crate) trait Service: Send + Sync + 'static {
    /// How many connections may be open at once; more wait to be accepted.
    const CONNECTIONS: usize;

    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Answer>> + Send;

    /// Answers that would never end by themselves have to end now.
    fn stopping(&self) {}
}

/// Serves until `stop` is told or dropped, then gives requests in flight a second to finish.
pub(super) async fn serve<S: Service>(
    listeners: Vec<TcpListener>,
    service: Arc<S>,
    mut stop: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let seats = Arc::new(Semaphore::new(S::CONNECTIONS.min(Semaphore::MAX_PERMITS)));
    let mut turn = 0;
    loop {
        let next = async {
            let seat = Arc::clone(&seats).acquire_owned().await;
            accept(&listeners, &mut turn)
                .await
                .map(|(stream, _)| (stream, seat.ok()))
        };
        tokio::select! {
            biased;
            _ = &mut stop => break,
            accepted = next => match accepted {
                Ok((stream, seat)) => spawn(stream, seat, &builder, &graceful, &service),
                // Out of file handles, or a peer that left at once: neither may end the collector.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listeners);
    service.stopping();
    // Connections that need longer end with the runtime.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

/// The next connection on any of the ports.
///
/// Who is asked first changes with each `turn`, so that no port starves the others.
async fn accept(
    listeners: &[TcpListener],
    turn: &mut usize,
) -> io::Result<(TcpStream, SocketAddr)> {
    *turn = turn.wrapping_add(1);
    poll_fn(|context| {
        for nth in 0..listeners.len() {
            let listener = &listeners[turn.wrapping_add(nth) % listeners.len()];
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

fn spawn<S: Service>(
    stream: TcpStream,
    seat: Option<OwnedSemaphorePermit>,
    builder: &auto::Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    service: &Arc<S>,
) {
    // Without it answers may wait for the peer's acknowledgement; that is all a failure costs.
    let _ = stream.set_nodelay(true);
    let service = Arc::clone(service);
    let service = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // How a connection ends is its peer's affair.
        let _ = connection.await;
        drop(seat);
    });
}

const GRACE: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

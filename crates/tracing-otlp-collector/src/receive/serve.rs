//! Accepts connections and hands each request to its protocol.
//!
//! It runs on the thread that `thread` starts. HTTP/1 and HTTP/2 share the port: the first bytes
//! of a connection say which it is.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{grpc, http as otlp_http};
use crate::api::{self, Site};

/// The body of every answer.
pub(crate) type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until `stop` is told or dropped, then gives requests in flight a second to finish.
pub(super) async fn serve(
    listeners: Vec<TcpListener>,
    site: Arc<Site>,
    mut stop: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let mut turn = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => break,
            accepted = accept(&listeners, &mut turn) => match accepted {
                Ok((stream, _)) => spawn(stream, &builder, &graceful, &site),
                // Out of file handles, or a peer that left at once: neither may end the collector.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listeners);
    // Streams would never end by themselves.
    site.stopping.send_replace(true);
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

fn spawn(
    stream: TcpStream,
    builder: &auto::Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    site: &Arc<Site>,
) {
    // Without it answers may wait for the peer's acknowledgement; that is all a failure costs.
    let _ = stream.set_nodelay(true);
    let site = Arc::clone(site);
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(route(request, &site).await) }
    });
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // How a connection ends is its peer's affair.
        let _ = connection.await;
    });
}

async fn route(request: Request<Incoming>, site: &Arc<Site>) -> Response<Answer> {
    if request.version() == Version::HTTP_2 && grpc::is_grpc(request.headers()) {
        grpc::answer(request, &site.intake).await
    } else if api::is_ours(request.method(), request.uri().path()) {
        api::answer(request, site).await
    } else {
        otlp_http::answer(request, &site.intake).await
    }
}

const GRACE: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

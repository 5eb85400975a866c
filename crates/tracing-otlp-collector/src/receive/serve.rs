//! Accepts connections and hands each request to its protocol.
//!
//! It runs on the thread that `thread` starts. HTTP/1 and HTTP/2 share the port: the first bytes
//! of a connection say which it is.

use std::convert::Infallible;
use std::sync::Arc;
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

use super::intake::Intake;
use super::{grpc, http as otlp_http};

/// The body of every answer.
pub(super) type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until `stop` is told or dropped, then gives requests in flight a second to finish.
pub(super) async fn serve(
    listener: TcpListener,
    intake: Arc<Intake>,
    mut stop: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn(stream, &builder, &graceful, &intake),
                // Out of file handles, or a peer that left at once: neither may end the collector.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    // Connections that need longer end with the runtime.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

fn spawn(
    stream: TcpStream,
    builder: &auto::Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    intake: &Arc<Intake>,
) {
    // Without it answers may wait for the peer's acknowledgement; that is all a failure costs.
    let _ = stream.set_nodelay(true);
    let intake = Arc::clone(intake);
    let service = service_fn(move |request| {
        let intake = Arc::clone(&intake);
        async move { Ok::<_, Infallible>(route(request, &intake).await) }
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

async fn route(request: Request<Incoming>, intake: &Intake) -> Response<Answer> {
    if request.version() == Version::HTTP_2 && grpc::is_grpc(request.headers()) {
        grpc::answer(request, intake).await
    } else {
        otlp_http::answer(request, intake).await
    }
}

const GRACE: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

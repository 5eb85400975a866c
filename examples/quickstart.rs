//! The main job in one program: an instrumented service, real requests, a collector, and the
//! trace tree with its logs inside.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! With `OTEL_EXPORTER_OTLP_ENDPOINT` set, everything goes there instead of to the collector in
//! this process.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tracing::info;
use tracing_otlp::{Console, Telemetry};
use tracing_otlp_collector::Collector;
use tracing_otlp_examples::shop;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Telemetry::builder().with_service_name("shop");
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let collector = if is_set("OTEL_EXPORTER_OTLP_ENDPOINT") {
        None
    } else {
        let collector = Collector::start()?;
        builder = builder.with_endpoint(collector.endpoint());
        Some(collector)
    };
    if !is_set("TRACING_OTLP_CONSOLE") {
        builder = builder.with_console(Console::Off);
    }
    let telemetry = builder.init()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    info!(port = address.port(), "listening");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        axum::serve(listener, shop())
            .with_graceful_shutdown(async { drop(stopped.await) })
            .await
    });

    // A caller of ours, a caller with a trace of its own, and one who gets an error.
    let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (path, traceparent) in [
        ("/orders/1", None),
        ("/orders/2", Some(caller)),
        ("/orders/13", None),
    ] {
        let (status, trace) = get(&format!("http://{address}{path}"), traceparent).await?;
        println!("GET {path} -> {status}, trace {trace}");
    }
    let _ = stop.send(());
    server.await??;
    info!("stopped");

    let report = telemetry.shutdown_async().await;
    println!("\n{report}");
    if let Some(collector) = collector {
        println!("\n{}\n\n{}", collector.trace_tree(), collector.audit());
    }
    Ok(())
}

/// Status and trace id of one request.
async fn get(url: &str, traceparent: Option<&str>) -> Result<(u16, String), Box<dyn Error>> {
    let mut request = axum::http::Request::get(url);
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<axum::body::Bytes>>();
    let response = client.request(request.body(Empty::new())?).await?;
    let status = response.status().as_u16();
    let trace = response
        .headers()
        .get("x-trace-id")
        .and_then(|id| id.to_str().ok());
    let trace = trace.unwrap_or("none").to_owned();
    response.into_body().collect().await?;
    Ok((status, trace))
}

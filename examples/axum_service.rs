//! The same service for good, configured by the environment alone.
//!
//! ```text
//! PORT=8080 OTEL_SERVICE_NAME=shop OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 \
//!     cargo run --example axum_service
//! ```
//!
//! Ctrl-C or SIGTERM stops it: requests end, then telemetry is flushed.

use std::error::Error;

use tokio::net::TcpListener;
use tracing::info;
use tracing_otlp_examples::shop;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The guard lives as long as `main`: returning, with `Ok` or `Err`, flushes.
    let _telemetry = tracing_otlp::init()?;
    let port = match std::env::var("PORT") {
        Ok(port) if !port.is_empty() => port.parse()?,
        _ => 8080,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    info!(port = listener.local_addr()?.port(), "listening");
    axum::serve(listener, shop())
        .with_graceful_shutdown(stop_signal())
        .await?;
    info!("stopped");
    Ok(())
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => drop(interrupt.await),
        }
    }
    #[cfg(not(unix))]
    drop(interrupt.await);
}

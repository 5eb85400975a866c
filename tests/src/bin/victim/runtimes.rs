//! Telemetry beside, inside and around runtimes.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tracing::{Instrument as _, info, info_span};
use tracing_otlp::{DeliverySettings, Guard, Telemetry};

use crate::{Outcome, counted, say, say_report};

fn with_deadline(seconds: u64) -> DeliverySettings {
    DeliverySettings::default().with_shutdown_deadline(Duration::from_secs(seconds))
}

/// No runtime at all; shutdown within so many seconds.
pub(crate) fn event(deadline: u64) -> Outcome {
    let telemetry = Telemetry::builder()
        .with_delivery(with_deadline(deadline))
        .init()?;
    info_span!("work").in_scope(|| info!("working"));
    say_report(&telemetry.shutdown());
    Ok(())
}

fn runtime(flavor: &str) -> std::io::Result<Runtime> {
    match flavor {
        "current-thread" => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
    .enable_all()
    .build()
}

/// Initialised inside of the runtime, and ended there.
pub(crate) fn in_tokio(flavor: &str, end: &str) -> Outcome {
    runtime(flavor)?.block_on(async {
        let telemetry = tracing_otlp::init()?;
        work().await;
        shut_down(telemetry, end).await;
        Ok(())
    })
}

/// Initialised before there is a runtime, ended in it.
pub(crate) fn before_tokio(end: &str) -> Outcome {
    let telemetry = tracing_otlp::init()?;
    runtime("current-thread")?.block_on(async {
        work().await;
        shut_down(telemetry, end).await;
    });
    Ok(())
}

/// Initialised inside of the runtime, ended when it is gone.
pub(crate) fn outlives_tokio() -> Outcome {
    let runtime = runtime("multi-thread")?;
    let telemetry = runtime.block_on(async {
        let telemetry = tracing_otlp::init();
        work().await;
        telemetry
    })?;
    drop(runtime);
    info!("working without");
    say_report(&telemetry.shutdown());
    Ok(())
}

fn work() -> impl Future<Output = ()> {
    async {
        tokio::task::yield_now().await;
        info!("working");
    }
    .instrument(info_span!("work"))
}

async fn shut_down(telemetry: Guard, end: &str) {
    let report = match end {
        "blocking" => telemetry.shutdown(),
        _ => telemetry.shutdown_async().await,
    };
    say_report(&report);
}

/// The destination is served by the runtime that telemetry ends in.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn serves_itself(end: &str) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(take_all(connection));
        }
    });
    let telemetry = Telemetry::builder()
        .with_endpoint(endpoint)
        .with_delivery(with_deadline(1))
        .init()?;
    work().await;
    shut_down(telemetry, end).await;
    Ok(())
}

/// A collector that takes everything: of HTTP just what the exporter needs.
async fn take_all(mut connection: TcpStream) {
    let mut seen = Vec::new();
    while let Ok(1..) = connection.read_buf(&mut seen).await {
        while let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if seen.len() < end + 4 + length {
                break;
            }
            seen.drain(..end + 4 + length);
            let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\n\
                          content-length: 0\r\n\r\n";
            if connection.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// 64 threads log while telemetry ends.
pub(crate) fn threads() -> Outcome {
    const THREADS: u64 = 64;
    // Long, since the threads leave little of a small machine to the delivery.
    let guard = Telemetry::builder()
        .with_delivery(with_deadline(60))
        .init()?;
    let telemetry = guard.telemetry().clone();
    let (stop, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    let report = std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (stop, logged) = (&stop, &logged);
            scope.spawn(move || {
                // At least once each; more than once for who is there at the end.
                for number in 0.. {
                    info!(thread, number, "working");
                    logged.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        while logged.load(Ordering::SeqCst) < THREADS {
            std::thread::yield_now();
        }
        let report = guard.shutdown();
        stop.store(true, Ordering::SeqCst);
        report
    });
    say_report(&report);
    say(&json!({
        "logged": logged.load(Ordering::SeqCst),
        "logs": counted(telemetry.counts().logs()),
    }));
    Ok(())
}

/// 64 threads, 200 records each, as fast as they can.
pub(crate) fn burst() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    std::thread::scope(|scope| {
        for thread in 0..64 {
            scope.spawn(move || {
                for number in 0..200 {
                    info!(thread, number, "working");
                }
            });
        }
    });
    say_report(&telemetry.shutdown());
    Ok(())
}

/// 4,000 records, never more on their way than the default queue holds.
pub(crate) fn paced() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    for number in 0..4_000 {
        info!(number, "working");
        // 512 are a batch, so these leave without waiting for the next tick.
        while telemetry.telemetry().counts().logs().pending() > 1_500 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    say_report(&telemetry.shutdown());
    Ok(())
}

//! The one thread that owns all I/O.
//!
//! Part of `deliver`: prepares the runtime and the ways to the destinations, and lets `serve` work.
//!
//! Telemetry is suppressed on this thread and on every thread that its runtime starts, so whatever
//! the HTTP client, the resolver or TLS log here cannot become a record or a span again. It does
//! not matter which runtime the application has, or whether it has one.

use std::{
    sync::{Arc, mpsc},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use opentelemetry::Context;
use tokio::runtime::Runtime;

use super::{overflow::Overflow, queue::Queue, serve::Delivery};
use crate::{
    encode::Shape,
    error::Error,
    notice::Notifier,
    settings::{Destination, Signal},
    unwind::caught,
    wire::{Transport, Wire},
};

/// Asks the application whether the process is online.
pub(crate) type Connectivity = Arc<dyn Fn() -> bool + Send + Sync>;

/// Where requests of a signal go, and how long one may take.
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) timeout: Duration,
    pub(crate) shape: Shape,
}

impl Route {
    pub(crate) fn signal(&self) -> Signal {
        self.destination.signal()
    }
}

/// Starts the thread; returns when it is ready to send.
pub(crate) fn start(
    queue: Arc<Queue>,
    routes: Vec<Route>,
    connect_timeout: Duration,
    notifier: Notifier,
    connectivity: Option<Connectivity>,
    overflow: Option<Arc<Overflow>>,
) -> Result<JoinHandle<()>, Error> {
    let (ready, is_ready) = mpsc::sync_channel(1);
    let thread = Builder::new()
        .name("tracing-otlp-delivery".to_owned())
        .spawn(move || {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            match prepare(&routes, connect_timeout) {
                Ok((runtime, ways)) => {
                    let _silence = Silence::after(&queue);
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    work(
                        &runtime,
                        &Delivery::new(queue, ways, notifier, connectivity, overflow),
                    );
                    // Name resolution may hang; nobody waits for it any more.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })
        .map_err(|error| {
            Error::resource("the delivery thread could not be started").because(error)
        })?;
    match is_ready.recv() {
        Ok(outcome) => outcome.map(|()| thread),
        Err(_) => Err(Error::resource("the delivery thread died at its start")),
    }
}

/// The way of the requests of one signal.
pub(super) struct Way {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) shape: Shape,
}

pub(super) type Ways = [Option<Way>; Signal::ALL.len()];

fn prepare(routes: &[Route], connect_timeout: Duration) -> Result<(Runtime, Ways), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        // Not all: signals are the application's, and their driver panics where it cannot be had.
        .enable_io()
        .enable_time()
        .thread_name("tracing-otlp-resolve")
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(1))
        // For the whole life of the thread, so the guard is never dropped.
        .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
        .build()
        .map_err(|error| {
            Error::resource("the delivery runtime could not be built").because(error)
        })?;
    let mut ways = Ways::default();
    for route in routes {
        let wire = Wire::new(&route.destination, route.timeout, connect_timeout)?;
        ways[route.signal() as usize] = Some(Way {
            transport: Arc::new(wire),
            shape: route.shape.clone(),
        });
    }
    Ok((runtime, ways))
}

/// Says at the end of the thread, however it comes, that nothing more will be told.
struct Silence(Arc<Queue>);

impl Silence {
    fn after(queue: &Arc<Queue>) -> Self {
        queue.begin_to_tell();
        Self(Arc::clone(queue))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.fall_silent();
    }
}

fn work(runtime: &Runtime, delivery: &Arc<Delivery>) {
    while !delivery.is_finished() {
        // Each request is guarded by itself; this guards the loop.
        let _ = caught(|| runtime.block_on(Arc::clone(delivery).serve()));
    }
    // All may have been over before the loop had its first turn.
    delivery.look();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_is_suppressed_on_every_thread_of_the_runtime() {
        let (runtime, _) = prepare(&[], Duration::from_secs(1)).unwrap();
        let suppressed = runtime.block_on(async {
            let blocking = tokio::task::spawn_blocking(Context::is_current_telemetry_suppressed);
            blocking.await.unwrap()
        });
        assert!(suppressed);
    }
}

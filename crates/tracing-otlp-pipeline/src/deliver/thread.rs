//! The one thread that owns all I/O.
//!
//! Heart of `deliver`: takes requests from the queue, sends them over the `wire`, and settles them.
//!
//! Telemetry is suppressed on this thread and on every thread that its runtime starts, so whatever
//! the HTTP client, the resolver or TLS log here cannot become a record or a span again. It does
//! not matter which runtime the application has, or whether it has one.

use std::{
    sync::{Arc, mpsc},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use opentelemetry::Context;
use tokio::runtime::Runtime;

use super::{
    outcome::{self, Watch},
    queue::{Outcome, Queue},
};
use crate::{
    encode::Request,
    error::Error,
    ledger::LossReason,
    notice::Notifier,
    settings::{Destination, Signal},
    unwind::{caught, caught_async},
    wire::{Answer, Wire},
};

/// Where requests of a signal go, and how long one may take.
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) timeout: Duration,
}

/// Starts the thread; returns when it is ready to send.
pub(crate) fn start(
    queue: Arc<Queue>,
    routes: Vec<Route>,
    connect_timeout: Duration,
    notifier: Notifier,
) -> Result<JoinHandle<()>, Error> {
    let (ready, is_ready) = mpsc::sync_channel(1);
    let thread = Builder::new()
        .name("tracing-otlp-delivery".to_owned())
        .spawn(move || {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            match prepare(&routes, connect_timeout) {
                Ok((runtime, wires)) => {
                    let _ = ready.send(Ok(()));
                    drop(ready);
                    work(runtime, wires, &queue, notifier);
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

type Wires = [Option<Arc<Wire>>; Signal::ALL.len()];

fn prepare(routes: &[Route], connect_timeout: Duration) -> Result<(Runtime, Wires), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("tracing-otlp-resolve")
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(1))
        // For the whole life of the thread, so the guard is never dropped.
        .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
        .build()
        .map_err(|error| {
            Error::resource("the delivery runtime could not be built").because(error)
        })?;
    let mut wires = Wires::default();
    for Route {
        destination,
        timeout,
    } in routes
    {
        let wire = Wire::new(destination, *timeout, connect_timeout)?;
        wires[destination.signal() as usize] = Some(Arc::new(wire));
    }
    Ok((runtime, wires))
}

fn work(runtime: Runtime, wires: Wires, queue: &Arc<Queue>, notifier: Notifier) {
    let watch = Arc::new(Watch::new(notifier));
    while !queue.is_finished() {
        // Each request is guarded by itself; this guards the loop.
        let _ = caught(|| runtime.block_on(serve(&wires, queue, &watch)));
    }
    drop(wires);
    // Name resolution may hang; nobody waits for it any more.
    runtime.shutdown_background();
}

async fn serve(wires: &Wires, queue: &Arc<Queue>, watch: &Arc<Watch>) {
    loop {
        while let Some((number, request)) = queue.take() {
            let wire = wires[request.signal as usize].clone();
            tokio::spawn(see_through(
                number,
                request,
                wire,
                Arc::clone(queue),
                Arc::clone(watch),
            ));
        }
        let losses = queue.losses();
        watch.look_at(queue.ledger());
        queue.seen(losses);
        if queue.is_finished() {
            return;
        }
        queue.woken().await;
    }
}

/// Sees one request to its end. People are told before the request is settled, so that a flush
/// returns after the notices that belong to it.
async fn see_through(
    number: u64,
    request: Request,
    wire: Option<Arc<Wire>>,
    queue: Arc<Queue>,
    watch: Arc<Watch>,
) {
    let outcome = caught_async(attempt(&request, wire.as_deref(), &watch))
        .await
        .unwrap_or(Outcome {
            delivered: 0,
            lost: request.records,
            reason: LossReason::Panic,
        });
    queue.settle(number, outcome);
}

/// One attempt, which is all there is.
///
/// What makes more of it takes its place here: retries with `Retry-After`, the circuit breaker,
/// splitting of refused batches and the spool each decide between `send` and `outcome::of` what
/// happens to a request that was not accepted.
async fn attempt(request: &Request, wire: Option<&Wire>, watch: &Watch) -> Outcome {
    let Some(wire) = wire else {
        // Batch processors exist only for signals that have a destination.
        return outcome::of(&Answer::Unreachable(String::new()), request.records);
    };
    let sent = Instant::now();
    let answer = wire.send(request).await;
    let outcome = outcome::of(&answer, request.records);
    watch.see(request.signal, wire, &answer, outcome, sent);
    outcome
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

//! The collector's own thread, with a runtime of its own, where no telemetry is recorded.
//!
//! Everything else in `receive` runs on it. The application may have any runtime or none, and may
//! block every thread it has, for example while it shuts its exporters down into this collector.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use opentelemetry::Context;
use tokio::runtime;
use tokio::sync::oneshot;

use super::serve::{Service, serve};
use crate::Error;

/// A handle on the thread; dropping it stops the thread.
#[derive(Debug)]
pub(crate) struct ReceiverThread {
    listening: Vec<SocketAddr>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    /// Disconnects when the thread has nothing left to do.
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl ReceiverThread {
    /// Returns once the thread accepts connections on these ports.
    pub(crate) fn start(
        listeners: Vec<TcpListener>,
        service: Arc<impl Service>,
    ) -> Result<Self, Error> {
        let addresses = listeners.iter().map(TcpListener::local_addr);
        let listening = addresses.collect::<io::Result<_>>().map_err(Error::start)?;
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let (ending, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .spawn(move || {
                let _ending = ending;
                run(listeners, service, stopped, &ready);
            })
            .map_err(Error::start)?;
        is_ready
            .recv()
            .map_err(|_| Error::ended())?
            .map_err(Error::start)?;
        Ok(Self {
            listening,
            running: Mutex::new(Some(Running {
                stop,
                ended,
                thread,
            })),
        })
    }

    /// What is listened on, in the order it was asked for.
    pub(crate) fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Stops the thread and waits for its end, within a bound; does nothing the second time.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running {
            stop,
            ended,
            thread,
        }) = running.take()
        else {
            return Ok(());
        };
        // When the thread is gone already, nobody listens, and the rest says so.
        let _ = stop.send(());
        match ended.recv_timeout(STOP_BOUND) {
            Err(mpsc::RecvTimeoutError::Timeout) => Err(Error::stop(STOP_BOUND)),
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                thread.join().map_err(|_| Error::ended())
            }
        }
    }
}

impl Drop for ReceiverThread {
    fn drop(&mut self) {
        // A thread that takes longer ends on its own; there is nobody to tell.
        let _ = self.stop();
    }
}

fn run(
    listeners: Vec<TcpListener>,
    service: Arc<impl Service>,
    stop: oneshot::Receiver<()>,
    ready: &mpsc::Sender<io::Result<()>>,
) {
    // Before anything else, and until after the runtime is gone: hyper and h2 write events.
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    let mut builder = runtime::Builder::new_current_thread();
    let runtime = match builder
        .enable_all()
        .on_thread_start(suppress_for_good)
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let listeners: io::Result<Vec<_>> = listeners
            .into_iter()
            .map(|listener| {
                listener.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(listener)
            })
            .collect();
        match listeners {
            Ok(listeners) => {
                let _ = ready.send(Ok(()));
                serve(listeners, service, stop).await;
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
}

/// Runs first on each thread of the runtime's blocking pool.
fn suppress_for_good() {
    // The thread belongs to the runtime: nobody else's context can be left wrong.
    mem::forget(Context::enter_telemetry_suppressed_scope());
}

/// Threads that answer questions about what is kept.
const BLOCKING_THREADS: usize = 8;
const THREAD_NAME: &str = "otlp-collector";
const STOP_BOUND: Duration = Duration::from_secs(3);

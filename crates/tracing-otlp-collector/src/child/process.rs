//! The handle on an owned collector.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::guard::whole_seconds;
use super::state::{Shared, Started, State};
use super::{CollectorProcessBuilder, Fault, ProcessState};
use crate::Error;

/// A real OpenTelemetry Collector that runs as our child process.
///
/// Not a [`Collector`](crate::Collector), which receives inside this process: this one is another
/// program, with its own exporters, queues and files. What it received cannot be asked here.
///
/// Start it before the exporters that point at it and drop it after they have shut down. Dropping
/// asks it to end and does not wait; [`shutdown`](Self::shutdown) does. It also ends when this
/// process does, however: return, panic, `exit`, `kill -9`. It has a process group of its own, so a
/// Ctrl-C at the terminal does not take it from under the application.
///
/// Unix only; it needs `/bin/sh`.
///
/// # Examples
///
/// ```no_run
/// use tracing_otlp_collector::{CollectorConfig, CollectorProcess, Destination};
///
/// let collector = CollectorProcess::builder()
///     .with_binary("/usr/local/bin/otelcol-contrib")
///     .with_config(
///         CollectorConfig::new()
///             .with_destination(Destination::otlp_http("https://otlp.example.com"))
///             .with_destination(Destination::file("/tmp/telemetry.jsonl")),
///     )
///     .spawn()?;
/// // Point the exporters at `collector.http_endpoint()`, run, shut them down, then:
/// collector.shutdown()?;
/// # Ok::<(), tracing_otlp_collector::Error>(())
/// ```
pub struct CollectorProcess {
    owner: Owner,
    started: Started,
}

/// Whoever holds it wants the collector to run.
pub(super) struct Owner(pub(super) Arc<Shared>, pub(super) Duration);

impl Owner {
    /// What has come of the start, once that is clear.
    pub(super) fn outcome(state: &mut State) -> Option<Result<Started, Fault>> {
        if let Some(started) = &state.started {
            return Some(Ok(started.clone()));
        }
        match state.phase {
            ProcessState::Failed => Some(Err(state.fault.take().unwrap_or(Fault::StoppedEarly))),
            ProcessState::Stopped => Some(Err(Fault::StoppedEarly)),
            _ => None,
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.change(|state| state.stop = true);
    }
}

impl CollectorProcess {
    /// Starts from default settings that can be changed.
    pub fn builder() -> CollectorProcessBuilder {
        CollectorProcessBuilder::new()
    }

    pub(super) fn new(owner: Owner, started: Started) -> Self {
        Self { owner, started }
    }

    /// The URL for OTLP over HTTP, without a path, such as `http://127.0.0.1:43567`.
    ///
    /// It stays the same when the collector is started again.
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.started.ports.http)
    }

    /// The URL for OTLP over gRPC; it stays the same too.
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.started.ports.grpc)
    }

    /// The address behind [`http_endpoint`](Self::http_endpoint).
    pub fn http_address(&self) -> SocketAddr {
        self.started.ports.http
    }

    /// The address behind [`grpc_endpoint`](Self::grpc_endpoint).
    pub fn grpc_address(&self) -> SocketAddr {
        self.started.ports.grpc
    }

    /// The collector's version, as it says, such as `0.161.0`.
    pub fn version(&self) -> &str {
        &self.started.version
    }

    /// What it is doing now.
    pub fn state(&self) -> ProcessState {
        self.shared().read(|state| state.phase)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.shared().read(|state| state.pid)
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.shared().read(|state| state.restarts)
    }

    /// How it ended when it last did so unasked, such as `exit code 1` or `signal 9`.
    pub fn last_end(&self) -> Option<String> {
        self.shared().read(|state| state.last_end.clone())
    }

    /// The lines that it printed last, oldest first.
    pub fn output(&self) -> Vec<String> {
        self.shared().read(|state| state.log.lines())
    }

    /// Waits until `is_enough` says yes to its state. It blocks the calling thread.
    ///
    /// It is asked for the state now and after each change, as far as two changes do not follow
    /// each other too quickly to be seen.
    ///
    /// # Errors
    ///
    /// When `timeout` passes first ([`Error::is_timeout`]).
    pub fn wait_for_state(
        &self,
        mut is_enough: impl FnMut(ProcessState) -> bool,
        timeout: Duration,
    ) -> Result<ProcessState, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            // Outside the lock: it is the caller's code.
            let seen = self.state();
            if is_enough(seen) {
                return Ok(seen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let changed = |state: &mut State| (state.phase != seen).then_some(());
            if self.shared().wait(left, changed).is_none() {
                let what = format!("the collector, which is {seen:?}");
                return Err(Error::timeout(timeout, what));
            }
        }
    }

    /// Asks it to end, as dropping does, and returns at once.
    pub fn stop(&self) {
        self.shared().change(|state| state.stop = true);
    }

    /// Asks it to end and waits until it is gone: SIGTERM, and SIGKILL after the grace. It blocks
    /// the calling thread; in async code use [`shutdown_async`](Self::shutdown_async).
    ///
    /// Calling it again does nothing.
    ///
    /// # Errors
    ///
    /// When it is still there some seconds after the grace, or had failed before.
    pub fn shutdown(&self) -> Result<(), Error> {
        self.stop();
        let bound = Duration::from_secs(whole_seconds(self.owner.1)) + BEYOND_THE_GRACE;
        self.shared()
            .wait(bound, Self::is_over)
            .unwrap_or_else(|| Err(Error::stop(bound)))
    }

    /// As [`shutdown`](Self::shutdown), blocking no thread.
    ///
    /// # Errors
    ///
    /// When it had failed before.
    pub async fn shutdown_async(&self) -> Result<(), Error> {
        self.stop();
        self.shared().until(Self::is_over).await
    }

    fn is_over(state: &mut State) -> Option<Result<(), Error>> {
        match state.phase {
            ProcessState::Stopped => Some(Ok(())),
            ProcessState::Failed => {
                // Said once; the second time there is nothing left to stop.
                let fault = state.fault.take();
                Some(fault.map_or(Ok(()), |fault| Err(Error::process(fault))))
            }
            _ => None,
        }
    }

    fn shared(&self) -> &Shared {
        &self.owner.0
    }
}

impl fmt::Debug for CollectorProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorProcess")
            .field("version", &self.version())
            .field("http", &self.http_address())
            .field("grpc", &self.grpc_address())
            .field("state", &self.state())
            .field("pid", &self.pid())
            .field("restarts", &self.restarts())
            .finish_non_exhaustive()
    }
}

/// A stop during a start comes after the probe that is under way.
const BEYOND_THE_GRACE: Duration = Duration::from_secs(10);

//! The guard: what keeps telemetry running, and flushes when it goes.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::say::say;
use crate::telemetry::Telemetry;
use tracing_otlp_pipeline::Report;

/// Keeps telemetry running; flushes and shuts down when dropped.
///
/// Hold it in `main` for as long as the program runs. Dropping it waits at most the shutdown
/// deadline (5 s unless set), from any runtime or none, and says on stderr if something was lost.
#[must_use = "telemetry ends when the guard is dropped: bind it to a name in main"]
pub struct Guard {
    telemetry: Telemetry,
}

impl Guard {
    pub(crate) fn new(telemetry: Telemetry) -> Self {
        Self { telemetry }
    }

    /// The telemetry behind the guard, to ask for counts or providers.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Says whether the process can reach the network; see [`Telemetry::set_online`].
    pub fn set_online(&self, online: bool) {
        self.telemetry.set_online(online);
    }

    /// Sends what is waiting, for at most `timeout`, and reports.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.telemetry.flush(timeout)
    }

    /// Ends telemetry within the shutdown deadline and reports what became of every record.
    ///
    /// Blocks the calling thread; [`shutdown_async`](Self::shutdown_async) does not. A loss is said
    /// on stderr too, in case nobody reads the report.
    pub fn shutdown(self) -> Report {
        self.telemetry.shutdown()
    }

    /// Ends telemetry within the shutdown deadline, without blocking the executor.
    pub fn shutdown_async(self) -> impl Future<Output = Report> + Send + 'static {
        // The future owns what it needs; dropping the guard afterwards finds all done.
        let telemetry = self.telemetry.clone();
        async move {
            let report = telemetry.shutdown_async().await;
            drop(self);
            report
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let report = self.telemetry.shutdown();
        if report.lost() > 0 && self.telemetry.is_first_farewell() {
            say(&format_args!("at shutdown: {report}"));
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("telemetry", &self.telemetry)
            .finish()
    }
}

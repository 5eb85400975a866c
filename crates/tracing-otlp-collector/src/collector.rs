//! The handle people hold: start, look, wait, stop.
//!
//! It stands between the receiving thread and the reader: the thread fills the store, the
//! handle reads it. Nothing here touches the network.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::api::Site;
use crate::receive::{Intake, Onward, ReceiverThread};
use crate::retain::Store;
use crate::retain::files::FileWriter;
use crate::{
    Audit, Builder, Counts, Error, ReceivedRequest, Snapshot, StoredLog, StoredSpan, TraceTree,
};

/// A running OTLP receiver and the records it keeps.
///
/// Dropping it closes the port and ends its thread within three seconds; one that forwards then gives
/// what is on its way there its time. What it kept can be read as long as the handle lives, also
/// after [`shutdown`](Self::shutdown).
pub struct Collector {
    store: Arc<Store>,
    receiver: ReceiverThread,
    onward: Option<Arc<dyn Onward>>,
}

impl Collector {
    /// Starts a collector on a free port of 127.0.0.1 with default settings.
    ///
    /// # Errors
    ///
    /// When no port can be bound or the system gives no thread.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Starts from default settings that can be changed.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Starts a real OpenTelemetry Collector as a child: the program `otelcol` of `PATH`, on free
    /// ports, printing what it gets.
    ///
    /// It returns once that collector answers, and blocks the calling thread meanwhile.
    /// [`CollectorProcess::builder`](crate::CollectorProcess::builder) has all that can be chosen.
    ///
    /// # Errors
    ///
    /// As [`CollectorProcessBuilder::spawn`](crate::CollectorProcessBuilder::spawn).
    #[cfg(unix)]
    pub fn spawn() -> Result<crate::CollectorProcess, Error> {
        crate::CollectorProcess::builder().spawn()
    }

    pub(crate) fn from_builder(builder: &Builder) -> Result<Self, Error> {
        let (listeners, listening) = builder.listen()?;
        let store = Arc::new(Store::new(builder.capacity, builder.keep_requests));
        let files = match &builder.files {
            Some(files) => Some(FileWriter::open(files, &store)?),
            None => None,
        };
        let onward = match &builder.onward {
            Some(onward) => Some(onward.start(&listening)?),
            None => None,
        };
        let intake = Intake::new(Arc::clone(&store), builder.max_body, files, onward.clone());
        let site = Site::new(
            Arc::clone(&store),
            intake,
            listening,
            builder.origins.clone(),
            builder.hosts.clone(),
        );
        let receiver = ReceiverThread::start(listeners, Arc::new(site))?;
        Ok(Self {
            store,
            receiver,
            onward,
        })
    }

    /// The base URL for an exporter, such as `http://127.0.0.1:43567`, without a path.
    ///
    /// gRPC exporters take it as it is; for HTTP, `/v1/logs` and its siblings are appended.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.local_addr())
    }

    /// The address and port that are listened on, the first of them if there are several.
    pub fn local_addr(&self) -> SocketAddr {
        // A collector without an address cannot be built.
        let first = self.local_addrs().first().copied();
        first.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// All addresses that are listened on, in the order they were given to the builder.
    ///
    /// Each speaks every form of OTLP, answers `/api` and shows the viewer's page.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.receiver.listening()
    }

    /// The log records kept, in the order of their arrival.
    pub fn logs(&self) -> Vec<StoredLog> {
        self.store.logs()
    }

    /// The spans kept, in the order of their arrival.
    pub fn spans(&self) -> Vec<StoredSpan> {
        self.store.spans()
    }

    /// The requests kept, in the order of their arrival; empty unless
    /// [`keep_requests`](Builder::keep_requests) was set.
    ///
    /// Requests whose payload could not be decoded are here too, with the reason.
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.store.requests()
    }

    /// How much arrived, was refused and has left since the start or the last
    /// [`clear`](Self::clear).
    pub fn counts(&self) -> Counts {
        self.store.counts()
    }

    /// Logs, spans and counts as they stood at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.store.snapshot().0
    }

    /// Forgets everything kept and sets the counts to zero.
    pub fn clear(&self) {
        self.store.clear();
    }

    /// Waits until at least `n` log records are kept, and returns them all.
    ///
    /// It blocks the calling thread and wakes as soon as they arrive. In async code whose exporter
    /// needs the same thread, call it from a blocking task.
    ///
    /// # Errors
    ///
    /// When `timeout` passes first ([`Error::is_timeout`]); the message says how many arrived.
    pub fn wait_for_logs(&self, n: usize, timeout: Duration) -> Result<Vec<StoredLog>, Error> {
        self.store.wait_for_logs(n, timeout)
    }

    /// Waits until at least `n` spans are kept, and returns them all.
    ///
    /// It blocks like [`wait_for_logs`](Self::wait_for_logs).
    ///
    /// # Errors
    ///
    /// When `timeout` passes first ([`Error::is_timeout`]); the message says how many arrived.
    pub fn wait_for_spans(&self, n: usize, timeout: Duration) -> Result<Vec<StoredSpan>, Error> {
        self.store.wait_for_spans(n, timeout)
    }

    /// Waits until `is_enough` says yes to what is kept, and returns that snapshot.
    ///
    /// It blocks like [`wait_for_logs`](Self::wait_for_logs). `is_enough` is asked at once and
    /// after each change, always outside the store's lock.
    ///
    /// # Errors
    ///
    /// When `timeout` passes first ([`Error::is_timeout`]).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tracing_otlp_collector::Collector;
    /// # let collector = Collector::start()?;
    /// let settled = collector.wait_for(
    ///     |kept| kept.audit().orphaned == 0,
    ///     Duration::from_secs(5),
    /// )?;
    /// assert_eq!(settled.logs.len(), 0);
    /// # Ok::<(), tracing_otlp_collector::Error>(())
    /// ```
    pub fn wait_for(
        &self,
        is_enough: impl FnMut(&Snapshot) -> bool,
        timeout: Duration,
    ) -> Result<Snapshot, Error> {
        self.store.wait_for(is_enough, timeout)
    }

    /// Counts which of the kept log records point at a span that arrived.
    ///
    /// Spans arrive when they end: audit after the program flushed both signals.
    pub fn audit(&self) -> Audit {
        self.snapshot().audit()
    }

    /// Draws the kept spans and log records as trees for people to read.
    pub fn trace_tree(&self) -> TraceTree {
        self.snapshot().trace_tree()
    }

    /// Closes the port, lets requests in flight finish for one second, and ends the thread.
    ///
    /// Where it forwards, it also gives what is on its way there its time
    /// (`Forward::with_shutdown_deadline`). Calling it again does nothing. What was kept stays readable.
    ///
    /// # Errors
    ///
    /// When the thread is still busy after three seconds; it then ends on its own later.
    pub fn shutdown(&self) -> Result<(), Error> {
        let stopped = self.receiver.stop();
        if let Some(onward) = &self.onward {
            onward.end();
        }
        stopped
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("address", &self.local_addr())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

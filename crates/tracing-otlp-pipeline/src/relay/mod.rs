//! Passes on what somebody else has encoded: requests of any signal, straight into delivery.
//!
//! A second entrance, beside the SDK's providers. [`Relay`] takes a request and sees it to its end,
//! with retries, spool and counts; [`Courier`] makes one attempt and tells how it went.
//!
//! ```text
//! Relay::push ─▶ inbox ─▶ worker (shape, compress) ─▶ deliver ─▶ wire
//! Courier::send ──────────────────────────────────────────────▶ wire
//! ```

mod courier;
mod inbox;
mod parcel;

pub use courier::{Courier, Reply};
pub use parcel::Parcel;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use opentelemetry::Context;

use self::inbox::Inbox;
use crate::{
    builder::open_spool,
    deliver::{
        overflow::Overflow,
        queue::Queue,
        thread::{self as delivery, Route},
    },
    door::deadline,
    encode::Shape,
    error::Error,
    event::DeliveryEvent,
    ledger::{Counts, LossReason},
    notice::{Callback, EventCallback, Notice, Notifier},
    report::Report,
    settings::{DeliverySettings, Destination, Signal},
    unwind::caught,
};

/// Delivers requests that somebody else encoded, and knows what became of each.
///
/// Pushing never waits: what there is no room for is counted as lost. From there everything is as
/// for a [`Pipeline`](crate::Pipeline): retries, `Retry-After`, breaker, splitting, spool, notices,
/// counts (of log records, spans, and data points). Dropping it shuts it down within
/// [`DeliverySettings::with_shutdown_deadline`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tracing_otlp_pipeline::{Destination, Parcel, Relay, SeverityBand, Signal};
///
/// let relay = Relay::builder()
///     .with_destination(Destination::from_base(Signal::Logs, "http://localhost:4318")?)
///     .build()?;
/// # let protobuf = Vec::new();
/// relay.push(Parcel::new(Signal::Logs, protobuf).with_records(SeverityBand::Info, 12));
/// let report = relay.shutdown(Duration::ZERO);
/// assert_eq!(report.logs().emitted(), 12);
/// # Ok::<(), tracing_otlp_pipeline::Error>(())
/// ```
pub struct Relay {
    inbox: Arc<Inbox>,
    queue: Arc<Queue>,
    overflow: Option<Arc<Overflow>>,
    shutdown_deadline: Duration,
    ended: Mutex<Option<Report>>,
}

impl Relay {
    /// Starts from defaults: no destinations, delivery as [`DeliverySettings`] has it.
    pub fn builder() -> RelayBuilder {
        RelayBuilder::default()
    }

    /// Takes a request in, or counts its records as lost; never waits.
    ///
    /// A parcel without records is not sent: there is nothing in it.
    pub fn push(&self, parcel: Parcel) {
        if parcel.records.total() == 0 {
            return;
        }
        if let Err(reason) = self.inbox.push(parcel, self.queue.ledger()) {
            // So that it is told.
            if reason != LossReason::AfterShutdown {
                self.queue.wake();
            }
        }
    }

    /// What became of everything pushed so far.
    pub fn counts(&self) -> Counts {
        self.queue.ledger().counts()
    }

    /// Delivers everything pushed so far, or as much as the deadline allows, and reports.
    ///
    /// Blocks the calling thread; not to be called by the callbacks.
    pub fn force_flush(&self, timeout: Duration) -> Report {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let (start, until) = (Instant::now(), deadline(timeout));
        let before = self.counts();
        let passed = self.inbox.wait_until_empty(until);
        let settled = self.queue.flush(&Signal::ALL, until) && passed;
        Report::new(&self.counts(), &before, settled, start.elapsed())
    }

    /// Ends the relay: takes nothing in any more, delivers what is inside until the deadline, leaves
    /// the rest to the spool or counts it as lost, and reports.
    ///
    /// Every call returns the same report. Blocks the calling thread; not to be called by the
    /// callbacks.
    pub fn shutdown(&self, timeout: Duration) -> Report {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = &*ended {
            return report.clone();
        }
        let (start, until) = (Instant::now(), deadline(timeout));
        let before = self.counts();
        self.inbox.close();
        // What cannot be encoded in half of the time could not be sent in the other half.
        self.inbox.wait_until_empty(start + (until - start) / 2);
        self.queue.close(until, |_| false);
        if let Some(overflow) = &self.overflow {
            overflow.close(self.queue.ledger(), until);
        }
        self.queue.wait_for_silence(until);
        let report = Report::new(&self.counts(), &before, true, start.elapsed());
        *ended = Some(report.clone());
        report
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.shutdown(self.shutdown_deadline);
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// What a [`Relay`] is built from.
#[must_use = "nothing is delivered before build()"]
#[derive(Default)]
pub struct RelayBuilder {
    destinations: Vec<Destination>,
    delivery: DeliverySettings,
    callback: Option<Callback>,
    on_event: Option<EventCallback>,
}

impl RelayBuilder {
    /// Sets where the requests of the destination's signal go, instead of an earlier one.
    ///
    /// What is pushed without a destination is lost as `unreachable`.
    pub fn with_destination(mut self, destination: Destination) -> Self {
        self.destinations
            .retain(|known| known.signal() != destination.signal());
        self.destinations.push(destination);
        self
    }

    /// Sets the bounds of delivery. As many bytes as may wait for delivery may wait to be encoded.
    pub fn with_delivery(mut self, settings: DeliverySettings) -> Self {
        self.delivery = settings;
        self
    }

    /// Calls back with what people should know; without it nothing is said.
    ///
    /// The callback runs on the delivery thread, outside of any lock and with telemetry suppressed.
    pub fn on_notice(mut self, callback: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.callback = Some(Arc::new(callback));
        self
    }

    /// Calls back with everything that becomes of requests; without it nothing is told.
    ///
    /// The callback runs on the delivery thread, outside of any lock and with telemetry suppressed.
    pub fn on_event(mut self, callback: impl Fn(&DeliveryEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(callback));
        self
    }

    /// Starts the relay and its threads, inside or outside of any runtime.
    ///
    /// Nothing is connected to yet: a destination that is down is no reason to fail.
    ///
    /// # Errors
    ///
    /// [`is_configuration`](Error::is_configuration) when a destination cannot be served by this
    /// build or a duration is zero; [`is_resource`](Error::is_resource) when a thread cannot be
    /// started.
    pub fn build(self) -> Result<Relay, Error> {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let delivery = self.delivery;
        delivery.validate()?;
        let max_bytes = delivery.max_request_bytes.get();
        let mut routes = Vec::new();
        let mut shapes = Shapes::default();
        for destination in self.destinations {
            destination.validate()?;
            let shape = Shape::of(&destination, max_bytes);
            shapes[destination.signal() as usize] = Some(shape.clone());
            routes.push(Route {
                timeout: destination.timeout(),
                destination,
                shape,
            });
        }
        let notifier = Notifier::new(self.callback).with_events(self.on_event);
        let queue = Arc::new(Queue::new(&delivery, Arc::default()));
        let mut overflow = None;
        if let (Some(settings), false) = (&delivery.spool, routes.is_empty()) {
            let signals: Vec<_> = routes.iter().map(Route::signal).collect();
            overflow = open_spool(settings, &signals, &notifier, &queue);
        }
        let inbox = Arc::new(Inbox::new(delivery.max_queued_bytes().get()));
        // The threads end by themselves when inbox and queue are closed.
        let _detached = delivery::start(
            Arc::clone(&queue),
            routes,
            delivery.connect_timeout,
            notifier,
            None,
            overflow.clone(),
        )?;
        let relay = Relay {
            inbox: Arc::clone(&inbox),
            queue: Arc::clone(&queue),
            overflow,
            shutdown_deadline: delivery.shutdown_deadline(),
            ended: Mutex::default(),
        };
        let _detached = thread::Builder::new()
            .name("tracing-otlp-relay".to_owned())
            .spawn(move || work(&inbox, &queue, &shapes))
            .map_err(|error| {
                Error::resource("the relay's thread could not be started").because(error)
            })?;
        Ok(relay)
    }
}

impl fmt::Debug for RelayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayBuilder")
            .field("destinations", &self.destinations)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

type Shapes = [Option<Shape>; Signal::ALL.len()];

/// Gives requests the shape of their destination, until there will be no more.
fn work(inbox: &Inbox, queue: &Queue, shapes: &Shapes) {
    let _suppressed = Context::enter_telemetry_suppressed_scope();
    while let Some(parcel) = inbox.next() {
        let Parcel {
            signal,
            body,
            records,
        } = parcel;
        queue.ledger().signal(signal).handed(&records);
        match shapes[signal as usize].as_ref() {
            None => queue.lose(signal, LossReason::Unreachable, records),
            Some(shape) => match caught(|| shape.fit_plain(body, records)) {
                // What there is no room for has been counted.
                Ok(Ok(request)) => drop(queue.push(request)),
                Ok(Err(_)) => queue.lose(signal, LossReason::Encode, records),
                Err(_) => queue.lose(signal, LossReason::Panic, records),
            },
        }
        inbox.done();
    }
}

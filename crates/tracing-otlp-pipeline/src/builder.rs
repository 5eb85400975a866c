//! Builds a pipeline from settings.
//!
//! Stands before the way of an event: checks what was set, and connects every stop to the next,
//! from the end to the beginning.

use std::{fmt, sync::Arc};

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    logs::{LoggerProviderBuilder, SdkLoggerProvider},
    trace::{SdkTracerProvider, TracerProviderBuilder},
};

use crate::{
    admit::{
        AdmissionSettings, RecordWeight,
        room::{Room, Weigher},
    },
    batch::{LogPipe, SpanPipe},
    deliver::{
        overflow::Overflow,
        queue::Queue,
        spool::{Spool, SpoolEvent, SpoolSettings},
        thread::{self, Connectivity, Route},
    },
    door::Door,
    encode::{LogEncoder, Shape, SpanEncoder},
    error::Error,
    event::DeliveryEvent,
    notice::{Callback, EventCallback, Notice, Notifier},
    pipeline::Pipeline,
    settings::{BatchSettings, DeliverySettings, Destination, Encoder, Signal},
};

/// Is shown the pipeline when it has been built.
pub(crate) type Observer = Box<dyn FnOnce(&Observed<'_>) + Send>;

/// What there is to be observed.
#[cfg_attr(
    not(feature = "metrics"),
    expect(dead_code, reason = "read by `metrics`")
)]
pub(crate) struct Observed<'a> {
    pub(crate) queue: &'a Arc<Queue>,
    pub(crate) doors: &'a [Arc<Door>],
    pub(crate) destinations: Vec<&'a Destination>,
}

type Map<B> = Vec<Box<dyn FnOnce(B) -> B + Send>>;

/// What a [`Pipeline`] is built from.
#[must_use = "nothing is delivered before build()"]
#[derive(Default)]
pub struct PipelineBuilder {
    resource: Option<Resource>,
    logs: Option<Destination>,
    traces: Option<Destination>,
    log_batch: Option<BatchSettings>,
    span_batch: Option<BatchSettings>,
    admission: AdmissionSettings,
    encoder: Encoder,
    delivery: DeliverySettings,
    callback: Option<Callback>,
    observers: Vec<Observer>,
    on_event: Option<EventCallback>,
    connectivity: Option<Connectivity>,
    weigher: Option<Weigher>,
    map_logger_provider: Map<LoggerProviderBuilder>,
    map_tracer_provider: Map<TracerProviderBuilder>,
}

impl PipelineBuilder {
    /// Sets what the telemetry is about; without it the SDK's own detection decides.
    pub fn with_resource(mut self, resource: Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Sets where log records go; without it there is no logger provider.
    pub fn with_logs(mut self, destination: Destination) -> Self {
        self.logs = Some(destination);
        self
    }

    /// Sets where spans go; without it there is no tracer provider.
    pub fn with_traces(mut self, destination: Destination) -> Self {
        self.traces = Some(destination);
        self
    }

    /// Sets how log records are batched, [`BatchSettings::logs`] unless set.
    pub fn with_log_batch(mut self, settings: BatchSettings) -> Self {
        self.log_batch = Some(settings);
        self
    }

    /// Sets how spans are batched, [`BatchSettings::spans`] unless set.
    pub fn with_span_batch(mut self, settings: BatchSettings) -> Self {
        self.span_batch = Some(settings);
        self
    }

    /// Sets which log records may wait for a batch while the queue fills, and which leave at once.
    pub fn with_admission(mut self, settings: AdmissionSettings) -> Self {
        self.admission = settings;
        self
    }

    /// Asks `weigher` what the log record weighs that the same thread is emitting right now, instead
    /// of looking at all its attributes again; where the answer is `None`, they are looked at.
    ///
    /// Only asked while bytes are bounded
    /// ([`AdmissionSettings::with_max_queued_bytes`]), and not at all with
    /// [`map_logger_provider`](Self::map_logger_provider): a processor that is added there may change
    /// a record after it was weighed. An answer for another record than the one at hand makes the
    /// bound inexact for as long as records wait.
    pub fn with_weigher(mut self, weigher: fn() -> Option<RecordWeight>) -> Self {
        self.weigher = Some(weigher);
        self
    }

    /// Sets who turns batches into OTLP requests, [`Encoder::Direct`] unless set.
    pub fn with_encoder(mut self, encoder: Encoder) -> Self {
        self.encoder = encoder;
        self
    }

    /// Has somebody shown the pipeline when it has been built.
    #[cfg(feature = "metrics")]
    pub(crate) fn with_observer(mut self, observer: Observer) -> Self {
        self.observers.push(observer);
        self
    }

    /// Sets the bounds of delivery.
    pub fn with_delivery(mut self, settings: DeliverySettings) -> Self {
        self.delivery = settings;
        self
    }

    /// Calls back with what people should know; without it nothing is said.
    ///
    /// The callback runs on the delivery thread, outside of any lock and with telemetry suppressed
    /// (a `tracing` event in it reaches the console but not this pipeline); for the first record
    /// after a shutdown it runs on the thread that emitted it. It may panic, but while it takes its
    /// time nothing is delivered.
    pub fn on_notice(mut self, callback: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.callback = Some(Arc::new(callback));
        self
    }

    /// Calls back with everything that becomes of requests; without it nothing is told.
    ///
    /// The callback runs on the delivery thread, outside of any lock and with telemetry suppressed.
    /// It may panic, but while it takes its time nothing is delivered.
    pub fn on_event(mut self, callback: impl Fn(&DeliveryEvent) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(callback));
        self
    }

    /// Asks the callback whether the process can reach the network; without it the answer is yes.
    ///
    /// While the answer is no, nothing is sent: no attempt is made, no deadline of a request comes
    /// nearer, and what is emitted waits in the queue (or goes to the spool when that is full). The
    /// callback is asked on the delivery thread before something is sent, and every second while
    /// the answer is no; it should answer at once. See also [`Pipeline::set_online`].
    pub fn with_connectivity(
        mut self,
        is_online: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.connectivity = Some(Arc::new(is_online));
        self
    }

    /// Changes the SDK's logger provider before it is built, for example adds processors, which
    /// come before the delivering one.
    pub fn map_logger_provider(
        mut self,
        map: impl FnOnce(LoggerProviderBuilder) -> LoggerProviderBuilder + Send + 'static,
    ) -> Self {
        self.map_logger_provider.push(Box::new(map));
        self
    }

    /// Changes the SDK's tracer provider before it is built, for example sets a sampler or adds
    /// processors, which come before the delivering one.
    pub fn map_tracer_provider(
        mut self,
        map: impl FnOnce(TracerProviderBuilder) -> TracerProviderBuilder + Send + 'static,
    ) -> Self {
        self.map_tracer_provider.push(Box::new(map));
        self
    }

    /// Builds the pipeline and starts its threads, inside or outside of any runtime.
    ///
    /// Nothing is connected to yet: a destination that is down is no reason to fail.
    ///
    /// # Errors
    ///
    /// [`is_configuration`](Error::is_configuration) when a destination is for another signal, or
    /// cannot be served by this build, or a duration is zero, or a watermark is not from 1 to 100;
    /// [`is_resource`](Error::is_resource) when a thread cannot be started.
    pub fn build(self) -> Result<Pipeline, Error> {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let log_batch = self.log_batch.unwrap_or_else(BatchSettings::logs);
        let span_batch = self.span_batch.unwrap_or_else(BatchSettings::spans);
        let delivery = self.delivery;
        delivery.validate()?;
        self.admission.validate()?;
        let mut routes = Vec::new();
        for (destination, signal, batch) in [
            (&self.logs, Signal::Logs, &log_batch),
            (&self.traces, Signal::Traces, &span_batch),
        ] {
            if let Some(destination) = destination {
                let max_bytes = delivery.max_request_bytes.get();
                routes.push(route(destination, signal, batch, max_bytes)?);
            }
        }

        let notifier = Notifier::new(self.callback).with_events(self.on_event);
        let queue = Arc::new(Queue::new(&delivery, Arc::default()));
        let resource = self.resource.unwrap_or_else(|| Resource::builder().build());
        let mut doors = Vec::new();
        let mut door = |signal, room| {
            let door = Arc::new(Door::new(
                signal,
                room,
                Arc::clone(&queue),
                notifier.clone(),
            ));
            doors.push(Arc::clone(&door));
            door
        };
        let max_bytes = delivery.max_request_bytes.get();
        let flush_timeout = delivery.shutdown_deadline();

        let log_pipe = match &self.logs {
            None => None,
            Some(destination) => Some(LogPipe::new(
                || LogEncoder::new(self.encoder, Shape::of(destination, max_bytes)),
                &log_batch,
                &self.admission,
                door(
                    Signal::Logs,
                    room(
                        &log_batch,
                        &self.admission,
                        // A processor that comes before ours may change a record.
                        self.weigher.filter(|_| self.map_logger_provider.is_empty()),
                    ),
                ),
                flush_timeout,
            )?),
        };
        let span_pipe = match &self.traces {
            None => None,
            Some(destination) => Some(SpanPipe::new(
                SpanEncoder::new(self.encoder, Shape::of(destination, max_bytes))?,
                &span_batch,
                door(
                    Signal::Traces,
                    Room::first_come(
                        span_batch.max_queue_size().get(),
                        self.admission.max_queued_bytes().get(),
                    ),
                ),
                flush_timeout,
            )?),
        };
        let mut overflow = None;
        if let (Some(settings), false) = (&delivery.spool, routes.is_empty()) {
            let signals: Vec<_> = routes.iter().map(Route::signal).collect();
            overflow = open_spool(settings, &signals, &notifier, &queue);
        }
        if !routes.is_empty() {
            // The thread ends by itself when the queue is closed.
            let _detached = thread::start(
                Arc::clone(&queue),
                routes,
                delivery.connect_timeout,
                notifier,
                self.connectivity,
                overflow.clone(),
            )?;
        }
        let logger_provider = log_pipe.map(|pipe| {
            let builder = SdkLoggerProvider::builder().with_resource(resource.clone());
            let builder = apply(self.map_logger_provider, builder);
            builder.with_log_processor(pipe).build()
        });
        let tracer_provider = span_pipe.map(|pipe| {
            let builder = SdkTracerProvider::builder().with_resource(resource);
            let builder = apply(self.map_tracer_provider, builder);
            builder.with_span_processor(pipe).build()
        });
        let destinations = self.logs.iter().chain(&self.traces).collect();
        show(self.observers, &queue, &doors, destinations);
        Ok(Pipeline::from_parts(
            logger_provider,
            tracer_provider,
            doors,
            queue,
            overflow,
            flush_timeout,
        ))
    }
}

/// The room in front of the batch processor for logs.
fn room(batch: &BatchSettings, admission: &AdmissionSettings, weigher: Option<Weigher>) -> Room {
    let room = Room::new(batch.max_queue_size().get(), admission);
    match weigher {
        Some(weigher) => room.with_weigher(weigher),
        None => room,
    }
}

/// The way to a destination, if it is one for the signal and this build can serve it.
fn route(
    destination: &Destination,
    signal: Signal,
    batch: &BatchSettings,
    max_bytes: usize,
) -> Result<Route, Error> {
    if destination.signal() != signal {
        return Err(Error::configuration(format!(
            "the destination for {signal} is one for {}",
            destination.signal()
        )));
    }
    destination.validate()?;
    batch.validate(signal)?;
    Ok(Route {
        destination: destination.clone(),
        timeout: destination.timeout().min(batch.export_timeout()),
        shape: Shape::of(destination, max_bytes),
    })
}

/// Shows the pipeline to those who want to see it.
fn show(
    observers: Vec<Observer>,
    queue: &Arc<Queue>,
    doors: &[Arc<Door>],
    destinations: Vec<&Destination>,
) {
    let observed = Observed {
        queue,
        doors,
        destinations,
    };
    for observer in observers {
        observer(&observed);
    }
}

/// Without its spool a pipeline delivers from memory: a disk is no reason not to start.
pub(crate) fn open_spool(
    settings: &SpoolSettings,
    signals: &[Signal],
    notifier: &Notifier,
    queue: &Queue,
) -> Option<Arc<Overflow>> {
    let theirs = notifier.clone();
    let opened = Spool::open(settings, signals, move |event| {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        theirs.say(&match event {
            SpoolEvent::Degraded { reason } => Notice::SpoolFailing {
                reason: reason.clone(),
            },
            _ => Notice::SpoolRestored,
        });
    });
    match opened {
        Ok((spool, recovered)) => {
            queue.spills();
            let damaged = Notice::SpoolDamaged {
                torn_bytes: recovered.torn_bytes,
                unreadable_files: recovered.unreadable_files,
                foreign_files: recovered.foreign_files,
            };
            if recovered.torn_bytes + recovered.unreadable_files + recovered.foreign_files > 0 {
                notifier.say(&damaged);
            }
            Some(Arc::new(Overflow::new(
                spool,
                settings.replay_pause(),
                &recovered,
                queue.ledger(),
            )))
        }
        Err(error) => {
            notifier.say(&Notice::SpoolFailing {
                reason: error.to_string(),
            });
            None
        }
    }
}

fn apply<B>(maps: Map<B>, builder: B) -> B {
    maps.into_iter().fold(builder, |builder, map| map(builder))
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("logs", &self.logs)
            .field("traces", &self.traces)
            .field("log_batch", &self.log_batch)
            .field("span_batch", &self.span_batch)
            .field("admission", &self.admission)
            .field("encoder", &self.encoder)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

//! The pipeline as a whole: look at it, flush it, shut it down.
//!
//! Holds every stop from the SDK's providers to the delivery thread, and the order in which they
//! end: doors closed, batches drained, delivery drained, the rest written off.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use opentelemetry::{Context, logs::Severity};
use opentelemetry_sdk::{logs::SdkLoggerProvider, trace::SdkTracerProvider};

use crate::{
    admit::Tally,
    builder::PipelineBuilder,
    deliver::{overflow::Overflow, queue::Queue},
    door::{DeliveryComesLater, Door, deadline},
    ledger::{Counts, SourceCounts},
    report::Report,
    settings::Signal,
};

/// Delivers log records and spans over OTLP, and knows what became of each.
///
/// Dropping it shuts it down within [`DeliverySettings::with_shutdown_deadline`](crate::DeliverySettings::with_shutdown_deadline); call
/// [`shutdown`](Self::shutdown) to see the report.
pub struct Pipeline {
    inner: Arc<Inner>,
}

impl Pipeline {
    /// Starts from defaults: no destinations, the specification's batching, a resource as the SDK
    /// detects it.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    pub(crate) fn from_parts(
        logger_provider: Option<SdkLoggerProvider>,
        tracer_provider: Option<SdkTracerProvider>,
        doors: Vec<Arc<Door>>,
        queue: Arc<Queue>,
        overflow: Option<Arc<Overflow>>,
        shutdown_deadline: Duration,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                logger_provider,
                tracer_provider,
                doors,
                queue,
                overflow,
                shutdown_deadline,
                phase: Mutex::default(),
                phase_changed: Condvar::new(),
            }),
        }
    }

    /// The provider whose loggers deliver to the destination for logs, if there is one.
    pub fn logger_provider(&self) -> Option<&SdkLoggerProvider> {
        self.inner.logger_provider.as_ref()
    }

    /// The provider whose tracers deliver to the destination for traces, if there is one.
    pub fn tracer_provider(&self) -> Option<&SdkTracerProvider> {
        self.inner.tracer_provider.as_ref()
    }

    /// What became of everything emitted so far.
    pub fn counts(&self) -> Counts {
        self.inner.queue.ledger().counts()
    }

    /// Has counts and reports include what somebody in front of the pipeline counts, for example
    /// a layer that left out log records.
    ///
    /// The closure fills in totals since the start. It runs whenever counts are taken, on the
    /// thread that takes them, so it should be quick; it must not take counts itself.
    pub fn add_source(&self, source: impl Fn(&mut SourceCounts) + Send + Sync + 'static) {
        self.inner.queue.ledger().add_source(Arc::new(source));
    }

    /// What to call when a logger of this pipeline did not want a record
    /// ([`Logger::event_enabled`](opentelemetry::logs::Logger::event_enabled)), right after it was
    /// asked and on the same thread.
    ///
    /// What the pipeline's own processor turns away is counted there, and not again. But a logger
    /// that was made after the shutdown has no processors, and refuses without asking anybody;
    /// such a record is counted as `after_shutdown` here, and as filtered where no log records are
    /// exported at all.
    pub fn refusals(&self) -> impl Fn(Severity) + Send + Sync + 'static + use<> {
        let queue = Arc::clone(&self.inner.queue);
        let door = self
            .inner
            .doors
            .iter()
            .find(|door| door.signal() == Signal::Logs);
        let door = door.cloned();
        move |severity: Severity| {
            if let Some(door) = &door {
                door.count_refusal(severity);
            } else {
                let account = queue.ledger().signal(Signal::Logs);
                account.filtered(Tally::of(severity.into(), 1));
            }
        }
    }

    /// Tells the pipeline whether the process can reach the network; until told it assumes so.
    ///
    /// While it cannot, nothing is sent: no attempt is made, no deadline of a request comes nearer,
    /// and what is emitted waits in the queue. A shutdown while offline sends nothing either.
    pub fn set_online(&self, online: bool) {
        self.inner.queue.set_online(online);
    }

    /// Delivers everything emitted so far, or as much as the deadline allows, and reports.
    ///
    /// Blocks the calling thread, which may be any, inside or outside of a runtime; but not one
    /// that runs the notice callback. What is left at the deadline stays on its way.
    pub fn force_flush(&self, timeout: Duration) -> Report {
        self.inner.force_flush(timeout)
    }

    /// Like [`force_flush`](Self::force_flush), without blocking; works in any runtime and without.
    ///
    /// A future that is dropped leaves the flush to end by itself.
    pub fn force_flush_async(
        &self,
        timeout: Duration,
    ) -> impl Future<Output = Report> + Send + use<> {
        on_own_thread(Arc::clone(&self.inner), move |inner| {
            inner.force_flush(timeout)
        })
    }

    /// Ends the pipeline: lets nothing in any more, delivers what is inside until the deadline,
    /// counts the rest as lost, and reports.
    ///
    /// May be called from any thread, inside or outside of a runtime, at once and again: every call
    /// returns the same report. It takes no longer than the deadline, whatever the destination
    /// does. Only the notice callback must not call it: the delivery thread would wait for itself
    /// until the deadline.
    pub fn shutdown(&self, timeout: Duration) -> Report {
        self.inner.shutdown(timeout)
    }

    /// Like [`shutdown`](Self::shutdown), without blocking; works in any runtime and without.
    ///
    /// A future that is dropped leaves the shutdown to end by itself.
    pub fn shutdown_async(&self, timeout: Duration) -> impl Future<Output = Report> + Send + use<> {
        on_own_thread(Arc::clone(&self.inner), move |inner| {
            inner.shutdown(timeout)
        })
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.inner.shutdown(self.inner.shutdown_deadline);
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// Runs the closure on a thread of its own, and awaits its report without a runtime.
async fn on_own_thread(
    inner: Arc<Inner>,
    run: impl FnOnce(&Arc<Inner>) -> Report + Send + 'static,
) -> Report {
    let start = Instant::now();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let theirs = Arc::clone(&inner);
    spawn_or_run("tracing-otlp-wait", move || {
        let _ = done.send(run(&theirs));
    });
    let report = is_done.await;
    report.unwrap_or_else(|_| inner.report_unsettled(&inner.queue.ledger().counts(), start))
}

/// Runs the closure on a thread of its own or, where there is none to be had, here and now: what
/// is waiting should not be lost for want of a thread.
fn spawn_or_run(name: &str, run: impl FnOnce() + Send + 'static) {
    let job = Arc::new(Mutex::new(Some(run)));
    let theirs = Arc::clone(&job);
    let take = |job: &Mutex<Option<_>>| job.lock().unwrap_or_else(PoisonError::into_inner).take();
    let spawned = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if let Some(run) = take(&theirs) {
                run();
            }
        });
    if spawned.is_err() {
        if let Some(run) = take(&job) {
            run();
        }
    }
}

struct Inner {
    logger_provider: Option<SdkLoggerProvider>,
    tracer_provider: Option<SdkTracerProvider>,
    doors: Vec<Arc<Door>>,
    queue: Arc<Queue>,
    overflow: Option<Arc<Overflow>>,
    shutdown_deadline: Duration,
    phase: Mutex<Phase>,
    phase_changed: Condvar,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The SDK has things to say when providers go.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        drop(self.logger_provider.take());
        drop(self.tracer_provider.take());
    }
}

/// How far the pipeline has come, and whether somebody is inside the providers.
#[derive(Default)]
struct Phase {
    /// Set by the first shutdown.
    shutting_down: bool,
    /// Set by its end.
    ended: Option<Report>,
    /// A helper thread flushes the providers; one at a time, so that one that hangs in other
    /// people's processor is not joined by more.
    helper: bool,
}

impl Inner {
    fn force_flush(self: &Arc<Self>, timeout: Duration) -> Report {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let (start, until) = (Instant::now(), deadline(timeout));
        let before = self.queue.ledger().counts();
        let flushed = self.through_providers(until, |inner, _| {
            if let Some(provider) = &inner.logger_provider {
                let _ = provider.force_flush();
            }
            if let Some(provider) = &inner.tracer_provider {
                let _ = provider.force_flush();
            }
        });
        let settled = self.queue.flush(&Signal::ALL, until) && flushed;
        Report::new(
            &self.queue.ledger().counts(),
            &before,
            settled,
            start.elapsed(),
        )
    }

    fn shutdown(self: &Arc<Self>, timeout: Duration) -> Report {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let (start, until) = (Instant::now(), deadline(timeout));
        let before = self.queue.ledger().counts();
        {
            let mut phase = self.phase();
            while phase.shutting_down {
                if let Some(report) = &phase.ended {
                    return report.clone();
                }
                match self.wait(phase, until) {
                    Some(again) => phase = again,
                    None => return self.report_unsettled(&before, start),
                }
            }
            phase.shutting_down = true;
        }
        for door in &self.doors {
            door.close();
        }
        self.through_providers(until, |inner, until| {
            let left = || until.saturating_duration_since(Instant::now());
            if let Some(provider) = &inner.logger_provider {
                let _ = provider.shutdown_with_timeout(left());
            }
            if let Some(provider) = &inner.tracer_provider {
                let _ = provider.shutdown_with_timeout(left());
            }
        });
        self.queue.close(until, |signal| {
            self.doors
                .iter()
                .any(|door| door.signal() == signal && door.worker_lost())
        });
        if let Some(overflow) = &self.overflow {
            overflow.close(self.queue.ledger(), until);
        }
        self.queue.wait_for_silence(until);
        let report = Report::new(
            &self.queue.ledger().counts(),
            &before,
            true,
            start.elapsed(),
        );
        self.phase().ended = Some(report.clone());
        self.phase_changed.notify_all();
        report
    }

    /// Runs the closure on a helper thread, because processors of other people may hang; says
    /// whether it ended before the deadline.
    fn through_providers(
        self: &Arc<Self>,
        until: Instant,
        run: impl FnOnce(&Self, Instant) + Send + 'static,
    ) -> bool {
        let mut phase = self.phase();
        while phase.helper {
            match self.wait(phase, until) {
                Some(again) => phase = again,
                None => return false,
            }
        }
        phase.helper = true;
        drop(phase);

        let (done, is_done) = mpsc::sync_channel(1);
        let turn = Turn(Arc::clone(self));
        spawn_or_run("tracing-otlp-flush", move || {
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            let _later = DeliveryComesLater::enter();
            run(&turn.0, until);
            drop(turn);
            let _ = done.send(());
        });
        is_done
            .recv_timeout(until.saturating_duration_since(Instant::now()))
            .is_ok()
    }

    fn report_unsettled(&self, before: &Counts, start: Instant) -> Report {
        Report::new(
            &self.queue.ledger().counts(),
            before,
            false,
            start.elapsed(),
        )
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the phase to change; `None` when the time is over.
    fn wait<'a>(
        &'a self,
        phase: MutexGuard<'a, Phase>,
        until: Instant,
    ) -> Option<MutexGuard<'a, Phase>> {
        let left = until.checked_duration_since(Instant::now())?;
        let (phase, _) = self
            .phase_changed
            .wait_timeout(phase, left)
            .unwrap_or_else(PoisonError::into_inner);
        Some(phase)
    }
}

/// The turn of one helper; ends even when the helper panics or could not be started.
struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.phase().helper = false;
        self.0.phase_changed.notify_all();
    }
}

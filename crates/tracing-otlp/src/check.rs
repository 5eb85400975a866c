//! Notices a trace layer whose spans cannot be found, and says so once.
//!
//! A `tracing-opentelemetry` built on another version of `opentelemetry` compiles beside this
//! crate, but keeps its spans where nobody here can see them. The sign: an event inside a
//! `tracing` span, and no OpenTelemetry span anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_core::{Event, Subscriber};
use tracing_otlp_layer::{LayerCounts, is_suppressed, thread_is_ending};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::say::say;

/// Looks at the first event inside a span, then rests.
pub(crate) struct LinkCheck {
    pub(crate) counts: LayerCounts,
    /// Our own span layer was taken: then spans hidden by filters are the user's choice.
    pub(crate) has_span_layer: Arc<AtomicBool>,
    pub(crate) done: AtomicBool,
}

impl<S> Layer<S> for LinkCheck
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if self.done.load(Ordering::Relaxed)
            || !event.is_contextual()
            || thread_is_ending()
            || is_suppressed()
            || ctx.lookup_current().is_none()
            || self.done.swap(true, Ordering::Relaxed)
        {
            return;
        }
        // The log layer has looked before.
        if !self.counts.has_found_span() && !self.has_span_layer.load(Ordering::Relaxed) {
            say(
                &"an event inside a tracing span found no OpenTelemetry span, so its record has no \
                 trace id: add telemetry.span_layer() to the registry; a trace layer of your own \
                 must be built on the opentelemetry version that tracing_otlp re-exports",
            );
        }
    }
}

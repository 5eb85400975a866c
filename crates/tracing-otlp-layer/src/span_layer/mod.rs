//! The trace layer, set up so that it and the log layer do not do the same work twice.
//!
//! It stands beside the way of an event: it makes the spans that records point at. Around
//! `tracing-opentelemetry`'s layer it adds four things: one event is one record (no copy as a
//! span event), an ERROR event still marks its span, suppressed telemetry makes no spans, and a
//! field's `Debug` that panics stays a field's.

mod fence;

use std::fmt::Write as _;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{Status, TraceContextExt as _, Tracer};
use tracing_core::field::{Field, Visit};
use tracing_core::span::Id;
use tracing_core::subscriber::Interest;
use tracing_core::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::capture::spans::{self, LayerId};
use crate::draft::error;
use crate::draft::limits::Bounded;
use crate::guard;
use crate::link::{Linker, has_span, is_same};
pub use fence::Fence;

/// Whether events are also recorded on the span they belong to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanEvents {
    /// One event is one log record. An ERROR event marks its span's status. The default.
    #[default]
    Off,
    /// Events become span events too, as `tracing-opentelemetry` does by itself; about double
    /// the cost an event.
    On,
}

/// A trace layer over `tracer`, with [`SpanEvents::Off`].
///
/// # Examples
///
/// ```
/// # use opentelemetry::trace::TracerProvider as _;
/// use tracing_subscriber::prelude::*;
///
/// let spans = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
/// let subscriber =
///     tracing_subscriber::registry().with(tracing_otlp_layer::span_layer(spans.tracer("app")));
/// ```
pub fn span_layer<S, T>(tracer: T) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync,
{
    span_layer_with(tracer, SpanEvents::Off, |layer| layer)
}

/// The same, with the layer of `tracing-opentelemetry` inside set up by `setup`.
///
/// # Examples
///
/// ```
/// # use opentelemetry::trace::TracerProvider as _;
/// use tracing_otlp_layer::{SpanEvents, span_layer_with};
/// use tracing_subscriber::prelude::*;
///
/// let spans = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
/// let layer = span_layer_with(spans.tracer("app"), SpanEvents::Off, |layer| {
///     layer.with_threads(false).with_tracked_inactivity(false)
/// });
/// let subscriber = tracing_subscriber::registry().with(layer);
/// ```
pub fn span_layer_with<S, T>(
    tracer: T,
    events: SpanEvents,
    setup: impl FnOnce(OpenTelemetryLayer<S, T>) -> OpenTelemetryLayer<S, T>,
) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    T: Tracer + Send + Sync + 'static,
    T::Span: Send + Sync,
{
    let layer = setup(tracing_opentelemetry::layer().with_tracer(tracer));
    Fence::around(layer)
        .with_filter(Gate { events })
        .and_then(MarkErrors {
            id: LayerId::next(),
            events,
            linker: Linker::new(),
        })
}

/// Lets spans through, events on request, and nothing of suppressed telemetry.
struct Gate {
    events: SpanEvents,
}

impl Gate {
    fn lets(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() || self.events == SpanEvents::On
    }
}

impl<S> Filter<S> for Gate {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.lets(metadata) && !guard::thread_is_ending() && !guard::is_suppressed()
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Suppression is the moment's, so a span is asked about each time.
        if self.lets(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }
}

/// Sets the status of the span that an ERROR event belongs to.
///
/// The description is the event's `error`, else its message. Source: Trace API, "Set Status";
/// semantic conventions, "Recording errors".
#[derive(Debug)]
struct MarkErrors {
    id: LayerId,
    /// With span events on, the trace layer marks by itself.
    events: SpanEvents,
    linker: Linker,
}

impl<S> Layer<S> for MarkErrors
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.linker.set_dispatch(dispatch);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        spans::enter(self.id, id.clone());
        if !self.linker.knows_dispatch() {
            if let Some(span) = ctx.span(id) {
                self.linker.learn(|dispatch| has_span(dispatch, &span));
            }
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        spans::exit(self.id, id);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.events == SpanEvents::On
            || *event.metadata().level() != Level::ERROR
            || event.is_root()
            || guard::thread_is_ending()
            || guard::is_suppressed()
            || !guard::may_enter()
        {
            return;
        }
        self.linker.learn(|dispatch| is_same(dispatch, self));
        // Only a span that takes it has the event formatted.
        let mark = |cx: &OtelContext| {
            let span = cx.span();
            if span.is_recording() {
                let text = Description::of(event);
                guard::emitting(|| span.set_status(Status::error(text)));
            }
        };
        if let Some(id) = event.parent() {
            let _ = self.linker.with_exported(id, mark);
        } else if OtelContext::map_current(OtelContext::has_active_span) {
            mark(&OtelContext::current());
        } else if let Some(id) = spans::current_id(self.id) {
            // A trace layer that does not activate contexts.
            let _ = self.linker.with_exported(&id, mark);
        }
    }
}

/// Bytes of a status description. It is shown in one line.
const MAX_DESCRIPTION: usize = 1024;

#[derive(Default)]
struct Description {
    error: Option<String>,
    message: Option<String>,
}

impl Description {
    fn of(event: &Event<'_>) -> String {
        let mut description = Self::default();
        // What a `Debug` logs in here is logged when the log layer reads the field.
        guard::emitting(|| event.record(&mut description));
        description
            .error
            .or(description.message)
            .unwrap_or_default()
    }

    fn put(&mut self, field: &Field, text: impl FnOnce() -> String) {
        match field.name() {
            "message" => self.message = Some(text()),
            "error" | "err" => self.error = Some(text()),
            _ => {}
        }
    }
}

impl Visit for Description {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, || {
            crate::draft::limits::prefix(value, MAX_DESCRIPTION).to_owned()
        });
    }

    fn record_error(&mut self, _: &Field, value: &(dyn std::error::Error + 'static)) {
        if self.error.is_none() && !value.is::<crate::draft::nested::Nested>() {
            self.error = Some(error::message(value, MAX_DESCRIPTION));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, || {
            let mut text = Bounded::new(MAX_DESCRIPTION);
            match guard::formatting(|| write!(text, "{value:?}")) {
                Some(_) => text.text,
                None => error::PANICKED.to_owned(),
            }
        });
    }
}

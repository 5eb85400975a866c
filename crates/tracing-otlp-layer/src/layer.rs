//! The layer: its settings, and hooks of a few lines.
//!
//! What becomes of an event stands in `take`; what is kept of spans in `capture`.

use std::fmt;
use std::sync::Arc;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{Logger, LoggerProvider, Severity};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::capture::callsite::Callsites;
use crate::capture::spans::{self, LayerId, Node, Spans};
use crate::counts::LayerCounts;
use crate::guard;
use crate::link::{Linker, has_span};
use crate::settings::{Limits, Settings, SpanFields, UnsampledPolicy};

/// Turns `tracing` events into OpenTelemetry log records.
///
/// Put it into a registry *after* the trace layer ([`span_layer`](crate::span_layer) or
/// `tracing_opentelemetry::layer()`), so that a span is started before this layer hears of it.
/// It works without a trace layer too: then records carry the ids of whatever OpenTelemetry
/// context the application attached, or none.
///
/// Nothing that an application logs makes it panic, block or recurse: a `Debug` that panics
/// becomes the text `<panicked while formatting>`, a `Debug` that logs is logged once for each layer
/// that formats it, and events from telemetry's own threads (suppressed contexts) are left out.
pub struct LogLayer<L> {
    pub(crate) id: LayerId,
    pub(crate) settings: Settings,
    pub(crate) callsites: Callsites<L>,
    pub(crate) spans: Spans,
    pub(crate) linker: Linker,
    pub(crate) counts: LayerCounts,
}

impl<L> LogLayer<L> {
    /// A layer over any logger provider, with the defaults of each setting below.
    ///
    /// The provider is cloned; shutting it down stays the caller's business.
    pub fn new<P>(provider: &P) -> Self
    where
        P: LoggerProvider<Logger = L> + Clone + Send + Sync + 'static,
    {
        Self {
            id: LayerId::next(),
            settings: Settings::default(),
            callsites: Callsites::new(provider.clone()),
            spans: Spans::new(),
            linker: Linker::new(),
            counts: LayerCounts::default(),
        }
    }

    /// What happens to records of traces that were not sampled. Default:
    /// [`UnsampledPolicy::Detach`].
    #[must_use]
    pub fn with_unsampled(mut self, policy: UnsampledPolicy) -> Self {
        self.settings.unsampled = policy;
        self
    }

    /// Which span fields records carry. Default: [`SpanFields::off`].
    #[must_use]
    pub fn with_span_fields(mut self, fields: SpanFields) -> Self {
        self.settings.span_fields = fields;
        self
    }

    /// Limits on a record. Default: 128 attributes, nothing else.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Adds `code.file.path` and `code.line.number`, and `code.module.name` where the module is
    /// not the target. Default: on.
    ///
    /// `code.function.name` is not known to `tracing`; a field of that name is taken as it is.
    /// Source: semantic conventions, "Source code attributes".
    #[must_use]
    pub fn with_source(mut self, on: bool) -> Self {
        self.settings.source = on;
        self
    }

    /// Adds `thread.id` and `thread.name`. Default: off.
    #[must_use]
    pub fn with_thread(mut self, on: bool) -> Self {
        self.settings.thread = on;
        self
    }

    /// Places events on other severity numbers: the rule is asked once a call site, and `None`
    /// keeps the level's own number. Default: no rule.
    ///
    /// A field `otel.severity_number` (1 to 24) does the same for a single event and beats the
    /// rule. The severity text is the number's short name.
    #[must_use]
    pub fn with_severity_rule<F>(mut self, rule: F) -> Self
    where
        F: Fn(&Metadata<'_>) -> Option<Severity> + Send + Sync + 'static,
    {
        self.settings.severity_rule = Some(Arc::new(rule));
        self
    }

    /// Gives version, schema URL and attributes of the instrumentation scope for the target that
    /// is the scope's name, and for the modules below it. Can be called several times; the
    /// longest name wins.
    #[must_use]
    pub fn with_scope(mut self, scope: InstrumentationScope) -> Self {
        self.settings.scopes.push(scope);
        self
    }

    /// Is called when the logger did not want a record (`event_enabled`), right after it was
    /// asked and on the same thread, with the record's severity. Default: nobody is.
    ///
    /// For a ledger further down, which cannot hear of what a logger without processors refuses.
    #[must_use]
    pub fn with_on_refused<F>(mut self, tell: F) -> Self
    where
        F: Fn(Severity) + Send + Sync + 'static,
    {
        self.settings.on_refused = Some(Box::new(tell));
        self
    }

    /// Keeps the sum of what each record holds ready for whoever bounds records by their bytes, so
    /// that its attributes need not be looked at again. Default: off.
    ///
    /// Only for a layer whose records reach that one untouched, on the same thread.
    #[doc(hidden)]
    #[must_use]
    pub fn with_weights_told(mut self, on: bool) -> Self {
        self.settings.tells_weights = on;
        self
    }

    /// Counts into this handle, which other layers may share. Default: one of its own.
    #[must_use]
    pub fn with_counts(mut self, counts: &LayerCounts) -> Self {
        self.counts = counts.clone();
        self
    }

    /// A handle to ask what the layer has done.
    pub fn counts(&self) -> LayerCounts {
        self.counts.clone()
    }
}

impl<L> fmt::Debug for LogLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLayer")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl<L, S> Layer<S> for LogLayer<L>
where
    L: Logger + Send + Sync + 'static,
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.linker.set_dispatch(dispatch);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if self.settings.span_fields.is_off() {
            return;
        }
        let _ = guard::caught(|| {
            let parent = self.parent_of(attributes, id, &ctx);
            self.spans.keep(attributes, id, parent, &self.settings);
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if self.settings.span_fields.is_off() {
            return;
        }
        let _ = guard::caught(|| self.spans.update(values, id, &self.settings));
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if self.settings.span_fields.is_off() {
            return;
        }
        self.spans.forget(&id);
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
        if guard::thread_is_ending() {
            self.counts.0.at_thread_end.add(*event.metadata().level());
            return;
        }
        if guard::caught(|| self.take(event)).is_none() {
            self.counts.0.panicked.add(*event.metadata().level());
        }
    }
}

impl<L> LogLayer<L> {
    /// What is kept of the span that a new one is in.
    fn parent_of<S>(
        &self,
        attributes: &Attributes<'_>,
        id: &Id,
        ctx: &Context<'_, S>,
    ) -> Option<Arc<Node>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        if attributes.is_root() {
            return None;
        }
        let Some(parent) = attributes.parent() else {
            return spans::current(self.id, &self.spans);
        };
        self.spans.node(parent).or_else(|| {
            // Hidden from this layer by a filter: the nearest above it that is not.
            let parent = ctx.span(id)?.parent()?;
            self.spans.node(&parent.id())
        })
    }
}

//! The spine: hooks of a few lines that call the stages in order.
//!
//! It is where the way of an event through this crate can be read as a sentence: *capture* the
//! fields, *link* the span, hold the *draft*, *emit* the record.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::trace::TraceContextExt as _;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::capture::callsite::{Callsites, Facts};
use crate::capture::fields::Fields;
use crate::capture::spans::{self, LayerId, Node, Spans};
use crate::capture::text::Text;
use crate::counts::LayerCounts;
use crate::draft::keys::OwnKey;
use crate::draft::{Draft, Finished};
#[cfg(feature = "log")]
use crate::draft::{UNWEIGHED, keys::Mark, limits};
use crate::emit::{Envelope, complete};
use crate::guard;
use crate::link::policy::Link;
use crate::link::{Ids, Linker, Surroundings, has_span, is_same};
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
    id: LayerId,
    settings: Settings,
    callsites: Callsites<L>,
    spans: Spans,
    linker: Linker,
    counts: LayerCounts,
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
        self.settings.on_refused = Some(Arc::new(tell));
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

impl<L> LogLayer<L>
where
    L: Logger + Send + Sync + 'static,
{
    fn take(&self, event: &Event<'_>) {
        let Some(facts) = self.facts(event) else {
            return;
        };
        // Room is asked for before the work, and before anything else where nothing else can turn
        // the event away for another reason.
        let asks_first = !facts.is_log && self.settings.unsampled != UnsampledPolicy::Drop;
        if asks_first && !Self::is_wanted(facts) {
            self.refused(event, facts.severity);
            return;
        }
        let surroundings = Surroundings::look();
        if surroundings.suppressed || !self.may_enter(event) {
            return;
        }
        self.linker.learn(|dispatch| is_same(dispatch, self));
        let span = self.span_of(event, &surroundings);
        let link = Link::decide(span, self.settings.unsampled, facts.severity);
        if link == Link::Dropped {
            self.counts.0.unsampled.add(*event.metadata().level());
            return;
        }
        let moment = Moment {
            time: SystemTime::now(),
            link,
            has_span: surroundings.has_span,
        };
        if facts.is_log {
            #[cfg(feature = "log")]
            self.take_log(event, facts, &moment);
            return;
        }
        if !asks_first && !Self::is_wanted(facts) {
            self.refused(event, facts.severity);
            return;
        }
        let mut record = facts.logger.create_log_record();
        let mut draft = Draft::new(&mut record, &self.settings.limits, &facts.fields);
        event.record(&mut Fields(&mut draft));
        draft.recognise_error();
        if self.settings.source {
            if let Some(file) = facts.file {
                let value = AnyValue::String(file.into());
                draft.add_own(OwnKey::File, value, file.len());
            }
            if let Some(line) = facts.line {
                draft.add_own(OwnKey::Line, AnyValue::Int(line), 0);
            }
            if let Some(module) = facts.module {
                let value = AnyValue::String(module.into());
                draft.add_own(OwnKey::Module, value, module.len());
            }
        }
        self.describe_around(&mut draft, event, link);
        let finished = draft.finish();
        let ready = complete(&mut record, &self.envelope(&finished, facts, &moment));
        facts.logger.emit(record);
        drop(ready);
        self.counts.0.handed_over(finished.dropped);
    }

    /// What is known of the call site. Nothing is learnt of telemetry's own.
    #[inline]
    fn facts(&self, event: &Event<'_>) -> Option<&Facts<L>> {
        let metadata = event.metadata();
        let known = self.callsites.known(metadata);
        known.or_else(|| {
            if guard::is_suppressed() || !self.may_enter(event) {
                return None;
            }
            Some(self.callsites.learn(metadata, &self.settings))
        })
    }

    /// Is it no event from inside the emission of another, nor too deep in the formatting of others?
    #[inline]
    fn may_enter(&self, event: &Event<'_>) -> bool {
        let may = guard::may_enter();
        if !may {
            self.counts.0.reentrant.add(*event.metadata().level());
        }
        may
    }

    #[inline]
    fn is_wanted(facts: &Facts<L>) -> bool {
        facts
            .logger
            .event_enabled(facts.severity, facts.target, facts.event_name)
    }

    #[cold]
    fn refused(&self, event: &Event<'_>, severity: Severity) {
        // Loggers refuse what telemetry itself says; that is no event of the application.
        if guard::is_suppressed() {
            return;
        }
        self.counts.0.refused.add(*event.metadata().level());
        if let Some(tell) = &self.settings.on_refused {
            tell(severity);
        }
    }

    fn envelope(&self, finished: &Finished, facts: &Facts<L>, moment: &Moment) -> Envelope {
        Envelope {
            time: moment.time,
            severity: finished.severity.unwrap_or(facts.severity),
            event_name: finished.event_name.or(facts.event_name),
            link: moment.link,
            has_span: moment.has_span,
            weight: finished.weight.filter(|_| self.settings.tells_weights),
        }
    }

    /// An event of the `log` crate's bridge: what is known of it stands in its fields.
    #[cfg(feature = "log")]
    fn take_log(&self, event: &Event<'_>, facts: &Facts<L>, moment: &Moment) {
        use crate::capture::log_records::{LogFields, with_key_values};

        let mut record = facts.logger.create_log_record();
        let mut draft = Draft::new(&mut record, &self.settings.limits, &facts.fields).holding();
        let mut reader = LogFields {
            place: crate::capture::log_records::Place::default(),
            rest: Fields(&mut draft),
        };
        event.record(&mut reader);
        let place = reader.place;
        let target = place.target.as_deref().unwrap_or(facts.target);
        let logger = self.callsites.logger_of(target, &self.settings);
        if !logger.event_enabled(facts.severity, target, None) {
            self.refused(event, facts.severity);
            return;
        }
        let limit = self.settings.limits.value_length;
        with_key_values(|key, value| {
            let value = limits::cut(value, limit);
            draft.set(key.to_owned().into(), Mark::of(key), value, UNWEIGHED);
        });
        if self.settings.source {
            let module = place.module.filter(|module| module != target);
            if let Some(file) = place.file {
                draft.add_own_text(OwnKey::File, Text::of(&file));
            }
            if let Some(line) = place.line {
                draft.add_own(OwnKey::Line, AnyValue::Int(line), 0);
            }
            if let Some(module) = module {
                draft.add_own_text(OwnKey::Module, Text::of(&module));
            }
        }
        self.describe_around(&mut draft, event, moment.link);
        let finished = draft.finish();
        let ready = complete(&mut record, &self.envelope(&finished, facts, moment));
        logger.emit(record);
        drop(ready);
        self.counts.0.handed_over(finished.dropped);
    }

    /// The span that the event belongs to.
    fn span_of(&self, event: &Event<'_>, surroundings: &Surroundings) -> Option<Ids> {
        if event.is_contextual() && surroundings.span.is_some() {
            self.counts.0.found_span();
            return surroundings.span;
        }
        let through = |id: &Id| {
            self.linker
                .with_exported(id, |cx| Ids::of(cx.span().span_context()))
        };
        let found = if let Some(id) = event.parent() {
            through(id)
        } else if event.is_contextual() {
            // No current context: a trace layer that does not activate contexts may still have it.
            through(&spans::current_id(self.id)?)
        } else {
            None
        };
        if found.is_some() {
            self.counts.0.found_span();
        }
        found.flatten()
    }

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

    /// What stands around the event: its thread, its unsampled ids, its spans' fields.
    #[inline]
    fn describe_around<R: LogRecord>(
        &self,
        draft: &mut Draft<'_, R>,
        event: &Event<'_>,
        link: Link,
    ) {
        if self.settings.thread {
            thread(draft);
        }
        if let Link::Attributes(span) = link {
            draft.add_own_text(OwnKey::TraceId, Text::of(&span.trace_id.to_string()));
            draft.add_own_text(OwnKey::SpanId, Text::of(&span.span_id.to_string()));
        }
        if self.settings.span_fields.is_off() {
            return;
        }
        let node = if let Some(id) = event.parent() {
            self.spans.node(id)
        } else if event.is_contextual() {
            spans::current(self.id, &self.spans)
        } else {
            None
        };
        if let Some(node) = node {
            spans::describe(draft, &node, &self.settings);
        }
    }
}

/// When an event came, and from where.
struct Moment {
    /// The one clock read: both of a record's times.
    time: SystemTime,
    link: Link,
    has_span: bool,
}

/// `thread.id` is the number the standard library gives; it shows it only through `Debug`.
fn thread<R: LogRecord>(draft: &mut Draft<'_, R>) {
    thread_local! {
        static THREAD: Option<i64> = {
            let id = format!("{:?}", std::thread::current().id());
            id.trim_start_matches("ThreadId(").trim_end_matches(')').parse().ok()
        };
    }
    if let Some(id) = THREAD.try_with(|id| *id).ok().flatten() {
        draft.add_own(OwnKey::ThreadId, AnyValue::Int(id), 0);
    }
    if let Some(name) = std::thread::current().name() {
        draft.add_own_text(OwnKey::ThreadName, Text::of(name));
    }
}

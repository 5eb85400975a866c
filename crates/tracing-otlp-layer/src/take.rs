//! The way of an event through this crate, as a sentence.
//!
//! *Capture* what the call site says, ask whether the record is wanted, *link* the span, *draft* the
//! record, *emit* it.

use opentelemetry::Context;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use opentelemetry::trace::TraceContextExt as _;
use tracing_core::span::Id;
use tracing_core::{Event, Level};

use crate::capture::callsite::Facts;
use crate::capture::fields::Fields;
use crate::capture::text::Text;
use crate::capture::{severity, spans};
use crate::draft::Draft;
use crate::draft::keys::OwnKey;
#[cfg(feature = "log")]
use crate::draft::{UNWEIGHED, keys::Mark, limits};
use crate::emit::{Ready, Tie, begin};
use crate::guard::{self, Asking, Emitting};
use crate::layer::LogLayer;
use crate::link::policy::Link;
use crate::link::{Ids, Surroundings, is_same};

impl<L> LogLayer<L>
where
    L: Logger + Send + Sync + 'static,
{
    #[expect(clippy::inline_always, reason = "one caller, which does nothing else")]
    #[inline(always)]
    pub(crate) fn take(&self, event: &Event<'_>) {
        let Some(facts) = self.facts(event) else {
            return;
        };
        // What telemetry itself says is no event of the application. Loggers refuse it too, but then it
        // would have to be told from what they refuse for want of room.
        let surroundings = Surroundings::look();
        if surroundings.suppressed {
            return;
        }
        if !self.may_enter(event) {
            return;
        }
        // Room is asked for before the work, and before anything else where nothing else can turn
        // the event away for another reason.
        if !facts.asks_first {
            self.take_asking_later(event, facts, surroundings);
        } else if self.is_wanted(facts, facts.severity) {
            self.take_wanted(event, facts, facts.severity, surroundings);
        }
    }

    #[inline(never)]
    fn take_asking_later(&self, event: &Event<'_>, facts: &Facts<L>, surroundings: Surroundings) {
        let severity = if facts.says_severity {
            severity::of_event(event, facts.severity)
        } else {
            facts.severity
        };
        match self.tie(event, severity, surroundings) {
            None => {}
            #[cfg(feature = "log")]
            Some(tie) if facts.is_log => self.take_log(event, facts, &tie),
            Some(_) if self.is_wanted(facts, severity) => {
                self.take_wanted(event, facts, severity, surroundings);
            }
            Some(_) => {}
        }
    }

    /// Apart from the above, so that a refusal does not pay for the room that this needs.
    #[inline(never)]
    fn take_wanted(
        &self,
        event: &Event<'_>,
        facts: &Facts<L>,
        severity: Severity,
        surroundings: Surroundings,
    ) {
        let Some(tie) = self.tie(event, severity, surroundings) else {
            return;
        };
        let mut record = facts.logger.create_log_record();
        begin(&mut record, facts, tie.link);
        let ready = {
            let draft = Draft::new(&mut record, &self.settings.limits, &facts.fields);
            let mut reader = Fields(draft);
            event.record(&mut reader);
            let draft = &mut reader.0;
            draft.recognise_error();
            if facts.has_more || matches!(tie.link, Link::Attributes(_)) {
                self.describe_source(draft, facts);
                self.describe_around(draft, event, tie.link);
            }
            let ready = self.finish(draft);
            if draft.is_empty() {
                std::mem::forget(reader);
            }
            ready
        };
        // The record is large, and every function that it went through would copy it: hence two ways.
        if tie.clears {
            let _cleared = Context::new().attach();
            let _emitting = Emitting::of(ready.weight);
            facts.logger.emit(record);
        } else {
            let _emitting = Emitting::of(ready.weight);
            facts.logger.emit(record);
        }
        self.counts.0.handed_over(ready.dropped);
    }

    /// In which span? `None` where the event is none for us, and then it is counted.
    #[expect(clippy::inline_always, reason = "two callers, of which one is hot")]
    #[inline(always)]
    fn tie(
        &self,
        event: &Event<'_>,
        severity: Severity,
        surroundings: Surroundings,
    ) -> Option<Tie> {
        if !self.linker.knows_dispatch() {
            self.linker.learn(|dispatch| is_same(dispatch, self));
        }
        let link = self.link_of(event, severity, surroundings);
        if link == Link::Dropped {
            self.counts.0.unsampled.add(*event.metadata().level());
            return None;
        }
        Some(Tie {
            link,
            clears: surroundings.has_span && !matches!(link, Link::To(_)),
        })
    }

    /// Gives a filled record the rest.
    #[expect(clippy::inline_always, reason = "two callers, of which one is hot")]
    #[inline(always)]
    fn finish(&self, draft: &mut Draft<'_, L::LogRecord>) -> Ready {
        draft.finish();
        Ready {
            weight: if self.settings.tells_weights {
                draft.weight()
            } else {
                None
            },
            dropped: draft.dropped,
        }
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

    /// Asks the logger; where the answer is no, counts that.
    #[inline]
    fn is_wanted(&self, facts: &Facts<L>, severity: Severity) -> bool {
        // What a processor logs while it is asked must not be asked about.
        let _asking = Asking::begin();
        let wants = facts
            .logger
            .event_enabled(severity, facts.target, facts.event_name);
        if !wants {
            self.refused(facts.level, severity);
        }
        wants
    }

    #[cold]
    fn refused(&self, level: Level, severity: Severity) {
        self.counts.0.refused.add(level);
        if let Some(tell) = &self.settings.on_refused {
            tell(severity);
        }
    }

    /// An event of the `log` crate's bridge: what is known of it stands in its fields.
    #[cfg(feature = "log")]
    #[inline(never)]
    fn take_log(&self, event: &Event<'_>, facts: &Facts<L>, tie: &Tie) {
        use crate::capture::log_records::{LogFields, Place, with_key_values};

        // Twice through the fields: before its message is formatted, it is asked who wants it.
        let mut place = Place::default();
        event.record(&mut place);
        let target = place.target.as_deref().unwrap_or(facts.target);
        let logger = self.callsites.logger_of(target, &self.settings);
        {
            let _asking = Asking::begin();
            if !logger.event_enabled(facts.severity, target, None) {
                self.refused(facts.level, facts.severity);
                return;
            }
        }
        let mut record = facts.logger.create_log_record();
        begin(&mut record, facts, tie.link);
        let draft = Draft::new(&mut record, &self.settings.limits, &facts.fields).holding();
        let mut reader = LogFields(Fields(draft));
        event.record(&mut reader);
        let mut draft = reader.0.0;
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
        self.describe_around(&mut draft, event, tie.link);
        let ready = self.finish(&mut draft);
        drop(draft);
        let _cleared = tie.clears.then(|| Context::new().attach());
        {
            let _emitting = Emitting::of(ready.weight);
            logger.emit(record);
        }
        self.counts.0.handed_over(ready.dropped);
    }

    /// How the event is tied to the span that it belongs to.
    #[expect(clippy::inline_always, reason = "two callers, of which one is hot")]
    #[inline(always)]
    fn link_of(&self, event: &Event<'_>, severity: Severity, surroundings: Surroundings) -> Link {
        if event.is_contextual() {
            if let Some(span) = surroundings.span() {
                self.counts.0.found_span();
                return Link::decide(Some(span), self.settings.unsampled, severity);
            }
            if !spans::is_in_any() {
                return Link::None;
            }
        }
        self.link_to_known(event, severity)
    }

    /// The same for a span that this layer knows of, and not the current context.
    #[inline(never)]
    fn link_to_known(&self, event: &Event<'_>, severity: Severity) -> Link {
        let span = match event.parent() {
            Some(id) => self.exported(id),
            // No current context: a trace layer that does not activate contexts may still have it.
            None if event.is_contextual() => {
                spans::current_id(self.id).and_then(|id| self.exported(&id))
            }
            None => None,
        };
        Link::decide(span, self.settings.unsampled, severity)
    }

    fn exported(&self, id: &Id) -> Option<Ids> {
        let found = self
            .linker
            .with_exported(id, |cx| Ids::of(cx.span().span_context()));
        if found.is_some() {
            self.counts.0.found_span();
        }
        found.flatten()
    }

    /// Where the event stands in the source.
    #[inline]
    fn describe_source<R: LogRecord>(&self, draft: &mut Draft<'_, R>, facts: &Facts<L>) {
        if !self.settings.source {
            return;
        }
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
            name(draft, span);
        }
        if !self.settings.span_fields.is_off() {
            self.describe_spans(draft, event);
        }
    }

    #[inline(never)]
    fn describe_spans<R: LogRecord>(&self, draft: &mut Draft<'_, R>, event: &Event<'_>) {
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

/// The ids of a span that is not exported, to search for.
#[cold]
fn name<R: LogRecord>(draft: &mut Draft<'_, R>, span: Ids) {
    draft.add_own_text(OwnKey::TraceId, Text::of(&span.trace_id.to_string()));
    draft.add_own_text(OwnKey::SpanId, Text::of(&span.span_id.to_string()));
}

/// `thread.id` is the number the standard library gives; it shows it only through `Debug`.
#[inline(never)]
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

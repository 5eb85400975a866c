//! Link: which span a record points at.
//!
//! Second stop on the way of an event. The ids come from the real OpenTelemetry span behind the
//! event's own `tracing` span; nothing is synthesised. A contextual event takes them from the
//! current OpenTelemetry context, which needs no lock; an explicit parent is asked for through
//! the registry, and where the trace layer never saw it, its nearest exported ancestor is.

pub(crate) mod policy;

use std::fmt;
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use opentelemetry::{Context, SpanId, TraceFlags, TraceId};
use tracing_core::Event;
use tracing_core::dispatcher::{self, Dispatch, WeakDispatch};
use tracing_core::span::Id;
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

use crate::guard;

/// Finds the OpenTelemetry span that an event belongs to.
///
/// [`LogLayer`](crate::LogLayer) has one inside. It is public for layers that print or forward
/// events themselves and want the same ids beside them.
///
/// | event | span |
/// |---|---|
/// | contextual | the current OpenTelemetry context's |
/// | `parent: &span` | that span's, or its nearest ancestor's that the trace layer saw |
/// | `parent: None` | none |
///
/// Needs a `tracing_subscriber::Registry` at the bottom of the subscriber for explicit parents.
#[derive(Debug, Default)]
pub struct Linker {
    dispatch: OnceLock<WeakDispatch>,
}

impl Linker {
    /// A linker that still has to be told its dispatch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells which subscriber the events come from; call it from
    /// [`Layer::on_register_dispatch`](tracing_subscriber::Layer::on_register_dispatch).
    pub fn set_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    /// The span the event belongs to, sampled or not; `None` where there is none.
    ///
    /// An explicit parent that has not started yet is started by this: its ids do not exist
    /// before. After that `set_parent` on it fails.
    pub fn span_context(&self, event: &Event<'_>) -> Option<SpanContext> {
        if let Some(id) = event.parent() {
            return self.with_exported(id, |cx| cx.span().span_context().clone());
        }
        if event.is_root() {
            return None;
        }
        current_span_context()
    }

    /// Runs `f` with the OpenTelemetry context of a `tracing` span, or of its nearest ancestor
    /// that has one.
    pub(crate) fn with_exported<R>(&self, id: &Id, f: impl FnOnce(&Context) -> R) -> Option<R> {
        let dispatch = self.dispatch.get()?.upgrade()?;
        let registry = dispatch.downcast_ref::<Registry>()?;
        let mut span = registry.span(id)?;
        loop {
            // The trace layer panics for an id that was closed just now, by another thread:
            // then there is nothing to point at. The mark keeps our panic hook quiet about it.
            let found = guard::formatting(|| {
                tracing_opentelemetry::get_otel_context(&span.id(), &dispatch)
            });
            if let Some(cx) = found.flatten() {
                return Some(f(&cx));
            }
            span = span.parent()?;
        }
    }

    /// Does nobody have to be asked for the dispatch any more?
    #[inline]
    pub(crate) fn knows_dispatch(&self) -> bool {
        self.dispatch.get().is_some()
    }

    /// Learns the dispatch where `on_register_dispatch` never came: `Option`, `Vec` and `reload`
    /// do not pass it on. `is_ours` tells whether a dispatch is the layer's own; ids of spans do
    /// not tell, since every registry counts from one.
    #[cold]
    pub(crate) fn learn(&self, is_ours: impl Fn(&Dispatch) -> bool) {
        if self.knows_dispatch() {
            return;
        }
        // Within an event this finds a global default only; on entering a span, a scoped one too.
        dispatcher::get_default(|dispatch| {
            if dispatch.is::<Registry>() && is_ours(dispatch) {
                self.set_dispatch(dispatch);
            }
        });
    }
}

/// Is this the dispatch that holds the layer?
pub(crate) fn is_same<T: 'static>(dispatch: &Dispatch, layer: &T) -> bool {
    dispatch
        .downcast_ref::<T>()
        .is_some_and(|found| std::ptr::eq(found, layer))
}

/// Puts a mark on a span, and tells whether the dispatch has that very span.
pub(crate) fn has_span<'a, R: LookupSpan<'a>>(dispatch: &Dispatch, span: &SpanRef<'a, R>) -> bool {
    struct Mark(Arc<()>);

    let mark = Arc::new(());
    span.extensions_mut().replace(Mark(Arc::clone(&mark)));
    let Some(registry) = dispatch.downcast_ref::<Registry>() else {
        return false;
    };
    let Some(theirs) = registry.span(&span.id()) else {
        return false;
    };
    let extensions = theirs.extensions();
    extensions
        .get::<Mark>()
        .is_some_and(|found| Arc::ptr_eq(&found.0, &mark))
}

/// The ids of a span that a record can point at: valid ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ids {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: TraceFlags,
}

impl Ids {
    #[inline]
    pub(crate) fn of(context: &SpanContext) -> Option<Self> {
        context.is_valid().then(|| Self {
            trace_id: context.trace_id(),
            span_id: context.span_id(),
            flags: context.trace_flags(),
        })
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }
}

/// What this thread's OpenTelemetry context says.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings {
    /// This is telemetry's own work.
    pub(crate) suppressed: bool,
    /// There is a span, valid or not, which the SDK would put on a record without one.
    pub(crate) has_span: bool,
}

impl Surroundings {
    /// Not while the thread [is ending](guard::thread_is_ending).
    #[inline]
    pub(crate) fn look() -> Self {
        Context::map_current(|cx| Self {
            suppressed: cx.is_telemetry_suppressed(),
            has_span: cx.has_active_span(),
        })
    }

    /// A second look, at the ids: a record that is refused does not pay for it.
    #[inline]
    pub(crate) fn span(self) -> Option<Ids> {
        if !self.has_span {
            return None;
        }
        Context::map_current(|cx| Ids::of(cx.span().span_context()))
    }
}

/// The span of this thread's current OpenTelemetry context.
pub(crate) fn current_span_context() -> Option<SpanContext> {
    if guard::thread_is_ending() {
        return None;
    }
    Context::map_current(|cx| {
        cx.has_active_span()
            .then(|| cx.span().span_context().clone())
    })
    .filter(SpanContext::is_valid)
}

/// The ids of the span that is current on this thread.
///
/// `Display` gives `trace_id=… span_id=…`; the parts are lower-case hex as W3C Trace Context
/// writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanIds {
    context: SpanContext,
}

impl SpanIds {
    /// The trace's id.
    pub fn trace_id(&self) -> TraceId {
        self.context.trace_id()
    }

    /// The span's id.
    pub fn span_id(&self) -> SpanId {
        self.context.span_id()
    }

    /// Will the span be exported?
    pub fn is_sampled(&self) -> bool {
        self.context.is_sampled()
    }
}

impl From<SpanContext> for SpanIds {
    fn from(context: SpanContext) -> Self {
        Self { context }
    }
}

impl fmt::Display for SpanIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trace_id={} span_id={}", self.trace_id(), self.span_id())
    }
}

/// Trace id and span id of the span this thread is in, for a response header or an event's
/// metadata; `None` outside any span.
///
/// # Examples
///
/// ```
/// if let Some(ids) = tracing_otlp_layer::current_ids() {
///     println!("x-trace-id: {}", ids.trace_id());
/// }
/// ```
pub fn current_ids() -> Option<SpanIds> {
    current_span_context().map(SpanIds::from)
}

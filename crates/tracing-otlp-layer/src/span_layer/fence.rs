//! A fence around a layer that formats span fields while it holds a span's lock.
//!
//! Beside the way of an event. A `Debug` that panics in there would unwind into the application and
//! leave the lock poisoned behind. So whatever has code of its own is rendered out here first,
//! with panics caught, and the layer is handed the finished text. Spans whose fields are plain
//! values go through untouched.

use std::any::TypeId;
use std::error::Error;
use std::fmt;

use tracing_core::field::{DebugValue, Field, FieldSet, Value, Visit, debug};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::subscriber::Interest;
use tracing_core::{Dispatch, Event, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::draft::error::{PANICKED, exception};
use crate::guard;

/// Runs the code in span fields (`Debug`, `Display`, errors) before the layer inside sees them.
///
/// For layers that format span fields while they hold a lock: a `Debug` that panics in there
/// unwinds into the application, and one that logs or opens a span may never come back.
/// `tracing_subscriber::EnvFilter` with directives on span fields is one; [`span_layer`] and
/// `tracing_otlp::init` put their layers behind a fence themselves.
///
/// # Examples
///
/// ```
/// use tracing_otlp_layer::Fence;
/// use tracing_subscriber::prelude::*;
///
/// # struct Anything;
/// # impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Anything {}
/// let subscriber = tracing_subscriber::registry().with(Fence::around(Anything));
/// ```
///
/// [`span_layer`]: crate::span_layer
#[derive(Debug)]
pub struct Fence<L>(L);

impl<L> Fence<L> {
    /// Puts a fence around a layer; every hook is passed on.
    pub fn around(layer: L) -> Self {
        Self(layer)
    }
}

impl<S, L> Layer<S> for Fence<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.0.on_layer(subscriber);
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        self.0.enabled(metadata, ctx)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.0.max_level_hint()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        // An event from inside another layer's formatting makes a filter forget that it turned the
        // span down, and this layer would panic for a span that it cannot see.
        if ctx.span(id).is_none() {
            return;
        }
        let mut asked = NeedsWork(false);
        attributes.record(&mut asked);
        if !asked.0 {
            return self.0.on_new_span(attributes, id, ctx);
        }
        let metadata = attributes.metadata();
        let rendered = Rendered::of(metadata.fields(), |reader| attributes.record(reader));
        let values = rendered.values();
        let values = metadata.fields().value_set_all(&values);
        let attributes = match attributes.parent() {
            Some(parent) => Attributes::child_of(parent.clone(), metadata, &values),
            None if attributes.is_root() => Attributes::new_root(metadata, &values),
            None => Attributes::new(metadata, &values),
        };
        self.0.on_new_span(&attributes, id, ctx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let mut asked = NeedsWork(false);
        values.record(&mut asked);
        let span = ctx.span(id).filter(|_| asked.0);
        let Some(metadata) = span.map(|span| span.metadata()) else {
            return self.0.on_record(id, values, ctx);
        };
        let rendered = Rendered::of(metadata.fields(), |reader| values.record(reader));
        let values = rendered.values();
        let values = metadata.fields().value_set_all(&values);
        self.0.on_record(id, &Record::new(&values), ctx);
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        self.0.on_follows_from(id, follows, ctx);
    }

    fn event_enabled(&self, event: &Event<'_>, ctx: Context<'_, S>) -> bool {
        self.0.event_enabled(event, ctx)
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        // The layer reads an event before it locks anything.
        let _ = guard::formatting(|| self.0.on_event(event, ctx));
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, ctx);
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_exit(id, ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(id, ctx);
    }

    fn on_id_change(&self, old: &Id, new: &Id, ctx: Context<'_, S>) {
        self.0.on_id_change(old, new, ctx);
    }

    // Whoever wants the trace layer (`OpenTelemetrySpanExt`, our linker) asks the subscriber for it
    // by type, and only this method lets them find it in here.
    //
    // SAFETY: a pointer to `self` is valid as long as `self` is borrowed; any other comes from the
    // wrapped layer, which lives in `self` and gives the same promise.
    #[expect(
        unsafe_code,
        reason = "the trait has no safe way to let a wrapped layer be found"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        unsafe { self.0.downcast_raw(id) }
    }
}

/// Is there a value among the fields that runs code when it is read, or is unsigned?
struct NeedsWork(bool);

impl Visit for NeedsWork {
    fn record_bool(&mut self, _: &Field, _: bool) {}
    fn record_i64(&mut self, _: &Field, _: i64) {}
    fn record_u64(&mut self, _: &Field, _: u64) {
        self.0 = true;
    }
    fn record_i128(&mut self, _: &Field, _: i128) {}
    fn record_u128(&mut self, _: &Field, _: u128) {}
    fn record_f64(&mut self, _: &Field, _: f64) {}
    fn record_str(&mut self, _: &Field, _: &str) {}
    fn record_bytes(&mut self, _: &Field, _: &[u8]) {}

    fn record_error(&mut self, _: &Field, _: &(dyn Error + 'static)) {
        self.0 = true;
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {
        self.0 = true;
    }
}

/// The fields of a span, by index, with their code run.
struct Rendered(Vec<Option<One>>);

enum One {
    Bool(bool),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Text(String),
    Bytes(Box<[u8]>),
    Debug(DebugValue<Shown>),
    Error(Box<dyn Error + Send + Sync>),
}

/// What a `Debug` wrote; it shows itself as just that.
struct Shown(String);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rendered {
    fn of(fields: &FieldSet, record: impl FnOnce(&mut Self)) -> Self {
        let mut rendered = Self(Vec::new());
        rendered.0.resize_with(fields.len(), || None);
        record(&mut rendered);
        rendered
    }

    fn values(&self) -> Vec<Option<&dyn Value>> {
        self.0
            .iter()
            .map(|one| {
                one.as_ref().map(|one| match one {
                    One::Bool(value) => value as &dyn Value,
                    One::I64(value) => value,
                    One::U64(value) => value,
                    One::I128(value) => value,
                    One::U128(value) => value,
                    One::F64(value) => value,
                    One::Text(value) => value,
                    One::Bytes(value) => value,
                    One::Debug(value) => value,
                    One::Error(value) => value,
                })
            })
            .collect()
    }

    fn put(&mut self, field: &Field, one: One) {
        if let Some(slot) = self.0.get_mut(field.index()) {
            *slot = Some(one);
        }
    }
}

impl Visit for Rendered {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, One::Bool(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, One::I64(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(
            field,
            i64::try_from(value).map_or(One::U64(value), One::I64),
        );
    }
    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, One::I128(value));
    }
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, One::U128(value));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, One::F64(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, One::Text(value.to_owned()));
    }
    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.put(field, One::Bytes(value.into()));
    }
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        // It reads the messages of the whole chain, with panics caught.
        self.put(field, One::Error(exception(value)));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = guard::formatting(|| format!("{value:?}"));
        let text = text.unwrap_or_else(|| PANICKED.to_owned());
        self.put(field, One::Debug(debug(Shown(text))));
    }
}

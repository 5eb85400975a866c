//! The fields of open spans, and which spans this thread is in.
//!
//! Part of capture, first stop on the way of an event. A span's fields are read once, when it is
//! made, and shared. For an event in its thread's current span they are reached without the
//! registry's extension locks, which another layer may hold while a `Debug` of its logs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::Key;
use opentelemetry::logs::AnyValue;
use tracing_core::span::{Attributes, Id, Record};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::fields::{Fields, SpanSink};
use crate::draft::Draft;
use crate::settings::Settings;

/// Tells layers apart that share a subscriber or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerId(u64);

impl LayerId {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What is kept of an open span.
pub(crate) struct Node {
    name: &'static str,
    parent: Option<Arc<Node>>,
    fields: Mutex<Vec<(Key, AnyValue)>>,
}

/// A span's nodes, one a layer, in the registry's extensions.
struct Nodes(Vec<(LayerId, Arc<Node>)>);

/// Keeps a new span's fields.
pub(crate) fn keep<'a, R: LookupSpan<'a>>(
    layer: LayerId,
    attributes: &Attributes<'_>,
    span: &SpanRef<'a, R>,
    settings: &Settings,
) {
    // User code (`Debug` of the values) runs before any lock is taken.
    let mut reader = Fields(SpanSink {
        fields: &settings.span_fields,
        limits: &settings.limits,
        kept: Vec::new(),
    });
    attributes.record(&mut reader);
    let mut kept = Vec::new();
    merge(&mut kept, reader.0.kept);
    let node = Arc::new(Node {
        name: attributes.metadata().name(),
        parent: span.parent().and_then(|parent| node_of(layer, &parent)),
        fields: Mutex::new(kept),
    });
    let mut extensions = span.extensions_mut();
    if let Some(nodes) = extensions.get_mut::<Nodes>() {
        nodes.0.push((layer, node));
    } else {
        extensions.insert(Nodes(vec![(layer, node)]));
    }
}

/// Takes in values recorded after the span was made: the later beats the earlier.
pub(crate) fn update<'a, R: LookupSpan<'a>>(
    layer: LayerId,
    values: &Record<'_>,
    span: &SpanRef<'a, R>,
    settings: &Settings,
) {
    let mut reader = Fields(SpanSink {
        fields: &settings.span_fields,
        limits: &settings.limits,
        kept: Vec::new(),
    });
    values.record(&mut reader);
    if let Some(node) = node_of(layer, span) {
        merge(
            &mut node.fields.lock().unwrap_or_else(PoisonError::into_inner),
            reader.0.kept,
        );
    }
}

fn merge(into: &mut Vec<(Key, AnyValue)>, from: Vec<(Key, AnyValue)>) {
    for (key, value) in from {
        match into.iter_mut().find(|(known, _)| *known == key) {
            Some((_, slot)) => *slot = value,
            None => into.push((key, value)),
        }
    }
}

/// The node of a span, through its extensions.
pub(crate) fn node_of<'a, R: LookupSpan<'a>>(
    layer: LayerId,
    span: &SpanRef<'a, R>,
) -> Option<Arc<Node>> {
    let extensions = span.extensions();
    let nodes = extensions.get::<Nodes>()?;
    nodes
        .0
        .iter()
        .find(|(id, _)| *id == layer)
        .map(|(_, node)| Arc::clone(node))
}

/// Adds the fields of a span and of all above it, innermost first.
pub(crate) fn describe(draft: &mut Draft<'_>, innermost: &Arc<Node>, settings: &Settings) {
    if let Some(key) = settings.span_fields.name_key {
        draft.add(key, || AnyValue::String(innermost.name.into()));
    }
    let mut node = Some(innermost);
    while let Some(current) = node {
        // No user code in here: keys and values are ours.
        for (key, value) in current
            .fields
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            draft.add(key.clone(), || value.clone());
        }
        node = current.parent.as_ref();
    }
}

/// A span this thread is in.
struct Entered {
    layer: LayerId,
    id: Id,
    node: Option<Arc<Node>>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
}

/// Notes that this thread entered a span.
pub(crate) fn enter(layer: LayerId, id: Id, node: Option<Arc<Node>>) {
    // While the thread's storage is being torn down there is nothing to note any more.
    let _ = ENTERED.try_with(|entered| {
        if let Ok(mut entered) = entered.try_borrow_mut() {
            entered.push(Entered { layer, id, node });
        }
    });
}

/// Notes that this thread left a span: the innermost entry of it.
pub(crate) fn exit(layer: LayerId, id: &Id) {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.try_borrow_mut().ok()?;
        let index = entered
            .iter()
            .rposition(|e| e.layer == layer && e.id == *id)?;
        Some(entered.remove(index))
    });
    // Dropped out here: the last holder of a node frees values, and nothing runs under a borrow.
    drop(left);
}

/// The span this thread is in, innermost by entry, as the layer saw it.
pub(crate) fn current(layer: LayerId) -> Option<(Id, Option<Arc<Node>>)> {
    ENTERED
        .try_with(|entered| {
            let entered = entered.try_borrow().ok()?;
            let top = entered.iter().rfind(|e| e.layer == layer)?;
            Some((top.id.clone(), top.node.clone()))
        })
        .ok()
        .flatten()
}

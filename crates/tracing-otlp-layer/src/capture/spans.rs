//! The fields of open spans, and which spans this thread is in.
//!
//! Part of capture, first stop on the way of an event. A span's fields are read once, when it is
//! made, and shared. They are kept in a table of the layer's own: the registry's extensions cost more
//! than all the rest, and another layer may hold their lock while a `Debug` of its logs.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, LogRecord};
use tracing_core::span::{Attributes, Id, Record};

use super::fields::{Fields, SpanSink};
use super::kept::{KeptFields, LaterFields};
use super::span_facts::{SpanCallsites, SpanFacts};
use crate::draft::Draft;
use crate::draft::keys::Mark;
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
#[derive(Default)]
pub(crate) struct Node {
    name: &'static str,
    parent: Option<Arc<Node>>,
    facts: Option<Arc<SpanFacts>>,
    /// What it was made with: this never changes, so reading it takes no lock.
    fields: KeptFields,
    /// What was recorded afterwards, which beats the above.
    later: Mutex<LaterFields>,
    has_later: AtomicBool,
}

impl Node {
    fn later(&self) -> MutexGuard<'_, LaterFields> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_key(&self, field: usize, key: &Key) -> bool {
        let fact = self.facts.as_ref().and_then(|facts| facts.get(field));
        fact.is_some_and(|fact| fact.key == *key)
    }

    fn has(&self, key: &Key) -> bool {
        let is_it = |field| self.is_key(field, key);
        self.fields.iter().any(|(field, _)| is_it(field))
            || self.has_later.load(Ordering::Acquire)
                && self.later().iter().any(|(field, _)| is_it(field))
    }

    /// From this one, the innermost, outwards.
    fn outwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |node| node.parent.as_deref())
    }
}

/// The open spans of a layer, by their id.
///
/// In parts with a lock each, so that threads seldom meet. No user code runs under a lock.
pub(crate) struct Spans {
    parts: Box<[Mutex<Part>]>,
    callsites: SpanCallsites,
}

/// Most parts hold one span at a time.
#[derive(Default)]
struct Part {
    first: Option<(u64, Arc<Node>)>,
    others: HashMap<u64, Arc<Node>, BuildHasherDefault<IdHasher>>,
}

impl Part {
    /// Returns what had the id before.
    fn put(&mut self, id: u64, node: Arc<Node>) -> Option<Arc<Node>> {
        match &mut self.first {
            None => {
                self.first = Some((id, node));
                self.take_other(id)
            }
            Some((known, old)) if *known == id => Some(std::mem::replace(old, node)),
            Some(_) => self.others.insert(id, node),
        }
    }

    #[inline]
    fn get(&self, id: u64) -> Option<&Arc<Node>> {
        match &self.first {
            Some((known, node)) if *known == id => Some(node),
            _ if self.others.is_empty() => None,
            _ => self.others.get(&id),
        }
    }

    fn take(&mut self, id: u64) -> Option<Arc<Node>> {
        match &self.first {
            Some((known, _)) if *known == id => self.first.take().map(|(_, node)| node),
            _ => self.take_other(id),
        }
    }

    #[inline]
    fn take_other(&mut self, id: u64) -> Option<Arc<Node>> {
        if self.others.is_empty() {
            return None;
        }
        self.others.remove(&id)
    }
}

const PARTS: usize = 256;

impl Spans {
    pub(crate) fn new() -> Self {
        Self {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            callsites: SpanCallsites::new(),
        }
    }

    /// Keeps a new span's fields.
    pub(crate) fn keep(
        &self,
        attributes: &Attributes<'_>,
        id: &Id,
        parent: Option<Arc<Node>>,
        settings: &Settings,
    ) {
        let metadata = attributes.metadata();
        let facts = self.callsites.facts(metadata, &settings.span_fields);
        let mut node = spare().unwrap_or_default();
        // Nobody else has it yet.
        if let Some(node) = Arc::get_mut(&mut node) {
            node.fields.reserve(facts.wanted);
            // User code (`Debug` of the values) runs under no lock.
            attributes.record(&mut Fields(SpanSink {
                facts,
                limits: &settings.limits,
                kept: &mut node.fields,
            }));
            node.name = metadata.name();
            node.facts = Some(Arc::clone(facts));
            node.parent = parent;
        }
        let before = self.part(id).put(id.into_u64(), node);
        // Out here: what falls away is dropped outside of the lock.
        drop(before);
    }

    /// Takes in values recorded after the span was made: the later beats the earlier.
    pub(crate) fn update(&self, values: &Record<'_>, id: &Id, settings: &Settings) {
        let Some(node) = self.node(id) else { return };
        let Some(facts) = &node.facts else { return };
        let mut kept = KeptFields::default();
        values.record(&mut Fields(SpanSink {
            facts,
            limits: &settings.limits,
            kept: &mut kept,
        }));
        node.later().put_all(facts, &kept);
        node.has_later.store(true, Ordering::Release);
    }

    /// What is kept of an open span.
    #[inline]
    pub(crate) fn node(&self, id: &Id) -> Option<Arc<Node>> {
        self.part(id).get(id.into_u64()).map(Arc::clone)
    }

    /// Forgets a span.
    pub(crate) fn forget(&self, id: &Id) {
        let node = self.part(id).take(id.into_u64());
        if let Some(node) = node {
            put_aside(node);
        }
    }

    #[inline]
    fn part(&self, id: &Id) -> MutexGuard<'_, Part> {
        let part = &self.parts[(mix(id.into_u64()) >> 56) as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids count up from the lower bits; parts are told by the upper ones, and so are buckets.
#[inline]
fn mix(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// For ids of spans, which nobody chooses to make the table slow.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = mix(self.0 ^ id);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

thread_local! {
    /// Nodes of closed spans: the next spans on this thread take their room.
    static SPARE: RefCell<Vec<Arc<Node>>> = const { RefCell::new(Vec::new()) };
}

/// So many nodes, of so many fields at most, a thread keeps.
const SPARE_NODES: usize = 16;
const SPARE_FIELDS: usize = 32;

fn spare() -> Option<Arc<Node>> {
    SPARE
        .try_with(|spare| spare.try_borrow_mut().ok()?.pop())
        .ok()
        .flatten()
}

/// Drops a node, or what it holds where nobody else has it.
fn put_aside(mut node: Arc<Node>) {
    let Some(mine) = Arc::get_mut(&mut node) else {
        return;
    };
    mine.fields.clear();
    mine.facts = None;
    mine.parent = None;
    if std::mem::take(mine.has_later.get_mut()) {
        mine.later = Mutex::default();
    }
    if mine.fields.capacity() > SPARE_FIELDS {
        return;
    }
    let _ = SPARE.try_with(|spare| {
        if let Ok(mut spare) = spare.try_borrow_mut() {
            if spare.len() < SPARE_NODES {
                spare.push(node);
            }
        }
    });
}

/// Adds the fields of a span and of all above it, innermost first.
pub(crate) fn describe<R: LogRecord>(
    draft: &mut Draft<'_, R>,
    innermost: &Node,
    settings: &Settings,
) {
    let name_key = settings.span_fields.name_key.map(Key::from_static_str);
    if let Some(key) = &name_key {
        let name = innermost.name;
        let value = || (AnyValue::String(name.into()), name.len());
        draft.add(key, Mark::of(key.as_str()), value, || false);
    }
    for node in innermost.outwards() {
        // No user code in here: keys and values are ours. A lock is only taken on the way from a span
        // to one inside it, never the other way, so two threads do not wait for each other.
        let later = node.has_later.load(Ordering::Acquire).then(|| node.later());
        let is_nearer = |key: &Key| {
            name_key.as_ref() == Some(key)
                || innermost
                    .outwards()
                    .take_while(|inner| !std::ptr::eq(*inner, node))
                    .any(|inner| inner.has(key))
        };
        let Some(facts) = &node.facts else { continue };
        if let Some(later) = &later {
            for (field, value) in later.iter() {
                if let Some(fact) = facts.get(field) {
                    draft.add(&fact.key, fact.mark, value, || is_nearer(&fact.key));
                }
            }
        }
        for (field, value) in node.fields.iter() {
            if let Some(fact) = facts.get(field) {
                draft.add(&fact.key, fact.mark, value, || {
                    let is_it = |field| node.is_key(field, &fact.key);
                    later
                        .as_deref()
                        .is_some_and(|later| later.iter().any(|(field, _)| is_it(field)))
                        || is_nearer(&fact.key)
                });
            }
        }
    }
}

/// A span this thread is in.
struct Entered {
    layer: LayerId,
    id: Id,
    /// What is kept of it, once somebody has asked.
    node: OnceCell<Option<Arc<Node>>>,
}

thread_local! {
    static ENTERED: RefCell<Vec<Entered>> = const { RefCell::new(Vec::new()) };
    /// Whether there is any: it is cheaper to ask, and needs no destructor.
    static IS_IN_A_SPAN: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread entered a span.
#[inline]
pub(crate) fn enter(layer: LayerId, id: Id) {
    // While the thread's storage is being torn down there is nothing to note any more.
    let _ = ENTERED.try_with(|entered| {
        if let Ok(mut entered) = entered.try_borrow_mut() {
            let node = OnceCell::new();
            entered.push(Entered { layer, id, node });
            IS_IN_A_SPAN.set(true);
        }
    });
}

/// Notes that this thread left a span: the innermost entry of it.
#[inline]
pub(crate) fn exit(layer: LayerId, id: &Id) {
    let left = ENTERED.try_with(|entered| {
        let mut entered = entered.try_borrow_mut().ok()?;
        let is_it = |e: &Entered| e.layer == layer && e.id == *id;
        let left = if entered.last().is_some_and(is_it) {
            entered.pop()
        } else {
            let index = entered.iter().rposition(is_it)?;
            Some(entered.remove(index))
        };
        IS_IN_A_SPAN.set(!entered.is_empty());
        left
    });
    // Dropped out here: the last holder of a node frees values, and nothing runs under a borrow.
    drop(left);
}

/// Is this thread in any span, of any layer?
#[inline]
pub(crate) fn is_in_any() -> bool {
    IS_IN_A_SPAN.get()
}

/// The span this thread is in, innermost by entry, as the layer saw it.
pub(crate) fn current_id(layer: LayerId) -> Option<Id> {
    with_current(layer, |entered| Some(entered.id.clone()))
}

/// What is kept of the span this thread is in.
pub(crate) fn current(layer: LayerId, spans: &Spans) -> Option<Arc<Node>> {
    with_current(layer, |entered| {
        let node = entered.node.get_or_init(|| spans.node(&entered.id));
        node.clone()
    })
}

fn with_current<R>(layer: LayerId, f: impl FnOnce(&Entered) -> Option<R>) -> Option<R> {
    ENTERED
        .try_with(|entered| {
            let entered = entered.try_borrow().ok()?;
            f(entered.iter().rfind(|e| e.layer == layer)?)
        })
        .ok()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_keeps_every_span_until_it_is_taken() {
        let mut part = Part::default();
        let node = |name| {
            Arc::new(Node {
                name,
                ..Node::default()
            })
        };
        for (id, name) in [(1, "one"), (2, "two"), (3, "three")] {
            assert!(part.put(id, node(name)).is_none());
        }
        assert!(
            part.put(1, node("new"))
                .is_some_and(|old| old.name == "one")
        );
        assert!(part.take(1).is_some_and(|node| node.name == "new"));
        // A place is free now, and the others stay where they are.
        assert!(part.put(4, node("four")).is_none());
        for (id, name) in [(2, "two"), (3, "three"), (4, "four")] {
            assert!(part.get(id).is_some_and(|node| node.name == name));
            assert!(part.take(id).is_some_and(|node| node.name == name));
            assert!(part.get(id).is_none() && part.take(id).is_none());
        }
        assert!(part.first.is_none() && part.others.is_empty());
        // Nor does it keep two of one id, wherever they were.
        assert!(part.put(5, node("five")).is_none());
        assert!(part.put(6, node("six")).is_none());
        assert!(part.take(5).is_some());
        assert!(
            part.put(6, node("new"))
                .is_some_and(|old| old.name == "six")
        );
        assert!(part.take(6).is_some() && part.take(6).is_none());
    }
}

//! The fields of one span, as they are kept.
//!
//! Part of capture, first stop on the way of an event. Spans are made by the million, and few of them
//! have an event: what is kept is small, costs nothing to drop where it can, and becomes keys and
//! values only when a record wants them.

use std::sync::Arc;

use opentelemetry::logs::AnyValue;

use super::fields::Plain;
use super::span_facts::SpanFacts;
use super::text::Text;
use crate::draft::UNWEIGHED;

/// A value, and the bytes of its text.
fn weighed(value: &AnyValue) -> (AnyValue, usize) {
    let bytes = match value {
        AnyValue::Int(_) | AnyValue::Double(_) | AnyValue::Boolean(_) => 0,
        AnyValue::String(text) => text.as_str().len(),
        _ => UNWEIGHED,
    };
    (value.clone(), bytes)
}

/// Values of a span's fields, the later instead of the earlier.
#[derive(Default)]
pub(crate) struct KeptFields {
    all: Vec<Kept>,
    /// Those that have to be dropped.
    texts: Vec<Arc<str>>,
    nested: Vec<AnyValue>,
}

#[derive(Clone, Copy)]
struct Kept {
    /// Its index at the call site.
    field: usize,
    value: Small,
}

#[derive(Clone, Copy)]
enum Small {
    Plain(Plain),
    Static(&'static str),
    /// Indices.
    Shared(usize),
    Nested(usize),
}

impl KeptFields {
    /// Keeps a value.
    #[inline]
    pub(crate) fn put(&mut self, facts: &SpanFacts, field: usize, value: Plain) {
        let value = Small::Plain(value);
        self.put_small(facts, Kept { field, value });
    }

    pub(crate) fn put_nested(&mut self, facts: &SpanFacts, field: usize, value: AnyValue) {
        self.nested.push(value);
        let value = Small::Nested(self.nested.len() - 1);
        self.put_small(facts, Kept { field, value });
    }

    #[inline]
    pub(crate) fn put_text(&mut self, facts: &SpanFacts, field: usize, text: Text) {
        let value = match text {
            Text::Static(text) => Small::Static(text),
            Text::Shared(text) => {
                self.texts.push(text);
                Small::Shared(self.texts.len() - 1)
            }
        };
        self.put_small(facts, Kept { field, value });
    }

    #[inline]
    fn put_small(&mut self, facts: &SpanFacts, kept: Kept) {
        if !facts.are_unique {
            let same = |one: &&mut Kept| facts.are_same(one.field, kept.field);
            if let Some(slot) = self.all.iter_mut().find(same) {
                *slot = kept;
                return;
            }
        }
        self.all.push(kept);
    }

    /// The fields, and what makes their values, with the bytes of their texts.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, impl FnOnce() -> (AnyValue, usize))> {
        self.all
            .iter()
            .map(|kept| (kept.field, || self.value(kept.value)))
    }

    #[inline]
    fn value(&self, value: Small) -> (AnyValue, usize) {
        match value {
            Small::Plain(value) => (value.into(), 0),
            Small::Static(text) => (AnyValue::String(text.into()), text.len()),
            Small::Shared(index) => {
                let text = &self.texts[index];
                (AnyValue::String(Arc::clone(text).into()), text.len())
            }
            Small::Nested(index) => weighed(&self.nested[index]),
        }
    }

    /// Room for so many values.
    pub(crate) fn capacity(&self) -> usize {
        let owned = self.texts.capacity().max(self.nested.capacity());
        self.all.capacity().max(owned)
    }

    pub(crate) fn reserve(&mut self, fields: usize) {
        self.all.reserve_exact(fields);
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.texts.clear();
        self.nested.clear();
    }
}

/// Values that were recorded on a span after it was made: each may be replaced any number of times.
#[derive(Default)]
pub(crate) struct LaterFields(Vec<(usize, AnyValue)>);

impl LaterFields {
    /// Takes over what was read; the later beats the earlier.
    pub(crate) fn put_all(&mut self, facts: &SpanFacts, read: &KeptFields) {
        for (field, value) in read.iter() {
            let (value, _) = value();
            match self
                .0
                .iter_mut()
                .find(|(one, _)| facts.are_same(*one, field))
            {
                Some((_, slot)) => *slot = value,
                None => self.0.push((field, value)),
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, impl FnOnce() -> (AnyValue, usize))> {
        self.0
            .iter()
            .map(|(field, value)| (*field, || weighed(value)))
    }
}

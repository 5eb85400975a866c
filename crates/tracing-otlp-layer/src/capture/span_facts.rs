//! Facts that every span of a call site shares, worked out once.
//!
//! Part of capture, first stop on the way of an event. Which of its fields are wanted and under which
//! key does not change, so no name is looked at when a span is made.

use std::sync::Arc;

use opentelemetry::Key;
use tracing_core::field::FieldSet;
use tracing_core::{Field, Metadata};

use super::constant::Constant;
use super::once_map::OnceMap;
use crate::draft::keys::Mark;
use crate::settings::SpanFields;

/// What is known of a field that is wanted.
pub(crate) struct SpanFieldFact {
    pub(crate) key: Key,
    pub(crate) mark: Mark,
    pub(crate) constant: Constant,
}

/// What is known of the fields of a span's call site.
pub(crate) struct SpanFacts {
    /// In the order of the call site; `None` where a field is not wanted.
    all: Box<[Option<SpanFieldFact>]>,
    /// How many are wanted.
    pub(crate) wanted: usize,
    /// No two fields have one name.
    pub(crate) are_unique: bool,
}

impl SpanFacts {
    fn of(fields: &FieldSet, wanted: &SpanFields) -> Self {
        let all: Box<[_]> = fields
            .iter()
            .map(|field| wanted.takes(field.name()).then(|| fact(&field, wanted)))
            .collect();
        let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
        Self {
            wanted: all.iter().flatten().count(),
            all,
            are_unique: (1..names.len()).all(|index| !names[..index].contains(&names[index])),
        }
    }

    #[inline]
    pub(crate) fn get(&self, field: usize) -> Option<&SpanFieldFact> {
        self.all.get(field)?.as_ref()
    }

    /// Do two fields go under one key?
    pub(crate) fn are_same(&self, one: usize, other: usize) -> bool {
        one == other || self.get(one).map(|fact| &fact.key) == self.get(other).map(|fact| &fact.key)
    }
}

fn fact(field: &Field, wanted: &SpanFields) -> SpanFieldFact {
    let name = field.name();
    let key = match &wanted.prefix {
        // Reference-counted: records share it.
        Some(prefix) => Key::from(Arc::<str>::from(format!("{prefix}{name}"))),
        None => Key::from_static_str(name),
    };
    SpanFieldFact {
        mark: Mark::of(key.as_str()),
        key,
        constant: Constant::default(),
    }
}

/// The facts of every call site of a span seen so far.
pub(crate) struct SpanCallsites(OnceMap<Arc<SpanFacts>>);

impl SpanCallsites {
    pub(crate) fn new() -> Self {
        Self(OnceMap::new())
    }

    #[inline]
    pub(crate) fn facts(
        &self,
        metadata: &'static Metadata<'static>,
        wanted: &SpanFields,
    ) -> &Arc<SpanFacts> {
        let address = std::ptr::from_ref(metadata).addr();
        match self.0.get(address) {
            Some(facts) => facts,
            None => self.learn(address, metadata, wanted),
        }
    }

    #[cold]
    fn learn(
        &self,
        address: usize,
        metadata: &'static Metadata<'static>,
        wanted: &SpanFields,
    ) -> &Arc<SpanFacts> {
        let facts = SpanFacts::of(metadata.fields(), wanted);
        self.0.insert(address, Arc::new(facts))
    }
}

//! The scopes of a batch, in the order in which they came first.
//!
//! Part of `direct`. The batch processor clones the scope of every record, so equal ones have to be
//! found by what they say. Neighbours mostly share theirs: the last one is asked first.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
};

use opentelemetry::InstrumentationScope;

use super::{
    value::{len_of_attributes, pairs, put_attributes},
    wire::{Out, bytes, len_of_bytes, len_of_text, put_head, put_text},
};

const SCOPE: u8 = bytes(1);
const SCHEMA_URL: u8 = bytes(3);

// `InstrumentationScope` of common.proto.
const NAME: u8 = bytes(1);
const VERSION: u8 = bytes(2);
const ATTRIBUTE: u8 = bytes(3);

/// The scopes as fields of `ScopeLogs` or `ScopeSpans`, one after the other.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    bytes: Out,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    start: usize,
    /// Where the fields before the records end, and those behind them begin.
    middle: usize,
    end: usize,
}

impl Scopes {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(super::tray::KEPT_BYTES);
        self.places.clear();
        self.places.shrink_to(super::tray::KEPT_RECORDS);
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many bytes the fields around the records of a scope take.
    pub(super) fn len_of(&self, scope: usize) -> usize {
        self.places[scope].end - self.places[scope].start
    }

    pub(super) fn len_of_all(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn head(&self, scope: usize) -> &[u8] {
        &self.bytes[self.places[scope].start..self.places[scope].middle]
    }

    pub(super) fn tail(&self, scope: usize) -> &[u8] {
        &self.bytes[self.places[scope].middle..self.places[scope].end]
    }

    fn add(&mut self, Key { name, scope }: Key<'_>) {
        let out = &mut self.bytes;
        let start = out.len();
        let version = scope.version().unwrap_or("");
        let attributes = || pairs(scope.attributes());
        let len = len_of_text(name) + len_of_text(version) + len_of_attributes(attributes());
        put_head(out, SCOPE, len);
        put_text(out, NAME, name);
        put_text(out, VERSION, version);
        put_attributes(out, ATTRIBUTE, attributes());
        debug_assert_eq!(out.len() - start, len_of_bytes(len));
        let middle = out.len();
        put_text(out, SCHEMA_URL, scope.schema_url().unwrap_or(""));
        let end = out.len();
        self.places.push(Place { start, middle, end });
    }
}

/// Finds the number of a scope, for the time of one batch.
#[derive(Default)]
pub(super) struct Finder<'a> {
    last: Option<(Key<'a>, usize)>,
    known: HashMap<Key<'a>, usize>,
}

impl<'a> Finder<'a> {
    /// The number of the scope with that name instead of its own.
    #[inline]
    pub(super) fn find(
        &mut self,
        scopes: &mut Scopes,
        name: &'a str,
        scope: &'a InstrumentationScope,
    ) -> usize {
        let key = Key { name, scope };
        match &self.last {
            Some((last, number)) if *last == key => *number,
            _ => self.find_other(scopes, key),
        }
    }

    #[inline(never)]
    fn find_other(&mut self, scopes: &mut Scopes, key: Key<'a>) -> usize {
        let number = *self.known.entry(key).or_insert_with(|| {
            scopes.add(key);
            scopes.len() - 1
        });
        self.last = Some((key, number));
        number
    }
}

/// A scope as it is exported. One without a version is one with an empty version on the wire.
#[derive(Clone, Copy)]
struct Key<'a> {
    name: &'a str,
    scope: &'a InstrumentationScope,
}

impl PartialEq for Key<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (one, two) = (self.scope, other.scope);
        same(self.name, other.name)
            && same(one.version().unwrap_or(""), two.version().unwrap_or(""))
            && same(
                one.schema_url().unwrap_or(""),
                two.schema_url().unwrap_or(""),
            )
            && one.attributes().eq(two.attributes())
    }
}

impl Eq for Key<'_> {}

/// Whether two texts are equal, without a look at them where that is clear: an empty one may lie at
/// an address that does not exist, and a vectorised comparison of nothing there takes the processor
/// longer than all the rest of finding a scope.
#[inline]
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one.as_ptr() == other.as_ptr() || one == other)
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.scope.version().unwrap_or("").hash(state);
    }
}

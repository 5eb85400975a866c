//! The encoded records of a batch, before they are put into requests.
//!
//! Part of `direct`. Every record is written here once, in the order of the batch. Then all lengths
//! are known, and a request is made by copying: in one piece, its length exact, records grouped by
//! scope in the order in which the scopes came first. Any part of the batch makes a request too.
//!
//! The field numbers are those of logs.proto and trace.proto, which agree here.

use std::ops::Range;

use opentelemetry_sdk::Resource;

use super::{
    scopes::Scopes,
    value::{len_of_attributes, put_attributes},
    wire::{Out, bytes, len_of_bytes, put_bytes, put_head, put_text},
};
use crate::admit::{SeverityBand, Tally};

/// `ResourceLogs` in a request.
const RESOURCE_GROUP: u8 = bytes(1);
/// `Resource`, `ScopeLogs` and the resource's schema in a `ResourceLogs`.
const RESOURCE: u8 = bytes(1);
const SCOPE_GROUP: u8 = bytes(2);
const SCHEMA_URL: u8 = bytes(3);
/// `KeyValue` in a `Resource`.
const ATTRIBUTE: u8 = bytes(1);
/// `LogRecord` in a `ScopeLogs`.
const RECORD: u8 = bytes(2);

/// More memory than this is not kept between batches.
pub(super) const KEPT_BYTES: usize = 1 << 20;
pub(super) const KEPT_RECORDS: usize = 1 << 14;

/// What all requests have in common: the resource, as fields of `ResourceLogs`.
#[derive(Debug, Default)]
pub(super) struct ResourceFields {
    /// Before the groups of scopes.
    head: Out,
    /// Behind them.
    tail: Out,
}

impl ResourceFields {
    pub(super) fn of(resource: &Resource) -> Self {
        let (mut head, mut tail) = (Out::new(), Out::new());
        put_head(&mut head, RESOURCE, len_of_attributes(resource.iter()));
        put_attributes(&mut head, ATTRIBUTE, resource.iter());
        put_text(&mut tail, SCHEMA_URL, resource.schema_url().unwrap_or(""));
        Self { head, tail }
    }
}

#[derive(Debug)]
struct Item {
    end: usize,
    scope: usize,
    band: SeverityBand,
}

#[derive(Debug, Default)]
pub(super) struct Tray {
    bytes: Out,
    items: Vec<Item>,
    pub(super) scopes: Scopes,
}

impl Tray {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.items.clear();
        self.items.shrink_to(KEPT_RECORDS);
        self.scopes.clear();
    }

    /// Adds a record, which the closure writes.
    #[inline]
    pub(super) fn add(&mut self, scope: usize, band: SeverityBand, put: impl FnOnce(&mut Out)) {
        put(&mut self.bytes);
        let end = self.bytes.len();
        self.items.push(Item { end, scope, band });
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let items = self.items.capacity() * size_of::<Item>();
        self.bytes.capacity() + items + self.scopes.kept()
    }

    pub(super) fn records(&self) -> usize {
        self.items.len()
    }

    pub(super) fn severities(&self, part: &Range<usize>) -> Tally {
        let mut tally = Tally::default();
        for item in &self.items[part.clone()] {
            tally.add(item.band, 1);
        }
        tally
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |last| self.items[last].end)
    }

    /// Where a part of the batch must end so that its request has at most so many bytes; it holds
    /// one record at least.
    pub(super) fn end_within(&self, from: usize, resource: &ResourceFields, limit: usize) -> usize {
        // An upper bound: each length with as many bytes as it can have.
        const HEAD: usize = 1 + 10;
        let around = 2 * HEAD + resource.head.len() + resource.tail.len();
        let mut start = self.start(from);
        let heads = (self.items.len() - from + self.scopes.len()) * HEAD;
        if around + heads + self.scopes.len_of_all() + self.bytes.len() - start <= limit {
            return self.items.len();
        }
        let mut known = vec![false; self.scopes.len()];
        let mut total = around;
        for (index, item) in self.items.iter().enumerate().skip(from) {
            total += HEAD + (item.end - start);
            start = item.end;
            if !std::mem::replace(&mut known[item.scope], true) {
                total += HEAD + self.scopes.len_of(item.scope);
            }
            if total > limit && index > from {
                return index;
            }
        }
        self.items.len()
    }

    /// Writes the request for a part of the batch, behind so many zeros.
    pub(super) fn put_request(
        &self,
        part: Range<usize>,
        resource: &ResourceFields,
        sorter: &mut Sorter,
        zeros: usize,
        out: &mut Out,
    ) {
        sorter.sort(self, part);
        let mut len = resource.head.len() + resource.tail.len();
        for (scope, group) in sorter.groups.iter_mut().enumerate() {
            if group.records > 0 {
                group.len += self.scopes.len_of(scope);
                len += len_of_bytes(group.len);
            }
        }
        out.clear();
        out.reserve(zeros + len_of_bytes(len));
        out.resize(zeros, 0);
        put_head(out, RESOURCE_GROUP, len);
        out.extend_from_slice(&resource.head);
        let mut order = sorter.order.iter();
        for (scope, group) in sorter.groups.iter().enumerate() {
            if group.records > 0 {
                put_head(out, SCOPE_GROUP, group.len);
                out.extend_from_slice(self.scopes.head(scope));
                for index in order.by_ref().take(group.records) {
                    let record = self.start(*index)..self.items[*index].end;
                    put_bytes(out, RECORD, &self.bytes[record]);
                }
                out.extend_from_slice(self.scopes.tail(scope));
            }
        }
        out.extend_from_slice(&resource.tail);
    }
}

/// Puts records in the order of their scopes; kept between batches for its memory alone.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    groups: Vec<Group>,
    order: Vec<usize>,
}

/// The records of one scope.
#[derive(Debug, Default)]
struct Group {
    records: usize,
    /// How many bytes they take, and then what is around them.
    len: usize,
    /// The place of the next of them in the order.
    next: usize,
}

impl Sorter {
    pub(super) fn clear(&mut self) {
        self.groups.clear();
        self.groups.shrink_to(KEPT_RECORDS);
        self.order.clear();
        self.order.shrink_to(KEPT_RECORDS);
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.groups.capacity() * size_of::<Group>() + self.order.capacity() * size_of::<usize>()
    }

    fn sort(&mut self, tray: &Tray, part: Range<usize>) {
        self.groups.clear();
        self.groups.resize_with(tray.scopes.len(), Group::default);
        let mut start = tray.start(part.start);
        for item in &tray.items[part.clone()] {
            let group = &mut self.groups[item.scope];
            group.records += 1;
            group.len += len_of_bytes(item.end - start);
            start = item.end;
        }
        let mut next = 0;
        for group in &mut self.groups {
            group.next = next;
            next += group.records;
        }
        self.order.clear();
        self.order.resize(part.len(), 0);
        for index in part {
            let group = &mut self.groups[tray.items[index].scope];
            self.order[group.next] = index;
            group.next += 1;
        }
    }
}

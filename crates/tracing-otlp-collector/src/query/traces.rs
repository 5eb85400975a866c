//! Traces: a list with what is in each of them, and one with all its spans and records.
//!
//! No index is kept for it: the heads of a million items are looked through in some ten
//! milliseconds, and an index would cost memory all the time.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::item::Item;
use super::link::{Link, target};
use super::scan::{Go, Order, Outcome, Scan};
use super::write::{self, list, long, number, quoted_hex};
use crate::Counts;
use crate::otlp::to_json::{ObjectWriter, string};
use crate::retain::head::{Flags, Ids, Kind};
use crate::retain::id::is_set;

type TraceId = [u8; 16];

/// Writes at most `limit` traces, the one with the newest activity first.
pub(crate) fn page(
    filtered: &Scan<'_>,
    everything: &Scan<'_>,
    cursor: Option<u64>,
    limit: usize,
) -> Vec<u8> {
    let mut outcome = Outcome::default();
    let matching = (!filtered.filter.is_empty()).then(|| {
        let mut matching: HashSet<TraceId> = HashSet::new();
        outcome = filtered.run(Order::NewestFirst, u64::MAX, |item| {
            if item.head.ids == Ids::Sound {
                matching.insert(item.head.trace);
            }
            Go::On
        });
        matching
    });
    let mut latest: HashMap<TraceId, u64> = HashMap::new();
    let second = everything.run(Order::NewestFirst, u64::MAX, |item| {
        let trace = item.head.trace;
        let is_wanted = item.head.ids == Ids::Sound
            && matching.as_ref().is_none_or(|these| these.contains(&trace));
        if is_wanted {
            latest.entry(trace).or_insert(item.seq());
        }
        Go::On
    });
    let mut chosen: Vec<(u64, TraceId)> = latest
        .into_iter()
        .map(|(trace, seq)| (seq, trace))
        .filter(|(seq, _)| *seq < cursor.unwrap_or(u64::MAX))
        .collect();
    chosen.sort_unstable_by(|a, b| b.cmp(a));
    let has_more = chosen.len() > limit;
    chosen.truncate(limit);

    let mut summaries: HashMap<TraceId, Summary> = chosen
        .iter()
        .map(|(_, trace)| (*trace, Summary::default()))
        .collect();
    // Also what lies outside the time that was asked for: a trace is shown whole.
    let whole = Scan::new(
        everything.store,
        everything.filter,
        everything.what,
        everything.now,
    );
    whole.run(Order::OldestFirst, 0, |item| {
        if item.head.ids == Ids::Sound {
            if let Some(summary) = summaries.get_mut(&item.head.trace) {
                summary.add(item);
            }
        }
        Go::On
    });
    let mut items = Vec::new();
    let last = chosen.last().map(|(seq, _)| *seq);
    for (nth, (seq, trace)) in chosen.iter().enumerate() {
        if nth > 0 {
            items.push(b',');
        }
        if let Some(summary) = summaries.get(trace) {
            summary.write(trace, *seq, &mut items);
        }
    }
    let outcome = Outcome {
        scanned: outcome.scanned.max(second.scanned),
        truncated: outcome.truncated || second.truncated,
        next: last.filter(|_| has_more),
        ..outcome
    };
    super::logs::answer(&items, outcome)
}

#[derive(Default)]
struct Summary {
    /// The name of the first root.
    root: Option<(u64, String)>,
    services: BTreeSet<String>,
    start: Option<u64>,
    end: u64,
    spans: u64,
    logs: u64,
    errors: u64,
    ended: HashSet<[u8; 8]>,
    pending: HashSet<[u8; 8]>,
    parents: HashSet<[u8; 8]>,
    orphaned: u64,
}

impl Summary {
    fn add(&mut self, item: &Item<'_>) {
        let head = item.head;
        if self.services.len() < MAX_SERVICES {
            if let Some(service) = item.service() {
                if !self.services.contains(&*service) {
                    self.services.insert(service.into_owned());
                }
            }
        }
        if head.time > 0 {
            self.start = Some(self.start.map_or(head.time, |start| start.min(head.time)));
            self.end = self.end.max(head.time).max(head.end);
        }
        match head.kind {
            Kind::Log | Kind::SpanLog => {
                self.logs += 1;
                self.errors += u64::from(head.severity >= 17);
                self.orphaned += u64::from(item.link() == Some(Link::Orphaned));
            }
            Kind::Span => {
                self.spans += 1;
                self.errors += u64::from(head.flags.has(Flags::ERROR));
                self.ended.insert(head.span);
                if is_set(&head.parent) {
                    self.parents.insert(head.parent);
                } else {
                    self.name(head.time, item);
                }
            }
            Kind::PendingSpan => {
                self.pending.insert(head.parent);
                match write::pending_parent(item) {
                    Some(parent) if is_set(&parent) => {
                        self.parents.insert(parent);
                    }
                    _ => self.name(head.time, item),
                }
            }
            Kind::Metric => {}
        }
    }

    fn name(&mut self, time: u64, item: &Item<'_>) {
        if self.root.as_ref().is_none_or(|(first, _)| time < *first) {
            let name = item.name().unwrap_or_default();
            self.root = Some((time, name.to_owned()));
        }
    }

    fn write(&self, trace: &TraceId, seq: u64, out: &mut Vec<u8>) {
        let open = self.pending.difference(&self.ended).count();
        let mut one = ObjectWriter::new(out);
        quoted_hex(trace, one.member("traceId"));
        match &self.root {
            Some((_, name)) => string(name, one.member("rootName")),
            None => one.member("rootName").extend_from_slice(b"null"),
        }
        let lost = self
            .parents
            .iter()
            .any(|parent| !self.ended.contains(parent) && !self.pending.contains(parent));
        let root_missing = self.root.is_none() && (lost || self.spans == 0);
        number(root_missing, one.member("rootMissing"));
        list(&self.services, one.member("services"), |service, out| {
            string(service, out);
        });
        let start = self.start.unwrap_or(0);
        long(start, one.member("startUnixNano"));
        long(self.end.saturating_sub(start), one.member("durationNano"));
        number(self.spans + open as u64, one.member("spans"));
        number(self.logs, one.member("logs"));
        number(self.errors, one.member("errors"));
        number(open, one.member("pending"));
        number(self.orphaned, one.member("orphanedLogs"));
        number(seq, one.member("seq"));
        one.end();
    }
}

/// Writes one trace with everything in it; `None` when nothing of it is kept.
pub(crate) fn one(scan: &Scan<'_>, trace: &TraceId, counts: Counts) -> Option<Vec<u8>> {
    let mut ended: HashSet<[u8; 8]> = HashSet::new();
    scan.run(Order::OldestFirst, 0, |item| {
        if is_of(item, trace) && item.head.kind == Kind::Span {
            ended.insert(item.head.span);
        }
        Go::On
    });
    let mut known = ended.clone();
    let mut referred: HashSet<[u8; 8]> = HashSet::new();
    let (mut spans, mut logs) = (Part::default(), Part::default());
    let outcome = scan.run(Order::OldestFirst, 0, |item| {
        if !is_of(item, trace) {
            return Go::On;
        }
        let head = item.head;
        match head.kind {
            Kind::Log | Kind::SpanLog => {
                referred.extend(target(head).map(|(_, span)| span));
                logs.add(item, write::log);
            }
            Kind::Span => {
                referred.insert(head.parent);
                spans.add(item, write::span);
            }
            // Each open span once, and only while it is open.
            Kind::PendingSpan if known.insert(head.parent) => {
                referred.extend(write::pending_parent(item));
                spans.add(item, write::span);
            }
            Kind::PendingSpan | Kind::Metric => {}
        }
        Go::On
    });
    if spans.n + logs.n == 0 {
        return None;
    }
    let mut missing: Vec<_> = referred
        .into_iter()
        .filter(|span| is_set(span) && !known.contains(span))
        .collect();
    missing.sort_unstable();
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    quoted_hex(trace, object.member("traceId"));
    spans.write(object.member("spans"));
    logs.write(object.member("logs"));
    let has_gone = counts.evicted_logs + counts.evicted_spans > 0 && !missing.is_empty();
    list(missing, object.member("missingSpans"), |span, out| {
        quoted_hex(&span, out);
    });
    number(has_gone, object.member("evicted"));
    let truncated = outcome.truncated || spans.is_cut || logs.is_cut;
    number(truncated, object.member("truncated"));
    object.end();
    Some(out)
}

/// One of the two lists of a trace.
#[derive(Default)]
struct Part {
    items: Vec<u8>,
    n: usize,
    is_cut: bool,
}

impl Part {
    fn add(&mut self, item: &Item<'_>, write: fn(&Item<'_>, &mut Vec<u8>)) {
        if self.n >= MAX_ITEMS || self.items.len() > super::logs::MAX_PAGE {
            self.is_cut = true;
            return;
        }
        if self.n > 0 {
            self.items.push(b',');
        }
        write(item, &mut self.items);
        self.n += 1;
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        out.extend_from_slice(&self.items);
        out.push(b']');
    }
}

fn is_of(item: &Item<'_>, trace: &TraceId) -> bool {
    item.head.ids == Ids::Sound && item.head.trace == *trace
}

const MAX_SERVICES: usize = 20;
const MAX_ITEMS: usize = 20_000;

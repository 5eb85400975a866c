//! Arranges spans and records into one tree per trace.
//!
//! It stands before `tree`, which draws. What arrives may be anything: parents that never came,
//! spans that are their own ancestors, ids twice. Every span and record still appears exactly once.

use std::collections::{BTreeMap, HashMap};

use crate::retain::id::is_set;
use crate::{StoredLog, StoredSpan};

/// What is drawn for one trace.
pub(super) struct Trace<'a> {
    pub(super) id: &'a [u8],
    pub(super) spans: usize,
    pub(super) records: usize,
    pub(super) nodes: Vec<Node<'a>>,
    /// The nodes at the top, in the order they are drawn.
    pub(super) roots: Vec<usize>,
}

pub(super) struct Node<'a> {
    pub(super) item: Item<'a>,
    /// The nodes below, in the order they are drawn.
    pub(super) children: Vec<usize>,
    time: u64,
}

#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Log(&'a StoredLog),
    Span(&'a StoredSpan),
    /// A span that others point at and that never arrived.
    Missing(&'a [u8]),
}

/// The traces by the time of their first node, then by id.
pub(super) fn traces<'a>(
    spans: &'a [StoredSpan],
    logs: impl IntoIterator<Item = &'a StoredLog>,
) -> Vec<Trace<'a>> {
    let mut members: BTreeMap<&[u8], (Vec<&StoredSpan>, Vec<&StoredLog>)> = BTreeMap::new();
    for span in spans {
        members
            .entry(&span.span().trace_id)
            .or_default()
            .0
            .push(span);
    }
    for log in logs {
        members
            .entry(&log.record().trace_id)
            .or_default()
            .1
            .push(log);
    }
    let mut traces: Vec<_> = members
        .into_iter()
        .map(|(id, (spans, logs))| Trace::arrange(id, &spans, &logs))
        .collect();
    // Stable, so traces that start together stay in the order of their ids.
    traces.sort_by_key(Trace::start);
    traces
}

/// When a record happened, or at least was seen.
pub(super) fn log_time(log: &StoredLog) -> u64 {
    match log.time_unix_nano() {
        0 => log.observed_time_unix_nano(),
        time => time,
    }
}

impl<'a> Trace<'a> {
    fn arrange(id: &'a [u8], spans: &[&'a StoredSpan], logs: &[&'a StoredLog]) -> Self {
        let mut trace = Self {
            id,
            spans: spans.len(),
            records: logs.len(),
            nodes: Vec::new(),
            roots: vec![],
        };
        let mut by_id: HashMap<&[u8], usize> = HashMap::new();
        for span in spans {
            let node = trace.add(Item::Span(span), span.span().start_time_unix_nano);
            // Of two spans with one id the first gets the children.
            by_id.entry(&span.span().span_id).or_insert(node);
        }
        for (node, span) in spans.iter().enumerate() {
            let parent = &*span.span().parent_span_id;
            let is_root = !is_set(parent);
            match by_id.get(parent) {
                Some(above) if !is_root && *above != node => {
                    trace.nodes[*above].children.push(node);
                }
                None if !is_root && span.is_parent_remote() != Some(true) => {
                    let above = trace.add_missing(parent, &mut by_id);
                    trace.nodes[above].children.push(node);
                }
                _ => trace.roots.push(node),
            }
        }
        for log in logs {
            let span_id = &*log.record().span_id;
            let above = match by_id.get(span_id) {
                Some(above) => *above,
                None => trace.add_missing(span_id, &mut by_id),
            };
            let node = trace.add(Item::Log(log), log_time(log));
            trace.nodes[above].children.push(node);
        }
        trace.date_missing();
        trace.sort();
        trace.cut_loops();
        trace
    }

    fn add(&mut self, item: Item<'a>, time: u64) -> usize {
        self.nodes.push(Node {
            item,
            children: Vec::new(),
            time,
        });
        self.nodes.len() - 1
    }

    fn add_missing(&mut self, id: &'a [u8], by_id: &mut HashMap<&'a [u8], usize>) -> usize {
        let node = self.add(Item::Missing(id), u64::MAX);
        by_id.insert(id, node);
        self.roots.push(node);
        node
    }

    /// A missing span starts when the first thing below it does.
    fn date_missing(&mut self) {
        for node in 0..self.nodes.len() {
            if matches!(self.nodes[node].item, Item::Missing(_)) {
                let first = self.nodes[node]
                    .children
                    .iter()
                    .map(|below| self.nodes[*below].time);
                self.nodes[node].time = first.min().unwrap_or(u64::MAX);
            }
        }
    }

    /// Orders all siblings by time, records before spans, then by arrival.
    fn sort(&mut self) {
        let keys: Vec<_> = self
            .nodes
            .iter()
            .map(|node| (node.time, node.item.rank()))
            .collect();
        self.roots.sort_by_key(|node| keys[*node]);
        for node in &mut self.nodes {
            node.children.sort_by_key(|below| keys[*below]);
        }
    }

    /// Makes a root of the earliest span of each loop of parents, and cuts the loop there.
    fn cut_loops(&mut self) {
        let mut reached = vec![false; self.nodes.len()];
        for root in self.roots.clone() {
            self.reach(root, &mut reached);
        }
        let mut looped: Vec<_> = (0..self.nodes.len())
            .filter(|node| !reached[*node])
            .collect();
        looped.sort_by_key(|node| self.nodes[*node].time);
        for node in looped {
            if !reached[node] {
                self.roots.push(node);
                self.reach(node, &mut reached);
            }
        }
    }

    /// Marks everything below a node, and cuts what leads back to a marked one.
    fn reach(&mut self, root: usize, reached: &mut [bool]) {
        reached[root] = true;
        let mut waiting = vec![root];
        while let Some(node) = waiting.pop() {
            self.nodes[node].children.retain(|below| !reached[*below]);
            for below in &self.nodes[node].children {
                reached[*below] = true;
                waiting.push(*below);
            }
        }
    }

    fn start(&self) -> u64 {
        self.roots
            .iter()
            .map(|root| self.nodes[*root].time)
            .min()
            .unwrap_or(u64::MAX)
    }
}

impl Item<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::Log(_) => 0,
            Self::Span(_) => 1,
            Self::Missing(_) => 2,
        }
    }
}

//! Goes through the store, newest or oldest first, a few chunks at a time.
//!
//! The store's lock is held only to take hold of the next chunks, and a scan ends when its time is
//! over: it then says where to go on. So no question slows the receiver down for long.

use std::time::{Duration, Instant};

use super::filter::Filter;
use super::item::Item;
use crate::Signal;
use crate::retain::Store;
use crate::retain::head::Kind;
use crate::retain::lane::Kept;

pub(crate) struct Scan<'a> {
    pub(crate) store: &'a Store,
    pub(crate) filter: &'a Filter,
    pub(crate) what: What,
    /// The first nanosecond that is wanted.
    pub(crate) from: u64,
    /// The first that is not wanted any more.
    pub(crate) to: u64,
    pub(crate) now: u64,
    pub(crate) deadline: Instant,
}

/// Which items a scan shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Log records, also those that travel as spans.
    Logs,
    /// Log records and spans.
    Both,
    Metrics,
}

impl What {
    fn signals(self) -> &'static [Signal] {
        match self {
            Self::Logs | Self::Both => &[Signal::Logs, Signal::Traces],
            Self::Metrics => &[Signal::Metrics],
        }
    }

    fn wants(self, kind: Kind) -> bool {
        match self {
            Self::Logs => matches!(kind, Kind::Log | Kind::SpanLog),
            Self::Both | Self::Metrics => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Items looked at.
    pub(crate) scanned: u64,
    /// Where to go on, when there is more.
    pub(crate) next: Option<u64>,
    /// Whether time ran out.
    pub(crate) truncated: bool,
    /// How far it came.
    pub(crate) reached: u64,
}

/// Whether a scan has seen enough.
pub(crate) enum Go {
    On,
    /// This item was the last that is wanted.
    Enough,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(store: &'a Store, filter: &'a Filter, what: What, now: u64) -> Self {
        Self {
            store,
            filter,
            what,
            from: 0,
            to: u64::MAX,
            now,
            deadline: Instant::now() + TIME,
        }
    }

    /// Shows each item that matches to `see`, beginning before (newest first) or at (oldest first)
    /// this order number.
    pub(crate) fn run(
        &self,
        order: Order,
        start: u64,
        mut see: impl for<'i> FnMut(&Item<'i>) -> Go,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let (first, last) = self.filter.seq_bounds();
        let mut at = match order {
            Order::NewestFirst => start.min(last.saturating_add(1)),
            Order::OldestFirst => start.max(first),
        };
        loop {
            outcome.reached = at;
            let is_beyond = match order {
                Order::NewestFirst => at <= first,
                Order::OldestFirst => at > last,
            };
            if is_beyond {
                return outcome;
            }
            let block = match order {
                Order::NewestFirst => self.store.before(self.what.signals(), at, BLOCK),
                Order::OldestFirst => self.store.after(self.what.signals(), at, BLOCK),
            };
            if block.is_empty() {
                return outcome;
            }
            for kept in block {
                if self.is_out_of_range(&kept) {
                    at = beyond(order, &kept);
                    continue;
                }
                let before = at;
                let step = |item: &Item<'_>, outcome: &mut Outcome| {
                    outcome.scanned += 1;
                    let next = match order {
                        Order::NewestFirst => item.seq(),
                        Order::OldestFirst => item.seq() + 1,
                    };
                    let is_over = outcome.scanned % CHECK == 0 && Instant::now() > self.deadline;
                    if self.matches(item) && matches!(see(item), Go::Enough) {
                        outcome.next = Some(next);
                        return true;
                    }
                    if is_over {
                        outcome.next = Some(next);
                        outcome.truncated = true;
                    }
                    is_over
                };
                if self.each(&kept, order, before, &mut outcome, step) {
                    return outcome;
                }
                at = beyond(order, &kept);
            }
        }
    }

    /// Whether `step` said to stop.
    fn each(
        &self,
        kept: &Kept,
        order: Order,
        at: u64,
        outcome: &mut Outcome,
        mut step: impl FnMut(&Item<'_>, &mut Outcome) -> bool,
    ) -> bool {
        let chunk = &*kept.chunk;
        let mut one = |(index, head)| {
            let item = Item::new(self.store, chunk, (index, head), self.now);
            let is_wanted = match order {
                Order::NewestFirst => item.seq() < at,
                Order::OldestFirst => item.seq() >= at,
            };
            is_wanted && self.what.wants(item.head.kind) && step(&item, outcome)
        };
        match order {
            Order::NewestFirst => kept.heads().rev().any(&mut one),
            Order::OldestFirst => kept.heads().any(&mut one),
        }
    }

    /// Whether a look at the chunk as a whole says that nothing of it is wanted.
    fn is_out_of_range(&self, kept: &Kept) -> bool {
        let chunk = &kept.chunk;
        let has_none =
            self.what == What::Logs && chunk.signal == Signal::Traces && chunk.span_logs == 0;
        // Items without a time count by when they arrived.
        let (first, last) = match chunk.times {
            (0, last) => (0, last.max(chunk.received)),
            times => times,
        };
        has_none || self.what != What::Metrics && (last < self.from || first >= self.to)
    }

    fn matches(&self, item: &Item<'_>) -> bool {
        let is_in_time = self.what == What::Metrics || (self.from..self.to).contains(&item.time());
        is_in_time && self.filter.matches(item)
    }
}

/// Where to go on after a chunk.
fn beyond(order: Order, kept: &Kept) -> u64 {
    match order {
        Order::NewestFirst => kept.chunk.first,
        Order::OldestFirst => kept.end(),
    }
}

/// How many chunks are taken hold of at once.
const BLOCK: usize = 128;
/// After how many items the clock is looked at.
const CHECK: u64 = 256;
/// How long one scan may take.
pub(crate) const TIME: Duration = Duration::from_secs(1);

//! What every program emits and how it is measured, so that only the layers differ.
//!
//! A program sets its subscriber up for a [`Case`] and an [`End`] and calls [`run`]. It knows
//! `tracing` and nothing of OpenTelemetry: peers of another version of it link the same scene.

use std::any::Any;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tracing::{debug, info, info_span, instrument};

pub mod load;

/// What is emitted, and what the layer has to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Five typed fields, a `Debug` duration, a formatted message.
    Event,
    /// The same, with source attributes.
    Source,
    /// The same, with source attributes, ids and the fields of three spans.
    Spans,
    /// The same, and the trace layer records the event too (as it does by default).
    SpanEvents,
    /// A message without fields.
    Hello,
    /// An event below the layer's level.
    Filtered,
    /// A provider that nobody listens to.
    Nobody,
    /// An `#[instrument]` span with three fields: created, entered, closed.
    Span,
    /// The event, at a queue that is full.
    Refused,
}

/// What comes after the layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// No log layer at all.
    Without,
    /// A processor that drops the record.
    Drop,
    /// The official batch processor, whose worker stays idle.
    Batch,
    /// Our pipeline: admission and ledger around the official batch processor.
    Pipeline,
    /// The same with the layers that the facade gives.
    Facade,
    /// A layer that visits the fields and does nothing with them.
    Visit,
    /// A layer that visits the fields and formats the text ones.
    Format,
    /// `fmt().json()` into nothing.
    Json,
}

impl Case {
    fn parse(text: &str) -> Self {
        match text {
            "event" => Self::Event,
            "source" => Self::Source,
            "spans" => Self::Spans,
            "span-events" => Self::SpanEvents,
            "hello" => Self::Hello,
            "filtered" => Self::Filtered,
            "nobody" => Self::Nobody,
            "span" => Self::Span,
            "refused" => Self::Refused,
            other => panic!("no case {other}"),
        }
    }

    /// Whether there is a trace layer.
    pub fn is_traced(self) -> bool {
        matches!(self, Self::Spans | Self::SpanEvents | Self::Span)
    }
}

impl End {
    fn parse(text: &str) -> Self {
        match text {
            "without" => Self::Without,
            "drop" => Self::Drop,
            "batch" => Self::Batch,
            "pipeline" => Self::Pipeline,
            "facade" => Self::Facade,
            "visit" => Self::Visit,
            "format" => Self::Format,
            "json" => Self::Json,
            other => panic!("no end {other}"),
        }
    }
}

/// The event: five typed fields, a `Debug` duration, a formatted message.
///
/// Its values change, always in the same order: a compressor must not find one record many times.
#[inline(never)]
pub fn event(number: usize) {
    let mixed = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    info!(
        method = "GET",
        status = 200 + (mixed & 3),
        bytes = mixed % 100_000,
        ratio = (mixed % 1_000) as f64 / 1_000.0,
        cached = mixed & 4 == 0,
        elapsed = ?Duration::from_micros(mixed % 10_000),
        "served {} for user {}",
        black_box("/orders/42"),
        mixed % 5_000,
    );
}

#[inline(never)]
fn hello() {
    info!("hello");
}

#[inline(never)]
fn below(number: usize) {
    debug!(number, "below");
}

#[instrument]
#[inline(never)]
fn instrumented(order: u64, user: &str, retry: bool) {
    black_box(());
}

/// Three spans around the work, with two fields each, all of them under names of their own.
pub fn in_spans<T>(work: impl FnOnce() -> T) -> T {
    let request = info_span!("request", route = "/orders/{id}", client = "10.1.2.3");
    let _request = request.enter();
    let order = info_span!("order", order_id = 42, tenant = "blue");
    let _order = order.enter();
    let query = info_span!("query", table = "orders", rows = 3);
    let _query = query.enter();
    work()
}

fn emit(case: Case, records: usize) {
    match case {
        Case::Event | Case::Source | Case::Nobody | Case::Refused => (0..records).for_each(event),
        Case::Spans | Case::SpanEvents => in_spans(|| (0..records).for_each(event)),
        Case::Hello => (0..records).for_each(|_| hello()),
        Case::Filtered => (0..records).for_each(below),
        Case::Span => {
            for number in 0..records {
                instrumented(number as u64, black_box("ann"), false);
            }
        }
    }
}

/// Runs `count|time|allocations CASE END RECORDS` from the command line, and ends the process.
///
/// `allocated` says how many allocations and bytes there were so far.
pub fn run(setup: impl FnOnce(Case, End) -> Box<dyn Any>, allocated: Option<fn() -> (u64, u64)>) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, case, end, records] = &arguments[..] else {
        panic!("expected: count|time|allocations CASE END RECORDS");
    };
    let (case, end) = (Case::parse(case), End::parse(end));
    let records: usize = records.parse().expect("a number of records");
    let kept = setup(case, end);
    // Call sites are registered, thread-locals made, buffers grown.
    emit(case, 500);
    match mode.as_str() {
        // Two lengths are run under callgrind: what happens once falls out of their difference.
        "count" => emit(case, records),
        "time" => {
            let started = Instant::now();
            emit(case, records);
            println!(
                "{:.1}",
                started.elapsed().as_nanos() as f64 / records as f64
            );
        }
        "allocations" => {
            let allocated = allocated.expect("the program that counts them");
            let before = allocated();
            emit(case, records);
            let after = allocated();
            println!(
                "{:.2} {:.0}",
                (after.0 - before.0) as f64 / records as f64,
                (after.1 - before.1) as f64 / records as f64
            );
        }
        other => panic!("no mode {other}"),
    }
    // Without a shutdown: it is no part of the figure.
    std::mem::forget(kept);
    std::process::exit(0);
}

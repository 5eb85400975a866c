//! A load generator on the public API.
//!
//! ```text
//! cargo run --release --example emit -- --records 100000 --threads 4 --spans 3 --embedded
//! ```
//!
//! The last line on stdout is one JSON object: what was emitted, delivered, spooled and lost, by
//! reason, as the pipeline counted it, and with `--embedded` what the receiver got. The message of
//! a record is `record` and its number, which no other record of the run has.
//!
//! Everything else is the environment's. An outage with a spool, seen by two processes:
//!
//! ```text
//! export TRACING_OTLP_SPOOL_DIRECTORY=/tmp/emit-spool OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:1
//! cargo run --example emit -- --records 2000 --rate 1000
//! OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 \
//!     cargo run --example emit -- --records 0 --settle 60
//! ```
#![expect(clippy::print_stdout, reason = "its result is its last line")]

use std::error::Error;
use std::time::{Duration, Instant};

use clap::Parser;
use tracing::field::debug;
use tracing::{info, info_span};
use tracing_otlp::{Console, SignalCounts, Telemetry};
use tracing_otlp_collector::{Capacity, Collector};

/// Emits log records through tracing-otlp and tells what became of them.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// Records in all.
    #[arg(long, default_value_t = 10_000)]
    records: u64,
    /// Number of the first record.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads that emit; the records are split among them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: u64,
    /// Records a second in all; 0 is as fast as it can.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Nesting depth of real spans around the records.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=64))]
    spans: u64,
    /// Fields a record, cycling through integer, float, bool, string and Debug.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=20))]
    fields: u64,
    /// Seed of the values.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Seconds to wait at most, before the end, until nothing is on its way or on disk any more.
    #[arg(long, default_value_t = 0)]
    settle: u64,
    /// Send to a collector in this process instead of the configured endpoint.
    #[arg(long)]
    embedded: bool,
}

/// Records inside one set of nested spans.
const RECORDS_A_SPAN: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut builder = Telemetry::builder()
        .with_service_name("emit")
        .with_console(Console::Off);
    let collector = if arguments.embedded {
        // Only counted here, so little is kept.
        let capacity = Capacity::default().with_records(1_000).with_spans(1_000);
        let collector = Collector::builder().with_capacity(capacity).start()?;
        builder = builder.with_endpoint(collector.endpoint());
        Some(collector)
    } else {
        None
    };
    let telemetry = builder.init()?;

    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..arguments.threads {
            let arguments = &arguments;
            scope.spawn(move || emit(arguments, thread, start));
        }
    });
    let emitting = start.elapsed();

    settle(telemetry.telemetry(), Duration::from_secs(arguments.settle));
    let report = telemetry.shutdown();
    let mut result = account(report.logs());
    result["summaries"] = report.logs().summaries().into();
    result["spans"] = account(report.traces());
    result["seconds"] = emitting.as_secs_f64().into();
    result["shutdown_seconds"] = report.elapsed().as_secs_f64().into();
    if let (Some(collector), Some(result)) = (collector, result.as_object_mut()) {
        result.insert("received".to_owned(), collector.counts().logs.into());
    }
    println!("{result}");
    Ok(())
}

/// Every record in one place: emitted and recovered are as many as all the others together.
fn account(counts: &SignalCounts) -> serde_json::Value {
    serde_json::json!({
        "emitted": counts.emitted(),
        "recovered": counts.recovered(),
        "delivered": counts.delivered(),
        "spooled": counts.spooled(),
        "pending": counts.pending(),
        "lost": counts.lost(),
        "by_reason": counts.by_reason(),
    })
}

/// Waits until everything is delivered or lost, for at most this time.
fn settle(telemetry: &Telemetry, at_most: Duration) {
    let until = Instant::now() + at_most;
    loop {
        let Some(left) = until.checked_duration_since(Instant::now()) else {
            return;
        };
        let _ = telemetry.flush(left);
        let counts = telemetry.counts().total();
        if counts.pending() + counts.spooled() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Emits a thread's share.
fn emit(arguments: &Arguments, thread: u64, start: Instant) {
    let (each, rest) = (
        arguments.records / arguments.threads,
        arguments.records % arguments.threads,
    );
    let share = each + u64::from(thread < rest);
    let first = arguments.from + each * thread + rest.min(thread);
    let mut random = Random(arguments.seed ^ (thread << 32));
    let mut sent = 0;
    while sent < share {
        let count = RECORDS_A_SPAN.min(share - sent);
        nest(arguments.spans, &mut || {
            for number in sent..sent + count {
                pace(arguments, number, start);
                record(arguments.fields, first + number, &mut random);
            }
        });
        sent += count;
    }
}

/// Runs `work` inside this many spans.
fn nest(depth: u64, work: &mut dyn FnMut()) {
    if depth == 0 {
        return work();
    }
    info_span!("level", depth).in_scope(|| nest(depth - 1, work));
}

/// Waits until this record of this thread is due.
fn pace(arguments: &Arguments, number: u64, start: Instant) {
    if arguments.rate == 0 {
        return;
    }
    let due = number
        .saturating_mul(arguments.threads)
        .saturating_mul(1_000_000_000)
        / arguments.rate;
    if let Some(wait) = Duration::from_nanos(due).checked_sub(start.elapsed()) {
        std::thread::sleep(wait);
    }
}

/// One record; a field that is `None` is not there.
fn record(fields: u64, number: u64, random: &mut Random) {
    let has = |field: u64| fields > field;
    let mut integer = |field| has(field).then(|| random.next() >> 1);
    let (i0, i5, i10, i15) = (integer(0), integer(5), integer(10), integer(15));
    let mut float = |field| has(field).then(|| random.ratio());
    let (f1, f6, f11, f16) = (float(1), float(6), float(11), float(16));
    let mut boolean = |field| has(field).then(|| random.next() % 2 == 0);
    let (b2, b7, b12, b17) = (boolean(2), boolean(7), boolean(12), boolean(17));
    let mut text = |field| has(field).then(|| random.word());
    let (s3, s8, s13, s18) = (text(3), text(8), text(13), text(18));
    let mut shown = |field| has(field).then(|| debug(Duration::from_micros(random.next() >> 44)));
    let (d4, d9, d14, d19) = (shown(4), shown(9), shown(14), shown(19));
    info!(
        i0,
        f1,
        b2,
        s3,
        d4,
        i5,
        f6,
        b7,
        s8,
        d9,
        i10,
        f11,
        b12,
        s13,
        d14,
        i15,
        f16,
        b17,
        s18,
        d19,
        "record {number}"
    );
}

/// `SplitMix64`: the same values for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    fn ratio(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 8] = [
            "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta",
        ];
        WORDS[usize::try_from(self.next() % 8).unwrap_or(0)]
    }
}

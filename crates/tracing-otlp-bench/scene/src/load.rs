//! Load for the programs with a network: floods, paces, bursts, and what they cost the process.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::{event, in_spans};

/// What a program with a network does, as the command line says it.
#[derive(Debug, Clone)]
pub struct Order {
    /// The kind of run, see [`perform`].
    pub kind: String,
    /// Where the receiver is.
    pub endpoint: String,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// How many records, in all.
    pub records: usize,
    /// Threads that emit, or records a second, or nothing.
    pub number: usize,
}

impl Order {
    /// Reads `KIND ENDPOINT COMPRESSION RECORDS NUMBER` from the command line.
    pub fn from_arguments() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [kind, endpoint, compression, records, number] = &arguments[..] else {
            panic!("expected: KIND ENDPOINT COMPRESSION RECORDS NUMBER");
        };
        Self {
            kind: kind.clone(),
            endpoint: endpoint.clone(),
            compression: compression.clone(),
            records: records.parse().expect("a number of records"),
            number: number.parse().expect("a number"),
        }
    }
}

/// Carries the order out and prints `name=value` lines.
///
/// - `export`: batches of 512, each flushed before the next: what all threads but the caller cost;
/// - `count`: the same, for callgrind: nothing is printed;
/// - `flood`: as fast as it can, from `number` threads;
/// - `paced`: `number` records a second;
/// - `burst`: `number` threads at once, share and share alike;
/// - `latency`: `number` records a second (0: as fast as it can), each timed.
///
/// `flush` sends what waits, `shutdown` ends telemetry.
pub fn perform(order: &Order, flush: impl Fn(), shutdown: impl FnOnce()) {
    let records = order.records;
    let started = Instant::now();
    let mut emitting = Duration::ZERO;
    match order.kind.as_str() {
        "export" => {
            export(records, &flush);
            return;
        }
        "count" => {
            batches(records, &flush);
            // Without a shutdown: it is no part of the figure.
            std::process::exit(0);
        }
        "flood" => {
            in_threads(order.number, records, emit);
            emitting = started.elapsed();
        }
        "paced" => paced(order.number, records, event),
        "burst" => in_threads(order.number, records, emit),
        "latency" => {
            let mut times = Vec::with_capacity(records);
            let one = |number| {
                let before = Instant::now();
                event(number);
                times.push(before.elapsed().as_nanos() as u64);
            };
            if order.number == 0 {
                (0..records).for_each(one);
            } else {
                paced(order.number, records, one);
            }
            quantiles(&mut times);
            // The receiver may hang: nothing is flushed.
            std::process::exit(0);
        }
        other => panic!("no kind {other}"),
    }
    shutdown();
    println!("emit_seconds={:.4}", emitting.as_secs_f64());
    println!("seconds={:.4}", started.elapsed().as_secs_f64());
    println!("cpu_seconds={:.2}", process_cpu());
    println!("peak_kib={}", peak_kib());
}

fn emit(range: std::ops::Range<usize>) {
    range.for_each(event);
}

fn in_threads(threads: usize, records: usize, work: fn(std::ops::Range<usize>)) {
    let share = records / threads;
    let barrier = std::sync::Barrier::new(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                work(number * share..(number + 1) * share);
            });
        }
    });
}

/// In steps of a millisecond: finer sleep is none.
fn paced(rate: usize, records: usize, mut work: impl FnMut(usize)) {
    let started = Instant::now();
    let mut done = 0;
    while done < records {
        let due = (started.elapsed().as_secs_f64() * rate as f64) as usize;
        for number in done..due.min(records) {
            work(number);
        }
        done = due.min(records).max(done);
        thread::sleep(Duration::from_millis(1));
    }
}

fn export(records: usize, flush: &impl Fn()) {
    in_spans(|| (0..4 * BATCH).for_each(event));
    flush();
    let before = other_threads();
    batches(records, flush);
    let records = (records / BATCH * BATCH) as f64;
    let after = other_threads();
    let mut all = 0.0;
    let mut worker = 0.0;
    for (id, name, time) in after {
        let was = before.iter().find(|(other, ..)| *other == id);
        let spent = time - was.map_or(0.0, |(.., time)| *time);
        all += spent;
        // The kernel keeps 15 characters of "OpenTelemetry.Logs.BatchProcessor".
        if name.starts_with("OpenTelemetry.L") {
            worker += spent;
        }
    }
    println!("worker_ns={:.1}", worker / records);
    println!("exporting_ns={:.1}", all / records);
}

/// So many records, in batches that are flushed one by one.
fn batches(records: usize, flush: &impl Fn()) {
    for batch in 0..records / BATCH {
        (batch * BATCH..(batch + 1) * BATCH).for_each(event);
        flush();
    }
}

/// As the specification has it, and both sides.
const BATCH: usize = 512;

/// Id, name and nanoseconds on a processor of every thread but the first.
fn other_threads() -> Vec<(String, String, f64)> {
    let own = std::process::id().to_string();
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let id = task.file_name().into_string().ok()?;
            let time = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let time = time.split_whitespace().next()?.parse().ok()?;
            Some((id, name.trim().to_owned(), time))
        })
        .filter(|(id, ..)| *id != own)
        .collect()
}

/// Seconds on a processor, of all threads that are and were. In ticks of 10 ms.
fn process_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let rest = stat.rsplit_once(')').expect("a name in brackets").1;
    let ticks = |field: usize| -> f64 {
        let value = rest.split_whitespace().nth(field);
        value.and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let value = line.and_then(|line| line.split_whitespace().next());
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn quantiles(times: &mut [u64]) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("p50_ns={}", at(0.5));
    println!("p99_ns={}", at(0.99));
    println!("p999_ns={}", at(0.999));
    println!("max_ns={}", at(1.0));
}

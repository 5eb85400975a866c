//! A service through an outage, with an eye on its memory.
//!
//! The suite `soak` runs it: its receiver is in the parent, so that nothing but telemetry, and the
//! little that this program is, lives on this heap. Every allocation is counted, so the figure is
//! that of the program and not of the allocator's mood; the resident size stands beside it.
//!
//! ```text
//! soak RATE SECONDS PAYLOAD
//! ```
//!
//! It warms up, says so, waits for a line on standard input (the outage has begun), emits RATE
//! records a second for SECONDS, each with a text of PAYLOAD bytes, says what it had at most, waits
//! for another line (the outage is over), goes on at the same rate while something is on disk, waits
//! until everything is delivered, and reports. Without that second line it would have ended like any
//! service: what is left is the shutdown's business.

#![expect(clippy::print_stdout, reason = "what it has to tell is on stdout")]

use std::error::Error;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use tracing::info;
use tracing_otlp::{AdmissionSettings, SignalCounts, Telemetry};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [rate, seconds, payload] = &arguments[..] else {
        return Err("soak RATE SECONDS PAYLOAD".into());
    };
    let (rate, seconds): (u64, u64) = (rate.parse()?, seconds.parse()?);
    let payload: usize = payload.parse()?;

    let telemetry = Telemetry::builder()
        .with_service_name("soak")
        // A record of the pipeline's own would be one more than was logged.
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .init()?;
    let mut random = Random(7);

    // Everything that is made once is made now: connections, buffers, the spool's thread.
    let mut number = 0;
    emit(&mut number, rate, 2 * rate, payload, &mut random);
    let report = telemetry.flush(PATIENCE);
    assert!(report.is_settled(), "{report}");
    HEAP.reset_peak_usage();
    let warm = Memory::now();
    say(&json!({ "phase": "warm", "memory": warm.shown(&warm) }));
    listen()?;

    let start = Instant::now();
    let mut most = Memory::now();
    for _ in 0..seconds * SLICES {
        emit(&mut number, rate, rate / SLICES, payload, &mut random);
        most = most.or_more(&Memory::now());
    }
    let outage = start.elapsed();
    let kept = kept(telemetry.telemetry());
    let now = Memory::now();
    say(&json!({
        "phase": "outage",
        "seconds": outage.as_secs_f64(),
        "memory": now.shown(&warm),
        "most": most.shown(&warm),
        "logs": counted(&kept),
    }));
    listen()?;

    // A service does not pause for its backlog.
    let back = Instant::now();
    let until = back + PATIENCE + 2 * outage;
    while telemetry.telemetry().counts().logs().spooled() > 0 && Instant::now() < until {
        emit(&mut number, rate, rate / SLICES, payload, &mut random);
        most = most.or_more(&Memory::now());
    }
    let drained = back.elapsed();
    // What was kept goes out by itself; flushing hastens what waits to be tried again.
    loop {
        let _ = telemetry.flush(Duration::from_secs(1));
        let counts = telemetry.telemetry().counts();
        most = most.or_more(&Memory::now());
        if counts.logs().pending() + counts.logs().spooled() == 0 || Instant::now() > until {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    say(&json!({
        "phase": "over",
        "seconds": back.elapsed().as_secs_f64(),
        "drained": drained.as_secs_f64(),
        "memory": Memory::now().shown(&warm),
        "most": most.shown(&warm),
    }));
    let report = telemetry.shutdown();
    let mut last = counted(report.logs());
    last["phase"] = "end".into();
    last["settled"] = report.is_settled().into();
    say(&last);
    Ok(())
}

/// The counts once the last batch has gone on to delivery and met what room there is: then it is
/// known what is kept. Nothing arrives, so no flush settles; two looks that agree will do.
fn kept(telemetry: &Telemetry) -> SignalCounts {
    let mut before = None;
    loop {
        let _ = telemetry.flush(Duration::from_secs(5));
        let counts = *telemetry.counts().logs();
        let held = counts.delivered() + counts.spooled() + counts.pending();
        if before == Some(held) {
            return counts;
        }
        before = Some(held);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Emits so many records at this rate, on the clock and not after it: a slow machine catches up.
fn emit(number: &mut u64, rate: u64, records: u64, payload: usize, random: &mut Random) {
    let start = Instant::now();
    for step in 0..records {
        let due = Duration::from_nanos(step * 1_000_000_000 / rate);
        if let Some(wait) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(wait);
        }
        let text = random.text(payload);
        info!(number, payload = &*text, "record {number}");
        *number += 1;
    }
    let due = Duration::from_nanos(records * 1_000_000_000 / rate);
    if let Some(wait) = due.checked_sub(start.elapsed()) {
        std::thread::sleep(wait);
    }
}

/// What the process has, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    /// Allocated and not freed, now.
    live: usize,
    /// The most that was, since it was warm.
    peak: usize,
    /// In memory, as the system sees it.
    resident: usize,
}

impl Memory {
    fn now() -> Self {
        Self {
            live: HEAP.current_usage(),
            peak: HEAP.peak_usage(),
            resident: resident(),
        }
    }

    fn or_more(self, other: &Self) -> Self {
        Self {
            live: self.live.max(other.live),
            peak: self.peak.max(other.peak),
            resident: self.resident.max(other.resident),
        }
    }

    /// Above what it was when warm.
    fn shown(&self, warm: &Self) -> Value {
        json!({
            "live": self.live.saturating_sub(warm.live),
            "peak": self.peak.saturating_sub(warm.live),
            "resident": self.resident.saturating_sub(warm.resident),
            "warm_live": warm.live,
            "warm_resident": warm.resident,
        })
    }
}

/// `VmRSS`; 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn counted(counts: &SignalCounts) -> Value {
    json!({
        "emitted": counts.emitted(),
        "recovered": counts.recovered(),
        "delivered": counts.delivered(),
        "spooled": counts.spooled(),
        "pending": counts.pending(),
        "lost": counts.lost(),
        "by_reason": counts.by_reason(),
    })
}

fn listen() -> std::io::Result<()> {
    std::io::stdin().read_line(&mut String::new()).map(drop)
}

fn say(value: &Value) {
    println!("{value}");
}

/// `SplitMix64`, as text that does not compress to nothing.
struct Random(u64);

impl Random {
    fn text(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 8);
        while text.len() < bytes {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            for byte in z.to_le_bytes() {
                text.push(char::from(b' ' + byte % 95));
            }
        }
        text.truncate(bytes);
        text
    }
}

/// How often a second the memory is looked at.
const SLICES: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(300);

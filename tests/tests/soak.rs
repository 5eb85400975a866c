//! A long outage at 2,000 records a second: memory stays within what was configured, and what was
//! kept is delivered.
//!
//! The outage lasts some seconds here. These are the ten minutes of the guarantee, with the code as
//! it is deployed:
//!
//! ```text
//! TRACING_OTLP_SOAK_SECONDS=600 cargo test --release -p tracing-otlp-tests --test soak -- --nocapture
//! ```
//!
//! What is held to what. The *cap* is the sum of the two byte bounds: what may wait for a batch
//! (`TRACING_OTLP_QUEUE_MAX_BYTES`) and for delivery (`TRACING_OTLP_DELIVERY_QUEUE_MAX_BYTES`).
//! *Used* is the heap of the program above its level when warm, every allocation counted, at its
//! highest moment: requests, records that wait, what is being encoded or sent, everything. Used
//! must not be above the cap by more than a tenth. The resident size is reported beside it and
//! judged by nobody: it is what the allocator makes of it.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]
#![expect(
    clippy::print_stdout,
    reason = "its figures are what a long run is for"
)]
#![cfg(target_os = "linux")]

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value as Json;
use tracing_otlp_tests::child::{self, Child};
use tracing_otlp_tests::conserved::{assert_balanced, count, numbers};
use tracing_otlp_tests::directory::Directory;
use tracing_otlp_tests::receiver::{Mood, Receiver};

const RATE: u64 = 2_000;
const MIB: u64 = 1024 * 1024;

struct Soak {
    name: &'static str,
    compression: &'static str,
    payload: usize,
    queue_mib: u64,
    delivery_mib: u64,
    /// So many records that the bytes are what binds; else as it is by default.
    any_number: bool,
    /// How many records a batch holds, where it is not the default.
    batch: Option<u64>,
    spool: bool,
}

/// What a run said, phase by phase, and what its receiver took.
struct Soaked {
    outage: Json,
    over: Json,
    end: Json,
    received: Vec<u64>,
    cap: u64,
}

fn seconds() -> u64 {
    let seconds = std::env::var("TRACING_OTLP_SOAK_SECONDS");
    seconds.map_or(8, |text| text.parse().unwrap())
}

impl Soak {
    fn run(&self) -> Soaked {
        let receiver = Receiver::start();
        let directory = Directory::new();
        let mut command = child::command(env!("CARGO_BIN_EXE_soak"));
        command
            .args([RATE.to_string(), seconds().to_string()])
            .arg(self.payload.to_string())
            .stdin(Stdio::piped())
            .env("TRACING_OTLP_CONSOLE", "off")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
            .env("OTEL_EXPORTER_OTLP_COMPRESSION", self.compression)
            .env("OTEL_TRACES_EXPORTER", "none")
            .env(
                "TRACING_OTLP_QUEUE_MAX_BYTES",
                format!("{}MiB", self.queue_mib),
            )
            .env(
                "TRACING_OTLP_DELIVERY_QUEUE_MAX_BYTES",
                format!("{}MiB", self.delivery_mib),
            )
            .env("TRACING_OTLP_SHUTDOWN_DEADLINE", "60s");
        if self.any_number {
            command.env("TRACING_OTLP_DELIVERY_QUEUE_MAX_RECORDS", "100000000");
        }
        if let Some(records) = self.batch {
            command.env("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", records.to_string());
        }
        if self.spool {
            command.env("TRACING_OTLP_SPOOL_DIRECTORY", directory.path());
        }
        let mut child = Child::spawn(&mut command).unwrap();
        let patience = Duration::from_secs(3 * seconds() + 400);
        let phase = |child: &Child, name: &str| -> Json {
            let wanted = format!("\"phase\":\"{name}\"");
            let lines = child
                .wait_for_stdout(patience, |lines| lines.iter().any(|l| l.contains(&wanted)))
                .unwrap();
            let line = lines.iter().find(|line| line.contains(&wanted)).unwrap();
            serde_json::from_str(line).unwrap()
        };
        phase(&child, "warm");
        receiver.die();
        child.tell("down").unwrap();
        let outage = phase(&child, "outage");
        receiver.come_back(Mood::Taking);
        child.tell("up").unwrap();
        let over = phase(&child, "over");
        let end = phase(&child, "end");
        assert!(child.wait(patience).unwrap().success());

        println!("{}", self.told(&outage, &over, &end));
        let arrived = receiver.arrived();
        assert!(arrived.records.values().all(|times| *times == 1));
        Soaked {
            outage,
            over,
            end,
            received: numbers(&arrived.records),
            cap: self.cap(),
        }
    }
}

impl Soak {
    fn cap(&self) -> u64 {
        (self.queue_mib + self.delivery_mib) * MIB
    }

    /// The figures of a run, for people.
    fn told(&self, outage: &Json, over: &Json, end: &Json) -> String {
        let kib = |value: &Json| value.as_u64().unwrap() / 1024;
        let most = &outage["most"];
        format!(
            "soak, {}: outage of {} s; cap {} KiB; used at most {} KiB, {} % of the cap; at the \
             end of the outage {} KiB, afterwards {} KiB; resident at most +{} KiB on {} KiB; \
             kept {}; {} s later nothing was on disk, {} s later all had arrived; in the end {end}",
            self.name,
            outage["seconds"],
            self.cap() / 1024,
            kib(&most["peak"]),
            100 * count(most, "peak") / self.cap(),
            kib(&outage["memory"]["live"]),
            kib(&over["memory"]["live"]),
            kib(&most["resident"]),
            kib(&most["warm_resident"]),
            outage["logs"],
            over["drained"],
            over["seconds"],
        )
    }
}

impl Soaked {
    fn assert_within_the_cap(&self) {
        for moment in [&self.outage, &self.over] {
            let used = count(&moment["most"], "peak");
            assert!(used <= self.cap / 10 * 11, "{used} of {}", self.cap);
        }
        // Nothing of it stays behind.
        let left = count(&self.over["memory"], "live");
        assert!(left <= self.cap / 10, "{left} of {}", self.cap);
    }

    fn assert_exact(&self) {
        assert_balanced(&self.end);
        // Two seconds to warm up, and no record is made but by the program.
        let kept = &self.outage["logs"];
        assert_eq!(count(kept, "emitted"), RATE * (seconds() + 2));
        let fresh = count(&self.end, "emitted") - count(kept, "emitted");
        assert_eq!(count(&self.end, "spooled"), 0);
        let received = self.received.len() as u64;
        assert_eq!(received, count(&self.end, "delivered"));
        assert_eq!(
            received + count(&self.end, "lost"),
            count(&self.end, "emitted")
        );
        // What was still there when the outage ended has arrived; but for requests that had been
        // tried before, and whose five minutes were over at that very moment.
        let given_up = |counts: &Json| {
            counts["by_reason"]["unreachable"]
                .as_u64()
                .unwrap_or_default()
        };
        let late = given_up(&self.end) - given_up(kept);
        assert!(late == 0 || seconds() > 290, "{late}: {:#}", self.end);
        assert_eq!(
            count(kept, "delivered") + count(kept, "pending") + count(kept, "spooled") + fresh,
            count(&self.end, "delivered") + late,
            "{kept:#} {:#}",
            self.end
        );
    }
}

#[test]
fn an_outage_without_a_spool_fills_memory_to_its_bound_and_not_further() {
    let soaked = Soak {
        name: "no spool, no compression",
        compression: "none",
        payload: 2_048,
        queue_mib: 4,
        delivery_mib: 16,
        any_number: true,
        // While a batch is encoded it costs some times its size, on top of the bounds. With records as
        // large as these a batch of 512 would be that tenth alone.
        batch: Some(128),
        spool: false,
    }
    .run();
    soaked.assert_within_the_cap();
    soaked.assert_exact();
    // The bound was reached, and used: 4 MB a second are more than it holds.
    assert!(count(&soaked.end["by_reason"], "delivery_queue_full") > 0);
    let used = count(&soaked.outage["memory"], "live");
    assert!(used >= 14 * MIB, "only {used}");
}

#[test]
fn an_outage_with_a_spool_loses_nothing_within_the_same_memory() {
    let soaked = Soak {
        name: "spool, gzip",
        compression: "gzip",
        payload: 160,
        // Room for some seconds in which the machine has no time for the thread that encodes.
        queue_mib: 16,
        delivery_mib: 2,
        any_number: true,
        batch: None,
        spool: true,
    }
    .run();
    soaked.assert_within_the_cap();
    soaked.assert_exact();
    assert_eq!(count(&soaked.end, "lost"), 0);
    assert!(count(&soaked.outage["logs"], "spooled") > 0);
    // The breaker's ten seconds, and then much faster than it came, beside what is new.
    let drained = soaked.over["drained"].as_f64().unwrap();
    let outage = soaked.outage["seconds"].as_f64().unwrap();
    assert!(drained <= 20.0 + outage / 4.0, "{drained}");
}

#[test]
fn an_outage_with_default_bounds_stays_far_below_them() {
    let soaked = Soak {
        name: "defaults, gzip",
        compression: "gzip",
        payload: 128,
        queue_mib: 32,
        delivery_mib: 64,
        any_number: false,
        batch: None,
        spool: false,
    }
    .run();
    soaked.assert_within_the_cap();
    soaked.assert_exact();
    // 200,000 records are what fills first.
    let lost = count(&soaked.end, "lost");
    assert_eq!(lost > 0, seconds() * RATE > 200_000, "{:#}", soaked.end);
}

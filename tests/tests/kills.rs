//! `kill -9`, again and again: what a report has called spooled arrives.
//!
//! A service is killed while it writes to its spool, and while it brings back what is there; the next
//! one has the same directory. What was in memory is lost with the process, and said by nobody. What
//! a report called spooled before must have been taken by the receiver in the end.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;
use tracing_otlp_tests::child::Child;
use tracing_otlp_tests::directory::Directory;
use tracing_otlp_tests::receiver::{Mood, Receiver};
use tracing_otlp_tests::victim::{PATIENCE, Victim};

const ROUNDS: u64 = 24;

/// What a child has said under this key, line by line.
fn said(child: &Child, key: &str) -> Vec<Json> {
    let lines = child.stdout();
    let objects = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    objects
        .map(|mut object: Json| object[key].take())
        .filter(|value| !value.is_null())
        .collect()
}

/// How many records a start found on disk, once it has begun.
fn recovered(child: &Child) -> u64 {
    let begun = |lines: &[String]| !lines.is_empty();
    child.wait_for_stdout(PATIENCE, begun).unwrap();
    said(child, "recovered")[0].as_u64().unwrap()
}

#[test]
fn what_a_report_called_spooled_arrives_however_often_the_service_is_killed() {
    let receiver = Receiver::start();
    let directory = Directory::new();
    let start = |mode: &[&str]| {
        Victim::new(env!("CARGO_BIN_EXE_victim"), mode)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
            .env("OTEL_TRACES_EXPORTER", "none")
            .env("TRACING_OTLP_SPOOL_DIRECTORY", directory.path())
            // What fails goes to disk at once.
            .env("TRACING_OTLP_RETRY_DEADLINE", "0")
            .start()
    };
    let taken = || -> BTreeSet<String> { receiver.arrived().records.into_keys().collect() };
    // Reproducible, as far as processes are.
    let mut random = 7_u64;
    let mut below = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % bound
    };
    let mut spooled = BTreeSet::new();
    let mut killed_in_replay = 0;
    for round in 0..ROUNDS {
        let drains = round % 4 == 3;
        let from = (round * 1_000_000).to_string();
        let mut child = if drains {
            receiver.set(Mood::Taking);
            start(&["drains"])
        } else {
            receiver.set(Mood::Throttling(503, None));
            start(&["spools", &from])
        };
        // Now and then before its start is over.
        if round % 8 != 6 {
            let missing = spooled.difference(&taken()).count() as u64;
            let found = recovered(&child);
            assert!(found >= missing, "{round}: {found} of {missing}");
            if !drains {
                let requests = usize::try_from(below(6)).unwrap();
                let enough = |lines: &[String]| lines.len() > 1 + requests;
                child.wait_for_stdout(PATIENCE, enough).unwrap();
            }
        }
        std::thread::sleep(Duration::from_millis(below(40)));
        killed_in_replay += u64::from(drains && !child.has_exited());
        child.kill();
        // Its last lines may still be on their way.
        child.wait(PATIENCE).unwrap();
        for numbers in said(&child, "spooled") {
            let numbers = numbers.as_array().unwrap().iter();
            spooled.extend(numbers.map(|number| format!("record {number}")));
        }
    }
    assert!(spooled.len() > 50, "{}", spooled.len());

    receiver.set(Mood::Taking);
    let mut last = start(&["drains"]);
    assert!(last.wait(PATIENCE).unwrap().success());
    assert_eq!(said(&last, "lost"), [0], "{:?}", last.stderr());
    let taken = taken();
    let missing: Vec<_> = spooled.difference(&taken).collect();
    assert!(missing.is_empty(), "of {}: {missing:?}", spooled.len());
    assert!(killed_in_replay > 0);
}

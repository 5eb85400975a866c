//! It does not matter which runtime the application has, or whether it has one; nor what the
//! destination does: shutting down ends in time, and tells the truth.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tracing_otlp_collector::Collector;
use tracing_otlp_tests::places::{BlackHole, Hanging, Refusing};
use tracing_otlp_tests::victim::{Run, Victim, assert_balanced, assert_delivered};

const PROTOCOLS: [&str; 3] = ["http/protobuf", "http/json", "grpc"];

/// The deadlines that are given below, in seconds.
const DEADLINE: u64 = 1;

fn victim(mode: &[&str]) -> Victim {
    Victim::new(env!("CARGO_BIN_EXE_victim"), mode)
}

/// Runs the mode against a collector, for each protocol: everything must arrive, well linked.
fn delivers(mode: &[&str], logs: u64, spans: u64) {
    for protocol in PROTOCOLS {
        let collector = Collector::start().unwrap();
        let run = victim(mode)
            .to(&collector)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .succeed();
        assert_delivered(&run.last(), logs, spans);
        assert!(run.said().is_empty(), "{run:#?}");
        let counts = collector.counts();
        assert_eq!((counts.logs, counts.spans), (logs, spans), "{protocol}");
        let audit = collector.audit();
        assert!(audit.is_clean(), "{audit}");
        assert_eq!(audit.linked as u64, spans, "{audit}");
    }
}

#[test]
fn without_a_runtime() {
    delivers(&["event", "5"], 1, 1);
}

#[test]
fn in_a_current_thread_runtime_blocking_it() {
    delivers(&["in-tokio", "current-thread", "blocking"], 1, 1);
}

#[test]
fn in_a_current_thread_runtime_awaiting() {
    delivers(&["in-tokio", "current-thread", "async"], 1, 1);
}

#[test]
fn in_a_multi_thread_runtime_blocking_it() {
    delivers(&["in-tokio", "multi-thread", "blocking"], 1, 1);
}

#[test]
fn in_a_multi_thread_runtime_awaiting() {
    delivers(&["in-tokio", "multi-thread", "async"], 1, 1);
}

#[test]
fn begun_before_the_runtime() {
    delivers(&["before-tokio", "blocking"], 1, 1);
    delivers(&["before-tokio", "async"], 1, 1);
}

#[test]
fn outliving_the_runtime() {
    delivers(&["outlives-tokio"], 2, 1);
}

#[test]
fn a_collector_on_the_same_current_thread_is_reached_by_awaiting() {
    let run = victim(&["serves-itself", "async"]).succeed();
    assert_delivered(&run.last(), 1, 1);
    assert!(run.said().is_empty(), "{run:#?}");
}

#[test]
fn a_collector_on_the_same_current_thread_that_is_blocked_costs_no_more_than_the_deadline() {
    let (run, took) = timed(victim(&["serves-itself", "blocking"]));
    assert_bounded(&run, took);
    assert_lost(&run, &["shutdown_deadline"]);
}

#[test]
fn a_destination_that_hangs_costs_no_more_than_the_deadline() {
    let place = Hanging::start();
    costs_the_deadline(place.address(), &["shutdown_deadline"]);
}

#[test]
fn a_destination_that_swallows_costs_no_more_than_the_deadline() {
    let place = BlackHole::start();
    costs_the_deadline(place.address(), &["shutdown_deadline"]);
}

#[test]
fn a_destination_that_refuses_costs_no_more_than_the_deadline() {
    let place = Refusing::start();
    costs_the_deadline(place.address(), &["unreachable"]);
}

fn costs_the_deadline(address: SocketAddr, reasons: &[&str]) {
    for protocol in PROTOCOLS {
        let (run, took) = timed(
            victim(&["event", &DEADLINE.to_string()])
                .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
                .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")),
        );
        assert_bounded(&run, took);
        assert_lost(&run, reasons);
        // One line of what is wrong at most, and one with the balance.
        let said = run.said();
        assert!((1..=2).contains(&said.len()), "{run:#?}");
        let farewell = said.last().unwrap();
        assert!(farewell.starts_with("at shutdown: "), "{run:#?}");
        for reason in reasons {
            assert!(farewell.contains(reason), "{run:#?}");
        }
    }
}

fn timed(victim: Victim) -> (Run, Duration) {
    let start = Instant::now();
    let run = victim.succeed();
    (run, start.elapsed())
}

fn assert_bounded(run: &Run, took: Duration) {
    let bound = Duration::from_secs(DEADLINE + 3);
    let seconds = run.last()["seconds"].as_f64().unwrap();
    assert!(seconds < bound.as_secs_f64(), "{run:#?}");
    assert!(took < bound + Duration::from_secs(2), "{took:?}: {run:#?}");
}

/// The one record and the one span were lost, for one of these reasons.
fn assert_lost(run: &Run, reasons: &[&str]) {
    let report = run.last();
    assert_balanced(&report);
    assert_eq!(report["settled"], true, "{report:#}");
    for account in [&report, &report["spans"]] {
        assert_eq!(account["emitted"], 1, "{report:#}");
        assert_eq!(account["lost"], 1, "{report:#}");
        let known = |reason: &&&str| account["by_reason"][**reason] == 1;
        assert!(reasons.iter().any(|reason| known(&reason)), "{report:#}");
    }
    assert!(report["line"].as_str().unwrap().contains("1 lost"));
}

#[test]
fn sixty_four_threads_that_log_while_it_ends_are_all_accounted_for() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().unwrap();
        let run = victim(&["threads"])
            .to(&collector)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .succeed();
        let told = run.told();
        let (report, end) = (&told[0], &told[1]);
        assert_balanced(report);
        assert_eq!(report["settled"], true, "{run:#?}");
        assert_eq!(end["logs"]["delivered"], report["delivered"], "{run:#?}");
        assert_balanced(&end["logs"]);
        assert_eq!(end["logs"]["delivered"], collector.counts().logs);
        for reason in end["logs"]["by_reason"].as_object().unwrap().keys() {
            assert!(
                ["queue_full", "after_shutdown"].contains(&&**reason),
                "{run:#?}"
            );
        }
        // The pipeline tells of the losses in records of its own.
        let of = |value: &serde_json::Value| value.as_u64().unwrap();
        let logs = &end["logs"];
        let theirs = of(&logs["emitted"]) - of(&logs["summaries"]);
        assert_eq!(theirs, of(&end["logged"]), "{run:#?}");
    }
}

#[test]
fn a_burst_is_delivered_or_counted() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().unwrap();
        let run = victim(&["burst"])
            .to(&collector)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .succeed();
        let report = run.last();
        assert_balanced(&report);
        let summaries = report["summaries"].as_u64().unwrap();
        assert_eq!(report["emitted"], 12_800 + summaries, "{report:#}");
        assert_eq!(report["delivered"], collector.counts().logs, "{report:#}");
        if report["lost"] == 0 {
            assert!(run.said().is_empty(), "{run:#?}");
        } else {
            assert_eq!(report["by_reason"]["queue_full"], report["lost"]);
            assert_eq!(run.said().len(), 2, "said at once and at the end: {run:#?}");
        }
    }
}

#[test]
fn a_queue_as_long_as_the_burst_loses_nothing() {
    let collector = Collector::start().unwrap();
    let run = victim(&["burst"])
        .to(&collector)
        // Of which INFO may fill four fifths.
        .env("OTEL_BLRP_MAX_QUEUE_SIZE", "16000")
        .succeed();
    assert_delivered(&run.last(), 12_800, 0);
    assert_eq!(collector.counts().logs, 12_800);
}

#[test]
fn four_thousand_paced_records_are_all_delivered() {
    let collector = Collector::start().unwrap();
    let run = victim(&["paced"]).to(&collector).succeed();
    assert_delivered(&run.last(), 4_000, 0);
    let mut numbers: Vec<i64> = collector
        .logs()
        .iter()
        .filter_map(|log| log.attr_i64("number"))
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..4_000));
}

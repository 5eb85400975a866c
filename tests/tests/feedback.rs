//! One application record is one request, and then the line is quiet: nothing that the exporter,
//! its HTTP client or the resolver log comes back, at any level, on any thread.
//!
//! Quiet is counted, not waited for: what a request makes its client log would be in the next
//! flush, and there are twenty of them.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use tracing_otlp_collector::{Collector, StoredLog, StoredSpan};
use tracing_otlp_tests::places::Refusing;
use tracing_otlp_tests::victim::{Run, Victim, assert_balanced, assert_delivered};

const PROTOCOLS: [&str; 3] = ["http/protobuf", "http/json", "grpc"];

fn victim(how: &str, protocol: &str, endpoint: &str) -> Victim {
    Victim::new(env!("CARGO_BIN_EXE_victim"), &["feedback", how])
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("RUST_LOG", "trace")
        // Batches leave by the clock too, while the flushes go on.
        .env("OTEL_BLRP_SCHEDULE_DELAY", "1")
        .env("OTEL_BSP_SCHEDULE_DELAY", "1")
}

/// By address and by name: names are resolved on a thread of their own.
fn endpoints(collector: &Collector) -> [String; 2] {
    [
        collector.endpoint(),
        format!("http://localhost:{}", collector.local_addr().port()),
    ]
}

/// Every flush tells the same.
fn assert_quiet(run: &Run) {
    let told = run.told();
    assert!(told.len() >= 21, "{run:#?}");
    for report in &told {
        for what in ["emitted", "delivered", "lost", "pending"] {
            assert_eq!(report[what], told[0][what], "{what} grew: {run:#?}");
            assert_eq!(report["spans"][what], told[0]["spans"][what], "{run:#?}");
        }
    }
}

fn exactly_one_arrives(how: &str, spans: usize) {
    for protocol in PROTOCOLS {
        let collector = Collector::start().unwrap();
        for (number, endpoint) in endpoints(&collector).iter().enumerate() {
            let run = victim(how, protocol, endpoint).succeed();
            assert_quiet(&run);
            assert_delivered(&run.told()[0], 1, spans as u64);
            assert_eq!(run.said(), [""; 0], "{protocol} {endpoint}");

            let received = collector.snapshot();
            let bodies: Vec<_> = received.logs.iter().map(StoredLog::body_str).collect();
            let expected = vec![Some("the one event"); number + 1];
            assert_eq!(bodies, expected, "{protocol} {endpoint}");
            let names: Vec<_> = received.spans.iter().map(StoredSpan::name).collect();
            let expected = vec!["the one span"; spans * (number + 1)];
            assert_eq!(names, expected, "{protocol} {endpoint}");
            assert!(received.audit().is_clean(), "{}", received.audit());
            let requests = (number as u64 + 1) * (1 + spans as u64);
            assert_eq!(received.counts.requests(), requests, "{protocol}");
            assert_eq!(received.counts.refused, 0, "{protocol}");
        }
    }
}

#[test]
fn one_event_is_one_request_and_then_silence() {
    exactly_one_arrives("event", 0);
}

#[test]
fn one_event_in_a_span_is_one_record_and_one_span_and_then_silence() {
    exactly_one_arrives("event-in-span", 1);
}

#[test]
fn one_record_of_the_log_crate_is_one_request_and_then_silence() {
    exactly_one_arrives("log-record", 0);
}

#[test]
fn there_is_no_filter_by_target_behind_the_silence() {
    exactly_one_arrives("event-like-hyper", 0);
}

#[test]
fn a_destination_that_is_down_is_no_source_of_records() {
    for protocol in PROTOCOLS {
        for host in ["127.0.0.1", "localhost"] {
            let refusing = Refusing::start();
            let port = refusing.address().port();
            let run = victim("event-in-span", protocol, &format!("http://{host}:{port}")).succeed();
            let told = run.told();
            assert!(told.len() >= 21, "{run:#?}");
            // It is tried again until everything ends, and nothing joins it.
            for report in &told {
                for account in [report, &report["spans"]] {
                    let sum =
                        account["pending"].as_u64().unwrap() + account["lost"].as_u64().unwrap();
                    assert_eq!((account["emitted"].as_u64(), sum), (Some(1), 1), "{run:#?}");
                }
            }
            assert_eq!(told[0]["pending"], 1, "{run:#?}");
            let last = run.last();
            assert_balanced(&last);
            assert_eq!(last["by_reason"]["unreachable"], 1, "{run:#?}");
            assert_eq!(last["spans"]["by_reason"]["unreachable"], 1, "{run:#?}");
        }
    }
}

/// Without it the tests above would prove nothing where nobody speaks.
#[test]
fn they_do_speak_and_a_layer_that_prints_hears_them() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().unwrap();
        for (number, endpoint) in endpoints(&collector).iter().enumerate() {
            let run = victim("witnessed", protocol, endpoint).succeed();
            assert_quiet(&run);
            assert_delivered(&run.last(), 1, 1);
            let heard = |who: &str| run.stderr.iter().any(|line| line.contains(who));
            assert!(heard("hyper_util::client"), "{protocol}: {run:#?}");
            assert!(heard("opentelemetry_sdk: "), "{protocol}: {run:#?}");
            if protocol == "grpc" {
                assert!(heard("h2::"), "{run:#?}");
            }
            assert!(run.said().is_empty(), "{run:#?}");
            let counts = collector.counts();
            let times = number as u64 + 1;
            assert_eq!((counts.logs, counts.spans), (times, times), "{protocol}");
            assert_eq!(counts.requests(), 2 * times, "{protocol}");
        }
    }
}

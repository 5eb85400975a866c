//! The collector never feeds on itself: what hyper and h2 write on its thread is suppressed.
//!
//! The subscriber is global, so this test has a process of its own.

mod peer;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use http::Version;
use opentelemetry::Context;
use peer::{Ask, PROTOBUF, logs, run};
use prost::Message as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_otlp_collector::Collector;

static SUPPRESSED: AtomicUsize = AtomicUsize::new(0);
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// Stands for a pipeline that exports every event into the collector.
struct Pipeline;

impl Subscriber for Pipeline {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        note();
        Id::from_u64(1)
    }
    fn event(&self, _: &Event<'_>) {
        note();
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn note() {
    if thread::current().name() == Some("otlp-collector") {
        let counter = if Context::is_current_telemetry_suppressed() {
            &SUPPRESSED
        } else {
            &LEAKED
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn nothing_that_happens_on_the_collectors_thread_is_telemetry() {
    tracing::subscriber::set_global_default(Pipeline).unwrap();
    let collector = Collector::start().unwrap();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let ask = Ask::post("/v1/logs", PROTOBUF, logs(["x"]).encode_to_vec());
        assert_eq!(run(ask.send(collector.local_addr(), version)).status, 200);
    }
    drop(collector);
    assert!(
        SUPPRESSED.load(Ordering::Relaxed) > 0,
        "h2 writes events, or this proves nothing"
    );
    assert_eq!(LEAKED.load(Ordering::Relaxed), 0);
    assert!(
        !Context::is_current_telemetry_suppressed(),
        "only that thread is suppressed"
    );
}

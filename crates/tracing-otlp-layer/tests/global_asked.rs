//! A processor that logs while it is asked whether it wants a record, under a global subscriber.
//!
//! A file of its own: where any scoped subscriber exists, `tracing` lets no event through from
//! inside a callback, and there would be nothing to test.

#![allow(clippy::expect_used, reason = "a test may")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::Severity;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use tracing::info;
use tracing_otlp_layer::LogLayer;
use tracing_subscriber::prelude::*;

static ASKED: AtomicUsize = AtomicUsize::new(0);
static TOLD: AtomicUsize = AtomicUsize::new(0);

/// Counts a call, and says so in an event. Nobody's stack is to be put to the test.
fn called(count: &AtomicUsize) {
    if count.fetch_add(1, Ordering::Relaxed) < 50 {
        info!("called");
    }
}

#[derive(Debug)]
struct Chatty;

impl LogProcessor for Chatty {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {}

    fn event_enabled(&self, _: Severity, _: &str, _: Option<&str>) -> bool {
        called(&ASKED);
        false
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn what_is_logged_while_a_record_is_asked_for_is_not_asked_about() {
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(Chatty)
        .build();
    let layer = LogLayer::new(&provider).with_on_refused(|_| called(&TOLD));
    let counts = layer.counts();
    #[cfg(feature = "log")]
    tracing_otlp_layer::LogBridge::install(log::LevelFilter::Trace).expect("the only logger");
    tracing_subscriber::registry().with(layer).init();
    info!("one");
    info!(otel.severity_number = 17, "two");
    #[cfg(feature = "log")]
    log::info!("three");
    let refused = 2 + usize::from(cfg!(feature = "log"));
    assert_eq!(ASKED.load(Ordering::Relaxed), refused);
    assert_eq!(TOLD.load(Ordering::Relaxed), refused);
    assert_eq!(counts.refused(), refused as u64);
    // With its feature `internal-logs` the SDK logs at DEBUG when it makes a logger.
    let ours = counts.of_level(tracing::Level::INFO);
    assert_eq!(ours.reentrant, 2 * refused as u64);
}

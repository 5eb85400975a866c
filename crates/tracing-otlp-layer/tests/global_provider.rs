//! Events from inside the logger provider and the severity rule, under a global subscriber.
//!
//! A file of its own: where any scoped subscriber exists, `tracing` lets no event through from
//! inside an event, and there would be nothing to test.

#![allow(clippy::expect_used, reason = "a test may")]

mod support;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{LoggerProvider, Severity};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use support::Rig;
use tracing::{debug, info};
use tracing_otlp_layer::LogLayer;
use tracing_subscriber::prelude::*;

/// As the SDK with `internal-logs`: it tells of every logger it makes.
#[derive(Clone)]
struct Talkative(SdkLoggerProvider);

impl LoggerProvider for Talkative {
    type Logger = SdkLogger;

    fn logger_with_scope(&self, scope: InstrumentationScope) -> SdkLogger {
        debug!(target: "provider", scope = scope.name(), "logger made");
        self.0.logger_with_scope(scope)
    }
}

#[test]
fn a_provider_and_a_rule_that_log_do_not_recurse() {
    let rig = Rig::default();
    let layer = LogLayer::new(&Talkative(rig.logs.clone())).with_severity_rule(|metadata| {
        debug!(target: "rule", "asked");
        (metadata.target() == "audit").then_some(Severity::Info3)
    });
    let counts = layer.counts();
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("one test of this file sets it");
    info!(target: "audit", "first");
    info!("second");
    let bodies: Vec<_> = rig
        .records()
        .iter()
        .map(|record| record.body_text().map(str::to_owned))
        .collect();
    assert_eq!(
        bodies,
        [Some("first".to_owned()), Some("second".to_owned())]
    );
    assert_eq!(
        rig.record("first").record.severity_number(),
        Some(Severity::Info3)
    );
    assert_eq!(counts.records(), 2);
    // Provider and rule, once for each of the two call sites; the SDK has its say too where its
    // feature `internal-logs` is on.
    assert!(counts.reentrant() >= 4, "{counts:?}");

    #[cfg(feature = "log")]
    {
        tracing_otlp_layer::LogBridge::install(log::LevelFilter::Info).expect("the only logger");
        log::info!(target: "only known at run time", "third");
        assert_eq!(rig.record("third").scope, "only known at run time");
        assert_eq!(rig.records().len(), 3);
    }
}

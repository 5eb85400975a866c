//! Records of the `log` crate that log while they are formatted, under a global subscriber.
//!
//! A file of its own: the `log` crate has one logger a process, and where any scoped subscriber
//! exists `tracing` lets no event through from inside another.
#![cfg(feature = "log")]
#![allow(clippy::expect_used, reason = "a test may")]

mod support;

use std::fmt;

use opentelemetry::logs::AnyValue;
use support::Rig;
use tracing::{Dispatch, Subscriber};
use tracing_otlp_layer::LogBridge;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

/// Logs through `log` while it is formatted.
struct Talks;

impl fmt::Display for Talks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        log::info!(inner = 1; "inner");
        log::warn!("inner without key-values");
        f.write_str("talks")
    }
}

#[test]
fn key_values_stay_with_their_own_record() {
    let rig = Rig::default();
    let subscriber = tracing_subscriber::registry()
        .with(Formats)
        .with(rig.layer());
    tracing::dispatcher::set_global_default(Dispatch::new(subscriber)).expect("only here");
    LogBridge::install(log::LevelFilter::Trace).expect("the only logger");

    log::debug!(outer = 1; "{Talks}");
    log::info!("afterwards");

    // Each layer that formats the outer record brings the inner ones in once.
    let records = rig.records();
    for (body, inner, outer, times) in [
        ("inner", true, false, 2),
        ("inner without key-values", false, false, 2),
        ("talks", false, true, 1),
        ("afterwards", false, false, 1),
    ] {
        let found: Vec<_> = records
            .iter()
            .filter(|record| record.body_text() == Some(body))
            .collect();
        assert_eq!(found.len(), times, "{body}");
        for record in found {
            let one = |yes: bool| yes.then_some(AnyValue::Int(1));
            assert_eq!(record.attr("inner"), one(inner), "{body}");
            assert_eq!(record.attr("outer"), one(outer), "{body}");
        }
    }
}

/// A layer that formats what it sees, as `fmt` does: nested records come from here, before our
/// layer has read the outer one's key-values.
struct Formats;

impl<S: Subscriber> Layer<S> for Formats {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = String::new();
        event.record(&mut |_: &tracing::field::Field, value: &dyn fmt::Debug| {
            let _ = fmt::Write::write_fmt(&mut text, format_args!("{value:?}"));
        });
    }
}

//! One set of records and spans that goes through every line of the mapping, and what must arrive.
//!
//! It stands at both ends of the whole way: [`run`] is the application, [`assert_arrived`] looks
//! at what a receiver made of it. The receiver does not matter: whoever reads requests gives
//! [`LogRecord`]s and [`Span`]s, and everybody is held against the same expectation.
//!
//! The one thing to know: a record is known by its attribute `case`. Ids and times are the only
//! things that differ between two runs, so [`Seen`] says the name of the span that a record points
//! at instead of its ids, and the times are checked and left out.

use opentelemetry::{InstrumentationScope, KeyValue};
use tracing::{Dispatch, Metadata};
use tracing_otlp::opentelemetry::logs::Severity;
use tracing_otlp::{Limits, LogBridge, SpanFields, Telemetry, TelemetryBuilder};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use crate::model::{LogRecord, Span};

mod events;
mod expected;
mod links;
mod seen;

pub use expected::{records, spans};
pub use seen::{Seen, SeenSpan, seen, seen_spans};

/// Sets the layer up as the scenario wants it. Where it sends, and who speaks, is the caller's.
pub fn configure(builder: TelemetryBuilder) -> TelemetryBuilder {
    builder.with_log_layer(|layer| {
        layer
            .with_span_fields(
                SpanFields::matching(["user.*", "shared.*", "otel.*", "failure"], ["*.secret"])
                    .with_span_name("span.name"),
            )
            .with_limits(
                Limits::default()
                    .with_attribute_count(ATTRIBUTES)
                    .with_value_length(VALUE_LENGTH)
                    .with_body_length(BODY_LENGTH)
                    .with_depth(DEPTH),
            )
            .with_severity_rule(|metadata| {
                (metadata.target() == "audit").then_some(Severity::Info3)
            })
            .with_scope(
                InstrumentationScope::builder("shop")
                    .with_version("1.2.3")
                    .with_schema_url("https://example.test/schema")
                    .with_attributes([KeyValue::new("team", "till")])
                    .build(),
            )
    })
}

/// Logs the whole set through a subscriber of this thread.
pub fn run(telemetry: &Telemetry) {
    // Only the first of a process can; the bridge is the same for every run.
    let _ = LogBridge::install(log::LevelFilter::Info);
    let exported = |metadata: &Metadata<'_>| metadata.target() != "hidden";
    let dispatch = Dispatch::new(
        tracing_subscriber::registry()
            .with(telemetry.span_layer().with_filter(filter_fn(exported)))
            .with(telemetry.log_layer()),
    );
    tracing::dispatcher::with_default(&dispatch, || {
        events::log();
        links::log(telemetry, &dispatch);
    });
}

/// Holds what arrived against what was expected, typed, record by record and span by span.
///
/// # Panics
///
/// When they differ.
pub fn assert_arrived(logs: &[LogRecord], arrived: &[Span]) {
    assert_same(&seen(logs, arrived), &records());
    assert_same(&seen_spans(arrived), &spans());
}

/// Equal in every part, in any order; a NaN is equal to a NaN, and -0.0 is not 0.0.
///
/// # Panics
///
/// When they differ, with those of each side that the other does not have.
pub fn assert_same<T: std::fmt::Debug>(arrived: &[T], expected: &[T]) {
    let lines = |list: &[T]| {
        let mut lines: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
        lines.sort_unstable();
        lines
    };
    let (arrived, expected) = (lines(arrived), lines(expected));
    let beside = |these: &[String], those: &[String]| {
        let only: Vec<&str> = these
            .iter()
            .filter(|line| !those.contains(line))
            .map(String::as_str)
            .collect();
        only.join("\n")
    };
    assert!(
        arrived == expected,
        "{} arrived, {} expected\nonly arrived:\n{}\nonly expected:\n{}",
        arrived.len(),
        expected.len(),
        beside(&arrived, &expected),
        beside(&expected, &arrived),
    );
}

/// How many attributes the limits turn away in a run: seven fields, file and line.
pub const DROPPED: u64 = 9;

const ATTRIBUTES: usize = 24;
const VALUE_LENGTH: usize = 200;
const BODY_LENGTH: usize = 40;
const DEPTH: usize = 3;

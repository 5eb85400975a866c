//! Values that log while they are formatted, under a global subscriber.
//!
//! A file of its own: where any scoped subscriber exists, `tracing` lets no event through from
//! inside another, and there would be nothing to test.

#![allow(clippy::expect_used, reason = "a test may")]

mod support;

use std::fmt;

use support::Rig;
use tracing::{Dispatch, info, info_span};
use tracing_otlp_layer::{SpanFields, span_layer};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// Logs while it is formatted.
struct Talks;

impl fmt::Debug for Talks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("from inside");
        f.write_str("talks")
    }
}

/// Logs itself while it is formatted.
struct Endless;

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(again = ?Endless, "endless");
        f.write_str("endless")
    }
}

/// The tests of this file share one global subscriber.
fn global() -> &'static Rig {
    static RIG: std::sync::OnceLock<Rig> = std::sync::OnceLock::new();
    RIG.get_or_init(|| {
        let rig = Rig::default();
        let layer = rig.layer().with_span_fields(SpanFields::all());
        let spans = span_layer(rig.tracer()).with_filter(LevelFilter::INFO);
        let subscriber = tracing_subscriber::registry()
            .with(Formats)
            .with(spans)
            .with(layer);
        tracing::dispatcher::set_global_default(Dispatch::new(subscriber)).expect("only here");
        rig
    })
}

#[test]
fn a_value_that_logs_is_logged_and_does_not_hang() {
    let rig = global();
    let span = info_span!("logging span", late = tracing::field::Empty, new = ?Talks);
    let entered = span.enter();
    info!(value = ?Talks, "outer");
    span.record("late", tracing::field::debug(Talks));
    tracing::error!(value = ?Talks, "outer error");
    drop(entered);
    drop(span);
    assert_eq!(rig.record("outer").text("value").as_deref(), Some("talks"));
    rig.assert_points("outer", "logging span");
    assert!(
        rig.records()
            .iter()
            .any(|r| r.body_text() == Some("from inside"))
    );
}

/// Logs in the middle of its text.
struct Interrupts;

impl fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("before ")?;
        info!(inner = ?"inner value", "inner {}", 1);
        f.write_str("after")
    }
}

#[test]
fn a_value_that_logs_in_the_middle_of_its_text_keeps_it_whole() {
    let rig = global();
    info!(value = ?Interrupts, "interrupted {}", 2);
    let inner = rig.record("inner 1");
    assert_eq!(inner.text("inner").as_deref(), Some("\"inner value\""));
    let outer = rig.record("interrupted 2");
    assert_eq!(outer.text("value").as_deref(), Some("before after"));
}

/// A layer that formats a new span's fields before the trace layer sees it.
struct Formats;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Formats {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        _: &tracing::span::Id,
        _: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let _ = format!("{attributes:?}");
    }
}

#[test]
fn a_hidden_span_whose_field_logs_while_another_layer_formats_it_harms_nobody() {
    let rig = global();
    // The global subscriber of this file has `Formats` below a trace layer that hides DEBUG spans.
    let span = tracing::debug_span!("hidden from the trace layer", value = ?Talks);
    span.in_scope(|| info!("in the hidden span"));
    drop(span);
    assert!(
        rig.finished()
            .iter()
            .all(|span| span.name != "hidden from the trace layer")
    );
    rig.assert_points_nowhere("in the hidden span");
}

#[test]
fn a_value_that_logs_itself_ends() {
    let rig = global();
    info!(value = ?Endless, "start");
    let inner = rig
        .records()
        .iter()
        .filter(|r| r.body_text() == Some("endless"))
        .count();
    assert_eq!(inner, 1, "one level is kept, recursion is cut");
    assert_eq!(
        rig.record("start").text("value").as_deref(),
        Some("endless")
    );
}

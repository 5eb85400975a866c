//! Events from inside another layer's callbacks, under a global subscriber.
//!
//! A file of its own: where any scoped subscriber exists, `tracing` lets no event through from
//! inside a callback, and there would be nothing to test.

#![allow(clippy::expect_used, reason = "a test may")]

mod support;

use opentelemetry::logs::AnyValue;
use support::Rig;
use tracing::{info, info_span};
use tracing_otlp_layer::span_layer;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

/// Another layer that logs in each of its hooks, while it holds the span's extensions.
struct Chatty;

impl<S> Layer<S> for Chatty
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_new_span(
        &self,
        _: &tracing::span::Attributes<'_>,
        id: &tracing::span::Id,
        ctx: Context<'_, S>,
    ) {
        let span = ctx.span(id).expect("new");
        let _held = span.extensions_mut();
        info!("chatty new");
    }

    fn on_enter(&self, id: &tracing::span::Id, ctx: Context<'_, S>) {
        let span = ctx.span(id).expect("entered");
        let _held = span.extensions_mut();
        info!("chatty enter");
    }

    fn on_record(
        &self,
        id: &tracing::span::Id,
        _: &tracing::span::Record<'_>,
        ctx: Context<'_, S>,
    ) {
        let span = ctx.span(id).expect("recorded");
        let _held = span.extensions_mut();
        tracing::error!("chatty record");
    }

    fn on_close(&self, _: tracing::span::Id, _: Context<'_, S>) {
        info!("chatty close");
    }
}

#[test]
fn an_event_in_another_layers_callback_does_not_hang() {
    let rig = Rig::default();
    let layer = rig
        .layer()
        .with_span_fields(tracing_otlp_layer::SpanFields::all());
    let subscriber = tracing_subscriber::registry()
        .with(span_layer(rig.tracer()))
        .with(layer)
        .with(Chatty);
    tracing::subscriber::set_global_default(subscriber).expect("one test of this file sets it");
    {
        let span = info_span!("span", late = tracing::field::Empty);
        let entered = span.enter();
        span.record("late", 1);
        drop(entered);
    }
    rig.assert_points_nowhere("chatty new");
    rig.assert_points("chatty enter", "span");
    rig.assert_points("chatty record", "span");
    assert_eq!(
        rig.record("chatty record").attr("late"),
        Some(AnyValue::Int(1))
    );
    assert!(
        rig.records()
            .iter()
            .any(|r| r.body_text() == Some("chatty close"))
    );
}

//! Which span a record points at: the first table of `docs/mapping.md`, line by line.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};
use support::Rig;
use tracing::instrument::WithSubscriber as _;
use tracing::{Dispatch, Instrument as _, Level, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_otlp_layer::{LogLayer, SpanEvents, UnsampledPolicy, span_layer, span_layer_with};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

#[tracing::instrument]
fn sync_work() {
    info!("in sync");
}

#[tracing::instrument]
async fn async_work() {
    info!("before await");
    tokio::task::yield_now().await;
    info!("after await");
}

#[test]
fn in_an_instrumented_function_it_points_at_the_functions_span() {
    let rig = Rig::default();
    rig.run(sync_work);
    rig.assert_points("in sync", "sync_work");
}

#[test]
fn across_await_join_spawn_and_spawn_blocking_it_points_at_the_innermost_entered_span() {
    let rig = Rig::default();
    let dispatch = Dispatch::new(rig.subscriber(rig.layer()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    // The runtime's threads take the subscriber along through `WithSubscriber`.
    runtime.block_on(
        async {
            async_work().await;
            tokio::join!(
                async { info!("left") }.instrument(info_span!("left")),
                async {
                    tokio::task::yield_now().await;
                    info!("right");
                }
                .instrument(info_span!("right")),
            );
            let spawned = async { info!("spawned") }.instrument(info_span!("task"));
            tokio::spawn(spawned.with_current_subscriber())
                .await
                .expect("task");
            let span = info_span!("blocking");
            let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
            tokio::task::spawn_blocking(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    span.in_scope(|| info!("blocking"));
                    drop(span);
                });
            })
            .await
            .expect("blocking task");
        }
        .with_subscriber(dispatch),
    );
    rig.assert_points("before await", "async_work");
    rig.assert_points("after await", "async_work");
    for name in ["left", "right", "blocking"] {
        rig.assert_points(name, name);
    }
    rig.assert_points("spawned", "task");
}

#[test]
fn outside_any_span_it_points_at_nothing() {
    let rig = Rig::default();
    rig.run(|| info!("alone"));
    rig.assert_points_nowhere("alone");
    assert!(
        rig.record("alone").record.trace_context().is_none(),
        "not even all-zero ids"
    );
}

#[test]
fn an_explicit_parent_wins_over_the_entered_span() {
    let rig = Rig::default();
    rig.run(|| {
        let other = info_span!("other");
        let _entered = info_span!("entered").entered();
        info!(parent: &other, "to other");
        info!(parent: None, "to nothing");
        info!("to entered");
    });
    rig.assert_points("to other", "other");
    rig.assert_points_nowhere("to nothing");
    rig.assert_points("to entered", "entered");
}

#[test]
fn an_explicit_parent_may_be_unentered_exited_or_on_another_thread() {
    let rig = Rig::default();
    let dispatch = Dispatch::new(rig.subscriber(rig.layer()));
    tracing::dispatcher::with_default(&dispatch, || {
        let never = info_span!("never entered");
        info!(parent: &never, "never entered");
        let exited = info_span!("exited");
        exited.in_scope(|| ());
        info!(parent: &exited, "exited");
        let elsewhere = info_span!("elsewhere");
        let entered = elsewhere.enter();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    info!(parent: &elsewhere, "elsewhere");
                });
            });
        });
        drop(entered);
    });
    for name in ["never entered", "exited", "elsewhere"] {
        rig.assert_points(name, name);
    }
}

#[test]
fn a_hidden_span_gives_way_to_its_nearest_exported_ancestor() {
    let rig = Rig::default();
    let visible =
        span_layer(rig.tracer()).with_filter(filter_fn(|meta| *meta.level() <= Level::INFO));
    rig.run_in(visible, || {
        let _root = info_span!("root").entered();
        let middle = tracing::debug_span!("middle");
        let _middle = middle.clone().entered();
        let hidden = tracing::debug_span!("hidden");
        info!(parent: &hidden, "explicit");
        let other = info_span!(parent: None, "other").entered();
        info!(parent: &hidden, "explicit beside another");
        hidden.in_scope(|| info!("contextual below other"));
        drop(other);
        let _hidden = hidden.enter();
        info!("contextual");
    });
    rig.assert_points("explicit", "root");
    rig.assert_points("explicit beside another", "root");
    rig.assert_points("contextual", "root");
}

#[test]
fn a_hidden_span_with_no_exported_ancestor_points_at_nothing() {
    let rig = Rig::default();
    let visible =
        span_layer(rig.tracer()).with_filter(filter_fn(|meta| *meta.level() <= Level::INFO));
    rig.run_in(visible, || {
        let hidden = tracing::debug_span!("hidden");
        info!(parent: &hidden, "explicit");
        hidden.in_scope(|| info!("contextual"));
    });
    rig.assert_points_nowhere("explicit");
    rig.assert_points_nowhere("contextual");
}

#[test]
fn a_span_hidden_from_the_log_layer_is_still_pointed_at() {
    let rig = Rig::default();
    let subscriber = tracing_subscriber::registry()
        .with(span_layer(rig.tracer()))
        .with(rig.layer().with_filter(filter_fn(|meta| !meta.is_span())));
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("span");
        info!(parent: &span, "explicit");
        span.in_scope(|| info!("contextual"));
    });
    rig.assert_points("explicit", "span");
    rig.assert_points("contextual", "span");
}

#[test]
fn a_span_entered_again_below_another_is_the_innermost() {
    let rig = Rig::default();
    rig.run(|| {
        let x = info_span!("x");
        let y = info_span!("y");
        let _x = x.enter();
        let _y = y.enter();
        x.in_scope(|| info!("in x again"));
        info!("in y");
    });
    rig.assert_points("in x again", "x");
    rig.assert_points("in y", "y");
}

fn remote(sampled: bool) -> OtelContext {
    OtelContext::new().with_remote_span_context(SpanContext::new(
        TraceId::from(0xabc),
        SpanId::from(0xdef),
        if sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        },
        true,
        TraceState::default(),
    ))
}

#[test]
fn a_record_of_an_unsampled_trace_points_at_nothing_by_default() {
    for rig in [
        Rig::sampled_by(Sampler::AlwaysOff),
        Rig::sampled_by(Sampler::TraceIdRatioBased(0.0)),
        Rig::sampled_by(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))),
    ] {
        rig.run(|| {
            let span = info_span!("span");
            let _ = span.set_parent(remote(false));
            span.in_scope(|| info!("unsampled"));
            info!(parent: &span, "explicit");
        });
        assert!(rig.finished().is_empty(), "the span is not exported");
        rig.assert_points_nowhere("unsampled");
        rig.assert_points_nowhere("explicit");
    }
}

#[test]
fn the_unsampled_policy_is_the_users() {
    let off = || Rig::sampled_by(Sampler::AlwaysOff);
    let log = || {
        info_span!("span").in_scope(|| {
            info!("info");
            tracing::warn!("warn");
            tracing::error!("error");
        });
    };

    let rig = off();
    rig.run_with(rig.layer().with_unsampled(UnsampledPolicy::Keep), log);
    let kept = rig.record("info");
    assert!(kept.ids().is_some());
    let flags = kept.record.trace_context().and_then(|cx| cx.trace_flags);
    assert_eq!(flags, Some(TraceFlags::default()), "flags say unsampled");

    let rig = off();
    rig.run_with(
        rig.layer()
            .with_unsampled(UnsampledPolicy::KeepAsAttributes),
        log,
    );
    rig.assert_points_nowhere("info");
    assert_eq!(
        rig.record("info").text("trace_id").map(|id| id.len()),
        Some(32)
    );
    assert_eq!(
        rig.record("info").text("span_id").map(|id| id.len()),
        Some(16)
    );

    let rig = off();
    let layer = rig.layer().with_unsampled(UnsampledPolicy::Drop);
    let counts = layer.counts();
    rig.run_with(layer, log);
    assert_eq!(rig.records().len(), 2, "warn and error stay");
    rig.assert_points_nowhere("warn");
    rig.assert_points_nowhere("error");
    assert_eq!((counts.records(), counts.unsampled()), (2, 1));
}

#[test]
fn sampled_records_carry_the_sampled_flag_under_every_policy() {
    for policy in [
        UnsampledPolicy::Detach,
        UnsampledPolicy::Keep,
        UnsampledPolicy::KeepAsAttributes,
        UnsampledPolicy::Drop,
    ] {
        let rig = Rig::default();
        rig.run_with(rig.layer().with_unsampled(policy), || {
            info_span!("span").in_scope(|| info!("sampled"));
        });
        rig.assert_points("sampled", "span");
        let flags = rig
            .only()
            .record
            .trace_context()
            .and_then(|cx| cx.trace_flags);
        assert_eq!(flags, Some(TraceFlags::SAMPLED));
    }
}

#[test]
fn a_context_attached_by_hand_is_pointed_at_with_and_without_a_trace_layer() {
    let rig = Rig::default();
    let ids = Some((TraceId::from(0xabc), SpanId::from(0xdef)));
    rig.run(|| {
        let _attached = remote(true).attach();
        info!("with layer");
        info!(parent: None, "root");
    });
    let bare = tracing_subscriber::registry().with(rig.layer());
    tracing::subscriber::with_default(bare, || {
        let _attached = remote(true).attach();
        info!("without layer");
    });
    assert_eq!(rig.record("with layer").ids(), ids);
    assert_eq!(rig.record("without layer").ids(), ids);
    rig.assert_points_nowhere("root");
}

#[test]
fn a_span_of_the_opentelemetry_api_is_pointed_at() {
    let rig = Rig::default();
    rig.run(|| {
        rig.tracer().in_span("by hand", |_| info!("inside"));
    });
    rig.assert_points("inside", "by hand");
}

#[test]
fn with_context_activation_off_the_span_is_still_found_and_marked() {
    let rig = Rig::default();
    let trace = span_layer_with(rig.tracer(), SpanEvents::Off, |layer| {
        layer.with_context_activation(false)
    });
    rig.run_in(trace, || {
        let outer = info_span!("outer");
        let _outer = outer.enter();
        info!("in outer");
        info_span!("inner").in_scope(|| info!("in inner"));
        outer.in_scope(|| info!("in outer again"));
        info_span!("failed").in_scope(|| tracing::error!("it broke"));
    });
    assert_eq!(rig.span("failed").status, Status::error("it broke"));
    assert_eq!(rig.span("outer").status, Status::Unset);
    rig.assert_points("in outer", "outer");
    rig.assert_points("in inner", "inner");
    rig.assert_points("in outer again", "outer");
}

#[test]
fn a_parent_set_before_the_event_is_kept_and_after_it_is_refused_not_mixed_up() {
    let rig = Rig::default();
    rig.run(|| {
        let before = info_span!("before");
        before.set_parent(remote(true)).expect("not started");
        info!(parent: &before, "before");
        let after = info_span!("after");
        info!(parent: &after, "after");
        assert!(
            after.set_parent(remote(true)).is_err(),
            "it has started: documented"
        );
        let quiet = info_span!("quiet");
        tracing::trace!(parent: None, "unrelated");
        quiet.set_parent(remote(true)).expect("no event started it");
    });
    rig.assert_points("before", "before");
    rig.assert_points("after", "after");
    assert_eq!(
        rig.span("before").span_context.trace_id(),
        TraceId::from(0xabc)
    );
    assert_ne!(
        rig.span("after").span_context.trace_id(),
        TraceId::from(0xabc)
    );
    assert_eq!(
        rig.span("quiet").span_context.trace_id(),
        TraceId::from(0xabc)
    );
}

#[test]
fn the_id_of_a_closed_span_points_at_nothing_and_does_no_harm() {
    let rig = Rig::default();
    rig.run(|| {
        let closed = info_span!("closed");
        let id = closed.id();
        drop(closed);
        let _entered = info_span!("entered").entered();
        info!(parent: id, "late");
    });
    rig.assert_points_nowhere("late");
}

/// Logs when dropped.
struct Talkative(&'static str);

impl Drop for Talkative {
    fn drop(&mut self) {
        info!("{}", self.0);
    }
}

#[test]
fn events_in_drop_and_during_a_panic_point_at_the_span() {
    let rig = Rig::default();
    rig.run(|| {
        info_span!("dropping").in_scope(|| drop(Talkative("in drop")));
        let unwound = std::panic::catch_unwind(|| {
            let _entered = info_span!("panicking").entered();
            let _talkative = Talkative("while unwinding");
            panic!("expected by the test");
        });
        assert!(unwound.is_err());
    });
    rig.assert_points("in drop", "dropping");
    rig.assert_points("while unwinding", "panicking");
}

/// A sampler that logs while the trace layer holds the span's lock.
#[derive(Debug, Clone)]
struct TalkativeSampler;

impl ShouldSample for TalkativeSampler {
    fn should_sample(
        &self,
        parent: Option<&OtelContext>,
        trace_id: TraceId,
        name: &str,
        kind: &opentelemetry::trace::SpanKind,
        attributes: &[KeyValue],
        links: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        info!("sampling");
        Sampler::AlwaysOn.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

#[test]
fn an_event_in_a_sampler_does_not_hang() {
    use opentelemetry::trace::TracerProvider as _;
    let rig = Rig::default();
    let spans = opentelemetry_sdk::trace::SdkTracerProvider::builder()
        .with_sampler(TalkativeSampler)
        .build();
    rig.run_in(span_layer(spans.tracer("test")), || {
        info_span!("root").in_scope(|| info!("inside"));
    });
    assert!(rig.record("inside").ids().is_some());
}

#[test]
fn one_event_is_one_record_and_an_error_marks_its_span() {
    let rig = Rig::default();
    rig.run(|| {
        info_span!("fine").in_scope(|| info!("a"));
        info_span!("failed").in_scope(|| tracing::error!("it broke"));
        let other = info_span!("other");
        info_span!("entered").in_scope(|| {
            tracing::error!(parent: &other, error = "disk full", "explicit");
            tracing::error!(parent: None, "of no span");
        });
    });
    for span in rig.finished() {
        assert!(span.events.is_empty(), "{} has span events", span.name);
    }
    assert_eq!(rig.span("fine").status, Status::Unset);
    assert_eq!(rig.span("failed").status, Status::error("it broke"));
    assert_eq!(rig.span("other").status, Status::error("disk full"));
    assert_eq!(rig.span("entered").status, Status::Unset);
}

#[test]
fn span_events_come_on_request() {
    let rig = Rig::default();
    let trace = span_layer_with(rig.tracer(), SpanEvents::On, |layer| layer);
    rig.run_in(trace, || {
        info_span!("span").in_scope(|| tracing::error!("both"));
    });
    assert_eq!(rig.span("span").events.len(), 1);
    assert!(matches!(rig.span("span").status, Status::Error { .. }));
    rig.assert_points("both", "span");
}

#[test]
fn suppressed_telemetry_makes_neither_records_nor_spans() {
    let rig = Rig::default();
    rig.run(|| {
        let _suppressed = OtelContext::enter_telemetry_suppressed_scope();
        info_span!("quiet").in_scope(|| tracing::error!("quiet"));
    });
    assert!(rig.records().is_empty());
    assert!(rig.finished().is_empty());
}

#[test]
fn the_order_of_the_two_layers_does_not_matter_for_links() {
    let rig = Rig::default();
    let subscriber = tracing_subscriber::registry()
        .with(rig.layer())
        .with(span_layer(rig.tracer()));
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("span");
        info!(parent: &span, "explicit");
        span.in_scope(|| info!("contextual"));
    });
    rig.assert_points("explicit", "span");
    rig.assert_points("contextual", "span");
}

#[test]
fn a_layer_put_in_by_reload_links_too() {
    let rig = Rig::default();
    let empty: Option<LogLayer<_>> = None;
    let (reloadable, handle) = tracing_subscriber::reload::Layer::new(empty);
    let subscriber = tracing_subscriber::registry()
        .with(span_layer(rig.tracer()))
        .with(reloadable);
    tracing::subscriber::with_default(subscriber, || {
        handle.reload(Some(rig.layer())).expect("alive");
        let span = info_span!("span");
        span.in_scope(|| info!("contextual"));
        info!(parent: &span, "explicit");
    });
    rig.assert_points("contextual", "span");
    rig.assert_points("explicit", "span");
}

#[test]
fn optional_and_listed_layers_link_too() {
    let rig = Rig::default();
    let subscriber = tracing_subscriber::registry()
        .with(vec![span_layer(rig.tracer()).boxed()])
        .with(Some(rig.layer()));
    tracing::subscriber::with_default(subscriber, || {
        let span = info_span!("span");
        span.in_scope(|| info!("contextual"));
        tracing::error!(parent: &span, "explicit");
    });
    rig.assert_points("contextual", "span");
    rig.assert_points("explicit", "span");
    assert_eq!(rig.span("span").status, Status::error("explicit"));
}

#[test]
fn optional_layers_are_not_confused_with_those_of_another_subscriber() {
    let (rig, other) = (Rig::default(), Rig::default());
    let optional = |rig: &Rig| {
        let subscriber = tracing_subscriber::registry()
            .with(Some(span_layer(rig.tracer())))
            .with(Some(rig.layer()));
        Dispatch::new(subscriber)
    };
    let (a, b) = (optional(&rig), optional(&other));
    let in_a = tracing::dispatcher::with_default(&a, || info_span!("in a"));
    let in_b = tracing::dispatcher::with_default(&b, || info_span!("in b"));
    // Both are the first of their registry, and so have the same id there.
    assert_eq!(in_a.id(), in_b.id());
    tracing::dispatcher::with_default(&b, || {
        let _b = in_b.enter();
        let _a = in_a.enter();
    });
    tracing::dispatcher::with_default(&a, || {
        info!(parent: &in_a, "early");
        in_a.in_scope(|| info!("contextual"));
        info!(parent: &in_a, "explicit");
    });
    drop((in_a, in_b));
    rig.assert_points("contextual", "in a");
    rig.assert_points("explicit", "in a");
    let wrong = other.span("in b").span_context.trace_id();
    assert!(
        rig.record("early")
            .ids()
            .is_none_or(|(trace, _)| trace != wrong)
    );
}

#[test]
fn the_application_can_read_its_ids() {
    let rig = Rig::default();
    let seen = Arc::new(Mutex::new(None));
    let was_none = AtomicBool::new(false);
    rig.run(|| {
        was_none.store(
            tracing_otlp_layer::current_ids().is_none(),
            Ordering::Relaxed,
        );
        info_span!("span").in_scope(|| {
            *seen.lock().expect("lock") = tracing_otlp_layer::current_ids();
        });
    });
    assert!(was_none.into_inner());
    let ids = seen.lock().expect("lock").clone().expect("in a span");
    let span = rig.span("span").span_context;
    assert_eq!(
        (ids.trace_id(), ids.span_id()),
        (span.trace_id(), span.span_id())
    );
    assert!(ids.is_sampled());
    assert_eq!(
        ids.to_string(),
        format!("trace_id={} span_id={}", span.trace_id(), span.span_id())
    );
}

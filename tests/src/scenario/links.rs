//! Which span a record points at: the first table of `docs/mapping.md`, as an application.

use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider as _,
};
use tracing::{Dispatch, Instrument as _, error, info, info_span, instrument};
use tracing_otlp::Telemetry;
use tracing_otlp::opentelemetry::Context;
use tracing_otlp::tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The caller of the spans `remote` and `unsampled`.
pub(super) const REMOTE_TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
pub(super) const REMOTE_SPAN: u64 = 0x00f0_67aa_0ba9_02b7;

pub(super) fn log(telemetry: &Telemetry, dispatch: &Dispatch) {
    in_sync();
    let subscriber = dispatch.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // As long as the thread lives: the last holder of a span closes its parent in whatever
        // subscriber is its thread's default.
        .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&subscriber)))
        .build()
        .expect("a runtime of two threads starts");
    runtime.block_on(tasks());
    parents(dispatch);
    hidden();
    entered_again();
    remote_callers();
    by_hand(telemetry);
    endings();
}

#[instrument]
fn in_sync() {
    info!(case = "instrumented", "m");
}

#[instrument]
async fn in_async() {
    info!(case = "before await", "m");
    tokio::task::yield_now().await;
    info!(case = "after await", "m");
}

async fn tasks() {
    in_async().await;
    let left = async {
        tokio::task::yield_now().await;
        info!(case = "joined left", "m");
    };
    let right = async {
        tokio::task::yield_now().await;
        info!(case = "joined right", "m");
    };
    tokio::join!(
        left.instrument(info_span!("left")),
        right.instrument(info_span!("right")),
    );

    let request = info_span!("tasks");
    let spawned = request.in_scope(|| {
        let task = async {
            tokio::task::yield_now().await;
            info!(case = "spawned into a span of its own", "m");
        };
        tokio::spawn(task.instrument(info_span!("task")))
    });
    spawned.await.expect("the task ends");
    let task = async { info!(case = "spawned into the caller's span", "m") };
    let spawned = tokio::spawn(task.instrument(request.clone()));
    spawned.await.expect("the task ends");
    let span = request.clone();
    let spawned = tokio::task::spawn_blocking(move || {
        span.in_scope(|| info!(case = "in a blocking task", "m"));
    });
    spawned.await.expect("the blocking task ends");
    info!(case = "beside all tasks", "m");
}

fn parents(dispatch: &Dispatch) {
    info!(case = "outside any span", "m");
    let other = info_span!("other");
    info_span!("entered").in_scope(|| {
        info!(parent: &other, { case = "explicit parent" }, "m");
        info!(parent: None, { case = "no parent" }, "m");
        info!(case = "contextual", "m");
        error!(parent: &other, { case = "explicit error" }, "it broke");
    });

    let never = info_span!("never entered");
    info!(parent: &never, { case = "parent never entered" }, "m");
    let exited = info_span!("exited");
    exited.in_scope(|| ());
    info!(parent: &exited, { case = "parent exited" }, "m");
    let elsewhere = info_span!("elsewhere");
    let _entered = elsewhere.enter();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            tracing::dispatcher::with_default(dispatch, || {
                info!(case = "on another thread", "m");
                info!(parent: &elsewhere, { case = "parent on another thread" }, "m");
            });
        });
    });
}

fn hidden() {
    let alone = info_span!(target: "hidden", "alone");
    info!(parent: &alone, { case = "parent hidden, no ancestor" }, "m");
    alone.in_scope(|| info!(case = "hidden, no ancestor", "m"));

    let _root = info_span!("exported").entered();
    let middle = info_span!(target: "hidden", "middle").entered();
    let hidden = info_span!(target: "hidden", "hidden", user.id = 8);
    info_span!(parent: None, "beside").in_scope(|| {
        info!(parent: &hidden, { case = "parent hidden" }, "m");
    });
    let _hidden = hidden.enter();
    info!(case = "hidden", "m");
    drop(middle);
}

fn entered_again() {
    let x = info_span!("x");
    let _x = x.enter();
    let _y = info_span!("y").entered();
    x.in_scope(|| info!(case = "entered again", "m"));
    info!(case = "below it", "m");
}

fn remote(flags: TraceFlags) -> Context {
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from(REMOTE_TRACE),
        SpanId::from(REMOTE_SPAN),
        flags,
        true,
        TraceState::default(),
    ))
}

fn remote_callers() {
    let called = info_span!("remote");
    called
        .set_parent(remote(TraceFlags::SAMPLED))
        .expect("it has not started");
    called.in_scope(|| info!(case = "below a remote parent", "m"));

    let unsampled = info_span!("unsampled", user.id = 9);
    unsampled
        .set_parent(remote(TraceFlags::default()))
        .expect("it has not started");
    unsampled.in_scope(|| info!(case = "unsampled", "m"));
    info!(parent: &unsampled, { case = "parent unsampled" }, "m");

    let early = info_span!("early");
    info!(parent: &early, { case = "before set_parent" }, "m");
    assert!(
        early.set_parent(remote(TraceFlags::SAMPLED)).is_err(),
        "the event has started the span"
    );
}

fn by_hand(telemetry: &Telemetry) {
    let tracer = telemetry.tracer_provider().tracer("by hand");
    let context = Context::new().with_span(tracer.start("made by hand"));
    let attached = context.clone().attach();
    info!(case = "context by hand", "m");
    info!(parent: None, { case = "context by hand, no parent" }, "m");
    info_span!("below by hand").in_scope(|| info!(case = "below a context by hand", "m"));
    drop(attached);
    context.span().end();
    info!(case = "after a context by hand", "m");
}

/// Logs when dropped.
struct Talkative;

impl Drop for Talkative {
    fn drop(&mut self) {
        info!(case = "in drop", "m");
    }
}

struct Unwinding;

impl Drop for Unwinding {
    fn drop(&mut self) {
        info!(case = "while unwinding", "m");
    }
}

fn endings() {
    let closed = info_span!("closed");
    let id = closed.id();
    drop(closed);
    info_span!("after it").in_scope(|| {
        info!(parent: id, { case = "parent closed" }, "m");
    });
    info_span!("dropping").in_scope(|| drop(Talkative));
    let unwound = std::panic::catch_unwind(|| {
        let _entered = info_span!("unwinding").entered();
        let _talkative = Unwinding;
        // As a panic, without the hook's words.
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(unwound.is_err());
}

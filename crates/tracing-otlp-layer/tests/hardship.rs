//! Nothing an application logs may panic, block or recurse.

mod support;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use support::Rig;
use tracing::span::Id;
use tracing::{Dispatch, info, info_span};
use tracing_otlp_layer::{LogLayer, SpanFields, nested};
use tracing_subscriber::prelude::*;

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("expected by the test")
    }
}

impl serde::Serialize for Panics {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("expected by the test")
    }
}

#[test]
fn a_value_that_panics_becomes_a_text_and_the_other_fields_stay() {
    let rig = Rig::default();
    rig.run_with(rig.layer().with_span_fields(SpanFields::all()), || {
        info!(before = 1, bad = ?Panics, tree = nested(&Panics), after = 2, "kept");
        tracing::error!(bad = ?Panics, "{:?}", Panics);
    });
    let record = rig.record("kept");
    assert_eq!(
        record.text("bad").as_deref(),
        Some("<panicked while formatting>")
    );
    assert_eq!(
        record.text("tree").as_deref(),
        Some("<panicked while serialising>")
    );
    assert!(record.attr("before").is_some() && record.attr("after").is_some());
    assert_eq!(rig.records().len(), 2, "a message that panics too");
}

/// Throws something that panics once more when it is dropped.
struct PanicsTwice;

impl Drop for PanicsTwice {
    fn drop(&mut self) {
        panic!("expected by the test, but never seen");
    }
}

struct Throws;

impl fmt::Debug for Throws {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::panic_any(PanicsTwice)
    }
}

#[test]
fn a_panic_whose_payload_panics_stays_inside_too() {
    let rig = Rig::default();
    rig.run(|| {
        info_span!("span", bad = ?Throws).in_scope(|| info!(bad = ?Throws, after = 2, "kept"));
    });
    let record = rig.record("kept");
    assert_eq!(
        record.text("bad").as_deref(),
        Some("<panicked while formatting>")
    );
    assert!(record.attr("after").is_some());
    rig.assert_points("kept", "span");
}

#[test]
fn a_span_field_that_panics_becomes_a_text_on_the_span_too() {
    let rig = Rig::default();
    rig.run(|| {
        let span = info_span!(
            "span",
            before = 1,
            bad = ?Panics,
            shown = ?Some("x"),
            unsigned = 7u64,
            huge = u64::MAX,
            late = tracing::field::Empty,
        );
        span.record("late", tracing::field::debug(Panics));
        info_span!(parent: &span, "child", bad = ?Panics).in_scope(|| info!("inside"));
        info_span!(parent: None, "root", bad = ?Panics).in_scope(|| info!("in root"));
    });
    let span = rig.span("span");
    let attribute = |key: &str| {
        let found = span.attributes.iter().find(|kv| kv.key.as_str() == key);
        found.map(|kv| kv.value.clone())
    };
    let panicked = Some("<panicked while formatting>".into());
    assert_eq!(attribute("bad"), panicked);
    assert_eq!(attribute("late"), panicked);
    assert_eq!(attribute("before"), Some(1i64.into()));
    assert_eq!(attribute("shown"), Some(r#"Some("x")"#.into()));
    assert_eq!(attribute("unsigned"), Some(7i64.into()));
    assert_eq!(attribute("huge"), Some(u64::MAX.to_string().into()));
    assert_eq!(
        rig.span("child").parent_span_id,
        span.span_context.span_id()
    );
    assert!(!rig.span("root").parent_span_is_remote);
    assert_ne!(
        rig.span("root").span_context.trace_id(),
        span.span_context.trace_id()
    );
    rig.assert_points("inside", "child");
    rig.assert_points("in root", "root");
}

/// A processor that logs and panics.
#[derive(Debug)]
struct BadProcessor;

static SEEN: AtomicUsize = AtomicUsize::new(0);

impl LogProcessor for BadProcessor {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        SEEN.fetch_add(1, Ordering::Relaxed);
        info!("the processor logs");
        assert!(record.body().is_some(), "expected by the test");
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn a_processor_that_logs_or_panics_harms_nobody() {
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(BadProcessor)
        .build();
    let layer = LogLayer::new(&provider);
    let counts = layer.counts();
    // On a thread of its own with its own global-like default: a scoped one.
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        info!("fine");
        info!(no = "body");
        info!("fine again");
    });
    assert_eq!(
        SEEN.load(Ordering::Relaxed),
        3,
        "what the processor logs does not come back"
    );
    assert_eq!((counts.records(), counts.panicked()), (2, 1));
}

#[test]
fn spans_and_events_from_many_threads_keep_to_themselves() {
    let rig = Rig::default();
    let dispatch = Dispatch::new(rig.subscriber(rig.layer().with_span_fields(SpanFields::all())));
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let dispatch = &dispatch;
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || {
                    for round in 0..50u64 {
                        let span = info_span!("work", thread, round);
                        span.in_scope(|| info!(thread, round, "done"));
                    }
                });
            });
        }
    });
    let spans = rig.finished();
    assert_eq!((spans.len(), rig.records().len()), (400, 400));
    for record in rig.records() {
        let (trace, id) = record.ids().expect("in a span");
        let span = spans
            .iter()
            .find(|s| s.span_context.trace_id() == trace && s.span_context.span_id() == id)
            .expect("exported");
        for key in ["thread", "round"] {
            let on_span = span.attributes.iter().find(|kv| kv.key.as_str() == key);
            let on_span = on_span.expect("set").value.to_string();
            assert_eq!(
                format!("{:?}", record.attr(key)),
                format!("Some(Int({on_span}))")
            );
        }
    }
}

/// While it is shown, another thread logs through the same layer: in spans of its own, more than there
/// are locks to share them, and in the span that this is about. It is done being shown when that
/// thread is done.
struct WaitsForAnother<'a>(&'a Dispatch, OnceLock<Id>);

impl fmt::Debug for WaitsForAnother<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dispatch, ours) = (self.0.clone(), self.1.get().cloned());
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let many = || info_span!("theirs", key = ?"value");
                let _open: Vec<_> = (0..4_000).map(|_| many()).collect();
                info_span!("theirs", key = ?"value").in_scope(|| the_same_call_site(&"theirs"));
                info!(parent: ours, "in ours");
            });
            // Fails when nobody waits any longer: then that is the failure.
            let _ = done.send(());
        });
        match is_done.recv_timeout(Duration::from_secs(60)) {
            Ok(()) => f.write_str("waited"),
            Err(_) => f.write_str("a lock was held"),
        }
    }
}

fn the_same_call_site(value: &dyn fmt::Debug) {
    info!(?value, "said");
}

#[test]
fn no_lock_is_held_while_a_value_is_formatted() {
    let rig = Rig::default();
    let layer = rig.layer().with_span_fields(SpanFields::all());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        // In an event, in a span that is made, and in one that is written to while it is entered.
        let waits = WaitsForAnother(&dispatch, OnceLock::new());
        let span = info_span!("ours", made = ?waits, later = tracing::field::Empty);
        waits.1.set(span.id().expect("enabled")).expect("set once");
        let _entered = span.enter();
        span.record("later", tracing::field::debug(&waits));
        the_same_call_site(&waits);
    });
    let records = rig.records();
    assert_eq!(records.len(), 3 * 2 + 1);
    let ours = &records[6];
    for key in ["value", "made", "later"] {
        assert_eq!(ours.text(key).as_deref(), Some("waited"), "{key}");
    }
}

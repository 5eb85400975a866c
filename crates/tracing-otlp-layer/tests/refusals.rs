//! Records that nobody wants: turned away before the work, and counted.

#![allow(clippy::expect_used, reason = "a test may")]

mod support;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::logs::Severity;
use opentelemetry::trace::Status;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::Sampler;
use support::Rig;
use tracing::{info, info_span};
use tracing_otlp_layer::{LogLayer, UnsampledPolicy};

/// Nobody may look at it. (A panic would be caught.)
struct Untouched;

static FORMATTED: AtomicUsize = AtomicUsize::new(0);

impl fmt::Debug for Untouched {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        FORMATTED.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_record_nobody_wants_is_counted_once_and_its_fields_are_not_read() {
    // Nobody listens, so the logger refuses.
    let nobody = SdkLoggerProvider::builder().build();
    for policy in [
        UnsampledPolicy::Detach,
        UnsampledPolicy::Keep,
        UnsampledPolicy::KeepAsAttributes,
        UnsampledPolicy::Drop,
    ] {
        let told = Arc::new(AtomicUsize::new(0));
        let tell = Arc::clone(&told);
        let layer = LogLayer::new(&nobody)
            .with_unsampled(policy)
            .with_on_refused(move |_| {
                tell.fetch_add(1, Ordering::Relaxed);
            });
        let counts = layer.counts();
        Rig::default().run_with(layer, || {
            let _span = info_span!("span").entered();
            for _ in 0..3 {
                info!(value = ?Untouched, "unwanted");
            }
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            info!("telemetry's own");
        });
        assert_eq!((counts.refused(), counts.records()), (3, 0), "{policy:?}");
        assert_eq!((counts.unsampled(), counts.panicked()), (0, 0));
        assert_eq!(told.load(Ordering::Relaxed), 3);
        assert_eq!(FORMATTED.load(Ordering::Relaxed), 0);
    }
}

/// Wants what is at least a warning, and keeps what it was asked.
#[derive(Debug, Clone, Default)]
struct Warnings(Arc<Mutex<Vec<Severity>>>);

impl LogProcessor for Warnings {
    fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {}

    fn event_enabled(&self, severity: Severity, _: &str, _: Option<&str>) -> bool {
        self.0.lock().expect("one thread").push(severity);
        severity >= Severity::Warn
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[test]
fn an_event_that_says_its_severity_is_asked_about_and_refused_with_that() {
    use Severity::{Error, Info, Trace2, Trace3};

    let warnings = Warnings::default();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(warnings.clone())
        .build();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let layer = LogLayer::new(&provider).with_on_refused(move |severity| {
        tell.lock().expect("one thread").push(severity);
    });
    let counts = layer.counts();
    Rig::default().run_with(layer, || {
        for number in [17, 2, 99] {
            info!(otel.severity_number = number, "its own");
        }
        info!(value = ?Untouched, otel.severity_number = 3u64, "low");
        tracing::error!(otel.severity_number = 9i128, "lower than its level");
        info!(otel.severity_number = "17", "no number");
    });
    let asked = warnings.0.lock().expect("one thread").clone();
    assert_eq!(asked, [Error, Trace2, Info, Trace3, Info, Info]);
    assert_eq!(*told.lock().expect("one thread"), asked[1..]);
    assert_eq!((counts.records(), counts.refused()), (1, 5));
    assert_eq!(FORMATTED.load(Ordering::Relaxed), 0);
}

#[test]
fn an_event_of_an_unsampled_trace_that_says_it_is_a_warning_is_kept_as_one() {
    let rig = Rig::sampled_by(Sampler::AlwaysOff);
    let layer = rig.layer().with_unsampled(UnsampledPolicy::Drop);
    let counts = layer.counts();
    rig.run_with(layer, || {
        let _span = info_span!("span").entered();
        info!(otel.severity_number = 13, "kept");
        tracing::error!(otel.severity_number = 9, "dropped");
    });
    rig.assert_points_nowhere("kept");
    assert_eq!((counts.records(), counts.unsampled()), (1, 1));
}

#[test]
fn an_error_without_a_span_to_mark_is_formatted_for_its_record_alone() {
    struct Counts<'a>(&'a AtomicUsize);
    impl fmt::Debug for Counts<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}", self.0.fetch_add(1, Ordering::Relaxed) + 1)
        }
    }
    let formatted = AtomicUsize::new(0);
    Rig::default().run(|| tracing::error!("{:?}", Counts(&formatted)));
    assert_eq!(formatted.load(Ordering::Relaxed), 1, "in no span");
    Rig::sampled_by(Sampler::AlwaysOff).run(|| {
        let _span = info_span!("span").entered();
        tracing::error!("{:?}", Counts(&formatted));
    });
    assert_eq!(formatted.load(Ordering::Relaxed), 2, "in none that records");
    let rig = Rig::default();
    rig.run(|| {
        let _span = info_span!("span").entered();
        tracing::error!("{:?}", Counts(&formatted));
    });
    let status = rig.span("span").status;
    assert_eq!(status, Status::error("3"));
}

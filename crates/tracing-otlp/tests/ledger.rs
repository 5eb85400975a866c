//! One account of every event that reaches a log layer, whatever becomes of it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;
use tracing::Level;
use tracing_otlp::{
    AdmissionSettings, BatchSettings, Limits, LossReason, SeverityBand, SignalCounts, Telemetry,
    TelemetryBuilder, UnsampledPolicy,
};
use tracing_subscriber::prelude::*;

/// Nobody listens there, and the batch leaves only at the end.
fn builder() -> TelemetryBuilder {
    let hour = Duration::from_secs(3600);
    Telemetry::builder()
        .with_environment(|_| None)
        .with_endpoint("http://127.0.0.1:9")
        .with_log_batch(BatchSettings::logs().with_scheduled_delay(hour))
        .with_admission(
            AdmissionSettings::default()
                .with_error_flush(None)
                .with_loss_summary(None),
        )
        .on_notice(|_| {})
}

fn with_layers(telemetry: &Telemetry, run: impl FnOnce()) {
    let subscriber = tracing_subscriber::registry()
        .with(telemetry.span_layer())
        .with(telemetry.log_layer());
    tracing::subscriber::with_default(subscriber, run);
}

fn assert_balanced(logs: &SignalCounts) {
    assert_eq!(
        logs.emitted(),
        logs.delivered() + logs.filtered() + logs.sampled() + logs.lost() + logs.pending(),
        "{logs:#}"
    );
}

/// Counts how often it is formatted.
#[derive(Default)]
struct Shown(AtomicUsize);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        f.write_str("shown")
    }
}

#[test]
fn what_the_layer_leaves_out_is_in_the_account() {
    let telemetry = builder()
        .with_sampler(Sampler::AlwaysOff)
        .with_log_layer(|layer| {
            layer
                .with_unsampled(UnsampledPolicy::Drop)
                .with_source(false)
                .with_limits(Limits::default().with_attribute_count(1))
        })
        .build()
        .unwrap();
    with_layers(&telemetry, || {
        tracing::info!(a = 1, b = 2, c = 3, "cut");
        let span = tracing::info_span!("unsampled").entered();
        tracing::debug!("left out");
        tracing::debug!("left out");
        tracing::error!("kept");
        drop(span);
    });
    let logs = *telemetry.counts().logs();
    assert_balanced(&logs);
    assert_eq!((logs.emitted(), logs.sampled(), logs.pending()), (4, 2, 2));
    assert_eq!(logs.emitted_of(SeverityBand::Debug), 2);
    assert_eq!(logs.dropped_attributes(), 2);
    let report = telemetry.shutdown();
    assert_eq!(*report.logs(), *telemetry.counts().logs());
    assert_eq!(report.logs().pending(), 0);
    assert_balanced(report.logs());
}

#[test]
fn a_full_queue_turns_events_away_before_the_work_and_counts_them_once() {
    let size = NonZeroUsize::new(10).unwrap();
    let telemetry = builder()
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(size)
                .with_max_export_batch_size(size)
                .with_scheduled_delay(Duration::from_secs(3600)),
        )
        .build()
        .unwrap();
    let shown = Shown::default();
    with_layers(&telemetry, || {
        for _ in 0..20 {
            tracing::info!(?shown, "x");
        }
    });
    assert_eq!(shown.0.load(Ordering::Relaxed), 8);
    let logs = *telemetry.counts().logs();
    assert_balanced(&logs);
    assert_eq!((logs.emitted(), logs.pending()), (20, 8));
    assert_eq!(logs.lost_of(LossReason::QueueFull, SeverityBand::Info), 12);
    let _ = telemetry.shutdown();
}

#[test]
fn after_the_shutdown_every_event_is_counted_also_where_none_came_before() {
    let telemetry = builder().build().unwrap();
    with_layers(&telemetry, || {
        let known = || tracing::info!(target: "known", "x");
        known();
        let _ = telemetry.shutdown();
        known();
        tracing::error!(target: "never seen before", "x");
        tracing::event!(target: "neither", Level::WARN, "x");
    });
    let logs = *telemetry.counts().logs();
    assert_balanced(&logs);
    assert_eq!(logs.emitted(), 4);
    assert_eq!(logs.lost_by(LossReason::AfterShutdown), 3);
    let error = logs.lost_of(LossReason::AfterShutdown, SeverityBand::Error);
    assert_eq!(error, 1);
}

#[test]
fn without_a_destination_events_are_filtered() {
    let telemetry = Telemetry::builder()
        .with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .build()
        .unwrap();
    with_layers(&telemetry, || {
        tracing::info!("x");
        tracing::warn!("x");
    });
    let logs = *telemetry.counts().logs();
    assert_balanced(&logs);
    assert_eq!((logs.emitted(), logs.filtered()), (2, 2));
    assert!(telemetry.shutdown().is_complete());
}

//! What an operator has in hand while a service runs: the counts as metrics, the network told to be
//! away, and the bounds of the environment.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use tracing_otlp::{
    AdmissionSettings, BatchSettings, Counts, DeliverySettings, LossReason, RetrySettings,
    SpoolSettings, Telemetry, TelemetryBuilder,
};
use tracing_otlp_tests::directory::Directory;
use tracing_otlp_tests::receiver::{Mood, Receiver};
use tracing_subscriber::prelude::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A builder with these variables and no others, that adds no record of its own.
fn builder<const N: usize>(variables: [(&str, &str); N]) -> TelemetryBuilder {
    let variables: BTreeMap<String, String> = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    Telemetry::builder()
        .with_environment(move |name| variables.get(name).cloned())
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .on_notice(|_| {})
}

fn log(telemetry: &Telemetry, from: u64, records: u64) {
    let subscriber = tracing_subscriber::registry()
        .with(telemetry.span_layer())
        .with(telemetry.log_layer());
    tracing::subscriber::with_default(subscriber, || {
        tracing::info_span!("work").in_scope(|| {
            for number in from..from + records {
                tracing::info!("record {number}");
            }
        });
    });
}

/// A metric's values by the reason of a failure, empty for successes.
type Metrics = BTreeMap<String, BTreeMap<String, u64>>;

/// Why it failed, empty where it did not.
fn error<'a>(mut attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> String {
    let found = attributes.find(|attribute| attribute.key.as_str() == "error.type");
    found.map_or_else(String::new, |attribute| attribute.value.to_string())
}

fn collect(meters: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> Metrics {
    exporter.reset();
    meters.force_flush().unwrap();
    let mut read = Metrics::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(ScopeMetrics::metrics) {
            let values = read.entry(metric.name().to_owned()).or_default();
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    for point in sum.data_points() {
                        values.insert(error(point.attributes()), point.value());
                    }
                }
                AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                    for point in sum.data_points() {
                        let value = u64::try_from(point.value()).unwrap();
                        values.insert(error(point.attributes()), value);
                    }
                }
                other => panic!("{}: {other:?}", metric.name()),
            }
        }
    }
    read
}

/// The metrics say what the ledger says.
fn assert_same(metrics: &Metrics, counts: &Counts) {
    for (noun, counts) in [("log", counts.logs()), ("span", counts.traces())] {
        let of = |name: &str| &metrics[&format!("otel.sdk.{name}")];
        let plain = |name: &str| of(name)[""];
        if noun == "log" {
            assert_eq!(plain("log.created"), counts.emitted());
        }
        assert_eq!(
            plain(&format!("exporter.{noun}.exported")),
            counts.delivered()
        );
        let waiting = plain(&format!("processor.{noun}.queue.size"));
        let inflight = plain(&format!("exporter.{noun}.inflight"));
        assert_eq!(waiting + inflight, counts.pending() + counts.spooled());
        // A loss is the processor's or the exporter's.
        let mut lost: BTreeMap<String, u64> = BTreeMap::new();
        for name in [
            format!("processor.{noun}.processed"),
            format!("exporter.{noun}.exported"),
        ] {
            for (reason, value) in of(&name).iter().filter(|(reason, _)| !reason.is_empty()) {
                assert_eq!(
                    lost.insert(reason.clone(), *value).unwrap_or(*value),
                    *value
                );
            }
        }
        let mut expected = counts.by_reason();
        if let Some(late) = expected.remove("after_shutdown") {
            expected.insert("already_shutdown", late);
        }
        let lost: BTreeMap<_, _> = lost.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(lost, expected, "{noun}");
    }
}

#[test]
fn the_metrics_of_telemetry_are_its_ledger() {
    let receiver = Receiver::start();
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone())
        .with_interval(Duration::from_secs(3600))
        .build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    let size = NonZeroUsize::new(10).unwrap();
    let telemetry = builder([])
        .with_endpoint(receiver.endpoint())
        .with_delivery(DeliverySettings::default().with_retry(RetrySettings::never()))
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(size)
                .with_max_export_batch_size(size)
                .with_scheduled_delay(Duration::from_secs(3600)),
        )
        .with_meter_provider(&meters)
        .build()
        .unwrap();

    // INFO may fill eight of ten places; two are lost at the door.
    log(&telemetry, 0, 10);
    let before = collect(&meters, &exporter);
    assert_same(&before, &telemetry.counts());
    assert_eq!(before["otel.sdk.processor.log.queue.size"][""], 8);
    assert_eq!(before["otel.sdk.processor.log.processed"]["queue_full"], 2);
    assert!(telemetry.flush(PATIENCE).is_settled());
    let after = collect(&meters, &exporter);
    assert_same(&after, &telemetry.counts());
    assert_eq!(after["otel.sdk.processor.log.processed"][""], 8);
    assert_eq!(after["otel.sdk.exporter.log.exported"][""], 8);

    // Five are lost on the way.
    receiver.set(Mood::Throttling(503, None));
    log(&telemetry, 10, 5);
    assert!(telemetry.flush(PATIENCE).is_settled());
    receiver.set(Mood::Taking);
    log(&telemetry, 15, 1);
    let report = telemetry.shutdown();
    // And one comes too late.
    log(&telemetry, 16, 1);
    let end = collect(&meters, &exporter);
    assert_same(&end, &telemetry.counts());
    assert_eq!(end["otel.sdk.log.created"][""], 17);
    assert_eq!(end["otel.sdk.exporter.log.exported"][""], 9);
    assert_eq!(end["otel.sdk.exporter.log.exported"]["unavailable"], 5);
    assert_eq!(
        end["otel.sdk.processor.log.processed"]["already_shutdown"],
        1
    );
    assert_eq!(report.logs().delivered(), 9);
    assert_eq!(receiver.arrived().records.len(), 9);

    drop(telemetry);
    // The delivery thread may be on its last steps.
    let deadline = Instant::now() + PATIENCE;
    while !collect(&meters, &exporter).is_empty() {
        assert!(Instant::now() < deadline, "nobody is left to look at");
        thread::yield_now();
    }
}

#[test]
fn offline_nothing_is_tried_and_nothing_is_lost_and_online_all_arrives() {
    let receiver = Receiver::start();
    let telemetry = builder([("OTEL_BLRP_SCHEDULE_DELAY", "10")])
        .with_endpoint(receiver.endpoint())
        // Whatever is tried and fails is lost at once.
        .with_delivery(DeliverySettings::default().with_retry(RetrySettings::never()))
        .build()
        .unwrap();
    telemetry.set_online(false);
    log(&telemetry, 0, 100);
    let report = telemetry.flush(PATIENCE);
    assert!(!report.is_settled(), "{report}");
    assert_eq!(report.logs().pending(), 100, "{report}");
    assert_eq!(report.lost(), 0, "{report}");
    assert_eq!(receiver.arrived().requests.len(), 0);

    telemetry.set_online(true);
    receiver.wait_for("all arrives", |arrived| arrived.records.len() == 100);
    log(&telemetry, 100, 1);
    let report = telemetry.shutdown();
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.logs().delivered(), 101);
    assert_eq!(receiver.arrived().records.len(), 101);
}

#[test]
fn a_shutdown_offline_sends_nothing_and_the_spool_keeps_it() {
    let receiver = Receiver::start();
    let directory = Directory::new();
    let spooling = || {
        builder([])
            .with_endpoint(receiver.endpoint())
            .with_spool(SpoolSettings::new(directory.path()))
    };
    let telemetry = spooling().build().unwrap();
    telemetry.set_online(false);
    log(&telemetry, 0, 10);
    let report = telemetry.shutdown();
    assert_eq!(
        (report.logs().spooled(), report.lost()),
        (10, 0),
        "{report}"
    );
    assert_eq!(receiver.arrived().requests.len(), 0);

    let telemetry = spooling().build().unwrap();
    receiver.wait_for("it comes back", |arrived| arrived.records.len() == 10);
    let report = telemetry.shutdown();
    assert_eq!(report.logs().recovered(), 10, "{report}");
    assert!(report.is_complete(), "{report}");
}

#[test]
fn the_spool_of_the_environment_is_used_and_one_in_code_beats_it() {
    let receiver = Receiver::start();
    receiver.set(Mood::Throttling(503, None));
    let (named, in_code) = (Directory::new(), Directory::new());
    let variables = [(
        "TRACING_OTLP_SPOOL_DIRECTORY",
        named.path().to_str().unwrap(),
    )];
    let leave = |builder: TelemetryBuilder| {
        let telemetry = builder
            .with_endpoint(receiver.endpoint())
            // The rest of delivery may be set in code, and leaves the directory alone.
            .with_delivery(DeliverySettings::default().with_shutdown_deadline(PATIENCE))
            .build()
            .unwrap();
        log(&telemetry, 0, 3);
        telemetry.shutdown().logs().spooled()
    };
    assert_eq!(leave(builder(variables)), 3);
    assert!(named.path().is_dir() && !in_code.path().exists());
    let code = SpoolSettings::new(in_code.path());
    assert_eq!(leave(builder(variables).with_spool(code)), 3);
    assert!(in_code.path().is_dir());
}

#[test]
fn the_bounds_of_the_environment_bind() {
    let receiver = Receiver::start();
    let waits = BatchSettings::logs().with_scheduled_delay(Duration::from_secs(3600));
    let telemetry = builder([("TRACING_OTLP_QUEUE_MAX_BYTES", "10KiB")])
        .with_endpoint(receiver.endpoint())
        .with_log_batch(waits.clone())
        .build()
        .unwrap();
    log(&telemetry, 0, 100);
    let lost = telemetry
        .counts()
        .logs()
        .lost_by(LossReason::QueueBytesFull);
    assert!((1..100).contains(&lost), "{lost}");
    let report = telemetry.shutdown();
    assert_eq!(report.logs().delivered(), 100 - lost);

    receiver.set(Mood::Throttling(503, None));
    for (name, value) in [
        ("TRACING_OTLP_DELIVERY_QUEUE_MAX_RECORDS", "9"),
        ("TRACING_OTLP_DELIVERY_QUEUE_MAX_BYTES", "64"),
    ] {
        let telemetry = builder([(name, value)])
            .with_endpoint(receiver.endpoint())
            .with_log_batch(waits.clone())
            .build()
            .unwrap();
        log(&telemetry, 0, 10);
        let report = telemetry.flush(PATIENCE);
        assert_eq!(
            report.logs().lost_by(LossReason::DeliveryQueueFull),
            10,
            "{name}: {report}"
        );
        let _ = telemetry.shutdown();
    }

    // One attempt, and that is the end of it.
    let telemetry = builder([("TRACING_OTLP_RETRY_DEADLINE", "0")])
        .with_endpoint(receiver.endpoint())
        .with_log_batch(waits)
        .build()
        .unwrap();
    log(&telemetry, 0, 10);
    let report = telemetry.flush(PATIENCE);
    assert_eq!(
        report.logs().lost_by(LossReason::Unavailable),
        10,
        "{report}"
    );
    let _ = telemetry.shutdown();
}

#[test]
fn the_shutdown_deadline_of_the_environment_holds() {
    let receiver = Receiver::start();
    receiver.set(Mood::Hanging);
    let telemetry = builder([("TRACING_OTLP_SHUTDOWN_DEADLINE", "200ms")])
        .with_endpoint(receiver.endpoint())
        .build()
        .unwrap();
    log(&telemetry, 0, 10);
    let report = telemetry.shutdown();
    assert_eq!(
        report.logs().lost_by(LossReason::ShutdownDeadline),
        10,
        "{report}"
    );
    // The default is 5 s, and the request's own 10 s.
    assert!(report.elapsed() < Duration::from_secs(4), "{report}");
}

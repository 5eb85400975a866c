//! The ledger as metrics, read through the SDK's own exporter.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use opentelemetry::logs::{Logger as _, LoggerProvider as _};
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData, ScopeMetrics, Sum, SumDataPoint},
};
use support::{Directory, PATIENCE, Reply, Server, emit, eventually};
use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, DeliverySettings, Destination, Pipeline, RetrySettings,
    SeverityBand, Signal, SpoolSettings,
};

/// Every number by the metric's name and its `error.type`.
type Read = BTreeMap<(String, String), i64>;

fn collect(provider: &SdkMeterProvider, exporter: &InMemoryMetricExporter) -> Read {
    exporter.reset();
    provider.force_flush().unwrap();
    let mut read = Read::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for scope in resource.scope_metrics() {
            assert_eq!(scope.scope().name(), "tracing_otlp_pipeline");
            for metric in scope.metrics() {
                let (name, unit) = (metric.name(), metric.unit());
                let noun = if name.contains("span") {
                    "{span}"
                } else {
                    "{log_record}"
                };
                assert_eq!(unit, noun);
                match metric.data() {
                    AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                        assert!(sum.is_monotonic(), "{name}");
                        take(name, sum, |value| i64::try_from(value).unwrap(), &mut read);
                    }
                    AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                        assert!(!sum.is_monotonic(), "{name}");
                        take(name, sum, |value| value, &mut read);
                    }
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }
    read
}

fn take<T: Copy>(name: &str, sum: &Sum<T>, to_i64: impl Fn(T) -> i64, read: &mut Read) {
    for point in sum.data_points() {
        let attributes: BTreeMap<_, _> = point
            .attributes()
            .map(|attribute| (attribute.key.as_str(), attribute.value.to_string()))
            .collect();
        if name != "otel.sdk.log.created" {
            let kind = &attributes["otel.component.type"];
            assert_eq!(attributes["otel.component.name"], format!("{kind}/0"));
            let expected = match (name.contains(".processor."), name.contains(".log.")) {
                (true, true) => "batching_log_processor",
                (true, false) => "batching_span_processor",
                (false, true) => "otlp_http_log_exporter",
                (false, false) => "otlp_http_span_exporter",
            };
            assert_eq!(kind, expected);
        }
        if name.contains(".exporter.") {
            assert_eq!(attributes["server.address"], "127.0.0.1");
            assert!(attributes.contains_key("server.port"));
        }
        let error = attributes.get("error.type").cloned().unwrap_or_default();
        let before = read.insert((name.to_owned(), error), to_i64(point.value()));
        assert_eq!(before, None);
    }
}

fn expect(read: &Read, expected: &[(&str, &str, i64)]) {
    let expected: Read = expected
        .iter()
        .map(|(name, error, value)| ((format!("otel.sdk.{name}"), (*error).to_owned()), *value))
        .collect();
    let only: Read = read
        .iter()
        .filter(|((name, _), _)| !name.contains("span"))
        .map(|(key, value)| (key.clone(), *value))
        .collect();
    assert_eq!(only, expected);
}

#[test]
fn the_ledger_can_be_read_as_the_metrics_of_the_conventions() {
    let refuse = Reply::Http(400, "text/plain", "no".into());
    let server = Server::start([Reply::Accept, refuse]);
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone())
        .with_interval(Duration::from_secs(3600))
        .build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    let size = NonZeroUsize::new(10).unwrap();
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .with_traces(Destination::from_base(Signal::Traces, &server.url()).unwrap())
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(size)
                .with_max_export_batch_size(size)
                .with_scheduled_delay(Duration::from_secs(3600)),
        )
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_meter_provider(&meters)
        .build()
        .unwrap();
    pipeline.add_source(|source| source.sampled(SeverityBand::Debug, 4));
    let provider = pipeline.logger_provider().unwrap();
    // INFO may fill eight of ten places.
    for _ in 0..9 {
        emit(provider, "x");
    }
    expect(
        &collect(&meters, &exporter),
        &[
            ("log.created", "", 13),
            ("processor.log.queue.size", "", 8),
            ("processor.log.queue.capacity", "", 10),
            ("processor.log.processed", "", 0),
            ("processor.log.processed", "queue_full", 1),
            ("exporter.log.inflight", "", 0),
            ("exporter.log.exported", "", 0),
        ],
    );
    assert!(pipeline.force_flush(PATIENCE).is_settled());
    emit(provider, "refused");
    assert!(pipeline.force_flush(PATIENCE).is_settled());
    pipeline
        .tracer_provider()
        .unwrap()
        .tracer("t")
        .start("s")
        .end();
    let logger = provider.logger("test");
    assert!(pipeline.shutdown(PATIENCE).is_settled());
    logger.emit(logger.create_log_record());
    let read = collect(&meters, &exporter);
    expect(
        &read,
        &[
            ("log.created", "", 15),
            ("processor.log.queue.size", "", 0),
            ("processor.log.queue.capacity", "", 10),
            ("processor.log.processed", "", 9),
            ("processor.log.processed", "queue_full", 1),
            ("processor.log.processed", "already_shutdown", 1),
            ("exporter.log.inflight", "", 0),
            ("exporter.log.exported", "", 8),
            ("exporter.log.exported", "rejected", 1),
        ],
    );
    let span = |name: &str| read[&(format!("otel.sdk.{name}"), String::new())];
    assert_eq!(span("processor.span.queue.capacity"), 2048);
    assert_eq!(span("processor.span.queue.size"), 0);
    assert_eq!(span("processor.span.processed"), 1);
    assert_eq!(span("exporter.span.exported"), 1);
    assert_eq!(span("exporter.span.inflight"), 0);
    drop((logger, pipeline));
    // The delivery thread goes a moment later.
    eventually("nobody is looked at any more", || {
        collect(&meters, &exporter).is_empty()
    });
}

#[test]
fn the_port_is_that_of_the_scheme_where_the_url_has_none() {
    for (url, port) in [
        ("http://collector.invalid", "80"),
        ("http://collector.invalid:4318", "4318"),
        #[cfg(feature = "tls")]
        ("https://collector.invalid", "443"),
    ] {
        let exporter = InMemoryMetricExporter::default();
        let reader = PeriodicReader::builder(exporter.clone()).build();
        let meters = SdkMeterProvider::builder().with_reader(reader).build();
        let pipeline = Pipeline::builder()
            .with_logs(Destination::from_base(Signal::Logs, url).unwrap())
            .with_meter_provider(&meters)
            .build()
            .unwrap();
        meters.force_flush().unwrap();
        let mut ports = Vec::new();
        for resource in exporter.get_finished_metrics().unwrap() {
            let metrics = resource.scope_metrics().flat_map(ScopeMetrics::metrics);
            for metric in metrics.filter(|metric| metric.name() == "otel.sdk.exporter.log.inflight")
            {
                let AggregatedMetrics::I64(MetricData::Sum(sum)) = metric.data() else {
                    panic!("{:?}", metric.data());
                };
                let attributes = sum.data_points().flat_map(SumDataPoint::attributes);
                let found = attributes.filter(|pair| pair.key.as_str() == "server.port");
                ports.extend(found.map(|pair| pair.value.to_string()));
            }
        }
        assert_eq!(ports, [port], "{url}");
        drop(pipeline);
    }
}

#[test]
fn what_is_on_disk_is_not_in_flight() {
    let directory = Directory::new();
    let down = Reply::Http(503, "text/plain", "down".into());
    let server = Server::start_then([], down);
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone())
        .with_interval(Duration::from_secs(3600))
        .build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_delivery(
            DeliverySettings::default()
                .with_retry(RetrySettings::never())
                .with_spool(SpoolSettings::new(&directory.0)),
        )
        .with_meter_provider(&meters)
        .build()
        .unwrap();
    emit(pipeline.logger_provider().unwrap(), "x");
    let _ = pipeline.force_flush(PATIENCE);
    eventually("it is on disk", || pipeline.counts().logs().spooled() == 1);
    let number = |read: &Read, name: &str| read[&(format!("otel.sdk.{name}"), String::new())];
    let read = collect(&meters, &exporter);
    assert_eq!(number(&read, "log.created"), 1);
    assert_eq!(number(&read, "processor.log.processed"), 1);
    assert_eq!(number(&read, "exporter.log.inflight"), 0);
    assert_eq!(number(&read, "exporter.log.exported"), 0);
    server.then(Reply::Accept);
    eventually("it arrives", || pipeline.counts().logs().delivered() == 1);
    let read = collect(&meters, &exporter);
    assert_eq!(number(&read, "exporter.log.inflight"), 0);
    assert_eq!(number(&read, "exporter.log.exported"), 1);
}

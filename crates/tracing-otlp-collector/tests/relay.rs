//! A collector that forwards: what it receives arrives behind it, and its senders do not notice.

#![cfg(feature = "forward")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod peer;
#[path = "peer/scripted.rs"]
mod scripted;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Version;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use peer::{
    Ask, JSON, LOGS_JSON, PATIENCE, PROTOBUF, ask, frame, logs, metrics, pack, run, traces,
};
use prost::Message as _;
use scripted::{Act, Scripted};
use serde_json::Value;
use tracing_otlp_collector::{
    Collector, Compression, DeliverySettings, Forward, Protocol, SpoolSettings, Upstream,
};
use tracing_otlp_pipeline::{BreakerSettings, RetrySettings};

fn behind() -> Collector {
    Collector::builder().keep_requests(true).start().unwrap()
}

/// Tries again at once, for as long as a test lasts.
fn hasty() -> DeliverySettings {
    let retry = RetrySettings::default()
        .with_initial_backoff(Duration::from_millis(5))
        .with_max_backoff(Duration::from_millis(20))
        .with_batch_deadline(PATIENCE);
    DeliverySettings::default()
        .with_retry(retry)
        .with_breaker(BreakerSettings::disabled())
}

fn relay(upstream: Upstream, delivery: DeliverySettings) -> Collector {
    let forward = Forward::to(upstream).with_delivery(delivery);
    Collector::builder().with_forward(forward).start().unwrap()
}

fn send(to: &Collector, ask: &Ask, version: Version) {
    let answer = run(ask.send(to.local_addr(), version));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// How forwarding is doing, when it is doing like this.
#[track_caller]
fn status(collector: &Collector, is_there: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = ask(collector.local_addr(), "/api/status")["forward"].take();
        if is_there(&status) {
            return status;
        }
        assert!(Instant::now() < until, "{status}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_signal_arrives_as_it_was_sent() {
    let sent = [
        ("/v1/logs", logs(["hello"]).encode_to_vec()),
        ("/v1/traces", traces("GET /").encode_to_vec()),
        ("/v1/metrics", metrics().encode_to_vec()),
    ];
    for (protocol, compression) in [
        (Protocol::HttpProtobuf, Compression::Gzip),
        (Protocol::HttpProtobuf, Compression::None),
        (Protocol::Grpc, Compression::Zstd),
    ] {
        let last = behind();
        let upstream = Upstream::new(&last.endpoint())
            .unwrap()
            .with_protocol(protocol)
            .with_compression(compression)
            .with_header("x-tenant", "blue")
            .unwrap();
        let first = relay(upstream, hasty());
        for (path, body) in &sent {
            let ask =
                Ask::post(path, PROTOBUF, pack("gzip", body)).with("content-encoding", "gzip");
            send(
                &first,
                &ask.with("x-other", "not for others"),
                Version::HTTP_11,
            );
        }
        // What comes as JSON or over gRPC goes the same way.
        send(
            &first,
            &Ask::post("/v1/logs", JSON, LOGS_JSON),
            Version::HTTP_11,
        );
        let method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
        let grpc = Ask::post(method, "application/grpc", frame(0, &sent[0].1));
        send(&first, &grpc.with("te", "trailers"), Version::HTTP_2);

        first.shutdown().unwrap();
        let kept = last.requests();
        assert_eq!(kept.len(), 5, "{kept:?}");
        for (path, body) in &sent {
            let same = kept.iter().filter(|request| request.body() == body).count();
            assert_eq!(
                same,
                if *path == "/v1/logs" { 2 } else { 1 },
                "{path} {protocol}"
            );
        }
        // JSON is protobuf when it leaves, whose fields have no order.
        let same = |body: &[u8]| ExportLogsServiceRequest::decode(body) == Ok(logs(["hello"]));
        let came = kept.iter().filter(|request| same(request.body()));
        assert_eq!(came.count(), 3);
        for request in &kept {
            assert_eq!(request.protocol(), protocol);
            assert_eq!(request.header("x-tenant"), Some("blue"));
            assert_eq!(request.header("x-other"), None);
        }
    }
}

#[test]
fn as_json_it_arrives_with_the_same_content() {
    let last = behind();
    let upstream = Upstream::new(&last.endpoint()).unwrap();
    let first = relay(upstream.with_protocol(Protocol::HttpJson), hasty());
    let sent = [
        ("/v1/logs", logs(["hello"]).encode_to_vec()),
        ("/v1/traces", traces("GET /").encode_to_vec()),
        ("/v1/metrics", every_kind_of_metric()),
    ];
    for (path, body) in &sent {
        send(
            &first,
            &Ask::post(path, PROTOBUF, body.clone()),
            Version::HTTP_11,
        );
    }
    let direct = behind();
    for (path, body) in &sent {
        send(
            &direct,
            &Ask::post(path, PROTOBUF, body.clone()),
            Version::HTTP_11,
        );
    }
    first.shutdown().unwrap();
    assert_eq!(last.requests().len(), 3);
    assert!(
        last.requests()
            .iter()
            .all(|request| request.protocol() == Protocol::HttpJson)
    );
    let items = |collector: &Collector, path| {
        let mut items = ask(collector.local_addr(), path)["items"].take();
        for item in items.as_array_mut().unwrap() {
            for changing in ["receivedAt", "seq"] {
                item.as_object_mut().unwrap().remove(changing);
            }
        }
        items
    };
    for path in ["/api/logs", "/api/metrics"] {
        assert_eq!(items(&last, path), items(&direct, path));
    }
    assert_eq!(last.spans()[0].span(), direct.spans()[0].span());
    // All five kinds, or the comparison would say little.
    assert_eq!(items(&last, "/api/metrics").as_array().unwrap().len(), 5);
}

fn every_kind_of_metric() -> Vec<u8> {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
    use opentelemetry_proto::tonic::metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary,
        SummaryDataPoint, exemplar, number_data_point,
    };
    let number = |value| NumberDataPoint {
        time_unix_nano: 7,
        value: Some(value),
        flags: 1,
        exemplars: vec![Exemplar {
            time_unix_nano: 6,
            span_id: vec![2; 8],
            trace_id: vec![1; 16],
            value: Some(exemplar::Value::AsInt(-1)),
            ..Exemplar::default()
        }],
        ..NumberDataPoint::default()
    };
    let data = [
        Data::Gauge(Gauge {
            data_points: vec![number(number_data_point::Value::AsDouble(f64::NAN))],
        }),
        Data::Sum(Sum {
            data_points: vec![number(number_data_point::Value::AsInt(i64::MIN))],
            aggregation_temporality: 2,
            is_monotonic: true,
        }),
        Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint {
                count: u64::MAX,
                sum: Some(0.0),
                bucket_counts: vec![0, 3],
                explicit_bounds: vec![-0.5],
                min: Some(0.0),
                max: Some(f64::INFINITY),
                ..HistogramDataPoint::default()
            }],
            aggregation_temporality: 1,
        }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint {
                count: 4,
                scale: -3,
                zero_count: 1,
                zero_threshold: 0.25,
                positive: Some(Buckets {
                    offset: -2,
                    bucket_counts: vec![3],
                }),
                negative: Some(Buckets::default()),
                ..ExponentialHistogramDataPoint::default()
            }],
            aggregation_temporality: 1,
        }),
        Data::Summary(Summary {
            data_points: vec![SummaryDataPoint {
                count: 2,
                sum: 3.5,
                quantile_values: vec![ValueAtQuantile {
                    quantile: 0.99,
                    value: 3.0,
                }],
                ..SummaryDataPoint::default()
            }],
        }),
    ];
    let metrics = data.into_iter().enumerate().map(|(index, data)| Metric {
        name: format!("m{index}"),
        unit: "By".to_owned(),
        data: Some(data),
        ..Metric::default()
    });
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: metrics.collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    request.encode_to_vec()
}

#[test]
fn an_upstream_that_dies_and_comes_back_gets_everything_and_slows_nobody() {
    let last = behind();
    let front = Scripted::start(Act::Pass(last.local_addr()));
    let upstream = Upstream::new(&front.url()).unwrap();
    let first = relay(upstream.with_timeout(Duration::from_millis(200)), hasty());
    let mut sent = 0;
    for act in [
        Act::Pass(last.local_addr()),
        Act::HangUp,
        Act::Hang,
        Act::Say(503, &[], vec![]),
    ] {
        front.then(act);
        let start = Instant::now();
        for _ in 0..20 {
            let body = logs([&format!("record {sent}")]).encode_to_vec();
            send(
                &first,
                &Ask::post("/v1/logs", PROTOBUF, body),
                Version::HTTP_11,
            );
            sent += 1;
        }
        // A sender that had to wait for one answer from behind would have to for each.
        assert!(
            start.elapsed() < Duration::from_secs(20 * 2),
            "{:?}",
            start.elapsed()
        );
    }
    status(&first, |status| {
        status["logs"]["pending"].as_u64() > Some(0)
    });
    front.then(Act::Pass(last.local_addr()));
    let status = status(&first, |status| status["logs"]["delivered"] == sent);
    assert_eq!(
        (&status["logs"]["lost"], &status["logs"]["pending"]),
        (&0.into(), &0.into())
    );
    assert_eq!(status["url"], front.url());
    let mut bodies: Vec<_> = last
        .logs()
        .iter()
        .map(|log| log.body_str().unwrap().to_owned())
        .collect();
    bodies.sort();
    // At least once: an answer that comes too late is no answer.
    bodies.dedup();
    assert_eq!(bodies.len(), sent);
}

#[test]
fn what_is_lost_is_counted_and_said() {
    let front = Scripted::start(Act::Hang);
    let said = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&said);
    let one = NonZeroUsize::new(1).unwrap();
    let forward = Forward::to(Upstream::new(&front.url()).unwrap())
        .with_delivery(hasty().with_max_queued_records(one))
        .with_shutdown_deadline(Duration::ZERO)
        .on_notice(move |notice| theirs.lock().unwrap().push(notice.to_string()));
    let collector = Collector::builder().with_forward(forward).start().unwrap();
    for _ in 0..10 {
        let body = logs(["hello"]).encode_to_vec();
        send(
            &collector,
            &Ask::post("/v1/logs", PROTOBUF, body),
            Version::HTTP_11,
        );
    }
    // The collector has them all.
    assert_eq!(collector.logs().len(), 10);
    let lost = status(&collector, |status| status["logs"]["lost"] == 9);
    assert_eq!(lost["logs"]["lostBy"]["delivery_queue_full"], 9);
    assert_eq!(
        (&lost["logs"]["received"], &lost["logs"]["pending"]),
        (&10.into(), &1.into())
    );
    let until = Instant::now() + PATIENCE;
    while !said
        .lock()
        .unwrap()
        .iter()
        .any(|line| line == "losing logs: delivery_queue_full")
    {
        assert!(Instant::now() < until, "{:?}", said.lock().unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_left_at_the_end_is_sent_by_the_next_process() {
    let dir = std::env::temp_dir().join(format!("otlp-relay-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let last = behind();
    let front = Scripted::start(Act::HangUp);
    let upstream = || Upstream::new(&front.url()).unwrap();
    let delivery = || hasty().with_spool(SpoolSettings::new(&dir));
    let first = relay(upstream(), delivery());
    for (path, body) in [
        ("/v1/logs", logs(["hello"]).encode_to_vec()),
        ("/v1/metrics", metrics().encode_to_vec()),
    ] {
        send(&first, &Ask::post(path, PROTOBUF, body), Version::HTTP_11);
    }
    first.shutdown().unwrap();
    drop(first);
    front.then(Act::Pass(last.local_addr()));
    let second = relay(upstream(), delivery());
    status(&second, |status| {
        status["logs"]["delivered"] == 1 && status["dataPoints"]["delivered"] == 2
    });
    assert_eq!(last.requests().len(), 2);
    drop(second);
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn a_collector_that_would_forward_to_itself_does_not_start() {
    // A port that is known beforehand, held by somebody who lets go of it.
    let held = Collector::start().unwrap();
    let upstream = Upstream::new(&held.endpoint()).unwrap();
    let address = held.local_addr();
    drop(held);
    let builder = Collector::builder().with_address(address);
    let error = builder
        .with_forward(Forward::to(upstream))
        .start()
        .unwrap_err();
    assert!(error.is_configuration(), "{error}");
}

#[test]
fn a_collector_that_does_not_forward_says_so() {
    let collector = Collector::start().unwrap();
    assert_eq!(
        ask(collector.local_addr(), "/api/status")["forward"],
        Value::Null
    );
}

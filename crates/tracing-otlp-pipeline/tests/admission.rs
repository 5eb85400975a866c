//! Who is let in while the queue fills, what is counted, what is told, and when errors leave.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stdout, reason = "`--nocapture` shows the figures")]

mod support;

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    time::{Duration, Instant},
};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_proto::tonic::{
    common::v1::{KeyValue, any_value::Value},
    logs::v1::LogRecord,
};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use support::{PATIENCE, Received, Reply, Server, eventually, nobody};
use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, BreakerSettings, DeliverySettings, Destination, LossReason,
    Pipeline, PipelineBuilder, RetrySettings, SeverityBand, Signal, SignalCounts,
};

const HOUR: Duration = Duration::from_secs(3600);
const SEVERITIES: [Severity; 6] = [
    Severity::Trace,
    Severity::Debug,
    Severity::Info,
    Severity::Warn,
    Severity::Error,
    Severity::Fatal,
];

fn size(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// A queue that only a flush empties: its batch never fills and its tick never comes.
fn stalled(url: &str, queue: usize) -> PipelineBuilder {
    Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, url).unwrap())
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(size(queue))
                .with_max_export_batch_size(size(queue))
                .with_scheduled_delay(HOUR),
        )
}

fn silent() -> AdmissionSettings {
    AdmissionSettings::default()
        .with_error_flush(None)
        .with_loss_summary(None)
}

fn emit(provider: &SdkLoggerProvider, severity: Severity, body: impl Into<AnyValue>) {
    let logger = provider.logger("test");
    let mut record = logger.create_log_record();
    record.set_severity_number(severity);
    record.set_body(body.into());
    logger.emit(record);
}

fn assert_balanced(counts: &SignalCounts) {
    assert_eq!(
        counts.emitted() + counts.recovered(),
        counts.delivered()
            + counts.filtered()
            + counts.sampled()
            + counts.limited()
            + counts.dropped()
            + counts.rejected()
            + counts.spooled()
            + counts.pending()
    );
}

fn records(received: &[Received]) -> Vec<LogRecord> {
    received
        .iter()
        .flat_map(|request| request.logs().resource_logs)
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .collect()
}

fn text(record: &LogRecord) -> &str {
    match record.body.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn severities_leave_a_full_queue_in_order_and_are_counted_exactly() {
    let server = Server::start([]);
    // One more than the queue, so that a full queue does not make a batch by itself.
    let pipeline = stalled(&server.url(), 200)
        .with_admission(silent().with_watermark(SeverityBand::Fatal, 99))
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    // In rounds: each severity gets in until its watermark and not further.
    for severity in [0, 1, 2, 3, 5, 4, 0, 1, 2, 3] {
        if severity == 4 {
            // 198 are inside; the 199th and no more, so that no batch starts.
            emit(provider, SEVERITIES[4], "x");
            continue;
        }
        for _ in 0..200 {
            emit(provider, SEVERITIES[severity], "x");
        }
    }
    let counts = *pipeline.counts().logs();
    assert_balanced(&counts);
    let lost = counts.by_reason_and_severity();
    let expected = [
        ((LossReason::QueueFull, SeverityBand::Trace), 400 - 100),
        ((LossReason::QueueFull, SeverityBand::Debug), 400 - 30),
        ((LossReason::QueueFull, SeverityBand::Info), 400 - 30),
        ((LossReason::QueueFull, SeverityBand::Warn), 400 - 20),
        ((LossReason::QueueFull, SeverityBand::Fatal), 200 - 18),
    ];
    assert_eq!(lost, expected.into());
    assert_eq!(counts.pending(), 199);
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.logs().delivered(), 199);
    assert_eq!(report.logs().delivered_of(SeverityBand::Error), 1);
    assert_eq!(report.logs().pending(), 0);
    let arrived = records(&server.received());
    assert_eq!(arrived.len(), 199);
    let warnings = arrived.iter().filter(|r| r.severity_number == 13);
    assert_eq!(warnings.count(), 20);
}

#[test]
fn first_come_is_a_bound_for_all_alike() {
    let server = Server::start([]);
    let settings = AdmissionSettings::first_come().with_loss_summary(None);
    let pipeline = stalled(&server.url(), 100)
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(size(100))
                .with_max_export_batch_size(size(100))
                .with_scheduled_delay(HOUR),
        )
        .with_admission(settings)
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    for _ in 0..99 {
        emit(provider, Severity::Trace, "x");
    }
    assert_eq!(pipeline.counts().logs().lost(), 0);
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let server = Server::start([]);
    let pipeline = stalled(&server.url(), 1000)
        .with_admission(silent().with_max_queued_bytes(size(100_000)))
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    let large = "x".repeat(30_000);
    for _ in 0..5 {
        emit(provider, Severity::Info, large.clone());
    }
    // INFO may fill 80,000 of the bytes: two of these, 30,560 each.
    let counts = *pipeline.counts().logs();
    assert_eq!((counts.pending(), counts.lost()), (2, 3));
    assert_eq!(
        counts.lost_of(LossReason::QueueBytesFull, SeverityBand::Info),
        3
    );
    emit(provider, Severity::Error, large);
    assert_eq!(pipeline.counts().logs().pending(), 3);
    assert!(pipeline.force_flush(PATIENCE).is_settled());
    // What has left makes room again, to the byte: the same once more.
    for _ in 0..5 {
        emit(provider, Severity::Info, "x".repeat(30_000));
    }
    assert_eq!(pipeline.counts().logs().pending(), 2);
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.logs().delivered(), 5);
    assert_balanced(report.logs());
}

#[test]
fn a_small_queue_is_emptied_before_anybody_is_turned_away() {
    let server = Server::start([]);
    for queue in [1, 2, 10, 500] {
        let batch = BatchSettings::logs()
            .with_max_queue_size(size(queue))
            .with_scheduled_delay(HOUR);
        let pipeline = Pipeline::builder()
            .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
            .with_log_batch(batch)
            .with_admission(silent())
            .build()
            .unwrap();
        let provider = pipeline.logger_provider().unwrap();
        let counts = || *pipeline.counts().logs();
        // As many as the least severe may fill of it: their batch leaves before the next one comes.
        let half = queue.div_ceil(2);
        (0..half).for_each(|_| emit(provider, Severity::Trace, "x"));
        eventually("a batch leaves", || counts().delivered() == half as u64);
        assert_eq!(counts().lost(), 0);
        let _report = pipeline.shutdown(PATIENCE);
    }
}

#[test]
fn who_asks_first_is_counted_once_and_does_no_work() {
    let server = Server::start([]);
    let pipeline = stalled(&server.url(), 10)
        .with_admission(silent())
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    let logger = provider.logger("test");
    let mut made = 0;
    for _ in 0..100 {
        // As the layer does it.
        if logger.event_enabled(Severity::Info, "test", None) {
            made += 1;
            emit(provider, Severity::Info, "x");
        }
    }
    assert_eq!(made, 8);
    let counts = *pipeline.counts().logs();
    assert_eq!(counts.emitted(), 100);
    assert_eq!(
        counts.lost_of(LossReason::QueueFull, SeverityBand::Info),
        92
    );
    assert!(logger.event_enabled(Severity::Error, "test", None));
    assert_eq!(pipeline.counts().logs().emitted(), 100);
    assert_eq!(pipeline.shutdown(PATIENCE).logs().delivered(), 8);
}

#[test]
fn losses_behind_the_batch_keep_their_severity() {
    let refuse = Reply::Http(400, "text/plain", "no".into());
    let server = Server::start([Reply::Accept, refuse]);
    let pipeline = stalled(&server.url(), 100)
        .with_admission(silent())
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    for _ in 0..2 {
        for (count, severity) in SEVERITIES.into_iter().enumerate() {
            for _ in 0..=count {
                emit(provider, severity, "x");
            }
        }
        assert!(pipeline.force_flush(PATIENCE).is_settled());
    }
    let counts = *pipeline.counts().logs();
    for (count, band) in (1..).zip(SeverityBand::ALL) {
        assert_eq!(counts.delivered_of(band), count);
        assert_eq!(counts.lost_of(LossReason::Rejected, band), count);
        assert_eq!(counts.emitted_of(band), 2 * count);
    }
    assert_eq!((counts.rejected(), counts.dropped()), (21, 0));
}

#[test]
fn what_the_shutdown_writes_off_keeps_its_severity() {
    let server = Server::start_then([], Reply::Hang);
    let pipeline = stalled(&server.url(), 100)
        .with_admission(silent())
        .build()
        .unwrap();
    emit(pipeline.logger_provider().unwrap(), Severity::Warn, "x");
    emit(pipeline.logger_provider().unwrap(), Severity::Trace, "x");
    let report = pipeline.shutdown(Duration::from_millis(100));
    let expected = [
        ((LossReason::ShutdownDeadline, SeverityBand::Trace), 1),
        ((LossReason::ShutdownDeadline, SeverityBand::Warn), 1),
    ];
    assert_eq!(report.logs().by_reason_and_severity(), expected.into());
}

/// The ledger says what the other side of the wire has seen.
#[track_caller]
fn assert_agrees_with(server: &Server, counts: &SignalCounts, seed: u64) {
    let (taken, others): (Vec<_>, Vec<_>) = server
        .received()
        .into_iter()
        .partition(|request| matches!(request.reply, Reply::Accept));
    let (refused, _): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|request| matches!(request.reply, Reply::Http(400, ..)));
    assert_eq!(
        (counts.delivered(), counts.lost_by(LossReason::Rejected)),
        (records(&taken).len() as u64, records(&refused).len() as u64),
        "seed {seed}"
    );
}

/// Waits of at most some milliseconds.
fn hasty() -> DeliverySettings {
    let retry = RetrySettings::default()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(5));
    DeliverySettings::default()
        .with_breaker(BreakerSettings::disabled())
        .with_retry(retry)
}

/// Random interleavings of everything that can happen to a record, by many threads at once.
#[test]
fn at_every_quiet_moment_the_ledger_balances_to_the_record() {
    for seed in 1..=12_u64 {
        let refuse = |status| Reply::Http(status, "text/plain", "no".into());
        let script = (0..40_u64).map(|n| match (n * seed) % 5 {
            // For good, and to be tried again.
            0 => refuse(400),
            3 => refuse(503),
            _ => Reply::Accept,
        });
        let server = Server::start(script.collect::<Vec<_>>());
        let batch = BatchSettings::logs()
            .with_max_queue_size(size(64))
            .with_max_export_batch_size(size(8))
            .with_scheduled_delay(Duration::from_millis(1));
        let pipeline = Pipeline::builder()
            .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
            .with_log_batch(batch)
            .with_delivery(hasty().with_max_queued_records(size(48)))
            .with_admission(
                AdmissionSettings::default()
                    .with_max_queued_bytes(size(120_000))
                    .with_error_flush(Some(Duration::from_millis(1)))
                    .with_loss_summary(Some(Duration::from_millis(5))),
            )
            .build()
            .unwrap();
        let left_out = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&left_out);
        pipeline.add_source(move |source| {
            source.sampled(SeverityBand::Info, theirs.load(SeqCst));
        });
        let emitted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (pipeline, emitted, left_out) = (&pipeline, &emitted, &left_out);
                scope.spawn(move || {
                    let mut random = seed * 1_000_003 + thread;
                    let mut below = |bound: u64| {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        random % bound
                    };
                    let provider = pipeline.logger_provider().unwrap();
                    let logger = provider.logger("test");
                    for _ in 0..150 {
                        let severity = SEVERITIES[usize::try_from(below(6)).unwrap()];
                        let length = usize::try_from(below(3000)).unwrap();
                        match below(20) {
                            0 => {
                                left_out.fetch_add(1, SeqCst);
                                emitted.fetch_add(1, SeqCst);
                            }
                            1 => std::thread::yield_now(),
                            2 if thread == 0 => drop(pipeline.force_flush(PATIENCE)),
                            3..10 => {
                                emitted.fetch_add(1, SeqCst);
                                if logger.event_enabled(severity, "test", None) {
                                    emit(provider, severity, "x".repeat(length));
                                }
                            }
                            _ => {
                                emitted.fetch_add(1, SeqCst);
                                emit(provider, severity, "x".repeat(length));
                            }
                        }
                        assert_balanced(pipeline.counts().logs());
                    }
                });
            }
        });
        // Quiet: everything is where it stays. A flush does not wait for what is tried again.
        eventually("all is settled", || {
            pipeline.force_flush(PATIENCE).is_settled()
        });
        let logger = pipeline.logger_provider().unwrap().logger("test");
        let report = pipeline.shutdown(PATIENCE);
        logger.emit(logger.create_log_record());
        let counts = *pipeline.counts().logs();
        assert_eq!(counts.pending(), 0);
        assert_balanced(&counts);
        assert_eq!(
            counts.emitted() - counts.summaries(),
            emitted.load(SeqCst) + 1,
            "seed {seed}: {counts:#}"
        );
        let lost: u64 = counts.by_reason_and_severity().values().sum();
        assert_eq!(
            counts.emitted(),
            counts.delivered() + counts.sampled() + lost
        );
        assert_agrees_with(&server, report.logs(), seed);
    }
}

#[test]
fn a_loss_that_is_over_is_told_in_one_record() {
    let server = Server::start([]);
    let settings = silent().with_loss_summary(Some(Duration::from_millis(50)));
    let pipeline = stalled(&server.url(), 10)
        .with_admission(settings)
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    for _ in 0..8 {
        emit(provider, Severity::Info, "x");
    }
    for _ in 0..3 {
        emit(provider, Severity::Debug, "x");
    }
    for _ in 0..120 {
        emit(provider, Severity::Trace, "x");
    }
    assert!(pipeline.force_flush(PATIENCE).is_settled());
    eventually("the loss is told", || {
        pipeline.counts().logs().summaries() == 1
    });
    assert!(pipeline.force_flush(PATIENCE).is_settled());
    let arrived = records(&server.received());
    assert_eq!(arrived.len(), 9);
    let summary = &arrived[8];
    assert_eq!(text(summary), "tracing-otlp lost 123 records");
    assert_eq!(
        (summary.severity_number, &*summary.severity_text),
        (13, "WARN")
    );
    assert_eq!(summary.event_name, "tracing_otlp.records_lost");
    let mut attributes: Vec<_> = summary.attributes.iter().map(integer).collect();
    attributes.sort_unstable();
    assert_eq!(
        attributes,
        [
            ("tracing_otlp.lost.queue_full.debug", 3),
            ("tracing_otlp.lost.queue_full.trace", 120),
            ("tracing_otlp.lost.total", 123),
        ]
    );
    let report = pipeline.shutdown(PATIENCE);
    // The summary is the pipeline's own, and is counted as such.
    assert_eq!(report.logs().emitted(), 8 + 123 + 1);
    assert_eq!(report.logs().summaries(), 1);
    assert_eq!(report.logs().delivered(), 9);
    assert_balanced(report.logs());
}

fn integer(attribute: &KeyValue) -> (&str, i64) {
    match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::IntValue(number) => (&attribute.key, *number),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_shutdown_tells_what_was_not_told_yet() {
    let server = Server::start([]);
    let pipeline = stalled(&server.url(), 10).build().unwrap();
    for _ in 0..11 {
        emit(pipeline.logger_provider().unwrap(), Severity::Info, "x");
    }
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!((report.logs().delivered(), report.lost()), (9, 3));
    let arrived = records(&server.received());
    let summaries = arrived.iter().filter(|record| text(record) != "x");
    assert_eq!(
        summaries.map(text).collect::<Vec<_>>(),
        ["tracing-otlp lost 3 records"]
    );
}

#[test]
fn a_summary_that_is_lost_too_is_not_told_again_and_again() {
    let settings = AdmissionSettings::default().with_loss_summary(Some(Duration::from_millis(10)));
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &nobody()).unwrap())
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(size(10))
                .with_scheduled_delay(Duration::from_millis(1)),
        )
        .with_delivery(
            DeliverySettings::default()
                .with_retry(RetrySettings::never())
                .with_breaker(BreakerSettings::disabled()),
        )
        .with_admission(settings)
        .build()
        .unwrap();
    for _ in 0..100 {
        emit(pipeline.logger_provider().unwrap(), Severity::Info, "x");
    }
    eventually("all is lost", || pipeline.counts().logs().pending() == 0);
    std::thread::sleep(Duration::from_millis(300));
    let counts = *pipeline.counts().logs();
    assert!(counts.summaries() <= 1, "{counts:#}");
    assert_eq!(counts.lost(), 100 + counts.summaries());
    let report = pipeline.shutdown(PATIENCE);
    assert!(report.logs().summaries() <= 1, "{report}");
}

#[test]
fn an_error_leaves_at_once_and_takes_along_what_waits() {
    let server = Server::start([]);
    let pipeline = stalled(&server.url(), 100).build().unwrap();
    let provider = pipeline.logger_provider().unwrap();
    emit(provider, Severity::Info, "before");
    let start = Instant::now();
    emit(provider, Severity::Error, "error");
    let received = server.wait_for(1);
    println!("an error arrived after {:?}", start.elapsed());
    assert_eq!(received[0].messages(), ["before", "error"]);
    // Fatal too, within the window, and so at its end.
    emit(provider, Severity::Fatal, "fatal");
    assert_eq!(server.wait_for(2)[1].messages(), ["fatal"]);
}

#[test]
fn without_error_flush_an_error_waits_for_its_batch() {
    let server = Server::start([]);
    let pipeline = stalled(&server.url(), 100)
        .with_admission(silent())
        .build()
        .unwrap();
    emit(
        pipeline.logger_provider().unwrap(),
        Severity::Error,
        "error",
    );
    // Time for a flush to show itself.
    std::thread::sleep(Duration::from_millis(200));
    assert!(server.received().is_empty());
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn a_storm_of_errors_makes_few_requests() {
    let server = Server::start([]);
    let window = Duration::from_millis(100);
    let pipeline = stalled(&server.url(), 20_000)
        .with_admission(silent().with_error_flush(Some(window)))
        .build()
        .unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        for _ in 0..100 {
            emit(pipeline.logger_provider().unwrap(), Severity::Error, "x");
        }
        // Time for a flush in between, which there must not be.
        std::thread::sleep(Duration::from_millis(2));
    }
    eventually("all arrived", || {
        pipeline.counts().logs().delivered() == 10_000
    });
    let windows = start.elapsed().as_millis() / window.as_millis();
    let requests = server.received().len();
    println!("10,000 errors in {requests} requests");
    assert!(
        requests as u128 <= windows + 2,
        "{requests} requests in {windows} windows"
    );
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn who_logs_errors_does_not_wait_for_a_hanging_destination() {
    // The worker hands over and returns, so what can hang is the network alone.
    let server = Server::start_then([], Reply::Hang);
    let pipeline = stalled(&server.url(), 1000)
        .with_admission(silent().with_error_flush(Some(Duration::from_millis(1))))
        .build()
        .unwrap();
    let slowest = (0..500)
        .map(|_| {
            let start = Instant::now();
            emit(pipeline.logger_provider().unwrap(), Severity::Error, "x");
            start.elapsed()
        })
        .max()
        .unwrap();
    println!("the slowest emit took {slowest:?}");
    assert!(slowest < Duration::from_secs(2));
    let _ = pipeline.shutdown(Duration::from_millis(10));
}

#[test]
fn sixty_four_threads_at_once_lose_nothing_with_default_settings() {
    let server = Server::start([]);
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .build()
        .unwrap();
    let barrier = Barrier::new(64);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..200 {
                    emit(pipeline.logger_provider().unwrap(), Severity::Info, "x");
                }
            });
        }
    });
    let report = pipeline.shutdown(PATIENCE);
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.logs().delivered(), 12_800);
    assert_eq!(records(&server.received()).len(), 12_800);
}

#[test]
fn four_thousand_records_and_a_shutdown_lose_nothing_with_default_settings() {
    let server = Server::start([]);
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .build()
        .unwrap();
    for _ in 0..4000 {
        emit(pipeline.logger_provider().unwrap(), Severity::Info, "x");
    }
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.logs().delivered(), 4000);
    assert!(report.is_complete());
    assert_eq!(records(&server.received()).len(), 4000);
}

#[test]
fn emitting_never_waits_for_a_worker_that_is_stuck() {
    let (held, is_held) = mpsc::sync_channel(1);
    let go_on = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&go_on);
    let server = Server::start_then([], Reply::Http(400, "text/plain", "no".into()));
    let pipeline = stalled(&server.url(), 100)
        .on_notice(move |_| {
            let _ = held.try_send(());
            eventually("the test goes on", || theirs.load(SeqCst));
        })
        .build()
        .unwrap();
    let provider = pipeline.logger_provider().unwrap();
    emit(provider, Severity::Error, "x");
    is_held.recv_timeout(PATIENCE).unwrap();
    let start = Instant::now();
    for _ in 0..10_000 {
        emit(provider, Severity::Error, "x");
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    go_on.store(true, SeqCst);
    let report = pipeline.shutdown(PATIENCE);
    assert_balanced(report.logs());
    assert_eq!(report.logs().emitted() - report.logs().summaries(), 10_001);
}

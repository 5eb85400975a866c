//! Flush and shutdown keep their deadline anywhere, and their report tells the truth.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake},
    thread::Thread,
    time::{Duration, Instant},
};

use opentelemetry::{
    InstrumentationScope,
    logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogProcessor, SdkLogRecord},
};
use support::{BlackHole, PATIENCE, Received, Reply, Said, Server, emit, eventually};
use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, DeliveryEvent, DeliverySettings, Destination, LossReason,
    Pipeline, PipelineBuilder, Protocol, Report, Signal,
};

/// Short, for shutdowns that are meant to reach it.
const DEADLINE: Duration = Duration::from_millis(300);
/// What a busy machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(5);

fn logs_to(url: &str) -> PipelineBuilder {
    let destination = Destination::from_base(Signal::Logs, url).unwrap();
    // Without records of its own, so that the counts are those of the test's records.
    let admission = AdmissionSettings::default().with_loss_summary(None);
    Pipeline::builder()
        .with_admission(admission)
        .with_logs(destination.with_timeout(PATIENCE))
}

fn emit_many(pipeline: &Pipeline, records: usize) {
    for _ in 0..records {
        emit(pipeline.logger_provider().unwrap(), "x");
    }
}

fn protocols() -> Vec<Protocol> {
    let mut all = vec![Protocol::HttpProtobuf];
    if cfg!(feature = "grpc") {
        all.push(Protocol::Grpc);
    }
    all
}

#[track_caller]
fn check_bounded(report: &Report, start: Instant) {
    assert!(start.elapsed() >= DEADLINE, "gave up early");
    assert!(
        start.elapsed() < DEADLINE + SLACK,
        "took {:?}",
        start.elapsed()
    );
    assert!(report.is_settled());
    assert!(!report.is_complete());
    let total = report.counts().total();
    assert_eq!(total.emitted(), total.delivered() + total.lost());
}

#[test]
fn a_server_that_hangs_or_a_black_hole_does_not_hold_up_a_shutdown() {
    for protocol in protocols() {
        let server = Server::start_then([], Reply::Hang);
        let hole = BlackHole::new();
        for url in [server.url(), hole.url()] {
            let destination = Destination::from_base(Signal::Logs, &url)
                .unwrap()
                .with_protocol(protocol)
                .with_timeout(PATIENCE);
            let pipeline = Pipeline::builder().with_logs(destination).build().unwrap();
            // Several batches: some in flight, some waiting.
            for _ in 0..7 {
                emit_many(&pipeline, 100);
                assert!(!pipeline.force_flush(Duration::from_millis(20)).is_settled());
            }
            let start = Instant::now();
            let report = pipeline.shutdown(DEADLINE);
            check_bounded(&report, start);
            assert_eq!(report.by_reason(), [("shutdown_deadline", 700)].into());
            assert!(
                report
                    .to_string()
                    .contains("700 lost (shutdown_deadline 700)")
            );
            assert_eq!(pipeline.shutdown(PATIENCE), report);
        }
    }
}

#[test]
fn what_was_answered_before_the_deadline_is_not_lost() {
    let server = Server::start_then([Reply::Accept, Reply::Accept], Reply::Hang);
    let pipeline = logs_to(&server.url()).build().unwrap();
    for _ in 0..2 {
        emit_many(&pipeline, 10);
        assert!(pipeline.force_flush(PATIENCE).is_complete());
    }
    emit_many(&pipeline, 5);
    let start = Instant::now();
    let report = pipeline.shutdown(DEADLINE);
    check_bounded(&report, start);
    assert_eq!(report.logs().delivered(), 20);
    assert_eq!(report.by_reason(), [("shutdown_deadline", 5)].into());
    assert_eq!(report.lost_meanwhile(), 5);
}

#[test]
fn records_and_spans_are_both_drained() {
    for protocol in protocols() {
        let server = Server::start([]);
        let to = |signal| {
            Destination::from_base(signal, &server.url())
                .unwrap()
                .with_protocol(protocol)
        };
        let pipeline = Pipeline::builder()
            .with_logs(to(Signal::Logs))
            .with_traces(to(Signal::Traces))
            .build()
            .unwrap();
        let tracer = pipeline.tracer_provider().unwrap().tracer("t");
        emit_many(&pipeline, 2048);
        for _ in 0..2048 {
            tracer.start("s").end();
        }
        let report = pipeline.shutdown(PATIENCE);
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.logs().delivered(), 2048);
        assert_eq!(report.traces().delivered(), 2048);
    }
}

/// Emits, shuts down, and checks, wherever it is called.
fn deliver_one(protocol: Protocol) {
    let server = Server::start([]);
    let destination = Destination::from_base(Signal::Logs, &server.url()).unwrap();
    let pipeline = Pipeline::builder()
        .with_logs(destination.with_protocol(protocol))
        .build()
        .unwrap();
    emit_many(&pipeline, 1);
    let report = pipeline.shutdown(PATIENCE);
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.logs().delivered(), 1);
}

async fn deliver_one_async(protocol: Protocol) {
    let server = Server::start([]);
    let destination = Destination::from_base(Signal::Logs, &server.url()).unwrap();
    let pipeline = Pipeline::builder()
        .with_logs(destination.with_protocol(protocol))
        .build()
        .unwrap();
    emit_many(&pipeline, 1);
    let report = pipeline.force_flush_async(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    emit_many(&pipeline, 1);
    let report = pipeline.shutdown_async(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.logs().delivered(), 2);
}

#[test]
fn without_a_runtime() {
    for protocol in protocols() {
        deliver_one(protocol);
        block_on(deliver_one_async(protocol));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn in_a_current_thread_runtime() {
    for protocol in protocols() {
        deliver_one(protocol);
        deliver_one_async(protocol).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_multi_thread_runtime() {
    for protocol in protocols() {
        deliver_one(protocol);
        deliver_one_async(protocol).await;
        tokio::spawn(deliver_one_async(protocol)).await.unwrap();
    }
}

/// The smallest executor: proof that the futures need no runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_async_shutdown_does_not_block_the_runtime() {
    let server = Server::start_then([], Reply::Hang);
    let pipeline = logs_to(&server.url()).build().unwrap();
    emit_many(&pipeline, 3);
    let ticks = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&ticks);
    let clock = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            theirs.fetch_add(1, SeqCst);
        }
    });
    let report = pipeline.shutdown_async(DEADLINE).await;
    clock.abort();
    assert_eq!(report.by_reason(), [("shutdown_deadline", 3)].into());
    assert!(ticks.load(SeqCst) > 3, "the runtime stood still");
}

#[test]
fn all_concurrent_shutdowns_get_the_same_report() {
    let server = Server::start([]);
    let pipeline = logs_to(&server.url()).build().unwrap();
    emit_many(&pipeline, 10);
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| pipeline.shutdown(PATIENCE)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(reports.iter().all(|report| *report == reports[0]));
    assert!(reports[0].is_complete());
    assert!(pipeline.force_flush(PATIENCE).is_settled());
}

#[test]
fn dropping_the_pipeline_delivers() {
    let server = Server::start([]);
    let pipeline = logs_to(&server.url()).build().unwrap();
    emit_many(&pipeline, 3);
    drop(pipeline);
    assert_eq!(server.received()[0].messages().len(), 3);
}

#[test]
fn dropping_the_pipeline_keeps_the_default_deadline() {
    let hole = BlackHole::new();
    let pipeline = logs_to(&hole.url())
        .with_delivery(DeliverySettings::default().with_shutdown_deadline(DEADLINE))
        .build()
        .unwrap();
    emit_many(&pipeline, 3);
    let start = Instant::now();
    drop(pipeline);
    assert!(start.elapsed() >= DEADLINE && start.elapsed() < DEADLINE + SLACK);
}

#[test]
fn records_after_the_shutdown_are_counted_and_said_once() {
    let server = Server::start([]);
    let said = Said::default();
    let theirs = said.clone();
    let pipeline = logs_to(&server.url())
        .on_notice(move |notice| theirs.say(notice))
        .build()
        .unwrap();
    let logger = pipeline.logger_provider().unwrap().logger("kept");
    assert!(logger.event_enabled(Severity::Info, "t", None));
    let report = pipeline.shutdown(PATIENCE);
    assert!(report.is_complete());
    // A record that is not even made, because its maker asked first, is lost all the same.
    for _ in 0..500 {
        assert!(!logger.event_enabled(Severity::Info, "t", None));
    }
    for _ in 0..500 {
        logger.emit(logger.create_log_record());
    }
    let counts = *pipeline.counts().logs();
    assert_eq!(counts.lost_by(LossReason::AfterShutdown), 1000);
    assert_eq!((counts.emitted(), counts.pending()), (1000, 0));
    assert_eq!(said.all(), ["losing logs: after_shutdown"]);
    // The report of the shutdown stays what it was.
    assert_eq!(pipeline.shutdown(PATIENCE), report);
}

#[test]
fn a_full_batch_queue_is_counted_at_once_and_exactly() {
    let (entered, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server::start([]);
    let said = Said::default();
    let theirs = said.clone();
    let batch = BatchSettings::logs()
        .with_max_queue_size(NonZeroUsize::new(100).unwrap())
        .with_max_export_batch_size(NonZeroUsize::new(100).unwrap())
        .with_scheduled_delay(PATIENCE);
    let pipeline = logs_to(&server.url())
        .with_log_batch(batch)
        .with_admission(AdmissionSettings::first_come().with_loss_summary(None))
        .on_notice({
            let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
            move |notice| {
                theirs.say(notice);
                entered.fetch_add(1, SeqCst);
                eventually("the test goes on", || release.load(SeqCst) > 0);
            }
        })
        .build()
        .unwrap();
    // 99 records do not make a batch, so nothing leaves before the flush. Of the rest the queue
    // may give a few to its worker, which is why only the sum is known.
    emit_many(&pipeline, 99);
    let before = *pipeline.counts().logs();
    assert_eq!(
        (before.emitted(), before.lost(), before.pending()),
        (99, 0, 99)
    );
    while pipeline.counts().logs().lost() == 0 {
        emit_many(&pipeline, 1000);
    }
    let counts = *pipeline.counts().logs();
    assert_eq!(
        counts.emitted(),
        counts.delivered() + counts.lost() + counts.pending()
    );
    assert_eq!(
        counts.by_reason().keys().collect::<Vec<_>>(),
        [&"queue_full"]
    );
    eventually("the loss is said", || entered.load(SeqCst) > 0);
    release.store(1, SeqCst);
    let report = pipeline.shutdown(PATIENCE);
    let logs = report.logs();
    assert_eq!(
        logs.emitted(),
        logs.delivered() + logs.lost_by(LossReason::QueueFull)
    );
    let arrived: usize = server.received().iter().map(|r| r.messages().len()).sum();
    assert_eq!(arrived as u64, logs.delivered());
    assert_eq!(said.all(), ["losing logs: queue_full"]);
}

#[test]
fn a_full_delivery_queue_is_counted_and_said() {
    let hole = BlackHole::new();
    let (said, lost) = (Said::default(), Said::default());
    let (theirs, of_events) = (said.clone(), lost.clone());
    let pipeline = logs_to(&hole.url())
        .with_delivery(
            DeliverySettings::default()
                .with_max_queued_records(NonZeroUsize::new(25).unwrap())
                .with_shutdown_deadline(Duration::from_millis(1)),
        )
        .on_notice(move |notice| theirs.say(notice))
        .on_event(move |event| {
            if let DeliveryEvent::Lost {
                records, reason, ..
            } = event
            {
                for _ in 0..*records {
                    of_events.say(reason);
                }
            }
        })
        .build()
        .unwrap();
    for _ in 0..4 {
        emit_many(&pipeline, 10);
        // Waits for the batch to be handed over, and hardly for its delivery.
        let _ = pipeline.logger_provider().unwrap().force_flush();
    }
    eventually("two of four batches are refused", || {
        pipeline
            .counts()
            .logs()
            .lost_by(LossReason::DeliveryQueueFull)
            == 20
    });
    eventually("it is said", || !said.all().is_empty());
    let report = pipeline.shutdown(Duration::ZERO);
    let expected = [("delivery_queue_full", 20), ("shutdown_deadline", 20)];
    assert_eq!(report.by_reason(), expected.into());
    assert_eq!(said.all(), ["losing logs: delivery_queue_full"]);
    // Programs hear of each record.
    eventually("all is told", || lost.all().len() == 40);
    let full = |reason: &&String| *reason == "delivery_queue_full";
    assert_eq!(lost.all().iter().filter(full).count(), 20);
}

#[test]
fn flushing_a_provider_flushes_delivery_and_tells_of_losses() {
    let refuse = Reply::Http(400, "text/plain", "no".into());
    let server = Server::start([Reply::Accept, refuse.clone(), Reply::Accept, refuse]);
    let pipeline = logs_to(&server.url()).build().unwrap();
    let provider = pipeline.logger_provider().unwrap();
    emit_many(&pipeline, 2);
    provider.force_flush().unwrap();
    assert_eq!(pipeline.counts().logs().delivered(), 2);
    emit_many(&pipeline, 3);
    let error = provider.force_flush().unwrap_err().to_string();
    assert!(error.contains("3 of logs were lost"), "{error}");
    emit_many(&pipeline, 1);
    // An old loss is not told again.
    provider.force_flush().unwrap();
    emit_many(&pipeline, 4);
    let error = provider.shutdown().unwrap_err().to_string();
    assert!(error.contains("4 of logs were lost"), "{error}");
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!((report.logs().delivered(), report.lost()), (3, 7));
}

#[test]
fn flushing_a_provider_keeps_the_default_deadline() {
    let hole = BlackHole::new();
    let pipeline = logs_to(&hole.url())
        .with_delivery(DeliverySettings::default().with_shutdown_deadline(DEADLINE))
        .build()
        .unwrap();
    emit_many(&pipeline, 1);
    let start = Instant::now();
    pipeline
        .logger_provider()
        .unwrap()
        .force_flush()
        .unwrap_err();
    assert!(start.elapsed() >= DEADLINE && start.elapsed() < DEADLINE + SLACK);
    assert_eq!(pipeline.counts().logs().pending(), 1);
    let _ = pipeline.shutdown(Duration::ZERO);
}

#[test]
fn a_foreign_processor_that_hangs_does_not_hold_up_a_shutdown() {
    #[derive(Debug)]
    struct Hangs(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);
    impl LogProcessor for Hangs {
        fn emit(&self, _: &mut SdkLogRecord, _: &InstrumentationScope) {}
        fn force_flush(&self) -> OTelSdkResult {
            let _ = self.0.lock().unwrap().recv();
            Ok(())
        }
        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            self.force_flush()
        }
    }
    let (release, wait) = std::sync::mpsc::channel();
    let server = Server::start([]);
    let pipeline = logs_to(&server.url())
        .map_logger_provider(move |builder| {
            builder.with_log_processor(Hangs(std::sync::Mutex::new(wait)))
        })
        .build()
        .unwrap();
    emit_many(&pipeline, 1);
    let logger = pipeline.logger_provider().unwrap().logger("kept");
    let start = Instant::now();
    assert!(!pipeline.force_flush(DEADLINE).is_settled());
    let start_of_shutdown = Instant::now();
    let report = pipeline.shutdown(DEADLINE);
    assert!(start.elapsed() < 2 * DEADLINE + SLACK);
    assert!(start_of_shutdown.elapsed() < DEADLINE + SLACK);
    assert!(report.is_settled());
    assert_eq!(
        report.logs().emitted(),
        report.logs().delivered() + report.lost()
    );
    // The doors are closed all the same.
    logger.emit(logger.create_log_record());
    assert_eq!(
        pipeline.counts().logs().lost_by(LossReason::AfterShutdown),
        1
    );
    drop(release);
}

#[test]
fn shutting_down_while_many_threads_emit_loses_count_of_nothing() {
    let server = Server::start([]);
    let pipeline = logs_to(&server.url()).build().unwrap();
    let stop = AtomicUsize::new(0);
    let emitted = AtomicUsize::new(0);
    // From before: what the SDK gives out after a shutdown knows no processor, and a thread may
    // be late to start.
    let logger = pipeline.logger_provider().unwrap().logger("t");
    let report = std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while stop.load(SeqCst) == 0 {
                    let mut record = logger.create_log_record();
                    record.set_body("x".into());
                    emitted.fetch_add(1, SeqCst);
                    logger.emit(record);
                }
            });
        }
        eventually("some have arrived", || !server.received().is_empty());
        let report = pipeline.shutdown(PATIENCE);
        stop.store(1, SeqCst);
        report
    });
    let counts = *pipeline.counts().logs();
    assert_eq!(counts.emitted(), emitted.load(SeqCst) as u64);
    assert_eq!(counts.pending(), 0);
    assert_eq!(counts.delivered(), report.logs().delivered());
    let arrived: usize = server
        .received()
        .iter()
        .map(|r: &Received| r.messages().len())
        .sum();
    assert_eq!(arrived as u64, counts.delivered());
    assert!(
        counts
            .by_reason()
            .keys()
            .all(|reason| ["queue_full", "after_shutdown"].contains(reason)),
        "{counts}"
    );
}

#[test]
fn a_pipeline_without_destinations_has_nothing_to_do() {
    let pipeline = Pipeline::builder().build().unwrap();
    assert!(pipeline.logger_provider().is_none());
    assert!(pipeline.tracer_provider().is_none());
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn a_destination_of_another_signal_is_refused() {
    let traces = Destination::from_base(Signal::Traces, "http://localhost:4318").unwrap();
    let error = Pipeline::builder().with_logs(traces).build().unwrap_err();
    assert!(error.is_configuration());
}

/// Loses its only record inside the process, and does this when it is told of that.
fn lose_one(on_notice: impl Fn() + Send + Sync + 'static) -> Pipeline {
    let server = Server::start([]);
    let delivery =
        DeliverySettings::default().with_max_request_bytes(NonZeroUsize::new(1000).unwrap());
    let pipeline = logs_to(&server.url())
        .with_delivery(delivery)
        .on_notice(move |_| on_notice())
        .build()
        .unwrap();
    let logger = pipeline.logger_provider().unwrap().logger("test");
    let mut record = logger.create_log_record();
    // Leaves at once.
    record.set_severity_number(Severity::Error);
    for number in 0..100 {
        record.add_attribute(format!("one of many {number}"), number);
    }
    logger.emit(record);
    pipeline
}

#[test]
fn a_loss_is_told_before_the_shutdown_is_over() {
    let told = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&told);
    let pipeline = lose_one(move || {
        std::thread::sleep(DEADLINE);
        theirs.fetch_add(1, SeqCst);
    });
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.by_reason(), [("too_large", 1)].into());
    assert_eq!(told.load(SeqCst), 1);
}

#[test]
fn who_is_told_may_shut_down() {
    let pipeline = Arc::new(OnceLock::<Pipeline>::new());
    let theirs = Arc::clone(&pipeline);
    let (done, is_done) = std::sync::mpsc::channel();
    let mine = lose_one(move || {
        let pipeline = loop {
            match theirs.get() {
                Some(pipeline) => break pipeline,
                None => std::thread::yield_now(),
            }
        };
        let start = Instant::now();
        let report = pipeline.shutdown(PATIENCE);
        done.send((report, start.elapsed())).unwrap();
    });
    pipeline.set(mine).unwrap();
    let (report, took) = is_done.recv_timeout(PATIENCE).unwrap();
    assert!(report.is_settled());
    assert!(took < SLACK, "{took:?}");
}

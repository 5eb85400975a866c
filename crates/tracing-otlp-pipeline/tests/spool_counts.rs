//! What is on disk is counted by signal and severity, in this process and in the next.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use opentelemetry::{
    logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use support::{Directory, PATIENCE, Reply, Said, Server, eventually};
use tracing_otlp_pipeline::{
    AdmissionSettings, BreakerSettings, Compression, Counts, DeliveryEvent, DeliverySettings,
    Destination, LossReason, Pipeline, PipelineBuilder, RetrySettings, SeverityBand, Signal,
    SignalCounts, SpoolSettings,
};

/// So small that it holds two large records.
const SMALL: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
const LARGE: usize = 25_000;

fn hasty() -> DeliverySettings {
    DeliverySettings::default().with_retry(
        RetrySettings::default()
            .with_initial_backoff(Duration::from_millis(1))
            .with_max_backoff(Duration::from_millis(10))
            .with_batch_deadline(Duration::from_millis(100)),
    )
}

fn logs(server: &Server, spool: &Path) -> PipelineBuilder {
    let settings = hasty()
        .with_breaker(BreakerSettings::disabled())
        .with_spool(SpoolSettings::new(spool).with_max_bytes(SMALL));
    Pipeline::builder()
        // Without records of its own, so that the counts are those of the test's records.
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_logs(to(server, Signal::Logs))
        .with_delivery(settings)
}

fn to(server: &Server, signal: Signal) -> Destination {
    Destination::from_base(signal, &server.url())
        .unwrap()
        .with_compression(Compression::None)
        .with_timeout(PATIENCE)
}

fn down() -> Reply {
    Reply::Http(503, "text/plain", "down".into())
}

fn emit(pipeline: &Pipeline, severity: Severity, bytes: usize) {
    let logger = pipeline.logger_provider().unwrap().logger("test");
    let mut record = logger.create_log_record();
    record.set_severity_number(severity);
    record.set_body("x".repeat(bytes).into());
    logger.emit(record);
    let _ = pipeline.force_flush(Duration::from_millis(20));
}

#[track_caller]
fn check(counts: &Counts) {
    for counts in [counts.logs(), counts.traces()] {
        assert_eq!(
            counts.emitted() + counts.recovered(),
            counts.delivered() + counts.lost() + counts.spooled() + counts.pending(),
            "{counts}"
        );
    }
}

/// How many of each severity, the least severe first.
fn each(count: impl Fn(SeverityBand) -> u64) -> [u64; 6] {
    SeverityBand::ALL.map(count)
}

fn full(counts: &SignalCounts) -> [u64; 6] {
    each(|band| counts.lost_of(LossReason::SpoolFull, band))
}

#[test]
fn what_has_no_destination_any_more_stays_on_disk_and_holds_nothing_up() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = logs(&server, &directory.0).with_traces(to(&server, Signal::Traces));
    let first = first.build().unwrap();
    let tracer = first.tracer_provider().unwrap().tracer("test");
    for round in 1..=5 {
        tracer.start("work").end();
        let _ = first.force_flush(Duration::from_millis(20));
        emit(&first, Severity::Warn, 10);
        // Spans are among the oldest, among the youngest, and in between.
        eventually("both are on disk", || {
            first.counts().total().spooled() == 2 * round
        });
    }
    tracer.start("work").end();
    let report = first.shutdown(PATIENCE);
    assert_eq!((report.spooled(), report.lost()), (11, 0), "{report}");

    for round in 0..2 {
        let said = Said::default();
        let theirs = said.clone();
        server.then(Reply::Accept);
        let second = logs(&server, &directory.0)
            .on_notice(move |notice| theirs.say(notice))
            .build()
            .unwrap();
        if round == 0 {
            eventually("the logs arrive", || {
                second.counts().logs().delivered() == 5
            });
        }
        emit(&second, Severity::Info, 10);
        let report = second.shutdown(PATIENCE);
        check(report.counts());
        let spans = *report.counts().traces();
        assert_eq!((spans.recovered(), spans.spooled()), (6, 6), "{spans}");
        assert_eq!((spans.delivered(), spans.lost()), (0, 0), "{spans}");
        assert_eq!(report.lost(), 0);
        let said = said.all();
        let told = "6 records of traces stay in the spool, there is no destination for them";
        let times = said.iter().filter(|said| *said == told).count();
        assert_eq!(times, 1, "{said:?}");
    }

    let third = logs(&server, &directory.0).with_traces(to(&server, Signal::Traces));
    let third = third.build().unwrap();
    eventually("the spans arrive", || {
        third.counts().traces().delivered() == 6
    });
    let report = third.shutdown(PATIENCE);
    check(report.counts());
    assert_eq!(
        (report.logs().recovered(), report.spooled()),
        (0, 0),
        "{report}"
    );
    let fourth = logs(&server, &directory.0).with_traces(to(&server, Signal::Traces));
    let report = fourth.build().unwrap().shutdown(PATIENCE);
    assert_eq!(report.counts().total().recovered(), 0, "{report}");
}

#[test]
fn a_destination_that_is_away_does_not_hold_up_what_is_on_disk_for_another() {
    for away in [
        down(),
        Reply::Http(401, "text/plain", "expired".into()),
        Reply::Hang,
    ] {
        let directory = Directory::new();
        let (one, other) = (
            Server::start_then([], down()),
            Server::start_then([], down()),
        );
        let build = || {
            let breaker = BreakerSettings::default()
                .with_failures(NonZeroU32::MIN)
                .with_open_for(Duration::from_millis(20));
            let settings = hasty().with_breaker(breaker);
            let spool = SpoolSettings::new(&directory.0);
            logs(&one, &directory.0)
                .with_traces(to(&other, Signal::Traces))
                .with_delivery(settings.with_spool(spool))
                .build()
                .unwrap()
        };
        let first = build();
        for _ in 0..10 {
            emit(&first, Severity::Info, 10);
        }
        let tracer = first.tracer_provider().unwrap().tracer("test");
        for _ in 0..10 {
            tracer.start("work").end();
            let _ = first.force_flush(Duration::from_millis(20));
        }
        assert_eq!(first.shutdown(PATIENCE).spooled(), 20);

        one.then(away);
        other.then(Reply::Accept);
        let second = build();
        eventually("the spans arrive", || {
            second.counts().traces().delivered() == 10
        });
        check(&second.counts());
        assert_eq!(second.counts().logs().delivered(), 0);
        let report = second.shutdown(Duration::from_secs(2));
        check(report.counts());
        // One may have asked whether the credentials are accepted.
        let lost = report.logs().lost_by(LossReason::Unauthorized);
        assert!(lost <= 1, "{report}");
        assert_eq!(report.logs().spooled() + lost, 10, "{report}");

        one.then(Reply::Accept);
        let third = build();
        eventually("the records arrive", || {
            third.counts().logs().delivered() == 10 - lost
        });
        check(third.shutdown(PATIENCE).counts());
    }
}

#[test]
fn what_has_no_destination_leaves_when_it_is_the_oldest_in_a_full_spool() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = logs(&server, &directory.0).with_traces(to(&server, Signal::Traces));
    let first = first.build().unwrap();
    let mut span = first
        .tracer_provider()
        .unwrap()
        .tracer("test")
        .start("work");
    span.set_attribute(opentelemetry::KeyValue::new("x", "x".repeat(LARGE)));
    span.end();
    assert_eq!(first.shutdown(PATIENCE).spooled(), 1);
    let second = logs(&server, &directory.0).build().unwrap();
    for records in 1..=2 {
        emit(&second, Severity::Warn, LARGE);
        eventually("it is on disk", || {
            second.counts().logs().spooled() == records
        });
    }
    eventually("the span has left", || {
        second.counts().traces().lost_by(LossReason::SpoolFull) == 1
    });
    let report = second.shutdown(PATIENCE);
    check(report.counts());
    assert_eq!(
        (report.counts().traces().spooled(), report.logs().spooled()),
        (0, 2)
    );
}

#[test]
fn the_next_process_knows_how_severe_the_records_on_disk_are() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = logs(&server, &directory.0).build().unwrap();
    for (severity, records) in [
        (Severity::Trace, 4),
        (Severity::Error, 3),
        (Severity::Fatal, 1),
        (Severity::Debug, 2),
    ] {
        for _ in 0..records {
            emit(&first, severity, 10);
        }
    }
    let report = first.shutdown(PATIENCE);
    assert_eq!((report.spooled(), report.lost()), (10, 0));
    let expected = [4, 2, 0, 0, 3, 1];
    // One that cannot deliver, and one that can.
    for reply in [down(), Reply::Accept] {
        let delivers = matches!(reply, Reply::Accept);
        server.then(reply);
        let next = logs(&server, &directory.0).build().unwrap();
        let counts = *next.counts().logs();
        assert_eq!(each(|band| counts.recovered_of(band)), expected);
        if delivers {
            eventually("all arrives", || next.counts().logs().delivered() == 10);
        }
        let report = next.shutdown(PATIENCE);
        check(report.counts());
        let logs = report.logs();
        let delivered = if delivers { expected } else { [0; 6] };
        assert_eq!(each(|band| logs.delivered_of(band)), delivered, "{logs}");
        assert_eq!((logs.lost(), logs.pending()), (0, 0), "{logs}");
    }
}

#[test]
fn what_leaves_a_full_spool_is_lost_under_its_own_severity() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let said = Said::default();
    let theirs = said.clone();
    let lost = Arc::<Mutex<BTreeMap<&str, u64>>>::default();
    let to = Arc::clone(&lost);
    let pipeline = logs(&server, &directory.0)
        .on_notice(move |notice| theirs.say(notice))
        .on_event(move |event| {
            if let DeliveryEvent::Lost {
                records, reason, ..
            } = event
            {
                *to.lock().unwrap().entry(reason.as_str()).or_default() += records;
            }
        })
        .build()
        .unwrap();
    let on_disk = |records| eventually("it is on disk", || spooled(&pipeline) == records);
    emit(&pipeline, Severity::Error, LARGE);
    on_disk(1);
    emit(&pipeline, Severity::Trace, LARGE);
    on_disk(2);
    emit(&pipeline, Severity::Warn, LARGE);
    eventually("the oldest has left", || {
        pipeline.counts().logs().lost() == 1
    });
    assert_eq!(full(pipeline.counts().logs()), [0, 0, 0, 0, 1, 0]);
    emit(&pipeline, Severity::Info, LARGE);
    eventually("the next has left", || pipeline.counts().logs().lost() == 2);
    let report = pipeline.shutdown(PATIENCE);
    check(report.counts());
    assert_eq!(full(report.logs()), [1, 0, 0, 0, 1, 0]);
    assert_eq!(report.spooled(), 2);
    let told = said.all();
    let told = told
        .iter()
        .filter(|said| *said == "losing logs: spool_full");
    assert_eq!(told.count(), 1, "{:?}", said.all());
    // Programs hear of each.
    let by_reason = report.by_reason();
    eventually("it is told", || *lost.lock().unwrap() == by_reason);

    // What a start itself throws away is told by the process that starts.
    let next =
        logs(&server, &directory.0)
            .with_delivery(DeliverySettings::default().with_spool(
                SpoolSettings::new(&directory.0).with_max_age(Duration::from_nanos(1)),
            ));
    let report = next.build().unwrap().shutdown(PATIENCE);
    check(report.counts());
    let logs = report.logs();
    assert_eq!((logs.recovered(), logs.spooled()), (2, 0), "{logs}");
    let expired = each(|band| logs.lost_of(LossReason::SpoolExpired, band));
    assert_eq!(expired, [0, 0, 1, 1, 0, 0]);
}

fn spooled(pipeline: &Pipeline) -> u64 {
    pipeline.counts().logs().spooled()
}

/// A process whose spool has evicted an ERROR while that is being replayed; where it is answered
/// when told so.
struct Evicted {
    _directory: Directory,
    server: Server,
    pipeline: Pipeline,
    answer: Arc<AtomicBool>,
}

impl Evicted {
    fn and_then(answered: Reply) -> Self {
        let directory = Directory::new();
        let server = Server::start_then([], down());
        let first = logs(&server, &directory.0).build().unwrap();
        emit(&first, Severity::Error, LARGE);
        assert_eq!(first.shutdown(PATIENCE).spooled(), 1);
        let answer = Arc::new(AtomicBool::new(false));
        server.then(Reply::Until(Arc::clone(&answer), Box::new(answered)));
        let requests = server.received().len();
        let pipeline = logs(&server, &directory.0).build().unwrap();
        server.wait_for(requests + 1);
        server.then(down());
        for (severity, records) in [(Severity::Trace, 2), (Severity::Warn, 3)] {
            emit(&pipeline, severity, LARGE);
            eventually("it is on disk", || spooled(&pipeline) == records);
        }
        let segment = directory.0.join("spool-0000000000000001.seg");
        eventually("the oldest has left", || !segment.exists());
        check(&pipeline.counts());
        Self {
            _directory: directory,
            server,
            pipeline,
            answer,
        }
    }
}

#[test]
fn what_is_evicted_while_it_is_replayed_and_then_delivered_counts_once() {
    let evicted = Evicted::and_then(Reply::Accept);
    evicted.answer.store(true, SeqCst);
    let counts = || *evicted.pipeline.counts().logs();
    eventually("it is delivered", || counts().delivered() == 1);
    check(&evicted.pipeline.counts());
    assert_eq!(counts().delivered_of(SeverityBand::Error), 1);
    let report = evicted.pipeline.shutdown(PATIENCE);
    check(report.counts());
    let logs = report.logs();
    assert_eq!(
        (logs.delivered(), logs.lost(), logs.spooled()),
        (1, 0, 2),
        "{logs}"
    );
}

#[test]
fn what_is_evicted_while_it_is_replayed_and_comes_back_is_lost_once() {
    let evicted = Evicted::and_then(down());
    evicted.answer.store(true, SeqCst);
    let counts = || *evicted.pipeline.counts().logs();
    eventually("it is lost", || counts().lost() == 1);
    assert_eq!(full(&counts()), [0, 0, 0, 0, 1, 0]);
    check(&evicted.pipeline.counts());
    evicted.server.then(Reply::Accept);
    eventually("the others arrive", || counts().delivered() == 2);
    let report = evicted.pipeline.shutdown(PATIENCE);
    check(report.counts());
    let logs = report.logs();
    assert_eq!((logs.lost(), logs.spooled()), (1, 0), "{logs}");
    assert_eq!(each(|band| logs.delivered_of(band)), [1, 0, 0, 1, 0, 0]);
}

#[test]
fn what_is_evicted_while_it_is_replayed_and_hangs_is_lost_at_the_shutdown() {
    let evicted = Evicted::and_then(Reply::Accept);
    let deadline = Duration::from_secs(4);
    let report = evicted.pipeline.shutdown(deadline);
    // What is on disk is not waited for to the end: the spool needs time to hear of it.
    assert!(report.elapsed() < deadline, "{report}");
    check(report.counts());
    let logs = report.logs();
    assert_eq!((logs.delivered(), logs.spooled()), (0, 2), "{logs}");
    assert_eq!(full(logs), [0, 0, 0, 0, 1, 0], "{logs}");
}

#[test]
fn of_what_is_evicted_while_half_of_it_is_delivered_the_other_half_is_lost() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = logs(&server, &directory.0).build().unwrap();
    let logger = first.logger_provider().unwrap().logger("test");
    // In this order: an ERROR that comes first may leave alone.
    for severity in [Severity::Debug, Severity::Error] {
        let mut record = logger.create_log_record();
        record.set_severity_number(severity);
        record.set_body("x".repeat(LARGE / 2).into());
        logger.emit(record);
    }
    assert_eq!(first.shutdown(PATIENCE).spooled(), 2);
    // The whole is too large, one half is taken, the other hangs.
    let never = Reply::Until(Arc::default(), Box::new(Reply::Accept));
    let requests = server.received().len();
    let server = {
        drop(server);
        assert!(requests > 0);
        Server::start_then([Reply::UpTo(LARGE * 3 / 4), Reply::Accept, never], down())
    };
    let pipeline = logs(&server, &directory.0).build().unwrap();
    server.wait_for(3);
    eventually("one half is delivered", || {
        pipeline.counts().logs().delivered() == 1
    });
    for (severity, records) in [(Severity::Trace, 2), (Severity::Warn, 3)] {
        emit(&pipeline, severity, LARGE);
        eventually("it is on disk", || spooled(&pipeline) == records);
    }
    let segment = directory.0.join("spool-0000000000000001.seg");
    eventually("the oldest has left", || !segment.exists());
    check(&pipeline.counts());
    let report = pipeline.shutdown(Duration::from_secs(4));
    check(report.counts());
    let logs = report.logs();
    assert_eq!(
        (logs.delivered(), logs.lost(), logs.spooled()),
        (1, 1, 2),
        "{logs}"
    );
    // Each of the two once, whichever half was taken.
    let mut both = full(logs);
    for (both, delivered) in both.iter_mut().zip(each(|band| logs.delivered_of(band))) {
        *both += delivered;
    }
    assert_eq!(both, [0, 1, 0, 0, 1, 0], "{logs}");
}

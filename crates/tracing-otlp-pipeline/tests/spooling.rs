//! What cannot be delivered is on disk, comes back, and is counted once.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use opentelemetry::{
    logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity},
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use support::{Directory, PATIENCE, Reply, Said, Server, emit, eventually};
use tracing_otlp_pipeline::{
    AdmissionSettings, BreakerSettings, Counts, DeliverySettings, Destination, LossReason,
    Pipeline, Protocol, RetrySettings, SeverityBand, Signal, SpoolSettings,
};

fn hasty(spool: &Path) -> DeliverySettings {
    DeliverySettings::default()
        .with_retry(
            RetrySettings::default()
                .with_initial_backoff(Duration::from_millis(1))
                .with_max_backoff(Duration::from_millis(10))
                .with_batch_deadline(Duration::from_millis(100)),
        )
        .with_breaker(
            BreakerSettings::default()
                .with_failures(NonZeroU32::new(3).unwrap())
                .with_open_for(Duration::from_millis(20)),
        )
        .with_spool(SpoolSettings::new(spool))
}

fn pipeline(server: &Server, protocol: Protocol, settings: DeliverySettings) -> Pipeline {
    Pipeline::builder()
        // Without records of its own, so that the counts are those of the test's records.
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_logs(
            Destination::from_base(Signal::Logs, &server.url())
                .unwrap()
                .with_protocol(protocol)
                .with_timeout(PATIENCE),
        )
        .with_delivery(settings)
        .build()
        .unwrap()
}

fn emit_batch(pipeline: &Pipeline, from: usize, records: usize) {
    for number in from..from + records {
        emit(pipeline.logger_provider().unwrap(), format!("{number}"));
    }
    let _ = pipeline.force_flush(Duration::from_millis(50));
}

#[track_caller]
fn check(counts: &Counts) {
    let logs = counts.logs();
    assert_eq!(
        logs.emitted() + logs.recovered(),
        logs.delivered() + logs.lost() + logs.spooled() + logs.pending(),
        "{logs}"
    );
}

fn down() -> Reply {
    Reply::Http(503, "text/plain", "down".into())
}

/// The records that were accepted, and how many times.
fn taken(server: &Server) -> std::collections::BTreeMap<String, usize> {
    let mut all = std::collections::BTreeMap::new();
    for request in server.received() {
        if matches!(request.reply, Reply::Accept) {
            for message in request.messages() {
                *all.entry(message).or_default() += 1;
            }
        }
    }
    all
}

#[test]
fn what_a_shutdown_in_an_outage_leaves_arrives_from_the_next_process() {
    let directory = Directory::new();
    for (before, after) in [
        (Protocol::HttpProtobuf, Protocol::HttpProtobuf),
        (Protocol::HttpJson, Protocol::HttpProtobuf),
        #[cfg(feature = "grpc")]
        (Protocol::HttpProtobuf, Protocol::Grpc),
        #[cfg(feature = "grpc")]
        (Protocol::Grpc, Protocol::HttpProtobuf),
    ] {
        let server = Server::start_then([], down());
        let first = pipeline(&server, before, hasty(&directory.0));
        for batch in 0..10 {
            emit_batch(&first, batch * 10, 10);
        }
        let report = first.shutdown(PATIENCE);
        check(report.counts());
        assert_eq!((report.spooled(), report.lost()), (100, 0), "{report}");
        assert!(report.is_complete());
        assert_eq!(report.logs().pending(), 0);

        server.then(Reply::Accept);
        let second = pipeline(&server, after, hasty(&directory.0));
        eventually("all is replayed", || {
            second.counts().logs().delivered() == 100
        });
        emit_batch(&second, 100, 1);
        let report = second.shutdown(PATIENCE);
        let logs = report.logs();
        check(report.counts());
        assert_eq!((logs.emitted(), logs.recovered()), (1, 100), "{logs}");
        assert_eq!((logs.delivered(), logs.lost()), (101, 0), "{logs}");
        let taken = taken(&server);
        assert_eq!(taken.len(), 101);
        assert!(taken.values().all(|times| *times == 1), "{taken:?}");

        // And nothing is left.
        let third = pipeline(&server, after, hasty(&directory.0));
        std::thread::sleep(Duration::from_millis(50));
        let report = third.shutdown(PATIENCE);
        let logs = report.logs();
        assert_eq!((logs.recovered(), logs.delivered()), (0, 0), "{logs}");
    }
}

#[test]
fn what_outlived_its_deadline_is_spooled_and_delivered_when_the_destination_is_back() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let pipeline = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    for batch in 0..5 {
        emit_batch(&pipeline, batch * 10, 10);
    }
    eventually("something is on disk", || {
        pipeline.counts().logs().spooled() > 0
    });
    check(&pipeline.counts());
    server.then(Reply::Accept);
    eventually("all arrives", || pipeline.counts().logs().delivered() == 50);
    check(&pipeline.counts());
    let report = pipeline.shutdown(PATIENCE);
    let logs = report.logs();
    assert_eq!(
        (logs.spooled(), logs.lost(), logs.recovered()),
        (0, 0, 0),
        "{logs}"
    );
    assert_eq!(taken(&server).len(), 50);
}

#[test]
fn where_nothing_is_emitted_any_more_the_spool_finds_out_that_the_destination_is_back() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let breaker = BreakerSettings::default()
        .with_failures(NonZeroU32::MIN)
        .with_open_for(Duration::from_millis(20));
    let settings = hasty(&directory.0).with_breaker(breaker);
    let pipeline = Pipeline::builder()
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .with_traces(Destination::from_base(Signal::Traces, &server.url()).unwrap())
        .with_delivery(settings)
        .build()
        .unwrap();
    emit_batch(&pipeline, 0, 1);
    let tracer = pipeline.tracer_provider().unwrap().tracer("test");
    tracer.start("work").end();
    let _ = pipeline.force_flush(Duration::from_millis(50));
    eventually("both are on disk", || {
        pipeline.counts().total().spooled() == 2
    });
    server.then(Reply::Accept);
    eventually("both arrive", || pipeline.counts().total().delivered() == 2);
    check(pipeline.shutdown(PATIENCE).counts());
}

#[test]
fn what_comes_back_from_disk_is_as_severe_as_it_was() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let pipeline = pipeline(&server, Protocol::HttpJson, hasty(&directory.0));
    let logger = pipeline.logger_provider().unwrap().logger("test");
    for severity in [Severity::Error, Severity::Info, Severity::Error] {
        let mut record = logger.create_log_record();
        record.set_severity_number(severity);
        record.set_body("x".into());
        logger.emit(record);
    }
    eventually("all is on disk", || pipeline.counts().logs().spooled() == 3);
    server.then(Reply::Accept);
    eventually("all arrives", || pipeline.counts().logs().delivered() == 3);
    let counts = *pipeline.counts().logs();
    assert_eq!(counts.delivered_of(SeverityBand::Error), 2, "{counts}");
    assert_eq!(counts.delivered_of(SeverityBand::Info), 1, "{counts}");
    check(pipeline.shutdown(PATIENCE).counts());
}

#[test]
fn what_does_not_fit_in_memory_goes_to_disk() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let settings = hasty(&directory.0)
        .with_retry(RetrySettings::default())
        .with_max_queued_records(NonZeroUsize::new(100).unwrap());
    let pipeline = pipeline(&server, Protocol::HttpProtobuf, settings);
    for batch in 0..100 {
        emit_batch(&pipeline, batch * 10, 10);
        check(&pipeline.counts());
        eventually("there is room", || pipeline.counts().logs().pending() <= 90);
    }
    let counts = *pipeline.counts().logs();
    assert_eq!((counts.emitted(), counts.lost()), (1000, 0), "{counts}");
    assert!(counts.spooled() >= 900, "{counts}");
    server.then(Reply::Accept);
    emit_batch(&pipeline, 1000, 1);
    eventually("all arrives", || {
        pipeline.counts().logs().delivered() == 1001
    });
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!((report.lost(), report.spooled()), (0, 0), "{report}");
    assert_eq!(taken(&server).len(), 1001);
}

#[test]
fn a_server_that_hangs_at_the_shutdown_leaves_time_for_the_disk() {
    let directory = Directory::new();
    let server = Server::start_then([], Reply::Hang);
    let pipeline = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    for batch in 0..10 {
        emit_batch(&pipeline, batch * 10, 10);
    }
    // So long that the disk has the second that it gets at most: an fsync can take its time.
    let deadline = Duration::from_secs(5);
    let start = Instant::now();
    let report = pipeline.shutdown(deadline);
    assert!(start.elapsed() < deadline + PATIENCE / 2);
    check(report.counts());
    assert_eq!((report.spooled(), report.lost()), (100, 0), "{report}");
}

#[test]
fn what_is_refused_for_good_in_a_replay_does_not_come_again() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let settings = || hasty(&directory.0).with_breaker(BreakerSettings::disabled());
    let first = pipeline(&server, Protocol::HttpProtobuf, settings());
    emit_batch(&first, 0, 10);
    assert_eq!(first.shutdown(PATIENCE).spooled(), 10);
    server.then(Reply::Http(400, "text/plain", "no".into()));
    let second = pipeline(&server, Protocol::HttpProtobuf, settings());
    eventually("it is refused", || {
        second.counts().logs().lost_by(LossReason::Rejected) == 10
    });
    let report = second.shutdown(PATIENCE);
    check(report.counts());
    let logs = report.logs();
    assert_eq!((logs.recovered(), logs.spooled()), (10, 0), "{logs}");
    assert_eq!((logs.emitted(), logs.lost()), (0, 10), "{logs}");
    server.then(Reply::Accept);
    let third = pipeline(&server, Protocol::HttpProtobuf, settings());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(third.shutdown(PATIENCE).logs().recovered(), 0);
}

#[test]
fn what_is_too_large_in_a_replay_is_split() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    emit_batch(&first, 0, 200);
    assert_eq!(first.shutdown(PATIENCE).spooled(), 200);
    server.then(Reply::UpTo(3000));
    let second = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    eventually("all is replayed", || {
        second.counts().logs().delivered() == 200
    });
    let report = second.shutdown(PATIENCE);
    check(report.counts());
    assert_eq!((report.logs().recovered(), report.lost()), (200, 0));
}

#[test]
fn a_replay_that_fails_stays_on_disk() {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    emit_batch(&first, 0, 10);
    assert_eq!(first.shutdown(PATIENCE).spooled(), 10);
    let requests = server.received().len();
    let second = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    eventually("it was tried", || server.received().len() > requests);
    let report = second.shutdown(PATIENCE);
    check(report.counts());
    let logs = report.logs();
    assert_eq!((logs.recovered(), logs.spooled()), (10, 10), "{logs}");
    assert_eq!((logs.delivered(), logs.lost()), (0, 0), "{logs}");
    server.then(Reply::Accept);
    let third = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    eventually("it arrives", || third.counts().logs().delivered() == 10);
    assert!(third.shutdown(PATIENCE).is_complete());
}

/// A directory with so many entries of one record each.
fn filled(entries: usize) -> Directory {
    let directory = Directory::new();
    let server = Server::start_then([], down());
    let first = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    for number in 0..entries {
        emit_batch(&first, number, 1);
    }
    let report = first.shutdown(PATIENCE);
    assert_eq!(report.spooled(), entries as u64, "{report}");
    directory
}

#[test]
fn a_replay_begins_with_one_request_and_has_more_under_way_as_they_are_taken() {
    let directory = filled(40);
    let (first, others) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let until = |now: &Arc<AtomicBool>| Reply::Until(Arc::clone(now), Box::new(Reply::Accept));
    let script = std::iter::once(until(&first)).chain((0..9).map(|_| Reply::Accept));
    let server = Server::start_then(script, until(&others));
    let settings = hasty(&directory.0).with_max_in_flight(NonZeroUsize::new(11).unwrap());
    let second = pipeline(&server, Protocol::HttpProtobuf, settings);
    server.wait_for(1);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.received().len(), 1);
    first.store(true, SeqCst);
    // After ten answers ten more set out, of which none has been answered.
    server.wait_for(20);
    assert_eq!(second.counts().logs().delivered(), 10);
    // One way out is kept for fresh data.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.received().len(), 20);
    others.store(true, SeqCst);
    eventually("all is replayed", || {
        second.counts().logs().delivered() == 40
    });
    check(second.shutdown(PATIENCE).counts());
}

#[test]
fn a_replay_is_no_faster_than_its_setting() {
    let directory = filled(20);
    let server = Server::start([]);
    let rate = NonZeroU32::new(20).unwrap();
    let spool = SpoolSettings::new(&directory.0).with_replay_rate(rate);
    let start = Instant::now();
    let settings = hasty(&directory.0).with_spool(spool);
    let second = pipeline(&server, Protocol::HttpProtobuf, settings);
    eventually("all is replayed", || {
        second.counts().logs().delivered() == 20
    });
    // Nineteen pauses of a twentieth of a second.
    assert!(start.elapsed() >= Duration::from_millis(950));
    check(second.shutdown(PATIENCE).counts());
}

#[test]
fn a_replay_that_asked_in_vain_does_not_wait_once_the_destination_is_back() {
    let directory = filled(3);
    let server = Server::start_then([], down());
    // Long enough to be noticed, whatever the jitter makes of it.
    let hours = Duration::from_secs(100 * 3600);
    let settings = hasty(&directory.0).with_retry(
        RetrySettings::default()
            .with_initial_backoff(hours)
            .with_max_backoff(hours)
            .with_batch_deadline(2 * hours),
    );
    let second = pipeline(&server, Protocol::HttpProtobuf, settings);
    // Three failures open the breaker; what is replayed first is one of them.
    server.wait_for(1);
    emit_batch(&second, 1_000, 1);
    emit_batch(&second, 2_000, 1);
    server.wait_for(3);
    server.then(Reply::Accept);
    emit_batch(&second, 3_000, 1);
    eventually("what is on disk arrives", || {
        second.counts().logs().spooled() == 0
    });
    check(second.shutdown(PATIENCE).counts());
}

#[test]
fn fresh_data_is_not_held_up_by_a_replay() {
    let directory = filled(30);
    let late = Reply::Late(Duration::from_millis(100), Box::new(Reply::Accept));
    let server = Server::start_then([], late);
    let second = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    server.wait_for(8);
    emit_batch(&second, 1_000, 1);
    eventually("all arrives", || second.counts().logs().delivered() == 31);
    let received = server.received();
    let fresh = received
        .iter()
        .position(|request| request.messages() == ["1000"]);
    // Not behind the backlog: of what had not set out when it came, at most its neighbours.
    assert!(fresh.unwrap() < 20, "{fresh:?}");
    check(second.shutdown(PATIENCE).counts());
}

#[test]
fn nothing_from_the_disk_is_spent_on_asking_for_credentials() {
    let directory = filled(30);
    // Some are taken, so that there are several of them in memory when the credentials expire.
    let wait = Duration::from_millis(100);
    let server = Server::start_then([], Reply::Late(wait, Box::new(Reply::Accept)));
    let settings = hasty(&directory.0).with_authorization_probe(Duration::from_millis(50));
    let second = pipeline(&server, Protocol::HttpProtobuf, settings);
    server.wait_for(6);
    server.then(Reply::Late(
        wait,
        Box::new(Reply::Http(401, "text/plain", "expired".into())),
    ));
    let unauthorized = || second.counts().logs().lost_by(LossReason::Unauthorized);
    eventually("the credentials expire", || unauthorized() > 0);
    // What was under way may be lost too. Ten probes later nothing else is.
    std::thread::sleep(Duration::from_millis(600));
    let lost = unauthorized();
    assert!(lost <= 3, "{lost}");
    let counts = *second.counts().logs();
    assert_eq!(counts.delivered() + counts.spooled() + lost, 30, "{counts}");

    // A fresh record asks, and what is on disk follows when the answer is yes.
    server.then(Reply::Accept);
    eventually("the export resumes", || {
        emit_batch(&second, 1_000, 1);
        second.counts().logs().spooled() == 0
    });
    let report = second.shutdown(PATIENCE);
    check(report.counts());
    assert_eq!(report.lost(), lost, "{report}");
}

#[test]
fn what_is_damaged_on_disk_is_said_and_counted_as_far_as_it_is_known() {
    const HEADER: usize = 48;
    type Harm = fn(&mut Vec<u8>);
    let cases: [(Harm, u64, &[&str]); 4] = [
        // The end is gone, and with it what it held and the footer.
        (
            |bytes| bytes.truncate(bytes.len() / 2),
            0,
            &["bytes are cut off"],
        ),
        // Both copies of the header are unreadable.
        (
            |bytes| bytes[..2 * HEADER].fill(0),
            0,
            &["bytes are cut off"],
        ),
        // A later version of this crate wrote it.
        (
            |bytes| {
                for start in [0, HEADER] {
                    bytes[start + 8] = 3;
                    let sum = crc32c::crc32c(&bytes[start..start + 40]);
                    bytes[start + 40..start + 44].copy_from_slice(&sum.to_le_bytes());
                }
            },
            0,
            &["1 files are of another version"],
        ),
        // A bit of the last request has turned: the footer comes behind it.
        (
            |bytes| {
                let at = bytes.len() - 224 - 1;
                bytes[at] ^= 1;
            },
            1,
            &["losing logs: spool_corrupt"],
        ),
    ];
    for (harm, corrupt, expected) in cases {
        let directory = filled(10);
        let segment = directory.0.join("spool-0000000000000001.seg");
        let mut bytes = std::fs::read(&segment).unwrap();
        harm(&mut bytes);
        std::fs::write(&segment, bytes).unwrap();

        let server = Server::start([]);
        let said = Said::default();
        let theirs = said.clone();
        let pipeline = Pipeline::builder()
            .with_admission(AdmissionSettings::default().with_loss_summary(None))
            .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
            .with_delivery(hasty(&directory.0))
            .on_notice(move |notice| theirs.say(notice))
            .build()
            .unwrap();
        eventually("it is said", || said.all().len() == expected.len());
        for (said, expected) in said.all().iter().zip(expected) {
            assert!(said.contains(expected), "{said}");
        }
        eventually("what can be read arrives", || {
            pipeline.counts().logs().spooled() == 0
        });
        let report = pipeline.shutdown(PATIENCE);
        check(report.counts());
        let logs = report.logs();
        assert_eq!(logs.lost_by(LossReason::SpoolCorrupt), corrupt, "{logs}");
        assert_eq!(logs.delivered(), logs.recovered() - corrupt, "{logs}");
    }
}

#[cfg(unix)]
#[test]
fn what_somebody_deletes_from_under_the_spool_is_not_called_spooled() {
    for also_before in [false, true] {
        let directory = if also_before {
            filled(5)
        } else {
            Directory::new()
        };
        let before = if also_before { 5 } else { 0 };
        let server = Server::start_then([], down());
        let said = Said::default();
        let theirs = said.clone();
        let pipeline = Pipeline::builder()
            .with_admission(AdmissionSettings::default().with_loss_summary(None))
            .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
            .with_delivery(hasty(&directory.0))
            .on_notice(move |notice| theirs.say(notice))
            .build()
            .unwrap();
        emit_batch(&pipeline, 0, 10);
        eventually("it is on disk", || {
            pipeline.counts().logs().spooled() == before + 10
        });
        std::fs::remove_dir_all(&directory.0).unwrap();
        emit_batch(&pipeline, 10, 10);
        eventually("it is said", || {
            let said = said.all();
            said.iter().any(|said| said.contains("deleted the file"))
        });
        let report = pipeline.shutdown(PATIENCE);
        check(report.counts());
        let logs = report.logs();
        assert_eq!(logs.spooled(), 0, "{logs}");
        let corrupt = logs.lost_by(LossReason::SpoolCorrupt);
        assert_eq!(corrupt, before + 10, "{logs}");
        assert_eq!(logs.lost_by(LossReason::Unavailable), 10, "{logs}");
    }
}

#[test]
fn a_directory_in_use_is_said_and_delivery_goes_on_in_memory() {
    let directory = Directory::new();
    let server = Server::start([]);
    let first = pipeline(&server, Protocol::HttpProtobuf, hasty(&directory.0));
    let said = Said::default();
    let theirs = said.clone();
    let second = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, &server.url()).unwrap())
        .with_delivery(hasty(&directory.0))
        .on_notice(move |notice| theirs.say(notice))
        .build()
        .unwrap();
    assert!(said.all()[0].contains("in use"), "{:?}", said.all());
    emit_batch(&second, 0, 1);
    assert_eq!(second.shutdown(PATIENCE).logs().delivered(), 1);
    assert!(first.shutdown(PATIENCE).is_complete());
}

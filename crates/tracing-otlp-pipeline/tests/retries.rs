//! Retries, splitting and their like, over real sockets, with real time kept short.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _};
use support::{PATIENCE, Reply, Said, Server, emit, eventually, nobody};
use tracing_otlp_pipeline::{
    AdmissionSettings, BreakerSettings, DeliverySettings, Destination, LossReason, Pipeline,
    PipelineBuilder, Protocol, RetrySettings, Signal,
};

/// Waits of at most some milliseconds.
fn hasty() -> DeliverySettings {
    DeliverySettings::default()
        .with_retry(
            RetrySettings::default()
                .with_initial_backoff(Duration::from_millis(1))
                .with_max_backoff(Duration::from_millis(10)),
        )
        .with_breaker(BreakerSettings::disabled())
}

fn to(url: &str, protocol: Protocol) -> PipelineBuilder {
    Pipeline::builder()
        // Without records of its own, so that the counts are those of the test's records.
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_logs(
            Destination::from_base(Signal::Logs, url)
                .unwrap()
                .with_protocol(protocol)
                .with_timeout(PATIENCE),
        )
        .with_delivery(hasty())
}

fn protocols() -> Vec<Protocol> {
    let mut all = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    if cfg!(feature = "grpc") {
        all.push(Protocol::Grpc);
    }
    all
}

#[track_caller]
fn check_conservation(pipeline: &Pipeline) {
    let counts = *pipeline.counts().logs();
    assert_eq!(
        counts.emitted(),
        counts.delivered() + counts.lost() + counts.spooled() + counts.pending(),
        "{counts}"
    );
}

#[test]
fn whatever_goes_wrong_on_the_way_is_tried_again_until_it_arrives() {
    for protocol in protocols() {
        let late = |reply| Reply::Late(Duration::from_millis(20), Box::new(reply));
        let with = |status, name, value: &str| Reply::With(status, vec![(name, value.into())], "x");
        let mut script = vec![
            Reply::HangUp,
            Reply::Reset,
            with(503, "retry-after", "0"),
            with(429, "retry-after", "nonsense"),
            late(Reply::HangUp),
            with(502, "x", "y"),
            late(with(504, "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")),
            Reply::Truncated(503),
        ];
        if protocol == Protocol::Grpc {
            script.extend([1, 4, 10, 11, 14, 15].map(|code| Reply::GrpcTrailersOnly(code, "x")));
            script.extend([Reply::RetryInfo(8, 0), Reply::Truncated(200)]);
        }
        let server = Server::start(script);
        let pipeline = to(&server.url(), protocol).build().unwrap();
        for _ in 0..10 {
            emit(pipeline.logger_provider().unwrap(), "x");
        }
        eventually("it arrives", || pipeline.counts().logs().delivered() == 10);
        check_conservation(&pipeline);
        let report = pipeline.shutdown(PATIENCE);
        assert!(report.is_complete(), "{protocol}: {report}");
        // Every attempt carried the same.
        let bodies: BTreeSet<_> = server.received().iter().map(|r| r.body.clone()).collect();
        assert_eq!(bodies.len(), 1);
    }
}

#[test]
fn retry_after_is_kept_over_the_wire() {
    let mut cases = vec![(
        Protocol::HttpProtobuf,
        Reply::With(429, vec![("retry-after", "1".into())], "slow down"),
    )];
    if cfg!(feature = "grpc") {
        cases.push((Protocol::Grpc, Reply::RetryInfo(8, 1)));
        cases.push((Protocol::Grpc, Reply::RetryInfo(14, 1)));
    }
    for (protocol, reply) in cases {
        let server = Server::start([reply]);
        let pipeline = to(&server.url(), protocol).build().unwrap();
        emit(pipeline.logger_provider().unwrap(), "x");
        eventually("it arrives", || pipeline.counts().logs().delivered() == 1);
        let received = server.received();
        assert_eq!(received.len(), 2);
        let waited = received[1].at - received[0].at;
        assert!(waited >= Duration::from_millis(990), "{waited:?}");
        assert!(pipeline.shutdown(PATIENCE).is_complete());
    }
}

#[test]
fn too_large_requests_are_split_for_every_protocol() {
    for protocol in protocols() {
        let server = Server::start_then([], Reply::UpTo(4000));
        let pipeline = to(&server.url(), protocol).build().unwrap();
        for number in 0..300 {
            emit(pipeline.logger_provider().unwrap(), format!("{number}"));
        }
        emit(pipeline.logger_provider().unwrap(), "x".repeat(5000));
        let report = pipeline.shutdown(PATIENCE);
        let logs = *report.logs();
        assert_eq!(
            (logs.delivered(), logs.lost()),
            (301, 0),
            "{protocol}: {logs}"
        );
        if protocol != Protocol::HttpJson {
            let taken = server
                .received()
                .into_iter()
                .filter(|r| r.plain().len() <= 4000);
            let taken: Vec<String> = taken.flat_map(|r| r.messages()).collect();
            assert_eq!(taken.len(), 301);
            assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 301);
        }
    }
}

#[test]
fn a_flush_does_not_wait_behind_a_backoff_and_tells_the_truth() {
    let settings = DeliverySettings::default().with_retry(
        RetrySettings::default()
            .with_initial_backoff(PATIENCE)
            .with_max_backoff(PATIENCE),
    );
    let unavailable = || Reply::Http(503, "text/plain", "x".into());
    let server = Server::start([unavailable(), unavailable()]);
    let pipeline = to(&server.url(), Protocol::HttpProtobuf)
        .with_delivery(settings)
        .build()
        .unwrap();
    emit(pipeline.logger_provider().unwrap(), "x");
    let start = Instant::now();
    // Both attempts fail: the batch's own, and the one that the second flush asks for.
    assert!(!pipeline.force_flush(PATIENCE).is_settled());
    if server.received().len() == 1 {
        assert!(pipeline.logger_provider().unwrap().force_flush().is_err());
    }
    assert_eq!(pipeline.counts().logs().pending(), 1);
    assert!(pipeline.force_flush(PATIENCE).is_complete());
    assert!(start.elapsed() < PATIENCE / 2);
    assert_eq!(server.received().len(), 3);
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn a_shutdown_during_an_outage_is_immediate_and_exact() {
    let unavailable = Server::start_then([], Reply::Http(503, "text/plain", "x".into()));
    for (url, reason) in [
        (unavailable.url(), "unavailable"),
        (nobody(), "unreachable"),
    ] {
        let pipeline = to(&url, Protocol::HttpProtobuf)
            .with_delivery(DeliverySettings::default())
            .build()
            .unwrap();
        for _ in 0..20 {
            for _ in 0..5 {
                emit(pipeline.logger_provider().unwrap(), "x");
            }
            let _ = pipeline.force_flush(PATIENCE);
        }
        check_conservation(&pipeline);
        let start = Instant::now();
        let report = pipeline.shutdown(PATIENCE);
        assert!(start.elapsed() < PATIENCE / 2);
        assert_eq!(report.by_reason(), [(reason, 100)].into());
    }
}

#[test]
fn wrong_credentials_stop_the_export_and_it_resumes() {
    let server = Server::start([Reply::Http(401, "text/plain", "who?".into())]);
    let (said, told) = (Said::default(), Said::default());
    let (theirs, too) = (said.clone(), told.clone());
    let probe = Duration::from_millis(500);
    let start = Instant::now();
    let pipeline = to(&server.url(), Protocol::HttpProtobuf)
        .with_delivery(hasty().with_authorization_probe(probe))
        .on_notice(move |notice| theirs.say(notice))
        .on_event(move |event| {
            too.say(event);
            panic!("the callback");
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        emit(pipeline.logger_provider().unwrap(), "x");
        let _ = pipeline.force_flush(PATIENCE);
    }
    let requests = server.received().len();
    // On a machine that is too slow for that, the unit tests have to do.
    assert!(requests == 1 || start.elapsed() >= probe, "{requests}");
    eventually("the export resumes", || {
        pipeline.counts().logs().delivered() == 2
    });
    let report = pipeline.shutdown(PATIENCE);
    assert_eq!(report.by_reason(), [("unauthorized", 1)].into());
    assert_eq!(said.all().len(), 2, "{:?}", said.all());
    let told = told.all();
    assert!(
        told.iter()
            .any(|event| event.starts_with("export of logs stopped: HTTP 401, who?"))
    );
    assert!(
        told.contains(&"export of logs resumed".to_owned()),
        "{told:?}"
    );
}

#[test]
fn the_application_can_say_that_it_is_offline() {
    let server = Server::start([]);
    let pipeline = to(&server.url(), Protocol::HttpProtobuf).build().unwrap();
    pipeline.set_online(false);
    emit(pipeline.logger_provider().unwrap(), "x");
    let start = Instant::now();
    assert!(!pipeline.force_flush(PATIENCE).is_settled());
    assert!(
        start.elapsed() < PATIENCE / 2,
        "nobody waits for the network to come back"
    );
    assert!(server.received().is_empty());
    pipeline.set_online(true);
    assert!(pipeline.force_flush(PATIENCE).is_complete());
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn an_outage_in_the_middle_loses_nothing() {
    let mut script: Vec<_> = (0..20).map(|_| Reply::Accept).collect();
    script.extend((0..30).map(|index| match index % 3 {
        0 => Reply::HangUp,
        1 => Reply::Http(503, "text/plain", "x".into()),
        _ => Reply::Http(502, "text/plain", "x".into()),
    }));
    let server = Server::start(script);
    let failures = NonZeroU32::new(3).unwrap();
    let breaker = BreakerSettings::default()
        .with_failures(failures)
        .with_open_for(Duration::from_millis(20));
    let pipeline = to(&server.url(), Protocol::HttpProtobuf)
        .with_delivery(hasty().with_breaker(breaker))
        .build()
        .unwrap();
    for _ in 0..100 {
        for _ in 0..10 {
            emit(pipeline.logger_provider().unwrap(), "x");
        }
        let _ = pipeline.force_flush(Duration::from_millis(10));
        check_conservation(&pipeline);
    }
    eventually("all arrives", || {
        pipeline.counts().logs().delivered() == 1000
    });
    assert!(pipeline.shutdown(PATIENCE).is_complete());
}

#[test]
fn sixty_four_threads_may_log_during_a_shutdown_in_an_outage() {
    let server = Server::start_then(
        [Reply::Accept, Reply::Accept],
        Reply::Http(503, "text/plain", "x".into()),
    );
    let pipeline = to(&server.url(), Protocol::HttpProtobuf).build().unwrap();
    let (stop, emitted, ready) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(65));
    let (report, took) = std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let logger = pipeline.logger_provider().unwrap().logger("t");
                ready.wait();
                while stop.load(SeqCst) == 0 {
                    let mut record = logger.create_log_record();
                    record.set_body("x".into());
                    emitted.fetch_add(1, SeqCst);
                    logger.emit(record);
                    std::thread::yield_now();
                }
            });
        }
        ready.wait();
        eventually("some have arrived", || !server.received().is_empty());
        let start = Instant::now();
        let report = pipeline.shutdown(PATIENCE);
        let took = start.elapsed();
        stop.store(1, SeqCst);
        (report, took)
    });
    // It ended by itself, not by its deadline.
    assert!(took < PATIENCE, "{took:?}");
    assert_eq!(report.logs().lost_by(LossReason::ShutdownDeadline), 0);
    assert!(report.is_settled());
    let counts = *pipeline.counts().logs();
    assert_eq!(counts.emitted(), emitted.load(SeqCst) as u64);
    assert_eq!(counts.pending(), 0);
    check_conservation(&pipeline);
    let taken = server
        .received()
        .into_iter()
        .filter(|r| matches!(r.reply, Reply::Accept));
    let taken: usize = taken.map(|r| r.messages().len()).sum();
    assert_eq!(taken as u64, counts.delivered());
    assert!(counts.lost_by(LossReason::AfterShutdown) > 0);
}

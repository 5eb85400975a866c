//! A batch above `max_request_bytes` makes several requests, and only a record that is larger alone
//! is cut, or lost where nothing is left to cut.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::num::NonZeroUsize;

use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{Tracer as _, TracerProvider as _};
use support::{PATIENCE, Received, Said, Server, emit};
use tracing_otlp_pipeline::{
    AdmissionSettings, Compression, DeliverySettings, Destination, Encoder, Pipeline, Protocol,
    Signal,
};

const LIMIT: usize = 2000;

fn ways() -> Vec<(Encoder, Protocol, Compression)> {
    let mut protocols = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    let mut ways = Vec::new();
    for encoder in [Encoder::Direct, Encoder::Official] {
        for protocol in &protocols {
            for compression in [Compression::None, Compression::Gzip] {
                ways.push((encoder, *protocol, compression));
            }
        }
    }
    ways
}

fn pipeline(
    server: &Server,
    (encoder, protocol, compression): (Encoder, Protocol, Compression),
    said: &Said,
) -> Pipeline {
    let destination = |signal| {
        Destination::from_base(signal, &server.url())
            .unwrap()
            .with_protocol(protocol)
            .with_compression(compression)
            .with_timeout(PATIENCE)
    };
    let said = said.clone();
    let limit = NonZeroUsize::new(LIMIT).unwrap();
    Pipeline::builder()
        .with_encoder(encoder)
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_delivery(DeliverySettings::default().with_max_request_bytes(limit))
        .with_logs(destination(Signal::Logs))
        .with_traces(destination(Signal::Traces))
        .on_notice(move |notice| said.say(notice))
        .build()
        .unwrap()
}

fn assert_within_the_limit(received: &[Received], what: &str) {
    for request in received {
        assert!(
            request.body.len() <= LIMIT,
            "{what}: {}",
            request.body.len()
        );
        assert!(request.plain().len() <= LIMIT, "{what}");
    }
    // 100 records of some 120 bytes, or 280 as JSON, or spans of a few more.
    assert!(
        (6..=60).contains(&received.len()),
        "{what}: {}",
        received.len()
    );
}

#[test]
fn log_records_all_arrive() {
    for way in ways() {
        let what = format!("{way:?}");
        let (server, said) = (Server::start([]), Said::default());
        let pipeline = pipeline(&server, way, &said);
        for number in 0..100 {
            let text = format!("{number:03} {}", "x".repeat(80));
            emit(pipeline.logger_provider().unwrap(), text);
        }
        let report = pipeline.shutdown(PATIENCE);
        assert_eq!(
            (report.logs().delivered(), report.lost()),
            (100, 0),
            "{what}"
        );
        let received = server.received();
        assert_within_the_limit(&received, &what);
        if way.1 != Protocol::HttpJson {
            // Several requests are under way at once, so they come in no order.
            let mut all: Vec<_> = received.iter().flat_map(Received::messages).collect();
            all.sort();
            let numbers = all.iter().map(|text| text[..3].parse::<usize>().unwrap());
            assert!(numbers.eq(0..100), "{what}");
        }
    }
}

#[test]
fn spans_all_arrive() {
    for way in ways() {
        let what = format!("{way:?}");
        let (server, said) = (Server::start([]), Said::default());
        let pipeline = pipeline(&server, way, &said);
        let tracer = pipeline.tracer_provider().unwrap().tracer("test");
        for _ in 0..100 {
            drop(tracer.start("x".repeat(80)));
        }
        let report = pipeline.shutdown(PATIENCE);
        assert_eq!(
            (report.traces().delivered(), report.lost()),
            (100, 0),
            "{what}"
        );
        assert_within_the_limit(&server.received(), &what);
    }
}

#[test]
fn one_record_above_the_limit_is_cut_and_the_others_stay_whole() {
    for way in ways() {
        let what = format!("{way:?}");
        let (server, said) = (Server::start([]), Said::default());
        let pipeline = pipeline(&server, way, &said);
        for number in 0..10 {
            // It would be small enough compressed.
            let len = if number == 5 { 3000 } else { 10 };
            emit(pipeline.logger_provider().unwrap(), "x".repeat(len));
        }
        let report = pipeline.shutdown(PATIENCE);
        assert_eq!(
            (report.logs().delivered(), report.lost()),
            (10, 0),
            "{what}"
        );
        let sent = server.received();
        assert!(
            sent.iter().all(|request| request.plain().len() <= LIMIT),
            "{what}"
        );
        if way.1 != Protocol::HttpJson {
            let all: Vec<_> = sent.iter().flat_map(Received::messages).collect();
            let cut: Vec<_> = all.iter().filter(|text| text.len() != 10).collect();
            assert_eq!((all.len(), cut.len()), (10, 1), "{what}");
            assert!((1000..LIMIT).contains(&cut[0].len()), "{what}");
        }
    }
}

#[test]
fn one_record_above_the_limit_with_nothing_to_cut_is_lost_alone() {
    for way in ways() {
        let what = format!("{way:?}");
        let (server, said) = (Server::start([]), Said::default());
        let pipeline = pipeline(&server, way, &said);
        let provider = pipeline.logger_provider().unwrap();
        for _ in 0..9 {
            emit(provider, "x".repeat(10));
        }
        let logger = provider.logger("test");
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Info);
        for number in 0..100 {
            record.add_attribute(format!("a number that is one of many {number}"), number);
        }
        logger.emit(record);
        let report = pipeline.shutdown(PATIENCE);
        assert_eq!(report.logs().delivered(), 9, "{what}");
        assert_eq!(report.by_reason(), [("too_large", 1)].into(), "{what}");
        assert_eq!(said.all(), ["losing logs: too_large"], "{what}");
    }
}

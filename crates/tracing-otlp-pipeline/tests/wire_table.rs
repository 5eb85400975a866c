//! The classification table of the specification over real sockets, answer by answer, and servers
//! that read slowly. When retries come is checked with a clock turned by hand, in `deliver`.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use bytes::Bytes;
use support::{PATIENCE, Reply, Server, emit, eventually};
use tracing_otlp_pipeline::{
    AdmissionSettings, BreakerSettings, Compression, DeliverySettings, Destination, LossReason,
    Pipeline, Protocol, RetrySettings, Signal,
};

/// What becomes of a record whose request is answered like this once, and taken then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    Retried,
    Lost(LossReason),
}

/// One record after the other, each with an answer of its own.
struct Table {
    server: Server,
    pipeline: Pipeline,
}

impl Table {
    fn new(protocol: Protocol) -> Self {
        let server = Server::start([]);
        let pipeline = Pipeline::builder()
            .with_admission(AdmissionSettings::default().with_loss_summary(None))
            .with_logs(
                Destination::from_base(Signal::Logs, &server.url())
                    .unwrap()
                    .with_protocol(protocol)
                    .with_timeout(PATIENCE),
            )
            .with_delivery(
                DeliverySettings::default()
                    .with_retry(
                        RetrySettings::default()
                            .with_initial_backoff(Duration::from_millis(1))
                            .with_max_backoff(Duration::from_millis(2)),
                    )
                    .with_breaker(BreakerSettings::disabled())
                    .with_authorization_probe(Duration::ZERO)
                    .with_max_in_flight(NonZeroUsize::MIN),
            )
            .build()
            .unwrap();
        Self { server, pipeline }
    }

    #[track_caller]
    fn check(&self, reply: Reply, fate: Fate) {
        let what = format!("{reply:?}");
        let before = *self.pipeline.counts().logs();
        let requests = self.server.received().len();
        self.server.next(reply);
        emit(self.pipeline.logger_provider().unwrap(), "x");
        let _ = self.pipeline.force_flush(PATIENCE);
        eventually("it has its fate", || {
            self.pipeline.counts().logs().pending() == 0
        });
        let after = *self.pipeline.counts().logs();
        let delivered = after.delivered() - before.delivered();
        let requests = self.server.received().len() - requests;
        let expected = match fate {
            Fate::Delivered => (1, 1),
            Fate::Retried => (1, 2),
            Fate::Lost(_) => (0, 1),
        };
        assert_eq!((delivered, requests), expected, "{what}");
        if let Fate::Lost(reason) = fate {
            let lost = after.lost_by(reason) - before.lost_by(reason);
            assert_eq!(lost, 1, "{what}: {after}");
        }
        assert_eq!(
            after.emitted(),
            after.delivered() + after.lost(),
            "{what}: {after}"
        );
    }
}

fn of_http(status: u16) -> Fate {
    match status {
        200..=299 => Fate::Delivered,
        429 | 502 | 503 | 504 => Fate::Retried,
        401 | 403 => Fate::Lost(LossReason::Unauthorized),
        413 => Fate::Lost(LossReason::TooLarge),
        _ => Fate::Lost(LossReason::Rejected),
    }
}

#[test]
fn every_http_status_has_its_fate_over_the_wire() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        let table = Table::new(protocol);
        for status in 200..=599 {
            table.check(
                Reply::Http(status, "text/plain", Bytes::new()),
                of_http(status),
            );
        }
    }
}

#[cfg(feature = "grpc")]
#[test]
fn every_grpc_code_has_its_fate_over_the_wire() {
    let table = Table::new(Protocol::Grpc);
    for code in 0..=17 {
        let fate = match code {
            0 => Fate::Delivered,
            1 | 4 | 10 | 11 | 14 | 15 => Fate::Retried,
            7 | 16 => Fate::Lost(LossReason::Unauthorized),
            _ => Fate::Lost(LossReason::Rejected),
        };
        table.check(Reply::Grpc(code, "x", Bytes::new()), fate);
        table.check(Reply::GrpcTrailersOnly(code, "x"), fate);
    }
    table.check(Reply::RetryInfo(8, 0), Fate::Retried);
    let too_large = Reply::GrpcTrailersOnly(8, "grpc: received message larger than max");
    table.check(too_large, Fate::Lost(LossReason::TooLarge));
    // A proxy in between that speaks HTTP only.
    for status in [400, 401, 403, 404, 413, 429, 500, 502, 503, 504] {
        table.check(
            Reply::Http(status, "text/plain", Bytes::new()),
            of_http(status),
        );
    }
}

#[test]
fn a_server_that_reads_slowly_is_waited_for_until_the_timeout() {
    let mut protocols = vec![Protocol::HttpProtobuf];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    for protocol in protocols {
        // Larger than what the sockets hold, so that the sender feels it.
        let text = "x".repeat(8 << 20);
        let run = |pause: Duration, timeout: Duration| {
            let slow = Reply::Slowly(pause, Box::new(Reply::Accept));
            let server = Server::start([slow]);
            let destination = Destination::from_base(Signal::Logs, &server.url())
                .unwrap()
                .with_protocol(protocol)
                .with_compression(Compression::None)
                .with_timeout(timeout);
            let pipeline = Pipeline::builder()
                .with_logs(destination)
                .with_delivery(
                    DeliverySettings::default().with_retry(
                        RetrySettings::default()
                            .with_initial_backoff(Duration::from_millis(1))
                            .with_max_backoff(Duration::from_millis(1)),
                    ),
                )
                .build()
                .unwrap();
            let start = Instant::now();
            emit(pipeline.logger_provider().unwrap(), text.clone());
            eventually("it arrives", || pipeline.counts().logs().delivered() == 1);
            let took = start.elapsed();
            let report = pipeline.shutdown(PATIENCE);
            assert!(report.is_complete(), "{protocol}: {report}");
            (server.received().len(), took)
        };
        let (requests, took) = run(Duration::from_millis(2), PATIENCE);
        assert_eq!(requests, 1, "{protocol}");
        assert!(took > Duration::from_millis(20), "{protocol}: {took:?}");
        // The first never comes to its end; the second is read at once.
        let timeout = Duration::from_secs(2);
        let (requests, took) = run(PATIENCE, timeout);
        assert_eq!(requests, 1, "{protocol}");
        assert!(took >= timeout, "{protocol}: {took:?}");
    }
}

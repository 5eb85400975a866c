//! The environment of the process changes nothing that was set in code.
//!
//! The official builders read `OTEL_*`; so each check runs in a process of its own, with an
//! environment that would break it.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::process::Command;

use support::{PATIENCE, Server, emit};
use tracing_otlp_pipeline::{BatchSettings, Compression, Destination, Pipeline, Protocol, Signal};

const CHILD: &str = "TRACING_OTLP_TEST_CHILD";

/// Runs one test of this file again in a process with this environment.
fn in_a_child(test: &str, environment: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn compression_headers_protocol_and_batching_are_what_was_set() {
    if !is_child() {
        for compression in ["gzip", "zstd", "nonsense"] {
            in_a_child(
                "compression_headers_protocol_and_batching_are_what_was_set",
                &[
                    ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
                    ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", compression),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url"),
                    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "not a url"),
                    ("OTEL_EXPORTER_OTLP_HEADERS", "x-env=1,content-encoding=br"),
                    ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
                    ("OTEL_BLRP_MAX_QUEUE_SIZE", "0"),
                    ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "0"),
                    ("OTEL_BLRP_SCHEDULE_DELAY", "0"),
                ],
            );
        }
        return;
    }
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for compression in [Compression::None, Compression::Gzip] {
            let server = Server::start([]);
            let pipeline = Pipeline::builder()
                .with_logs(
                    Destination::from_base(Signal::Logs, &server.url())
                        .unwrap()
                        .with_protocol(protocol)
                        .with_compression(compression),
                )
                .with_log_batch(BatchSettings::logs().with_scheduled_delay(PATIENCE))
                .build()
                .unwrap();
            for _ in 0..512 {
                emit(pipeline.logger_provider().unwrap(), "x");
            }
            let report = pipeline.shutdown(PATIENCE);
            assert!(report.is_complete(), "{protocol} {compression}: {report}");
            let received = server.received();
            let encoding = (compression == Compression::Gzip).then_some("gzip");
            for request in &received {
                assert_eq!(request.header("content-encoding"), encoding);
                assert_eq!(request.header("x-env"), None);
                assert!(!request.plain().is_empty());
            }
            if protocol == Protocol::HttpProtobuf {
                let messages: usize = received.iter().map(|r| r.messages().len()).sum();
                assert_eq!(messages, 512);
            }
        }
    }
}

//! The Collector's own load sender → our receiver: every record counts.

use std::process::Stdio;

use tracing_otlp_collector::Collector;
use tracing_otlp_tests::child::{self, Child};
use tracing_otlp_tests::collected;
use tracing_otlp_tests::peers::Otelcol;

use crate::support::PATIENCE;

/// Sends with these arguments, over gRPC or HTTP, and comes back when all is acknowledged.
fn send(otelcol: &Otelcol, to: &Collector, is_http: bool, arguments: &[&str]) {
    let mut command = child::command(&otelcol.telemetrygen);
    command
        .args(arguments)
        .args([
            "--otlp-insecure",
            "--otlp-endpoint",
            &to.local_addr().to_string(),
        ])
        .args(["--rate", "0", "--workers", "2", "--timeout", "60s"])
        .args([
            "--otlp-attributes",
            "pod=\"blue\"",
            "--telemetry-attributes",
            "size=12",
        ])
        .stdin(Stdio::null());
    if is_http {
        command.arg("--otlp-http");
    }
    let mut sender = Child::spawn(&mut command).unwrap();
    let status = sender.wait(PATIENCE).unwrap();
    assert!(status.success(), "{:#?}", sender.stderr());
}

#[test]
fn every_log_record_of_the_load_sender_arrives() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    for is_http in [false, true] {
        let ours = Collector::start().unwrap();
        let about = [
            "logs",
            "--logs",
            "2500",
            "--severity-number",
            "17",
            "--severity-text",
            "Error",
        ];
        let ids = [
            "--trace-id",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "--span-id",
            "00f067aa0ba902b7",
            "--body",
            "gläserne Zeile",
        ];
        send(&otelcol, &ours, is_http, &[&about[..], &ids].concat());
        let counts = ours.counts();
        assert_eq!((counts.logs, counts.refused), (5000, 0), "{counts:?}");
        for log in collected::logs(&ours) {
            assert_eq!(log.body, "gläserne Zeile".into());
            assert_eq!((log.severity_number, &*log.severity_text), (17, "Error"));
            assert_eq!(log.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!(log.span_id, "00f067aa0ba902b7");
            assert_eq!(log.attribute("size"), Some(&12.into()));
            assert_eq!(log.origin.resource("pod"), Some(&"blue".into()));
            assert!(log.time_unix_nano > 0);
        }
        assert_eq!(ours.audit().orphaned, 5000, "nobody sent that span");
    }
}

#[test]
fn every_span_of_the_load_sender_arrives() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    for is_http in [false, true] {
        let ours = Collector::start().unwrap();
        let about = [
            "traces",
            "--traces",
            "200",
            "--child-spans",
            "2",
            "--status-code",
            "Error",
        ];
        // Its batch processor drops what comes faster than it sends.
        let about = [&about[..], &["--batch=false"]].concat();
        send(&otelcol, &ours, is_http, &about);
        let counts = ours.counts();
        assert_eq!((counts.spans, counts.refused), (1200, 0), "{counts:?}");
        let spans = collected::spans(&ours);
        let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
        assert_eq!(roots.count(), 400);
        assert!(
            spans
                .iter()
                .all(|span| span.status_code == 2 && span.trace_id.len() == 32)
        );
    }
}

#[test]
fn every_data_point_of_the_load_sender_arrives() {
    let Some(otelcol) = Otelcol::find() else {
        return;
    };
    for is_http in [false, true] {
        let ours = Collector::start().unwrap();
        for kind in ["Gauge", "Sum", "Histogram", "ExponentialHistogram"] {
            send(
                &otelcol,
                &ours,
                is_http,
                &["metrics", "--metrics", "500", "--metric-type", kind],
            );
        }
        let counts = ours.counts();
        assert_eq!(
            (counts.data_points, counts.refused),
            (4000, 0),
            "{counts:?}"
        );
    }
}

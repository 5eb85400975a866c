//! One line sets everything up once; and every part can be put into a registry by hand.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use serde_json::{Value, json};
use tracing_otlp_collector::proto::trace::v1::status::StatusCode;
use tracing_otlp_collector::{Collector, StoredLog, StoredSpan};
use tracing_otlp_tests::victim::{Run, Victim, assert_delivered};

fn victim(mode: &[&str], collector: &Collector) -> Victim {
    Victim::new(env!("CARGO_BIN_EXE_victim"), mode).to(collector)
}

/// Sorted: records of several scopes come in no order.
fn bodies(logs: &[StoredLog]) -> Vec<&str> {
    let mut bodies: Vec<_> = logs.iter().filter_map(StoredLog::body_str).collect();
    bodies.sort_unstable();
    bodies
}

fn log<'a>(logs: &'a [StoredLog], body: &str) -> &'a StoredLog {
    let found = logs.iter().find(|log| log.body_str() == Some(body));
    found.unwrap_or_else(|| panic!("no {body:?} in {logs:#?}"))
}

fn span<'a>(spans: &'a [StoredSpan], name: &str) -> &'a StoredSpan {
    let found = spans.iter().find(|span| span.name() == name);
    found.unwrap_or_else(|| panic!("no {name:?} in {spans:#?}"))
}

fn lines(run: &Run) -> Vec<Value> {
    run.stderr
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_second_init_is_an_error_and_the_first_goes_on() {
    let collector = Collector::start().unwrap();
    let run = victim(&["init-twice"], &collector).succeed();
    let told = run.told();
    assert_eq!(told[0]["already_set"], true);
    assert_eq!(
        told[0]["error"],
        "the process already has a global tracing subscriber"
    );
    assert_delivered(&told[1], 3, 0);
    assert_eq!(
        bodies(&collector.logs()),
        ["after", "after, by log", "before"]
    );
    assert!(run.stderr.is_empty(), "{run:#?}");
}

#[test]
fn another_subscriber_stays_and_nothing_of_ours_does() {
    let collector = Collector::start().unwrap();
    let run = victim(&["has-a-subscriber"], &collector).succeed();
    assert_eq!(run.told(), [json!({ "already_set": true, "log": "OFF" })]);
    assert!(run.stdout.iter().any(|line| line.contains("to the first")));
    assert_eq!(collector.counts().requests(), 0);
    assert!(run.stderr.is_empty(), "{run:#?}");
}

#[test]
fn a_logger_that_is_there_already_is_left_alone_and_that_is_said_once() {
    let collector = Collector::start().unwrap();
    let run = victim(&["has-a-logger"], &collector).succeed();
    let told = run.told();
    assert_eq!(told[0], json!({ "logged": "by log" }));
    assert_delivered(&told[1], 1, 0);
    assert_eq!(bodies(&collector.logs()), ["by tracing"]);
    assert_eq!(
        run.said(),
        ["the log crate already has a logger, so its records stay with that one"]
    );
    assert_eq!(run.stderr.len(), 1, "{run:#?}");
}

#[test]
fn records_of_the_log_crate_keep_their_target_and_key_values() {
    for protocol in ["http/protobuf", "http/json", "grpc"] {
        let collector = Collector::start().unwrap();
        victim(&["log-records"], &collector)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .succeed();
        let received = collector.snapshot();
        assert_eq!(bodies(&received.logs), ["cart is full"]);
        let log = &received.logs[0];
        assert_eq!(log.severity_number(), 13);
        assert_eq!(log.severity_text(), "WARN");
        assert_eq!(log.scope_name(), "shop::cart");
        assert_eq!(log.attr_i64("items"), Some(3));
        assert_eq!(log.attr_str("customer"), Some("Ada"));
        assert_eq!(
            log.attr_str("code.file.path"),
            Some("tests/src/bin/victim/setup.rs")
        );
        assert!(log.attr_i64("code.line.number").is_some());
        let noise = log.attributes().iter().find(|a| a.key.starts_with("log."));
        assert_eq!(noise, None);
        assert_eq!(log.span_id_hex(), received.spans[0].span_id_hex());
        assert!(log.span_id_hex().is_some());
    }
}

#[test]
fn spans_that_cannot_be_found_are_said_once() {
    // No trace layer at all, and one on another version of OpenTelemetry.
    for trace_layer in ["none", "foreign"] {
        let collector = Collector::start().unwrap();
        let run = victim(&["unlinked", trace_layer], &collector).succeed();
        assert_delivered(&run.last(), 4, 0);
        let said = run.said();
        assert_eq!(said.len(), 1, "{run:#?}");
        assert!(said[0].contains("telemetry.span_layer()"), "{said:?}");
        assert_eq!(
            collector.audit().to_string(),
            "records=4 linked=0 unlinked=4 orphaned=0"
        );
    }
}

#[test]
fn spans_that_are_found_are_not_talked_about() {
    for order in ["filter,fmt,spans,logs", "logs,spans"] {
        let collector = Collector::start().unwrap();
        let run = victim(&["by-hand", order], &collector).succeed();
        assert!(run.said().is_empty(), "{order}: {run:#?}");
    }
}

#[test]
fn lines_of_the_console_carry_the_ids_of_the_records() {
    let collector = Collector::start().unwrap();
    let run = victim(&["errors"], &collector)
        .env("TRACING_OTLP_CONSOLE", "json")
        .succeed();
    let (lines, logs) = (lines(&run), collector.logs());
    assert_eq!((lines.len(), logs.len()), (3, 3), "{run:#?}");
    for line in &lines {
        let log = log(&logs, line["message"].as_str().unwrap());
        assert_eq!(line["trace_id"], json!(log.trace_id_hex()));
        assert_eq!(line["span_id"], json!(log.span_id_hex()));
        assert_eq!(line["level"], log.severity_text());
        assert_eq!(line["target"], log.scope_name());
        assert!(line["span_id"].is_string(), "{line:#}");
    }
    let inner = lines[1]["spans"].as_array().unwrap();
    let names: Vec<_> = inner.iter().map(|span| span["name"].clone()).collect();
    assert_eq!(names, ["request", "fails"]);

    let collector = Collector::start().unwrap();
    let run = victim(&["errors"], &collector)
        .env("TRACING_OTLP_CONSOLE", "text")
        .succeed();
    for log in collector.logs() {
        let (trace, span) = (log.trace_id_hex().unwrap(), log.span_id_hex().unwrap());
        let line = run
            .stderr
            .iter()
            .find(|line| line.contains(log.body_str().unwrap()));
        let line = line.unwrap();
        assert!(line.contains(&trace) && line.contains(&span), "{line}");
    }
}

#[test]
fn an_error_marks_its_span_and_events_are_no_span_events() {
    let collector = Collector::start().unwrap();
    let run = victim(&["errors"], &collector).succeed();
    assert_delivered(&run.last(), 3, 3);
    let spans = collector.spans();
    let fails = span(&spans, "fails");
    assert_eq!(fails.status_code(), StatusCode::Error);
    assert_eq!(fails.status_message(), "disk on fire");
    for name in ["request", "warns"] {
        assert_eq!(span(&spans, name).status_code(), StatusCode::Unset);
    }
    for span in &spans {
        assert_eq!(span.span().events, [], "{}", span.name());
    }
    assert!(collector.audit().is_clean());
}

#[test]
fn parts_put_together_by_hand_link_in_any_order() {
    for order in [
        "filter,fmt,spans,logs",
        "spans,logs,fmt,filter",
        "fmt,spans,filter,logs",
        "logs,spans",
        "each-its-filter",
        "boxed",
    ] {
        let collector = Collector::start().unwrap();
        let run = victim(&["by-hand", order], &collector).succeed();
        assert_delivered(&run.last(), 4, 2);

        let received = collector.snapshot();
        let expected = ["in hidden", "in inner", "in outer", "outside"];
        assert_eq!(bodies(&received.logs), expected, "{order}");
        let outer = span(&received.spans, "outer");
        let inner = span(&received.spans, "inner");
        assert_eq!(inner.parent_span_id_hex(), outer.span_id_hex());
        let of = |body: &str| log(&received.logs, body).span_id_hex();
        assert_eq!(of("outside"), None, "{order}");
        assert_eq!(of("in outer"), outer.span_id_hex(), "{order}");
        assert_eq!(of("in inner"), inner.span_id_hex(), "{order}");
        assert_eq!(of("in hidden"), outer.span_id_hex(), "{order}");
        assert!(received.audit().is_clean(), "{order}");
        for log in &received.logs {
            assert_eq!(log.resource_attr_str("service.name"), Some("by-hand"));
        }
        if order.contains("fmt") {
            let printed = run.stderr.iter().any(|line| line.contains("in inner"));
            assert!(printed, "{order}: {run:#?}");
        }
    }
}

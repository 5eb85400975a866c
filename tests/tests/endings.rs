//! However a program ends, what it said before arrives; and a panic says so itself.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]
#![cfg(unix)]

use serde_json::json;
use tracing_otlp_collector::proto::trace::v1::status::StatusCode;
use tracing_otlp_collector::{Collector, StoredLog, StoredSpan};
use tracing_otlp_tests::victim::{PATIENCE, Run, Victim, assert_balanced, assert_delivered};

const SOURCE: &str = "tests/src/bin/victim/endings.rs";

fn victim(mode: &str, collector: &Collector) -> Victim {
    Victim::new(env!("CARGO_BIN_EXE_victim"), &[mode]).to(collector)
}

/// Sorted: records of several scopes come in no order.
fn bodies(logs: &[StoredLog]) -> Vec<&str> {
    let mut bodies: Vec<_> = logs.iter().filter_map(StoredLog::body_str).collect();
    bodies.sort_unstable();
    bodies
}

/// The record and the span of `info_span!("work").in_scope(|| info!("working"))`, linked.
fn assert_worked(collector: &Collector) {
    let received = collector.snapshot();
    assert_eq!(bodies(&received.logs), ["working"]);
    assert_eq!(names(&received.spans), ["work"]);
    assert_eq!(
        collector.audit().to_string(),
        "records=1 linked=1 unlinked=0 orphaned=0"
    );
}

fn names(spans: &[StoredSpan]) -> Vec<&str> {
    spans.iter().map(StoredSpan::name).collect()
}

/// The one FATAL record there must be.
fn the_fatal(logs: &[StoredLog]) -> &StoredLog {
    let fatal: Vec<_> = logs.iter().filter(|l| l.severity_number() > 20).collect();
    assert_eq!(fatal.len(), 1, "{fatal:#?}");
    let fatal = fatal[0];
    assert_eq!(fatal.severity_number(), 21);
    assert_eq!(fatal.severity_text(), "FATAL");
    assert!(fatal.time_unix_nano() > 0);
    assert_eq!(fatal.time_unix_nano(), fatal.observed_time_unix_nano());
    fatal
}

/// What a panic's record says of itself.
fn assert_exception(fatal: &StoredLog, message: &str) {
    assert_eq!(fatal.body_str(), Some(message));
    assert_eq!(fatal.attr_str("exception.type"), Some("panic"));
    assert_eq!(fatal.attr_str("exception.message"), Some(message));
    let trace = fatal.attr_str("exception.stacktrace").unwrap();
    assert!(trace.contains(message), "{trace}");
    assert!(trace.contains("endings.rs"), "{trace}");
    assert_eq!(fatal.attr_str("code.file.path"), Some(SOURCE));
    let line = usize::try_from(fatal.attr_i64("code.line.number").unwrap()).unwrap();
    let source = include_str!("../src/bin/victim/endings.rs");
    let line = source.lines().nth(line - 1).unwrap();
    assert!(line.contains("panic"), "{line}");
}

/// The record points at this span, which says that it went wrong.
fn assert_failed(span: &StoredSpan, fatal: &StoredLog, message: &str) {
    assert_eq!(span.name(), "work");
    assert_eq!(span.status_code(), StatusCode::Error);
    assert_eq!(span.status_message(), message);
    assert_eq!(fatal.trace_id_hex(), span.trace_id_hex());
    assert_eq!(fatal.span_id_hex(), span.span_id_hex());
    assert!(span.span_id_hex().is_some());
    assert_eq!(fatal.flags() & 1, 1, "it is sampled");
}

/// The panic reached the hook that was there before ours, too.
fn assert_told_by_std(run: &Run) {
    let told = run.stderr.iter().filter(|l| l.contains("panicked at"));
    assert_eq!(told.count(), 1, "{run:#?}");
}

#[test]
fn returning_from_main_flushes() {
    let collector = Collector::start().unwrap();
    let run = victim("returns-ok", &collector).succeed();
    assert!(run.said().is_empty(), "{run:#?}");
    assert_worked(&collector);
}

#[test]
fn returning_an_error_from_main_flushes() {
    let collector = Collector::start().unwrap();
    let run = victim("returns-err", &collector).run();
    assert_eq!(run.status.code(), Some(1));
    assert!(run.said().is_empty(), "{run:#?}");
    assert_worked(&collector);
}

#[test]
fn shutdown_before_exit_flushes_and_reports() {
    let collector = Collector::start().unwrap();
    let run = victim("exits", &collector).run();
    assert_eq!(run.status.code(), Some(3));
    assert_delivered(&run.last(), 1, 1);
    assert_worked(&collector);
}

#[test]
fn a_panic_in_main_is_one_fatal_record_of_its_span_and_flushes() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("RUST_BACKTRACE", "1"),
        ("TRACING_OTLP_CONSOLE", "json"),
    ] {
        let collector = Collector::start().unwrap();
        let run = victim("panics", &collector).env(name, value).run();
        assert_eq!(run.status.code(), Some(101));
        assert_told_by_std(&run);
        assert!(run.said().is_empty(), "{run:#?}");

        let received = collector.snapshot();
        assert_eq!(bodies(&received.logs), ["the answer is 42", "working"]);
        let fatal = the_fatal(&received.logs);
        assert_exception(fatal, "the answer is 42");
        assert_eq!(fatal.attr_str("thread.name"), Some("main"));
        assert_eq!(names(&received.spans), ["work"]);
        assert_failed(&received.spans[0], fatal, "the answer is 42");
        let trace = fatal.attr_str("exception.stacktrace").unwrap();
        assert_eq!(
            trace.lines().count() > 3,
            name == "RUST_BACKTRACE",
            "a backtrace stands there where it was asked for: {trace}"
        );
    }
}

#[test]
fn a_panic_outside_of_spans_points_at_none() {
    let collector = Collector::start().unwrap();
    victim("panics-outside-spans", &collector).run();
    let logs = collector.logs();
    let fatal = the_fatal(&logs);
    assert_exception(fatal, "no span here");
    assert_eq!((fatal.trace_id_hex(), fatal.span_id_hex()), (None, None));
}

#[test]
fn a_panic_with_any_value_is_a_record() {
    let collector = Collector::start().unwrap();
    victim("panics-with-a-value", &collector).run();
    assert_exception(the_fatal(&collector.logs()), "Box<dyn Any>");
}

#[test]
fn a_panic_passes_every_filter() {
    let collector = Collector::start().unwrap();
    let run = victim("panics", &collector).env("RUST_LOG", "off").run();
    assert_eq!(run.status.code(), Some(101));
    let received = collector.snapshot();
    assert_eq!(bodies(&received.logs), ["the answer is 42"]);
    // The span was filtered away, so there is nothing to point at.
    let fatal = the_fatal(&received.logs);
    assert_exception(fatal, "the answer is 42");
    assert_eq!(fatal.span_id_hex(), None);
    assert!(received.spans.is_empty());
}

#[test]
fn a_panic_in_an_unsampled_trace_is_a_record_without_ids() {
    for (name, value) in [
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        let collector = Collector::start().unwrap();
        victim("panics", &collector).env(name, value).run();
        let received = collector.snapshot();
        let fatal = the_fatal(&received.logs);
        assert_exception(fatal, "the answer is 42");
        assert_eq!((fatal.trace_id_hex(), fatal.span_id_hex()), (None, None));
        assert_eq!(fatal.flags(), 0);
        assert!(received.spans.is_empty());
    }
}

#[test]
fn a_panic_in_a_thread_or_task_is_a_record_and_the_process_goes_on() {
    for (mode, message) in [
        ("panics-in-a-thread", "a worker fell"),
        ("panics-in-a-task", "a task fell"),
    ] {
        let collector = Collector::start().unwrap();
        let run = victim(mode, &collector).succeed();
        assert_told_by_std(&run);
        let received = collector.snapshot();
        assert_eq!(bodies(&received.logs), [message, "going on"]);
        let fatal = the_fatal(&received.logs);
        assert_exception(fatal, message);
        assert_eq!(names(&received.spans), ["work"]);
        assert_failed(&received.spans[0], fatal, message);
        if mode == "panics-in-a-thread" {
            assert_eq!(fatal.attr_str("thread.name"), Some("worker"));
        }
    }
}

#[test]
fn a_panic_in_the_debug_of_a_field_is_no_crash() {
    for console in ["off", "json", "text"] {
        let collector = Collector::start().unwrap();
        let run = victim("panics-in-debug", &collector)
            .env("TRACING_OTLP_CONSOLE", console)
            .succeed();
        assert!(run.said().is_empty(), "{run:#?}");
        let received = collector.snapshot();
        assert_eq!(bodies(&received.logs), ["survived"]);
        assert_eq!(received.logs[0].severity_number(), 9);
        assert_eq!(
            received.logs[0].attr_str("value"),
            Some("<panicked while formatting>")
        );
        assert_eq!(names(&received.spans), ["work"]);
        assert!(received.audit().is_clean(), "{}", received.audit());
    }
}

#[test]
fn panics_are_left_alone_where_that_is_asked_for() {
    let collector = Collector::start().unwrap();
    let run = victim("panics-unrecorded", &collector).run();
    assert_eq!(run.status.code(), Some(101));
    assert_told_by_std(&run);
    assert!(collector.logs().is_empty());
}

#[test]
fn events_after_the_guard_is_gone_are_counted_and_said_once() {
    let collector = Collector::start().unwrap();
    let run = victim("guard-dropped-early", &collector).succeed();
    assert_eq!(bodies(&collector.logs()), ["in time"]);
    let last = run.last();
    // 1,000 events that wait for nothing; even a slow machine needs less.
    assert!(last["seconds"].as_f64().unwrap() < 5.0, "{last:#}");
    assert!(run.said().len() <= 1, "{run:#?}");
    assert_eq!(last["logs"]["delivered"], 1, "{last:#}");
    assert_eq!(
        last["logs"]["by_reason"],
        json!({ "after_shutdown": 1_000 })
    );
    assert_eq!(run.said(), ["losing logs: after_shutdown"], "{run:#?}");
}

#[test]
fn a_second_shutdown_gives_the_same_report() {
    let collector = Collector::start().unwrap();
    let run = victim("shuts-down-twice", &collector).succeed();
    let told = run.told();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], told[1]);
    assert_delivered(&told[0], 1, 1);
    assert_worked(&collector);
}

#[test]
fn a_task_that_waits_for_a_signal_shuts_down() {
    let collector = Collector::start().unwrap();
    let mut child = victim("waits-for-a-signal", &collector).start();
    child
        .wait_for_stdout(PATIENCE, |lines| lines.iter().any(|l| l == "\"ready\""))
        .unwrap();
    child.terminate().unwrap();
    assert!(child.wait(PATIENCE).unwrap().success());
    let report = serde_json::from_str(child.stdout().last().unwrap()).unwrap();
    assert_balanced(&report);
    assert_delivered(&report, 2, 1);
    assert_eq!(bodies(&collector.logs()), ["stopping", "working"]);
    assert!(collector.audit().is_clean());
}

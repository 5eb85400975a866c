//! The quickstart as a user runs it, pointed by environment at somebody else's receiver.
//!
//! [`run`] runs it; [`check`] holds what arrived, whoever received it, against what it did.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::child::{self, Child};
use crate::model::{LogRecord, Span, Value};

/// Runs it to its end, which must be a good and quiet one, and returns what it printed.
pub fn run(endpoint: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut command = child::command(child::example("quickstart"));
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=a%20test",
        )
        .envs(variables.iter().copied());
    let mut quickstart = Child::spawn(&mut command).expect("it is there");
    let status = quickstart.wait(PATIENCE).expect("it is there");
    let (printed, said) = (quickstart.stdout(), quickstart.stderr());
    assert!(status.success(), "{printed:#?}\n{said:#?}");
    assert!(said.is_empty(), "no notice of trouble: {said:#?}");

    printed
}

/// What arrived is what it did: names, links, types, resource.
pub fn check(printed: &[String], logs: &[LogRecord], spans: &[Span]) {
    // Several requests are in flight at a time, so arrival is in no order; the clock is.
    let mut logs = logs.to_vec();
    logs.sort_by_key(|log| log.time_unix_nano);
    let logs = &logs;
    // What the program says it delivered is what arrived.
    let counts = format!(
        "logs: {0} emitted, {0} delivered, 0 lost; spans: {1} emitted, {1} delivered, 0 lost",
        logs.len(),
        spans.len()
    );
    assert!(
        printed.iter().any(|line| line.starts_with(&counts)),
        "{counts}: {printed:#?}"
    );

    // The three requests' spans, and what is below them.
    let names = |name: &str| spans.iter().filter(|span| span.name == name).count();
    assert_eq!(
        ["GET /orders/{id}", "order", "load", "query", "receipt"].map(names),
        [3, 3, 3, 3, 2],
        "{spans:#?}"
    );
    assert_eq!(spans.len(), 14);
    let ids: BTreeSet<_> = spans
        .iter()
        .map(|span| (&*span.trace_id, &*span.span_id))
        .collect();
    assert_eq!(ids.len(), spans.len());
    for span in spans {
        let parent = (&*span.trace_id, &*span.parent_span_id);
        let is_root = parent.1.is_empty() || parent == (CALLERS_TRACE, CALLERS_SPAN);
        assert_eq!(is_root, span.name == "GET /orders/{id}", "{span:#?}");
        assert!(is_root || ids.contains(&parent), "{span:#?}");
    }

    // Every record within a request points at a span that arrived, the two around them at none.
    let (around, within): (Vec<_>, Vec<_>) = logs.iter().partition(|log| log.trace_id.is_empty());
    let texts: Vec<_> = around
        .iter()
        .map(|log| log.body.as_str().expect("it is there"))
        .collect();
    assert_eq!(texts, ["listening", "stopped"]);
    for log in &within {
        assert!(ids.contains(&(&log.trace_id, &log.span_id)), "{log:#?}");
        assert_eq!(log.flags, 1, "sampled");
    }
    let points_at = |log: &LogRecord| -> &str {
        let span = spans.iter().find(|span| span.span_id == log.span_id);
        &span.expect("it is there").name
    };
    let within_of = |body: &str| -> Vec<&LogRecord> {
        let has = |log: &&&LogRecord| log.body.as_str() == Some(body);
        within.iter().filter(has).copied().collect()
    };
    for (body, count, span) in [
        ("request received", 3, "GET /orders/{id}"),
        ("rows read", 2, "load"),
        ("order loaded", 2, "order"),
        ("receipt sent", 2, "receipt"),
        ("order not loaded", 1, "order"),
        ("response sent", 3, "GET /orders/{id}"),
    ] {
        let found = within_of(body);
        assert_eq!(found.len(), count, "{body}");
        for log in found {
            assert_eq!(points_at(log), span, "{body}");
        }
    }
    let of_the_caller = within.iter().filter(|log| log.trace_id == CALLERS_TRACE);
    assert_eq!(of_the_caller.count(), 5, "one whole request");

    typed(
        logs,
        &within_of("order loaded"),
        within_of("order not loaded")[0],
    );
    for log in logs {
        assert!(log.time_unix_nano > 0);
        assert_eq!(log.time_unix_nano, log.observed_time_unix_nano);
        let resource = |key: &str| log.origin.resource(key).and_then(Value::as_str);
        assert_eq!(resource("service.name"), Some("shop"));
        assert_eq!(resource("deployment.environment.name"), Some("a test"));
        assert_eq!(resource("telemetry.sdk.language"), Some("rust"));
        let keys: BTreeSet<_> = log.attributes.iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), log.attributes.len(), "no key twice: {log:#?}");
    }
}

/// Numbers are numbers, a nested value is maps and lists, an error is an exception.
fn typed(logs: &[LogRecord], loaded: &[&LogRecord], failed: &LogRecord) {
    let with = |key: &str| {
        logs.iter()
            .find_map(|log| log.attribute(key))
            .expect("it is there")
    };
    assert!(matches!(with("port"), Value::Int(1..=65535)));
    assert_eq!(with("cached"), &false.into());
    assert_eq!(with("rows"), &2.into());
    assert_eq!(with("customer"), &"Ada".into());
    assert_eq!(with("status"), &200.into());
    for log in loaded {
        assert_eq!(log.attribute("total"), Some(&16.0.into()));
        let order = log.attribute("order").expect("it is there");
        assert!(matches!(order.get("id"), Some(Value::Int(1 | 2))));
        assert_eq!(order.get("customer"), Some(&"Ada".into()));
        let Some(Value::Array(lines)) = order.get("lines") else {
            panic!("no list in {order:?}");
        };
        assert_eq!(lines[0].get("sku"), Some(&"tea".into()));
        assert_eq!(lines[0].get("count"), Some(&2.into()));
        assert_eq!(lines[0].get("price"), Some(&3.5.into()));
        assert_eq!(lines.len(), 2);
        assert_eq!(log.severity_number, 9);
        assert_eq!(log.origin.scope_name, "tracing_otlp_examples");
    }
    assert_eq!(
        (failed.severity_number, &*failed.severity_text),
        (17, "ERROR")
    );
    let text = |key: &str| {
        failed
            .attribute(key)
            .and_then(Value::as_str)
            .expect("it is there")
    };
    assert_eq!(text("exception.type"), "tracing_otlp_examples::LoadError");
    assert_eq!(text("exception.message"), "cannot load order 13");
    assert_eq!(text("error"), "cannot load order 13");
    assert!(
        text("exception.stacktrace").contains("0: connection reset by the database"),
        "{}",
        text("exception.stacktrace")
    );
    assert_eq!(failed.attribute("order.id"), Some(&13.into()));
}

const PATIENCE: Duration = Duration::from_secs(60);

/// The caller that the quickstart plays.
const CALLERS_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS_SPAN: &str = "00f067aa0ba902b7";

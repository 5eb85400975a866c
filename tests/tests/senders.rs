//! Other people's senders → our receiver: what they meant is what is kept, type by type.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tracing_otlp_collector::{Collector, Protocol, Signal};
use tracing_otlp_tests::child::{self, Child, workspace_root};
use tracing_otlp_tests::collected;
use tracing_otlp_tests::model::{LogRecord, Span, Value};
use tracing_otlp_tests::peers::{self, SETUP};

const PATIENCE: Duration = Duration::from_secs(120);
const TIME: u64 = 1_700_000_000_123_456_789;

#[test]
fn the_python_sdk_over_http() {
    let Some(sent) = python("otel_sdk.py", Some("http")) else {
        return;
    };
    sent.came_by(Signal::Logs, Protocol::HttpProtobuf, Some("gzip"));
    sent.came_by(Signal::Traces, Protocol::HttpProtobuf, None);
    sent.is_of_python("shop.cart");
    sent.has_the_python_event();
}

#[test]
fn the_python_sdk_over_grpc() {
    let Some(sent) = python("otel_sdk.py", Some("grpc")) else {
        return;
    };
    sent.came_by(Signal::Logs, Protocol::Grpc, None);
    sent.came_by(Signal::Traces, Protocol::Grpc, None);
    sent.is_of_python("shop.cart");
    sent.has_the_python_event();
}

#[test]
fn pythons_logging_by_its_instrumentation() {
    let Some(sent) = python("otel_sdk.py", Some("instrumented")) else {
        return;
    };
    sent.is_of_python("shop.cart");
    sent.has_the_python_event();
}

#[test]
fn the_node_sdk_over_http_json() {
    let Some(sent) = node("json") else { return };
    sent.came_by(Signal::Logs, Protocol::HttpJson, None);
    sent.came_by(Signal::Traces, Protocol::HttpJson, None);
    sent.is_of_node();
    // It writes `null` for these, so nothing is left of them but their keys.
    let log = sent.log("order.placed");
    assert_eq!(log.attribute("nan"), Some(&Value::Empty));
    assert_eq!(log.attribute("infinite"), Some(&Value::Empty));
}

#[test]
fn the_node_sdk_over_http_protobuf() {
    let Some(sent) = node("proto") else { return };
    sent.came_by(Signal::Logs, Protocol::HttpProtobuf, Some("gzip"));
    sent.is_of_node();
    sent.has_the_doubles_that_are_no_numbers();
}

#[test]
fn the_node_sdk_over_grpc() {
    let Some(sent) = node("grpc") else { return };
    sent.came_by(Signal::Logs, Protocol::Grpc, None);
    sent.is_of_node();
    sent.has_the_doubles_that_are_no_numbers();
}

#[test]
fn logfires_python_sdk() {
    let Some(sent) = python("logfire_sdk.py", None) else {
        return;
    };
    sent.came_by(Signal::Traces, Protocol::HttpProtobuf, Some("gzip"));
    assert_eq!(sent.logs, [], "its logs are spans");
    let of_type = |wanted: &str| -> Vec<&Span> {
        let is_it = |span: &&Span| text(span, "logfire.span_type") == Some(wanted);
        sent.spans.iter().filter(is_it).collect()
    };
    let named = |spans: &[&Span], name: &str| -> Span {
        let mut found = spans
            .iter()
            .filter(|span| text(span, "logfire.msg") == Some(name));
        let first = (*found
            .next()
            .unwrap_or_else(|| panic!("no {name} in {spans:#?}")))
        .clone();
        assert!(found.next().is_none(), "{name} twice");
        first
    };
    let (logs, ended, pending) = (of_type("log"), of_type("span"), of_type("pending_span"));
    assert_eq!((logs.len(), ended.len()), (3, 2), "{:#?}", sent.spans);
    // Which other span is still open when a batch leaves is a matter of time.
    assert!((1..=2).contains(&pending.len()), "{:#?}", sent.spans);

    let checkout = named(&ended, "checkout order=42");
    assert_eq!(number(&checkout, "order"), 42);
    assert_eq!(checkout.parent_span_id, "");
    let payment = named(&ended, "payment");
    assert_eq!(payment.status_code, 2);
    assert_eq!(payment.events.len(), 1);
    assert_eq!(payment.events[0].name, "exception");

    // A child of the span that it announces; its own parent is where the span's would be.
    let ahead = named(&pending, "checkout order=42");
    assert_eq!(ahead.trace_id, checkout.trace_id);
    assert_eq!(ahead.parent_span_id, checkout.span_id);
    assert_eq!(
        text(&ahead, "logfire.pending_parent_id"),
        Some("0000000000000000")
    );
    assert_eq!(ahead.start_time_unix_nano, checkout.start_time_unix_nano);

    let items = named(&logs, "3 items");
    assert_eq!(items.parent_span_id, checkout.span_id);
    assert_eq!(items.start_time_unix_nano, items.end_time_unix_nano);
    assert_eq!(number(&items, "logfire.level_num"), 9);
    assert_eq!(text(&items, "logfire.msg_template"), Some("{count} items"));
    assert_eq!(number(&items, "count"), 3);
    assert_eq!(attribute(&items, "sure"), Some(&true.into()));
    assert_eq!(attribute(&items, "price"), Some(&2.5.into()));
    assert_eq!(text(&items, "basket"), Some(r#"{"tea":2,"cups":[1,2]}"#));
    assert_eq!(number(&named(&logs, "low on tea"), "logfire.level_num"), 13);
    let outside = named(&logs, "outside");
    assert_eq!(number(&outside, "logfire.level_num"), 17);
    assert_eq!(outside.parent_span_id, "");
    assert_eq!(
        outside.origin.resource("service.name"),
        Some(&"logfire-shop".into())
    );
}

/// What arrived of a sender that says it has sent everything.
struct Sent {
    collector: Collector,
    logs: Vec<LogRecord>,
    spans: Vec<Span>,
}

fn python(script: &str, how: Option<&str>) -> Option<Sent> {
    let Some(python) = peers::python() else {
        peers::missing("the Python senders", SETUP);
        return None;
    };
    let mut command = child::command(python);
    command.arg(script_of(script)).args(how);
    Some(send(command))
}

fn node(how: &str) -> Option<Sent> {
    let Some(packages) = peers::node() else {
        peers::missing("Node with the senders' packages", SETUP);
        return None;
    };
    let mut command = child::command("node");
    command
        .arg(script_of("otel_sdk.mjs"))
        .arg(how)
        .current_dir(packages);
    Some(send(command))
}

fn script_of(name: &str) -> PathBuf {
    workspace_root().join("tests/peers/senders").join(name)
}

fn send(mut command: Command) -> Sent {
    let collector = Collector::builder().keep_requests(true).start().unwrap();
    // Nothing of this machine decides where it goes.
    for proxy in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "grpc_proxy",
    ] {
        command.env_remove(proxy);
    }
    let mut sender = Child::spawn(command.arg(collector.endpoint())).unwrap();
    let status = sender.wait(PATIENCE).unwrap();
    assert!(status.success(), "{:#?}", sender.stderr());
    Sent {
        logs: collected::logs(&collector),
        spans: collected::spans(&collector),
        collector,
    }
}

impl Sent {
    fn came_by(&self, signal: Signal, protocol: Protocol, encoding: Option<&str>) {
        let requests = self.collector.requests();
        let of_it: Vec<_> = requests.iter().filter(|it| it.signal() == signal).collect();
        assert!(!of_it.is_empty(), "{requests:?}");
        for request in of_it {
            assert_eq!(request.refusal(), None);
            assert_eq!(request.protocol(), protocol);
            assert_eq!(request.content_encoding(), encoding);
        }
    }

    fn log(&self, event_name: &str) -> &LogRecord {
        let mut logs = self.logs.iter().filter(|log| log.event_name == event_name);
        logs.next().unwrap_or_else(|| panic!("{:#?}", self.logs))
    }

    fn with_body(&self, body: &str) -> &LogRecord {
        let mut logs = self
            .logs
            .iter()
            .filter(|log| log.body.as_str() == Some(body));
        logs.next()
            .unwrap_or_else(|| panic!("no {body} in {:#?}", self.logs))
    }

    /// The one span, and whether the record points at it.
    fn is_linked(&self, log: &LogRecord) -> bool {
        assert_eq!(self.spans.len(), 1);
        assert_eq!(self.spans[0].name, "checkout");
        (&log.trace_id, &log.span_id) == (&self.spans[0].trace_id, &self.spans[0].span_id)
    }

    fn is_of_python(&self, scope: &str) {
        let placed = self.with_body("order 42 placed");
        assert!(self.is_linked(placed));
        assert_eq!(
            (placed.severity_number, &*placed.severity_text),
            (9, "INFO")
        );
        assert_eq!(placed.origin.scope_name, scope);
        for (key, value) in [
            ("text", Value::from("gläsern")),
            ("empty_text", "".into()),
            ("count", Value::Int((1 << 53) + 1)),
            ("negative", Value::Int(-7)),
            ("ratio", 0.5.into()),
            ("yes", true.into()),
            ("names", Value::Array(vec!["a".into(), "b".into()])),
        ] {
            assert_eq!(placed.attribute(key), Some(&value), "{key}");
        }
        let mixed = placed.attribute("mixed").unwrap();
        assert_eq!(
            mixed.get("deep").and_then(|it| it.get("n")),
            Some(&Value::Int(1))
        );
        let list = Value::Array(vec![Value::Int(1), Value::Int(2)]);
        assert_eq!(mixed.get("list"), Some(&list));

        let failed = self.with_body("order failed");
        assert!(self.is_linked(failed));
        assert_eq!(failed.severity_number, 17);
        assert_eq!(
            failed.attribute("exception.type"),
            Some(&"ValueError".into())
        );
        assert_eq!(
            failed.attribute("exception.message"),
            Some(&"no more tea".into())
        );

        let outside = self.with_body("outside any span");
        assert_eq!((&*outside.trace_id, &*outside.span_id), ("", ""));
        assert_eq!(outside.severity_number, 13);
        for log in &self.logs {
            let resource = |key| log.origin.resource(key);
            assert_eq!(resource("service.name"), Some(&"python-shop".into()));
            assert_eq!(resource("replicas"), Some(&Value::Int(3)));
            let zones = Value::Array(vec!["a".into(), "b".into()]);
            assert_eq!(resource("zones"), Some(&zones));
        }
        let audit = self.collector.audit();
        assert_eq!(audit.orphaned, 0, "{audit}");
    }

    fn has_the_python_event(&self) {
        let event = self.log("tea.empty");
        assert!(self.is_linked(event));
        assert_eq!(event.time_unix_nano, TIME);
        assert_eq!(
            (event.severity_number, &*event.severity_text),
            (14, "WARN2")
        );
        assert_eq!(
            (&*event.origin.scope_name, &*event.origin.scope_version),
            ("events", "1.2.3")
        );
        let Value::Map(body) = &event.body else {
            panic!("{event:#?}");
        };
        let expected = [
            ("left", Value::Int(0)),
            ("none", Value::Empty),
            ("raw", Value::Bytes(vec![0, 255])),
            ("nothing", Value::Array(Vec::new())),
            ("sure", false.into()),
        ];
        assert_eq!(*body, expected.map(|(key, value)| (key.to_owned(), value)));
        assert_eq!(event.attribute("bytes"), Some(&Value::Bytes(vec![1, 2])));
        assert_eq!(event.attribute("infinite"), Some(&f64::INFINITY.into()));
        assert_eq!(event.attribute("void"), Some(&Value::Map(Vec::new())));
    }

    fn is_of_node(&self) {
        assert_eq!(self.logs.len(), 2);
        let log = self.log("order.placed");
        assert!(self.is_linked(log));
        assert_eq!(log.time_unix_nano, TIME);
        assert_eq!((log.severity_number, &*log.severity_text), (9, "INFO"));
        assert_eq!(
            (&*log.origin.scope_name, &*log.origin.scope_version),
            ("shop.cart", "2.1.0")
        );
        assert_eq!(log.body.get("order"), Some(&Value::Int(42)));
        let Some(Value::Array(lines)) = log.body.get("lines") else {
            panic!("{log:#?}");
        };
        assert_eq!(lines[0].get("sku"), Some(&"tea".into()));
        assert_eq!(lines[0].get("price"), Some(&3.5.into()));
        assert_eq!(lines[1], Value::Empty);
        assert_eq!(log.body.get("empty"), Some(&Value::Map(Vec::new())));
        assert_eq!(log.body.get("none"), Some(&Value::Empty));
        let deep = log.attribute("deep").and_then(|it| it.get("n"));
        assert_eq!(deep.and_then(|it| it.get("m")), Some(&Value::Int(1)));
        for (key, value) in [
            ("text", Value::from("gläsern")),
            ("count", Value::Int((1 << 53) - 1)),
            ("ratio", 0.5.into()),
            // JavaScript has one kind of number.
            ("whole", Value::Int(2)),
            ("yes", true.into()),
            ("names", Value::Array(vec!["a".into(), "b".into()])),
            ("nothing", Value::Array(Vec::new())),
            ("bytes", Value::Bytes(vec![0, 255])),
        ] {
            assert_eq!(log.attribute(key), Some(&value), "{key}");
        }
        let outside = self.with_body("outside any span");
        assert_eq!((&*outside.trace_id, &*outside.span_id), ("", ""));
        assert_eq!(outside.severity_number, 17);
        assert_eq!(
            outside.origin.resource("service.name"),
            Some(&"node-shop".into())
        );
        assert_eq!(outside.origin.resource("replicas"), Some(&Value::Int(3)));
        assert_eq!(self.collector.audit().orphaned, 0);
    }

    fn has_the_doubles_that_are_no_numbers(&self) {
        let log = self.log("order.placed");
        let Some(Value::Double(nan)) = log.attribute("nan") else {
            panic!("{log:#?}");
        };
        assert!(nan.is_nan());
        assert_eq!(log.attribute("infinite"), Some(&f64::INFINITY.into()));
    }
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a Value> {
    let mut pairs = span.attributes.iter().filter(|(name, _)| name == key);
    pairs.next().map(|(_, value)| value)
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    attribute(span, key).and_then(Value::as_str)
}

fn number(span: &Span, key: &str) -> i64 {
    match attribute(span, key) {
        Some(Value::Int(number)) => *number,
        other => panic!("{key} is {other:?} in {span:#?}"),
    }
}

//! What must arrive: the same lines as `events` and `links`, from the other end.

use super::events::TEXT;
use super::links::REMOTE_SPAN;
use super::{Seen, SeenSpan};
use crate::model::Value;

/// The records of one run, in no order that matters.
pub fn records() -> Vec<Seen> {
    let mut all: Vec<Expected> = Vec::new();
    all.extend(severities());
    all.extend(names_scopes_and_bodies());
    all.extend(values());
    all.extend(errors_and_keys());
    all.extend(limits());
    all.extend(log_crate());
    all.extend(links());
    all.into_iter().map(Expected::seen).collect()
}

fn severities() -> Vec<Expected> {
    vec![
        event("trace").severity(1, "TRACE"),
        event("debug").severity(5, "DEBUG"),
        event("info").severity(9, "INFO"),
        event("warn").severity(13, "WARN"),
        event("error").severity(17, "ERROR"),
        event("fatal").severity(21, "FATAL"),
        event("no such severity").with("otel.severity_number", 25),
        event("severity by rule")
            .severity(11, "INFO3")
            .scope(["audit", "", ""]),
    ]
}

fn names_scopes_and_bodies() -> Vec<Expected> {
    let mut scoped = event("scope").body("in the cart").scope([
        "shop::cart",
        "1.2.3",
        "https://example.test/schema",
    ]);
    scoped.seen.scope_attributes = vec![("team".to_owned(), "till".into())];
    vec![
        event("named").body("paid").name("order.paid"),
        event("named by field").body("sent").name("order.sent"),
        scoped,
        event("other scope")
            .body("not the shop")
            .scope(["shopping", "", ""]),
        event("formatted body").body("1 of 2"),
        event("integer body").body(-42),
        event("true body").body(true),
        event("float body").body(1.5),
        event("nan body").body(f64::NAN),
        event("bytes body").body(Value::Bytes(vec![0, 255])),
        event("nested body").body(order()),
        event("no body").body(Value::Empty),
    ]
}

fn values() -> Vec<Expected> {
    vec![
        event("integers")
            .body("integers")
            .with("small", 7)
            .with("negative", -7)
            .with("lowest", i64::MIN)
            .with("highest", i64::MAX)
            .with("unsigned_fits", i64::MAX)
            .with("unsigned_beyond", "18446744073709551615")
            .with("i128_fits", -1)
            .with("i128_beyond", "-170141183460469231731687303715884105728")
            .with("u128_fits", 1)
            .with("u128_beyond", "340282366920938463463374607431768211455"),
        event("floats")
            .body("floats")
            .with("whole", 2.0)
            .with("fraction", 0.1)
            .with("highest", f64::MAX)
            .with("tiniest", 5e-324)
            .with("negative_zero", -0.0)
            .with("nan", f64::NAN)
            .with("infinite", f64::INFINITY)
            .with("negative_infinite", f64::NEG_INFINITY),
        event("texts")
            .body("texts")
            .with("yes", true)
            .with("no", false)
            .with("text", TEXT)
            .with("nothing", "")
            .with("owned", "owned")
            .with("digits", "42")
            .with("debug", "Some(1)")
            .with("display", "shown")
            .with("bytes", Value::Bytes(vec![0, 1, 254, 255]))
            .with("no_bytes", Value::Bytes(Vec::new()))
            .with("some", 3),
        event("nested")
            .body("nested")
            .with("order", order())
            .with("list", list([1.into(), "two".into(), list([3.5.into()])]))
            .with("empty_map", Value::Map(Vec::new()))
            .with("empty_list", Value::Array(Vec::new()))
            .with("scalar", 7),
        event("source by the caller")
            .with("code.function.name", "checkout")
            .with("code.line.number", 1),
        event("fields of the log crate's names")
            .with("log.file", "/var/log/x")
            .with("log.target", "mine"),
    ]
}

fn errors_and_keys() -> Vec<Expected> {
    const CHAIN: &str = "cannot save\n\nCaused by:\n    0: disk full";
    let save_error = format!("{EVENTS}::SaveError");
    let typed = |expected: Expected| {
        expected
            .severity(17, "ERROR")
            .with("exception.type", &*save_error)
            .with("exception.message", "cannot save")
            .with("exception.stacktrace", &*format!("{save_error}: {CHAIN}"))
    };
    vec![
        event("plain error")
            .severity(17, "ERROR")
            .with("error", "cannot save")
            .with("exception.message", "cannot save")
            .with("exception.stacktrace", CHAIN),
        typed(event("wrapped error")).with("error", "cannot save"),
        event("known error")
            .severity(17, "ERROR")
            .with("error", "second")
            .with("exception.type", "std::io::error::Error")
            .with("exception.message", "second"),
        typed(event("two errors"))
            .with("first", "cannot save")
            .with("second", "second"),
        event("error on the span")
            .body("all is well")
            .inside("failed span")
            .with("failure", "cannot save"),
        event("twice in the event").with("a", 3).with("b", 2),
        event("span fields")
            .inside("twice")
            .points_at("inner")
            .with("shared.everywhere", "event")
            .with("shared.spans", "inner")
            .with("shared.over", "recorded")
            .with("shared.late", 2)
            .with("user.id", 7)
            .with("user.score", 0.5)
            .with("user.new", true),
        event("span fields of the parent")
            .inside("outer")
            .points_at("GET /orders")
            .with("user.id", 7)
            .with("shared.everywhere", "outer")
            .with("shared.spans", "outer")
            .with("shared.late", "outer"),
        event("span fields of no span"),
    ]
}

fn limits() -> Vec<Expected> {
    let mut count = event("attribute count");
    for number in 1..=23 {
        count = count.with(&format!("f{number:02}"), number);
    }
    count.seen.dropped = u32::try_from(super::DROPPED).expect("a small number");
    count.source = false;
    // Texts are cut by characters, binary values by bytes.
    let text = format!("x{}", "é".repeat(199));
    let long = format!("x{}", "é".repeat(1_000));
    vec![
        count,
        event("lengths")
            .body(&*format!("x{}", "é".repeat(39)))
            .with("text", &*text)
            .with("debug", &*format!("\"x{}", "é".repeat(198)))
            .with("bytes", Value::Bytes(long.as_bytes()[..200].to_vec()))
            .with("map", map([("text", (&*text).into())])),
        event("depth").with("deep", list([list([list(["[1,2]".into()])])])),
    ]
}

fn log_crate() -> Vec<Expected> {
    vec![
        event("log crate")
            .body("queried all")
            .scope(["legacy::db", "", ""])
            .with("rows", 3)
            .with("share", 0.5)
            .with("cached", true),
        event("log crate without target").severity(13, "WARN"),
        event("log crate lengths")
            .body(&*"é".repeat(40))
            .with("text", &*"é".repeat(200)),
    ]
}

fn links() -> Vec<Expected> {
    let mut all: Vec<Expected> = [
        ("instrumented", "in_sync"),
        ("before await", "in_async"),
        ("after await", "in_async"),
        ("joined left", "left"),
        ("joined right", "right"),
        ("spawned into a span of its own", "task"),
        ("spawned into the caller's span", "tasks"),
        ("in a blocking task", "tasks"),
        ("explicit parent", "other"),
        ("contextual", "entered"),
        ("parent never entered", "never entered"),
        ("parent exited", "exited"),
        ("parent on another thread", "elsewhere"),
        ("entered again", "x"),
        ("below it", "y"),
        ("below a remote parent", "remote"),
        ("before set_parent", "early"),
        ("below a context by hand", "below by hand"),
        ("in drop", "dropping"),
        ("while unwinding", "unwinding"),
    ]
    .map(|(case, span)| event(case).inside(span))
    .into();
    all.extend(
        [
            "beside all tasks",
            "outside any span",
            "no parent",
            "on another thread",
            "context by hand, no parent",
            "after a context by hand",
            "parent closed",
        ]
        .map(event),
    );
    // Their fields are there, their ids are not: nobody exports them.
    let hidden = |case| event(case).inside("hidden").with("user.id", 8);
    let unsampled = |case| event(case).inside("unsampled").with("user.id", 9);
    all.extend([
        event("explicit error")
            .body("it broke")
            .severity(17, "ERROR")
            .inside("other"),
        event("parent hidden, no ancestor")
            .inside("alone")
            .points_nowhere(),
        event("hidden, no ancestor")
            .inside("alone")
            .points_nowhere(),
        hidden("parent hidden").points_at("exported"),
        hidden("hidden").points_at("exported"),
        unsampled("unsampled").points_nowhere(),
        unsampled("parent unsampled").points_nowhere(),
        event("context by hand").points_at("made by hand"),
    ]);
    all
}

/// The spans of one run, in no order that matters.
pub fn spans() -> Vec<SeenSpan> {
    let remote = format!("{REMOTE_SPAN:016x}");
    let mut all: Vec<SeenSpan> = [
        "in_sync",
        "in_async",
        "left",
        "right",
        "tasks",
        "entered",
        "never entered",
        "exited",
        "elsewhere",
        "exported",
        "beside",
        "x",
        "early",
        "made by hand",
        "closed",
        "after it",
        "dropping",
        "unwinding",
    ]
    .map(|name| span(name, None))
    .into();
    all.extend([
        span("task", Some("tasks")),
        span("y", Some("x")),
        span("remote", Some(&remote)),
        span("below by hand", Some("made by hand")),
        SeenSpan {
            status: 2,
            status_message: "it broke".to_owned(),
            ..span("other", None)
        },
        SeenSpan {
            // As the trace layer describes an error on a span.
            attributes: attributes([
                ("exception.message", "cannot save".into()),
                ("exception.stacktrace", list(["disk full".into()])),
                ("failure", "cannot save".into()),
                ("failure.chain", list(["disk full".into()])),
            ]),
            ..span("failed span", None)
        },
        SeenSpan {
            kind: 2,
            attributes: attributes([
                ("beside", "not selected".into()),
                ("shared.everywhere", "outer".into()),
                ("shared.late", "outer".into()),
                ("shared.spans", "outer".into()),
                ("user.id", 7.into()),
                ("user.secret", "hunter2".into()),
            ]),
            ..span("GET /orders", None)
        },
        SeenSpan {
            attributes: attributes([
                ("shared.everywhere", "inner".into()),
                ("shared.spans", "inner".into()),
                ("user.new", true.into()),
                ("user.score", 0.5.into()),
            ]),
            ..span("inner", Some("GET /orders"))
        },
    ]);
    all
}

/// A span of the application's own, fine, with nothing on it.
fn span(name: &str, parent: Option<&str>) -> SeenSpan {
    SeenSpan {
        name: name.to_owned(),
        kind: 1,
        parent: parent.map(str::to_owned),
        status: 0,
        status_message: String::new(),
        attributes: Vec::new(),
        events: Vec::new(),
        links: 0,
    }
}

struct Expected {
    seen: Seen,
    /// Whether it says where it stands in the code.
    source: bool,
}

/// A record at INFO, with the body "m", outside any span.
fn event(case: &str) -> Expected {
    let (module, _, _) = place(case);
    Expected {
        seen: Seen {
            case: case.to_owned(),
            severity_number: 9,
            severity_text: "INFO".to_owned(),
            event_name: String::new(),
            body: "m".into(),
            scope: [module.to_owned(), String::new(), String::new()],
            scope_attributes: Vec::new(),
            attributes: Vec::new(),
            dropped: 0,
            span: None,
            flags: 0,
        },
        source: true,
    }
}

impl Expected {
    fn severity(mut self, number: i32, text: &str) -> Self {
        self.seen.severity_number = number;
        text.clone_into(&mut self.seen.severity_text);
        self
    }

    fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.seen.event_name);
        self
    }

    fn body(mut self, body: impl Into<Value>) -> Self {
        self.seen.body = body.into();
        self
    }

    fn scope(mut self, scope: [&str; 3]) -> Self {
        self.seen.scope = scope.map(str::to_owned);
        self
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.seen.attributes.push((key.to_owned(), value.into()));
        self
    }

    /// In this `tracing` span, which is exported under the same name.
    fn inside(self, span: &str) -> Self {
        self.with("span.name", span).points_at(span)
    }

    fn points_at(mut self, span: &str) -> Self {
        self.seen.span = Some(span.to_owned());
        self.seen.flags = 1;
        self
    }

    fn points_nowhere(mut self) -> Self {
        self.seen.span = None;
        self.seen.flags = 0;
        self
    }

    fn seen(mut self) -> Seen {
        let (module, file, line) = place(&self.seen.case);
        let says = |seen: &Seen, key: &str| seen.attributes.iter().any(|(known, _)| known == key);
        if self.source {
            self = self.with("code.file.path", &*file);
            if !says(&self.seen, "code.line.number") {
                self = self.with("code.line.number", line);
            }
            if self.seen.scope[0] != module {
                self = self.with("code.module.name", module);
            }
        }
        self.seen.attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.seen
    }
}

/// Module, file and line of a case's event, read in the source.
fn place(case: &str) -> (&'static str, String, i64) {
    let sources = [
        (EVENTS, "events.rs", include_str!("events.rs")),
        (LINKS, "links.rs", include_str!("links.rs")),
    ];
    let written = format!("case = {case:?}");
    let found = sources.into_iter().find_map(|(module, file, source)| {
        let lines: Vec<&str> = source.lines().collect();
        let case = lines.iter().position(|line| line.contains(&written))?;
        // The macro's name stands on the same line or on one above.
        let names = ["trace!(", "debug!(", "info!(", "warn!(", "error!("];
        let starts = |line: &&str| names.iter().any(|name| line.contains(name));
        let line = lines[..=case].iter().rposition(starts)?;
        Some((module, file, line + 1))
    });
    let (module, file, line) = found.unwrap_or_else(|| panic!("no event has {written}"));
    let line = i64::try_from(line).expect("few lines");
    (module, file!().replace("expected.rs", file), line)
}

/// What `events::order` is.
fn order() -> Value {
    map([
        ("beyond", "18446744073709551615".into()),
        ("id", 7.into()),
        (
            "lines",
            list([map([("price", 2.5.into()), ("sku", "tea".into())])]),
        ),
        ("paid", true.into()),
        (
            "ratios",
            list([
                f64::NAN.into(),
                f64::INFINITY.into(),
                f64::NEG_INFINITY.into(),
            ]),
        ),
        ("status", map([("Sent", map([("by", "post".into())]))])),
    ])
}

fn list<const N: usize>(items: [Value; N]) -> Value {
    Value::Array(items.into())
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(attributes(entries))
}

fn attributes<const N: usize>(entries: [(&str, Value); N]) -> Vec<(String, Value)> {
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

const EVENTS: &str = "tracing_otlp_tests::scenario::events";
const LINKS: &str = "tracing_otlp_tests::scenario::links";

//! What a record holds: the second table of `docs/mapping.md`, line by line.

#![allow(
    clippy::unnecessary_wraps,
    reason = "it compares with what attr() gives"
)]

mod support;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, Severity};
use support::Rig;
use tracing::field::Empty;
use tracing::{Level, debug, error, info, info_span, trace, warn};
use tracing_otlp_layer::{Limits, SpanFields, exception, exception_with_backtrace, nested};

fn text(value: &str) -> Option<AnyValue> {
    Some(AnyValue::String(value.to_owned().into()))
}

#[test]
fn both_times_are_one_clock_read() {
    let rig = Rig::default();
    let before = SystemTime::now();
    rig.run(|| info!("now"));
    let record = rig.only().record;
    assert_eq!(record.timestamp(), record.observed_timestamp());
    let time = record.timestamp().expect("set");
    assert!(before <= time && time <= SystemTime::now());
}

#[test]
fn the_five_levels_have_their_numbers_and_texts() {
    let rig = Rig::default();
    rig.run(|| {
        trace!("m");
        debug!("m");
        info!("m");
        warn!("m");
        error!("m");
    });
    let seen: Vec<_> = rig
        .records()
        .iter()
        .map(|r| {
            (
                r.record.severity_number().map(|s| s as u8),
                r.record.severity_text(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Some(1), Some("TRACE")),
            (Some(5), Some("DEBUG")),
            (Some(9), Some("INFO")),
            (Some(13), Some("WARN")),
            (Some(17), Some("ERROR")),
        ]
    );
}

#[test]
fn rules_and_fields_place_an_event_on_any_number() {
    let rig = Rig::default();
    let layer = rig.layer().with_severity_rule(|meta| {
        (meta.target() == "audit" && *meta.level() == Level::INFO).then_some(Severity::Info3)
    });
    rig.run_with(layer, || {
        info!(target: "audit", "by rule");
        info!("untouched");
        for number in 1..=24 {
            info!(target: "audit", { otel.severity_number = number }, "by field");
        }
        info!(otel.severity_number = 25, "no such number");
    });
    let rule = rig.record("by rule").record;
    assert_eq!(
        (rule.severity_number(), rule.severity_text()),
        (Some(Severity::Info3), Some("INFO3"))
    );
    assert_eq!(
        rig.record("untouched").record.severity_number(),
        Some(Severity::Info)
    );
    let numbers: Vec<_> = rig
        .records()
        .iter()
        .filter(|r| r.body_text() == Some("by field"))
        .map(|r| r.record.severity_number().expect("set") as u8)
        .collect();
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
    assert_eq!(
        rig.record("no such number").attr("otel.severity_number"),
        Some(AnyValue::Int(25))
    );
}

#[test]
fn an_event_name_is_only_what_the_caller_gave() {
    let rig = Rig::default();
    rig.run(|| {
        info!("unnamed");
        info!(name: "user.login", "named");
        info!(name: "event of mine", "named event");
        info!(otel.event.name = "user.logout", "by field");
        let name = format!("dynamic.{}", 7);
        info!(otel.event.name = name.as_str(), "by dynamic field");
    });
    let name = |body| rig.record(body).record.event_name();
    assert_eq!(name("unnamed"), None);
    assert_eq!(name("named"), Some("user.login"));
    assert_eq!(name("named event"), Some("event of mine"));
    assert_eq!(name("by field"), Some("user.logout"));
    assert_eq!(name("by dynamic field"), Some("dynamic.7"));
    assert_eq!(rig.record("by field").attr("otel.event.name"), None);
}

#[test]
fn the_target_is_the_scope_and_its_version_is_the_callers() {
    let rig = Rig::default();
    let layer = rig
        .layer()
        .with_scope(
            InstrumentationScope::builder("shop")
                .with_version("1.2.3")
                .with_schema_url("https://example.test/schema")
                .build(),
        )
        .with_scope(
            InstrumentationScope::builder("shop::cart")
                .with_version("9")
                .build(),
        );
    rig.run_with(layer, || {
        info!("default");
        info!(target: "shop", "exact");
        info!(target: "shop::checkout", "below");
        info!(target: "shop::cart::add", "nearest");
        info!(target: "shopping", "not below");
    });
    assert_eq!(rig.record("default").scope, module_path!());
    assert_eq!(rig.record("default").version, None);
    for (body, scope, version) in [
        ("exact", "shop", Some("1.2.3")),
        ("below", "shop::checkout", Some("1.2.3")),
        ("nearest", "shop::cart::add", Some("9")),
        ("not below", "shopping", None),
    ] {
        let record = rig.record(body);
        assert_eq!(
            (record.scope.as_str(), record.version.as_deref()),
            (scope, version)
        );
    }
    assert_eq!(
        rig.record("below").schema_url.as_deref(),
        Some("https://example.test/schema")
    );
}

#[test]
fn the_message_is_the_body_whatever_its_type() {
    let rig = Rig::default();
    rig.run(|| {
        info!("static");
        info!("formatted {}", 1);
        info!(message = 42);
        info!(message = true);
        info!(message = 1.5);
        info!(message = nested(&[1, 2]));
        info!(only = "fields");
    });
    let bodies: Vec<_> = rig
        .records()
        .iter()
        .map(|r| r.record.body().cloned())
        .collect();
    assert_eq!(
        bodies,
        [
            text("static"),
            text("formatted 1"),
            Some(AnyValue::Int(42)),
            Some(AnyValue::Boolean(true)),
            Some(AnyValue::Double(1.5)),
            Some(AnyValue::ListAny(Box::new(vec![
                AnyValue::Int(1),
                AnyValue::Int(2)
            ]))),
            None,
        ]
    );
    assert!(rig.records().iter().all(|r| r.attr("message").is_none()));
}

#[test]
fn every_type_survives() {
    let rig = Rig::default();
    rig.run(|| {
        info!(
            b = true,
            i = -7i64,
            small = 7u8,
            u_fits = i64::MAX as u64,
            u_over = u64::MAX,
            i128_fits = -1i128,
            i128_over = i128::MAX,
            u128_fits = 1u128,
            u128_over = u128::MAX,
            f = 0.25,
            nan = f64::NAN,
            inf = f64::INFINITY,
            neg_inf = f64::NEG_INFINITY,
            s = "text",
            owned = String::from("owned"),
            bytes = &[0u8, 255][..],
            debug = ?Some(1),
            display = %"shown",
            none = None::<i64>,
            some = Some(3i64),
            empty = Empty,
            "typed"
        );
    });
    let record = rig.only();
    let attr = |key| record.attr(key);
    assert_eq!(attr("b"), Some(AnyValue::Boolean(true)));
    assert_eq!(attr("i"), Some(AnyValue::Int(-7)));
    assert_eq!(attr("small"), Some(AnyValue::Int(7)));
    assert_eq!(attr("u_fits"), Some(AnyValue::Int(i64::MAX)));
    assert_eq!(attr("u_over"), text("18446744073709551615"));
    assert_eq!(attr("i128_fits"), Some(AnyValue::Int(-1)));
    assert_eq!(attr("i128_over"), text(&i128::MAX.to_string()));
    assert_eq!(attr("u128_fits"), Some(AnyValue::Int(1)));
    assert_eq!(attr("u128_over"), text(&u128::MAX.to_string()));
    assert_eq!(attr("f"), Some(AnyValue::Double(0.25)));
    assert!(matches!(attr("nan"), Some(AnyValue::Double(v)) if v.is_nan()));
    assert_eq!(attr("inf"), Some(AnyValue::Double(f64::INFINITY)));
    assert_eq!(attr("neg_inf"), Some(AnyValue::Double(f64::NEG_INFINITY)));
    assert_eq!(attr("s"), text("text"));
    assert_eq!(attr("owned"), text("owned"));
    assert_eq!(attr("bytes"), Some(AnyValue::Bytes(Box::new(vec![0, 255]))));
    assert_eq!(attr("debug"), text("Some(1)"));
    assert_eq!(attr("display"), text("shown"));
    assert_eq!(attr("some"), Some(AnyValue::Int(3)));
    assert_eq!(attr("none"), None);
    assert_eq!(attr("empty"), None);
}

#[derive(serde::Serialize)]
struct Order<'a> {
    id: u64,
    lines: Vec<Line<'a>>,
    note: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    sku: &'a str,
    price: f64,
}

#[test]
fn a_nested_value_is_maps_and_lists() {
    let rig = Rig::default();
    let order = Order {
        id: 7,
        lines: vec![Line {
            sku: "tea",
            price: 2.5,
        }],
        note: None,
    };
    rig.run(|| {
        info!(
            order = nested(&order),
            map = nested(&BTreeMap::from([("k", 1)])),
            "nested"
        );
    });
    let Some(AnyValue::Map(map)) = rig.only().attr("order") else {
        panic!("a map")
    };
    assert_eq!(map.get("id"), Some(&AnyValue::Int(7)));
    assert!(!map.contains_key("note"), "None is absent");
    let Some(AnyValue::ListAny(lines)) = map.get("lines") else {
        panic!("a list")
    };
    let AnyValue::Map(line) = &lines[0] else {
        panic!("a map in the list")
    };
    assert_eq!(line.get("sku"), Some(&AnyValue::String("tea".into())));
    assert_eq!(line.get("price"), Some(&AnyValue::Double(2.5)));
    assert_eq!(
        nested(&order).to_string(),
        r#"{"id":7,"lines":[{"sku":"tea","price":2.5}],"note":null}"#,
        "other layers print JSON"
    );
}

#[derive(Debug)]
struct Outer(std::io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot save")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn outer() -> Outer {
    Outer(std::io::Error::other("disk full"))
}

#[test]
fn an_error_fills_the_exception_attributes() {
    let rig = Rig::default();
    let error = outer();
    rig.run(|| error!(error = &error as &dyn Error, "failed"));
    let record = rig.only();
    assert_eq!(
        record.text("exception.message").as_deref(),
        Some("cannot save")
    );
    assert_eq!(record.text("error").as_deref(), Some("cannot save"));
    assert_eq!(
        record.attr("exception.type"),
        None,
        "a dyn Error does not tell its type"
    );
    assert_eq!(
        record.text("exception.stacktrace").as_deref(),
        Some("cannot save\n\nCaused by:\n    0: disk full")
    );
}

#[test]
fn a_known_error_tells_its_type() {
    let rig = Rig::default();
    let error = "x".parse::<u8>().expect_err("no number");
    rig.run(|| error!(error = &error as &dyn Error, "failed"));
    assert_eq!(
        rig.only().text("exception.type").as_deref(),
        Some("core::num::error::ParseIntError")
    );
}

#[test]
fn a_wrapped_error_tells_type_chain_and_backtrace() {
    let rig = Rig::default();
    rig.run(|| {
        error!(error = exception(&outer()), "wrapped");
        error!(
            cause = exception_with_backtrace(&outer(), &"frame one\nframe two"),
            "traced"
        );
    });
    let wrapped = rig.record("wrapped");
    assert_eq!(
        wrapped.text("exception.type").as_deref(),
        Some("records::Outer")
    );
    assert_eq!(
        wrapped.text("exception.message").as_deref(),
        Some("cannot save")
    );
    assert_eq!(wrapped.text("error").as_deref(), Some("cannot save"));
    let trace = wrapped.text("exception.stacktrace").expect("has a chain");
    assert!(trace.starts_with("records::Outer: cannot save\n\nCaused by:\n    0: disk full"));
    let traced = rig.record("traced");
    assert_eq!(traced.text("cause").as_deref(), Some("cannot save"));
    let trace = traced.text("exception.stacktrace").expect("has both");
    assert!(
        trace.ends_with("0: disk full\n\nStack backtrace:\nframe one\nframe two"),
        "{trace}"
    );
}

#[test]
fn the_first_of_two_errors_is_the_exception_and_both_keep_their_fields() {
    let rig = Rig::default();
    let (first, second) = (outer(), std::io::Error::other("second"));
    rig.run(|| {
        error!(
            first = &first as &dyn Error,
            second = &second as &dyn Error,
            "two"
        );
    });
    let record = rig.only();
    assert_eq!(
        record.text("exception.message").as_deref(),
        Some("cannot save")
    );
    assert_eq!(record.text("first").as_deref(), Some("cannot save"));
    assert_eq!(record.text("second").as_deref(), Some("second"));
}

#[tracing::instrument(err, skip_all)]
fn failing() -> Result<(), Outer> {
    Err(outer())
}

#[test]
fn the_error_of_an_instrumented_function_is_an_exception() {
    let rig = Rig::default();
    rig.run(|| drop(failing()));
    let record = rig.only();
    assert_eq!(record.record.body(), None);
    assert_eq!(record.text("error").as_deref(), Some("cannot save"));
    assert_eq!(
        record.text("exception.message").as_deref(),
        Some("cannot save")
    );
    let rig = Rig::default();
    rig.run(|| info!(error = "a text", "with a message it is just a field"));
    assert_eq!(rig.only().attr("exception.message"), None);
}

#[test]
fn an_error_that_is_its_own_source_ends() {
    #[derive(Debug)]
    struct Ring;
    impl fmt::Display for Ring {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("ring")
        }
    }
    impl Error for Ring {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Ring)
        }
    }
    let rig = Rig::default();
    rig.run(|| {
        error!(
            plain = &Ring as &dyn Error,
            wrapped = exception(&Ring),
            "endless"
        );
    });
    assert!(rig.only().text("exception.stacktrace").expect("cut").len() < 10_000);
}

#[test]
fn a_key_stands_once_with_the_innermost_latest_value() {
    let rig = Rig::default();
    rig.run_with(rig.layer().with_span_fields(SpanFields::all()), || {
        let outer = info_span!("outer", a = "outer", b = "outer", c = "outer", d = Empty);
        let _outer = outer.enter();
        let inner = info_span!("inner", a = "inner", b = "inner", late = Empty);
        let _inner = inner.enter();
        inner.record("late", 1);
        inner.record("late", 2);
        outer.record("d", "recorded");
        outer.record("c", "recorded over");
        info!(a = "event", "in both");
    });
    let record = rig.only();
    assert_eq!(record.text("a").as_deref(), Some("event"));
    assert_eq!(record.text("b").as_deref(), Some("inner"));
    assert_eq!(record.text("c").as_deref(), Some("recorded over"));
    assert_eq!(record.text("d").as_deref(), Some("recorded"));
    assert_eq!(record.attr("late"), Some(AnyValue::Int(2)));
}

#[test]
fn a_field_written_twice_in_one_event_keeps_the_later_value() {
    let rig = Rig::default();
    rig.run(|| info!(a = 1, b = 2, a = 3, "twice"));
    assert_eq!(rig.only().attr("a"), Some(AnyValue::Int(3)));
}

#[test]
fn span_fields_are_the_users_choice() {
    let spans = || {
        let span = info_span!(
            "request",
            user_id = 7,
            http.method = "GET",
            http.secret = "x"
        );
        let _entered = span.enter();
        info!("inside");
        info!(parent: &span, "explicit");
        info!(parent: None, "outside");
    };

    let rig = Rig::default();
    rig.run_with(rig.layer().with_source(false), spans);
    assert!(rig.record("inside").keys().is_empty(), "off by default");

    let rig = Rig::default();
    let fields = SpanFields::matching(["user_id", "http.*"], ["*secret"])
        .with_prefix("span.")
        .with_span_name("span.name");
    rig.run_with(
        rig.layer().with_source(false).with_span_fields(fields),
        spans,
    );
    for body in ["inside", "explicit"] {
        assert_eq!(
            rig.record(body).keys(),
            ["span.name", "span.user_id", "span.http.method"]
        );
        assert_eq!(
            rig.record(body).text("span.name").as_deref(),
            Some("request")
        );
        assert_eq!(
            rig.record(body).attr("span.user_id"),
            Some(AnyValue::Int(7))
        );
    }
    assert!(rig.record("outside").keys().is_empty());
}

#[test]
fn the_fields_of_a_span_hidden_from_the_trace_layer_are_available() {
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::filter::LevelFilter;
    use tracing_subscriber::prelude::*;
    let rig = Rig::default();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_otlp_layer::span_layer(rig.tracer()).with_filter(LevelFilter::INFO))
        .with(rig.layer().with_span_fields(SpanFields::all()));
    tracing::subscriber::with_default(subscriber, || {
        let _root = info_span!("root").entered();
        let _hidden = tracing::debug_span!("hidden", detail = "seen").entered();
        info!("inside");
    });
    rig.assert_points("inside", "root");
    assert_eq!(rig.only().text("detail").as_deref(), Some("seen"));
}

#[test]
fn an_error_recorded_on_a_span_stays_the_spans() {
    let rig = Rig::default();
    let error = outer();
    rig.run_with(rig.layer().with_span_fields(SpanFields::all()), || {
        let span = info_span!("span", error = &error as &dyn Error);
        span.in_scope(|| info!("all is well here"));
    });
    let record = rig.only();
    assert_eq!(record.attr("exception.message"), None);
    assert_eq!(record.text("error").as_deref(), Some("cannot save"));
}

#[test]
fn fields_that_steer_the_trace_layer_are_no_log_attributes() {
    let rig = Rig::default();
    rig.run_with(
        rig.layer()
            .with_source(false)
            .with_span_fields(SpanFields::all()),
        || {
            let span = info_span!(
                "span",
                otel.name = "GET /",
                otel.kind = "server",
                otel.status_code = "ok",
                otel.status_description = "x",
                kept = 1
            );
            span.in_scope(|| info!("inside"));
        },
    );
    assert_eq!(rig.only().keys(), ["kept"]);
    assert_eq!(rig.finished()[0].name, "GET /");
}

#[test]
fn the_source_stands_under_its_stable_names() {
    let rig = Rig::default();
    let line = line!() + 2;
    rig.run(|| {
        info!(code.function.name = "records::source", "placed");
    });
    let record = rig.only();
    assert_eq!(record.text("code.file.path").as_deref(), Some(file!()));
    assert_eq!(
        record.attr("code.line.number"),
        Some(AnyValue::Int(line.into()))
    );
    assert_eq!(
        record.text("code.function.name").as_deref(),
        Some("records::source")
    );
    assert_eq!(record.attr("code.module.name"), None, "the target says it");

    let rig = Rig::default();
    rig.run_with(rig.layer().with_source(false).with_thread(true), || {
        info!(target: "other", "elsewhere");
    });
    let record = rig.only();
    assert_eq!(record.keys(), ["thread.id", "thread.name"]);
    assert!(matches!(record.attr("thread.id"), Some(AnyValue::Int(id)) if id > 0));
    assert_eq!(
        record.text("thread.name").as_deref(),
        std::thread::current().name()
    );
}

#[test]
fn a_users_own_log_file_field_is_kept() {
    let rig = Rig::default();
    rig.run(|| info!(log.file = "/var/log/x", log.target = "mine", "kept"));
    assert_eq!(rig.only().text("log.file").as_deref(), Some("/var/log/x"));
    assert_eq!(rig.only().text("log.target").as_deref(), Some("mine"));
}

#[test]
fn two_hundred_fields_stay_within_the_count_and_the_rest_is_counted() {
    // The macros stop at 32 fields; span fields bring the rest.
    let rig = Rig::default();
    let layer = rig.layer().with_span_fields(SpanFields::all());
    let counts = layer.counts();
    rig.run_with(layer, || {
        macro_rules! twenty_five {
            ($name:literal, $($key:literal),*) => {
                info_span!($name, $({ concat!($name, $key) } = 1),*).entered()
            };
        }
        let _guards = [
            twenty_five!(
                "a", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "b", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "c", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "d", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "e", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "f", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "g", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
            twenty_five!(
                "h", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24"
            ),
        ];
        info!(mine = 1, "full");
    });
    let record = rig.only();
    let told = record.attr("otel.dropped_attributes_count");
    assert_eq!(told, Some(AnyValue::Int(203 - 128)));
    assert_eq!(record.keys().len(), 128 + 1);
    assert_eq!(record.keys()[0], "mine", "the event's own come first");
    // 1 own + 2 source + 200 span fields.
    assert_eq!(counts.dropped_attributes(), 203 - 128);
}

#[test]
fn a_key_that_is_turned_away_several_times_is_one_attribute_lost() {
    // Four keys in all, of which the record of one event holds them as they come, the other's not.
    for (limit, lost) in [(1, Some(3)), (2, Some(2)), (3, Some(1)), (4, None)] {
        let rig = Rig::default();
        let layer = rig
            .layer()
            .with_source(false)
            .with_span_fields(SpanFields::all())
            .with_limits(Limits::default().with_attribute_count(limit));
        let counts = layer.counts();
        rig.run_with(layer, || {
            let _outer = info_span!("outer", b = 1, c = 2, d = 5).entered();
            let _inner = info_span!("inner", c = 3, b = 7).entered();
            info!(a = 1, b = 2, "once");
            info!(a = 1, b = 2, b = 3, "twice");
        });
        for body in ["once", "twice"] {
            let told = rig.record(body).attr("otel.dropped_attributes_count");
            assert_eq!(told, lost.map(AnyValue::Int), "{body}, at most {limit}");
        }
        let of_both = lost.unwrap_or(0).unsigned_abs() * 2;
        assert_eq!(counts.dropped_attributes(), of_both);
    }
}

#[test]
fn length_depth_body_and_record_limits_hold_on_request() {
    let rig = Rig::default();
    let limits = Limits::default()
        .with_value_length(10)
        .with_body_length(4)
        .with_depth(1);
    rig.run_with(rig.layer().with_source(false).with_limits(limits), || {
        let long = "é".repeat(1 << 19);
        info!(
            long = long.as_str(),
            debug = ?long,
            bytes = long.as_bytes(),
            deep = nested(&[[1, 2]]),
            "{long}"
        );
    });
    let record = &rig.records()[0];
    assert_eq!(record.body_text(), Some("éééé"));
    assert_eq!(record.text("long").as_deref(), Some("éééééééééé"));
    assert_eq!(record.text("debug").as_deref(), Some("\"ééééééééé"));
    assert!(matches!(record.attr("bytes"), Some(AnyValue::Bytes(b)) if b.len() == 10));
    assert_eq!(
        record.attr("deep"),
        Some(AnyValue::ListAny(Box::new(vec![AnyValue::String(
            "[1,2]".into()
        )])))
    );

    let rig = Rig::default();
    let layer = rig
        .layer()
        .with_source(false)
        .with_limits(Limits::default().with_record_bytes(100));
    let counts = layer.counts();
    rig.run_with(layer, || {
        info!(a = "x".repeat(50), b = "y".repeat(50), "body");
    });
    assert_eq!(rig.only().keys(), ["a", "otel.dropped_attributes_count"]);
    assert_eq!(counts.dropped_attributes(), 1);
}

#[derive(serde::Serialize)]
struct Deep {
    next: Option<Box<Deep>>,
}

#[test]
fn a_deep_value_keeps_as_many_levels_as_every_receiver_takes() {
    let rig = Rig::default();
    let mut deep = Deep { next: None };
    for _ in 0..50 {
        deep = Deep {
            next: Some(Box::new(deep)),
        };
    }
    let limits = Limits::default().with_depth(usize::MAX);
    rig.run_with(rig.layer().with_limits(limits), || {
        info!(deep = nested(&deep), "deep");
    });
    let mut value = rig.only().attr("deep").expect("there");
    let mut levels = 0;
    while let AnyValue::Map(map) = value {
        value = map.get("next").expect("one more").clone();
        levels += 1;
    }
    assert_eq!(levels, 20);
    assert!(matches!(value, AnyValue::String(json) if json.as_str().starts_with("{\"next\":{")));
}

#[test]
fn a_mebibyte_goes_through_whole_by_default() {
    let rig = Rig::default();
    let long = "x".repeat(1 << 20);
    rig.run(|| info!(long = long.as_str(), "long"));
    assert_eq!(rig.only().text("long").map(|s| s.len()), Some(1 << 20));
}

#[test]
fn a_text_that_has_always_been_the_same_is_written_as_it_is_when_it_changes() {
    let rig = Rig::default();
    let says = |kind: &str| info!(kind, number = %kind.len(), "{kind}");
    let said: Vec<&str> = [["same"; 10], ["other"; 10], ["same"; 10]].concat();
    rig.run(|| said.iter().for_each(|kind| says(kind)));
    let found: Vec<_> = rig
        .records()
        .iter()
        .map(|record| (record.text("kind"), record.body_text().map(str::to_owned)))
        .collect();
    let expected: Vec<_> = said
        .iter()
        .map(|kind| (Some((*kind).to_owned()), Some((*kind).to_owned())))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn many_spans_open_at_once_are_told_apart() {
    let rig = Rig::default();
    let layer = rig.layer().with_span_fields(SpanFields::all());
    rig.run_with(layer, || {
        let spans: Vec<_> = (0..2000).map(|number| info_span!("span", number)).collect();
        for span in spans.iter().step_by(7) {
            info!(parent: span, "in one of many");
        }
        drop(spans);
        let _again = info_span!("again").entered();
        info!("in a new one");
    });
    let mut records = rig.records();
    let last = records.pop();
    assert!(last.is_some_and(|record| record.attr("number").is_none()));
    for (record, number) in records.iter().zip((0..2000).step_by(7)) {
        assert_eq!(record.attr("number"), Some(AnyValue::Int(number)));
    }
}

//! What a record holds: the second table of `docs/mapping.md`, as an application.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde::Serialize;
use tracing::field::Empty;
use tracing::{debug, error, info, info_span, trace, warn};
use tracing_otlp::{exception, nested};

pub(super) fn log() {
    severities();
    names_and_scopes();
    bodies();
    values();
    errors();
    keys();
    limits();
    log_crate();
}

fn severities() {
    trace!(case = "trace", "m");
    debug!(case = "debug", "m");
    info!(case = "info", "m");
    warn!(case = "warn", "m");
    error!(case = "error", "m");
    error!(case = "fatal", otel.severity_number = 21, "m");
    info!(case = "no such severity", otel.severity_number = 25, "m");
    info!(target: "audit", { case = "severity by rule" }, "m");
}

fn names_and_scopes() {
    info!(name: "order.paid", { case = "named" }, "paid");
    info!(
        case = "named by field",
        otel.event.name = "order.sent",
        "sent"
    );
    info!(target: "shop::cart", { case = "scope" }, "in the cart");
    info!(target: "shopping", { case = "other scope" }, "not the shop");
}

fn bodies() {
    info!(case = "formatted body", "{} of {}", 1, 2);
    info!(case = "integer body", message = -42);
    info!(case = "true body", message = true);
    info!(case = "float body", message = 1.5);
    info!(case = "nan body", message = f64::NAN);
    info!(case = "bytes body", message = &[0u8, 255][..]);
    info!(case = "nested body", message = nested(&order()));
    info!(case = "no body");
}

fn values() {
    info!(
        case = "integers",
        small = 7u8,
        negative = -7i64,
        lowest = i64::MIN,
        highest = i64::MAX,
        unsigned_fits = i64::MAX as u64,
        unsigned_beyond = u64::MAX,
        i128_fits = -1i128,
        i128_beyond = i128::MIN,
        u128_fits = 1u128,
        u128_beyond = u128::MAX,
        "integers"
    );
    info!(
        case = "floats",
        whole = 2.0,
        fraction = 0.1,
        highest = f64::MAX,
        tiniest = 5e-324,
        negative_zero = -0.0,
        nan = f64::NAN,
        infinite = f64::INFINITY,
        negative_infinite = f64::NEG_INFINITY,
        "floats"
    );
    info!(
        case = "texts",
        yes = true,
        no = false,
        text = TEXT,
        nothing = "",
        owned = String::from("owned"),
        digits = "42",
        debug = ?Some(1),
        display = %"shown",
        bytes = &[0u8, 1, 254, 255][..],
        no_bytes = &[0u8; 0][..],
        none = None::<i64>,
        some = Some(3i64),
        empty = Empty,
        "texts"
    );
    info!(
        case = "nested",
        order = nested(&order()),
        list = nested(&(1, "two", [3.5])),
        empty_map = nested(&BTreeMap::<String, u8>::new()),
        empty_list = nested(&[0u8; 0]),
        scalar = nested(&7),
        "nested"
    );
    info!(
        case = "source by the caller",
        code.function.name = "checkout",
        code.line.number = 1,
        "m"
    );
    info!(
        case = "fields of the log crate's names",
        log.file = "/var/log/x",
        log.target = "mine",
        "m"
    );
}

fn errors() {
    let (save, other) = (save_error(), std::io::Error::other("second"));
    error!(case = "plain error", error = &save as &dyn Error, "m");
    error!(case = "wrapped error", error = exception(&save), "m");
    error!(case = "known error", error = &other as &dyn Error, "m");
    error!(
        case = "two errors",
        first = exception(&save),
        second = &other as &dyn Error,
        "m"
    );
    let span = info_span!("failed span", failure = &save as &dyn Error);
    span.in_scope(|| info!(case = "error on the span", "all is well"));
}

fn keys() {
    info!(case = "twice in the event", a = 1, b = 2, a = 3, "m");
    let outer = info_span!(
        "outer",
        otel.name = "GET /orders",
        otel.kind = "server",
        shared.everywhere = "outer",
        shared.spans = "outer",
        shared.late = Empty,
        user.id = 7,
        user.secret = "hunter2",
        beside = "not selected",
    );
    let _outer = outer.enter();
    let _inner = info_span!(
        "inner",
        shared.everywhere = "inner",
        shared.spans = "inner",
        user.score = 0.5,
        user.new = true,
    )
    .entered();
    outer.record("shared.late", "outer");
    // On a span of its own that nobody exports: on an exported one, the trace layer and the SDK
    // keep both values.
    let twice = info_span!(target: "hidden", "twice", shared.over = "made", shared.late = Empty);
    let _twice = twice.enter();
    twice.record("shared.over", "recorded");
    twice.record("shared.late", 1);
    twice.record("shared.late", 2);
    info!(case = "span fields", shared.everywhere = "event", "m");
    info!(parent: &outer, { case = "span fields of the parent" }, "m");
    info!(parent: None, { case = "span fields of no span" }, "m");
}

fn limits() {
    info!(
        case = "attribute count",
        f01 = 1,
        f02 = 2,
        f03 = 3,
        f04 = 4,
        f05 = 5,
        f06 = 6,
        f07 = 7,
        f08 = 8,
        f09 = 9,
        f10 = 10,
        f11 = 11,
        f12 = 12,
        f13 = 13,
        f14 = 14,
        f15 = 15,
        f16 = 16,
        f17 = 17,
        f18 = 18,
        f19 = 19,
        f20 = 20,
        f21 = 21,
        f22 = 22,
        f23 = 23,
        f24 = 24,
        f25 = 25,
        f26 = 26,
        f27 = 27,
        f28 = 28,
        f29 = 29,
        f30 = 30,
        "m"
    );
    // Two bytes a character, so that the two are told apart.
    let long = format!("x{}", "é".repeat(1_000));
    info!(
        case = "lengths",
        text = long.as_str(),
        debug = ?long,
        bytes = long.as_bytes(),
        map = nested(&BTreeMap::from([("text", &long)])),
        "{long}"
    );
    info!(case = "depth", deep = nested(&[[[[1, 2]]]]), "m");
}

fn log_crate() {
    log::info!(
        target: "legacy::db",
        case = "log crate", rows = 3, share = 0.5, cached = true;
        "queried {}", "all"
    );
    log::warn!(case = "log crate without target"; "m");
    let long = "é".repeat(1_000);
    log::info!(case = "log crate lengths", text = long.as_str(); "{long}");
}

/// A text that every encoding has to escape somewhere.
pub(super) const TEXT: &str = "ünï \u{1f600} \"quoted\" \\ / <&> \u{0}\u{7f}\u{2028}\r\n\t end";

#[derive(Serialize)]
struct Order<'a> {
    id: u64,
    beyond: u64,
    paid: bool,
    lines: Vec<Line<'a>>,
    note: Option<&'a str>,
    status: Status<'a>,
    ratios: [f64; 3],
}

#[derive(Serialize)]
struct Line<'a> {
    sku: &'a str,
    price: f64,
}

#[derive(Serialize)]
enum Status<'a> {
    Sent { by: &'a str },
}

fn order() -> Order<'static> {
    Order {
        id: 7,
        beyond: u64::MAX,
        paid: true,
        lines: vec![Line {
            sku: "tea",
            price: 2.5,
        }],
        note: None,
        status: Status::Sent { by: "post" },
        ratios: [f64::NAN, f64::INFINITY, f64::NEG_INFINITY],
    }
}

#[derive(Debug)]
pub(super) struct SaveError(std::io::Error);

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot save")
    }
}

impl Error for SaveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn save_error() -> SaveError {
    SaveError(std::io::Error::other("disk full"))
}

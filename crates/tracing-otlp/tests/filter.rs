//! Span fields whose own code misbehaves while `EnvFilter` looks at them under its lock. The
//! subscriber is the process's, so this file is a process of its own.

use std::fmt;

use tracing::{info, info_span};
use tracing_otlp::{Console, Telemetry};

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("expected by the test")
    }
}

/// Opens a span of a new call site, for which the filter takes its lock to write.
struct OpensSpan;

impl fmt::Debug for OpensSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info_span!("work", x = "inner").in_scope(|| info!("from inside"));
        f.write_str("abc")
    }
}

#[test]
fn a_filter_on_span_fields_neither_hangs_nor_lets_panics_through() {
    let telemetry = Telemetry::builder()
        .with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .with_filter("info,[work{x=abc}]=debug")
        .with_console(Console::Off)
        .with_panic_records(false)
        .init()
        .expect("the only subscriber");
    let span = info_span!("work", x = ?OpensSpan);
    span.in_scope(|| {
        // The directive is about spans with that very field, and it still works.
        assert!(tracing::enabled!(tracing::Level::DEBUG));
    });
    let span = info_span!("work", x = ?Panics);
    span.in_scope(|| assert!(!tracing::enabled!(tracing::Level::DEBUG)));
    span.record("x", tracing::field::debug(Panics));
    drop(span);
    drop(telemetry);
}

//! The few lines this library says to people, on stderr.

use std::io::Write as _;

/// Writes one line to stderr. A closed or full stderr is nobody's problem but the line's.
pub(crate) fn say(line: &dyn std::fmt::Display) {
    let line = format!("tracing-otlp: {line}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

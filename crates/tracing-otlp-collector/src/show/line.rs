//! Writes one span or one record on one line.
//!
//! `tree` puts the branches in front of it.

use std::fmt::Write as _;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::value::{attribute, body, one_line};
use crate::{StoredLog, StoredSpan};

/// `GET /orders [server] 12.50ms error: connection reset`
pub(super) fn span(span: &StoredSpan) -> String {
    let mut line = one_line(span.name(), NAME_CHARS);
    let kind = match span.kind() {
        SpanKind::Unspecified | SpanKind::Internal => "",
        SpanKind::Server => " [server]",
        SpanKind::Client => " [client]",
        SpanKind::Producer => " [producer]",
        SpanKind::Consumer => " [consumer]",
    };
    line.push_str(kind);
    line.push_str(" · ");
    line.push_str(&duration(span.duration()));
    match span.status_code() {
        StatusCode::Unset => {}
        StatusCode::Ok => line.push_str(" · ok"),
        StatusCode::Error => {
            line.push_str(" · error");
            if !span.status_message().is_empty() {
                line.push_str(": ");
                line.push_str(&one_line(span.status_message(), NAME_CHARS));
            }
        }
    }
    line
}

/// `INFO  order placed  order.id=42 user=ada`
pub(super) fn log(log: &StoredLog) -> String {
    let mut line = format!("{:<5} {}", severity(log), body(log));
    for (nth, attribute_) in log.attributes().iter().enumerate() {
        line.push_str(if nth == 0 { "  " } else { " " });
        if nth == MAX_ATTRIBUTES {
            // Writing to a String cannot fail.
            let _ = write!(line, "(+{} more)", log.attributes().len() - nth);
            break;
        }
        let value = attribute_
            .value
            .as_ref()
            .and_then(|value| value.value.as_ref());
        line.push_str(&one_line(&attribute_.key, NAME_CHARS));
        line.push('=');
        line.push_str(&attribute(value));
    }
    line
}

fn severity(log: &StoredLog) -> String {
    if log.severity_text().is_empty() {
        let name = match log.severity_number() {
            1..=4 => "TRACE",
            5..=8 => "DEBUG",
            9..=12 => "INFO",
            13..=16 => "WARN",
            17..=20 => "ERROR",
            21..=24 => "FATAL",
            _ => "-",
        };
        return name.to_owned();
    }
    one_line(log.severity_text(), SEVERITY_CHARS)
}

/// Three or four digits and the unit that suits them.
fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{:.1}µs", duration.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1}ms", duration.as_secs_f64() * 1e3),
        _ => format!("{:.2}s", duration.as_secs_f64()),
    }
}

const NAME_CHARS: usize = 80;
const SEVERITY_CHARS: usize = 12;
const MAX_ATTRIBUTES: usize = 8;

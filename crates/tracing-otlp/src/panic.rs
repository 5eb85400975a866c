//! A panic becomes a FATAL record with `exception.*` and the ids of the span it happened in.
//!
//! The record goes straight to the logger: no filter of `tracing` may lose it, and the code that
//! panicked may be in the middle of an event.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::{Status, TraceContextExt as _};
use tracing_otlp_layer::{current_ids, is_formatting, is_suppressed, thread_is_ending};

use crate::telemetry::Inner;

/// How long a process that aborts on panic waits for its last record to leave.
const ABORT_FLUSH: Duration = Duration::from_secs(2);

/// Adds our hook before the one that is there.
pub(crate) fn install(telemetry: Weak<Inner>) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // A panic inside the formatting of a field is caught: the application goes on.
        if !is_formatting() {
            if let Some(telemetry) = telemetry.upgrade() {
                record(&telemetry, info);
                if cfg!(panic = "abort") {
                    // No guard is dropped on this way out.
                    let _ = telemetry.flush(ABORT_FLUSH);
                }
            }
        }
        previous(info);
    }));
}

fn record(telemetry: &Inner, info: &PanicHookInfo<'_>) {
    if thread_is_ending() || is_suppressed() {
        return;
    }
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "Box<dyn Any>".to_owned());
    let time = SystemTime::now();
    let logger = telemetry.logs.logger("panic");
    let mut record = logger.create_log_record();
    record.set_timestamp(time);
    record.set_observed_timestamp(time);
    record.set_severity_number(Severity::Fatal);
    record.set_severity_text(Severity::Fatal.name());
    record.set_body(AnyValue::String(message.clone().into()));
    record.add_attribute("exception.type", "panic");
    record.add_attribute("exception.message", message.clone());
    let backtrace = Backtrace::capture();
    let place = info
        .location()
        .map_or_else(String::new, |place| format!(" at {place}"));
    let trace = if backtrace.status() == BacktraceStatus::Captured {
        format!("panicked{place}: {message}\n{backtrace}")
    } else {
        format!("panicked{place}: {message}")
    };
    record.add_attribute("exception.stacktrace", trace);
    if let Some(place) = info.location() {
        record.add_attribute("code.file.path", place.file().to_owned());
        record.add_attribute("code.line.number", i64::from(place.line()));
    }
    if let Some(name) = std::thread::current().name() {
        record.add_attribute("thread.name", name.to_owned());
    }
    if let Some(ids) = current_ids().filter(tracing_otlp_layer::SpanIds::is_sampled) {
        let flags = Some(opentelemetry::trace::TraceFlags::SAMPLED);
        record.set_trace_context(ids.trace_id(), ids.span_id(), flags);
        Context::map_current(|cx| cx.span().set_status(Status::error(message)));
        logger.emit(record);
    } else {
        // The SDK would fill in the ids of an unsampled span, which nobody ever sees.
        let _cleared = Context::new().attach();
        logger.emit(record);
    }
}

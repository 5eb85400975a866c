//! How do I take a trace in from HTTP headers, and pass it on?
//!
//! Both sides use the process's propagator, which [`init`](crate::init) sets from
//! `OTEL_PROPAGATORS` (default: W3C Trace Context and Baggage). Within the process a trace goes
//! along with the `tracing` span: `.instrument(span)` for futures and spawned tasks,
//! `span.in_scope` for threads.
//!
//! ```
//! use tracing_otlp::propagation;
//! use tracing_otlp::tracing_opentelemetry::OpenTelemetrySpanExt as _;
//!
//! # let incoming = http::HeaderMap::new();
//! // A server: before the span is entered, or the parent comes too late.
//! let span = tracing::info_span!("handle request");
//! let _ = span.set_parent(propagation::extract(&incoming));
//!
//! // A client.
//! let mut outgoing = http::HeaderMap::new();
//! propagation::inject(&mut outgoing);
//! ```

use http::HeaderMap;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::{Context, global};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use crate::environment::Environment;
use crate::error::Error;

/// The context that a request's headers carry; empty where they carry none.
pub fn extract(headers: &HeaderMap) -> Context {
    // From an empty context: another request's span on this thread must not become the parent.
    global::get_text_map_propagator(|propagator| {
        propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers))
    })
}

/// Writes the current context into a request's headers.
pub fn inject(headers: &mut HeaderMap) {
    let context = Context::current();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeaderInjector(headers));
    });
}

/// The propagators of `OTEL_PROPAGATORS`.
pub(crate) fn from_environment(
    environment: &Environment,
) -> Result<TextMapCompositePropagator, Error> {
    const NAME: &str = "OTEL_PROPAGATORS";
    let text = environment
        .text(NAME)?
        .unwrap_or_else(|| "tracecontext,baggage".to_owned());
    let mut propagators: Vec<Box<dyn opentelemetry::propagation::TextMapPropagator + Send + Sync>> =
        Vec::new();
    let mut names: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|n| !n.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        match *name {
            "tracecontext" => propagators.push(Box::new(TraceContextPropagator::new())),
            "baggage" => propagators.push(Box::new(BaggagePropagator::new())),
            "none" if names.len() == 1 => {}
            _ => {
                return Err(Error::variable(
                    NAME,
                    &text,
                    format_args!(
                        "{name:?} is not supported; expected tracecontext, baggage, or none alone"
                    ),
                ));
            }
        }
    }
    Ok(TextMapCompositePropagator::new(propagators))
}

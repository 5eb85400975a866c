//! Traces come in and go out through HTTP headers. The propagator is the process's, so this file
//! is a process of its own.

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt as _;
use opentelemetry::trace::TraceContextExt as _;
use tracing::info_span;
use tracing_otlp::tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_otlp::{Console, Telemetry, current_ids, propagation};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_trace_comes_in_and_goes_out_through_headers() {
    let telemetry = Telemetry::builder()
        .with_environment(|name| (name == "OTEL_LOGS_EXPORTER").then(|| "none".to_owned()))
        .with_console(Console::Off)
        // Nothing listens here, and nothing has to: it is the headers that matter.
        .with_endpoint("http://127.0.0.1:9")
        .on_notice(|_| {})
        .with_delivery(
            tracing_otlp::DeliverySettings::default()
                .with_shutdown_deadline(std::time::Duration::from_millis(500)),
        )
        .init()
        .expect("the only subscriber");

    let mut incoming = http::HeaderMap::new();
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    incoming.insert("traceparent", traceparent.parse().expect("ascii"));
    incoming.insert("baggage", "tenant=blue".parse().expect("ascii"));

    let span = info_span!("server");
    span.set_parent(propagation::extract(&incoming))
        .expect("not started yet");
    let on_other_thread = span.clone();
    std::thread::spawn(move || {
        on_other_thread.in_scope(|| {
            let ids = current_ids().expect("in a span");
            assert_eq!(ids.trace_id().to_string(), TRACE);

            let client = info_span!("client").entered();
            let mut outgoing = http::HeaderMap::new();
            propagation::inject(&mut outgoing);
            let span_id = current_ids().expect("in a span").span_id();
            assert_eq!(outgoing["traceparent"], format!("00-{TRACE}-{span_id}-01"));
            assert_eq!(outgoing["baggage"], "tenant=blue");
            drop(client);
        });
    })
    .join()
    .expect("no panic");

    let empty = propagation::extract(&http::HeaderMap::new());
    assert!(!empty.span().span_context().is_valid());
    assert!(empty.baggage().is_empty());

    // What is current on this thread does not leak into another request's context.
    span.in_scope(|| {
        let empty = propagation::extract(&http::HeaderMap::new());
        assert!(!empty.span().span_context().is_valid());
        assert!(Context::current().span().span_context().is_valid());
    });
    drop(span);
    drop(telemetry);
}

//! Where spans are not exported, a caller's trace passes through and nothing points at a span that
//! nobody has. The propagator is the process's, so this file is a process of its own.

use opentelemetry::trace::TraceContextExt as _;
use tracing::info_span;
use tracing_otlp::tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_otlp::{Telemetry, current_ids, propagation};
use tracing_subscriber::prelude::*;

#[test]
fn without_exported_spans_the_callers_context_is_passed_on_unchanged() {
    let telemetry = Telemetry::builder()
        .with_environment(|name| (name == "OTEL_SDK_DISABLED").then(|| "true".to_owned()))
        .build()
        .expect("nothing to go wrong");
    telemetry.install_globals();
    telemetry.install_globals();
    let subscriber = tracing_subscriber::registry().with(telemetry.span_layer());
    tracing::subscriber::with_default(subscriber, || {
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut incoming = http::HeaderMap::new();
        incoming.insert("traceparent", traceparent.parse().expect("ascii"));
        let span = info_span!("server");
        span.set_parent(propagation::extract(&incoming))
            .expect("not started");
        span.in_scope(|| {
            info_span!("client").in_scope(|| {
                let mut outgoing = http::HeaderMap::new();
                propagation::inject(&mut outgoing);
                assert_eq!(outgoing["traceparent"], traceparent);
            });
        });
        info_span!("alone").in_scope(|| {
            assert!(current_ids().is_none());
            let context = tracing::Span::current().context();
            assert!(!context.span().span_context().is_valid());
        });
    });
}

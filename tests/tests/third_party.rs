//! The quickstart as a user runs it, pointed by environment at somebody else's agent.

#![cfg(unix)]

use tracing_otlp_tests::peers::Rotel;
use tracing_otlp_tests::quickstart;

#[test]
fn over_http_protobuf_everything_arrives_at_a_foreign_agent() {
    let Some(rotel) = Rotel::start() else { return };
    // gzip, by default.
    arrives(&rotel, &rotel.http_endpoint(), &[]);
}

#[test]
fn over_grpc_everything_arrives_at_a_foreign_agent() {
    let Some(rotel) = Rotel::start() else { return };
    arrives(
        &rotel,
        &rotel.grpc_endpoint(),
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
    );
}

#[test]
fn over_http_json_everything_arrives_at_a_foreign_agent() {
    let Some(rotel) = Rotel::start() else { return };
    arrives(
        &rotel,
        &rotel.http_endpoint(),
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
    );
}

fn arrives(rotel: &Rotel, endpoint: &str, variables: &[(&str, &str)]) {
    let printed = quickstart::run(endpoint, variables);
    quickstart::check(&printed, &rotel.logs(), &rotel.spans());
}

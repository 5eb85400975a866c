//! What changes for Logfire: the endpoint of the token's region, and the raw write token in
//! `Authorization`, with no "Bearer" before it.
//!
//! ```text
//! LOGFIRE_TOKEN=pylf_v1_… cargo run --example logfire
//! ```
//!
//! The same by environment alone:
//! `OTEL_EXPORTER_OTLP_ENDPOINT=https://logfire-us.pydantic.dev` and
//! `OTEL_EXPORTER_OTLP_HEADERS=Authorization=<token>`. Without a token, the program sends to a
//! collector of its own and shows what Logfire would have got.
//!
//! With a spool a third thing changes: Logfire refuses records that are older than 24 hours, so
//! what waits on disk must leave earlier. `SpoolSettings::logfire` keeps it for 23 hours; by
//! environment alone that is `TRACING_OTLP_SPOOL_MAX_AGE=23h`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;

use tracing::{info, info_span};
use tracing_otlp::{Protocol, SpoolSettings, Telemetry};
use tracing_otlp_collector::Collector;

fn main() -> Result<(), Box<dyn Error>> {
    let token = std::env::var("LOGFIRE_TOKEN")
        .ok()
        .filter(|token| !token.is_empty());
    let collector = match token {
        Some(_) => None,
        None => Some(Collector::builder().keep_requests(true).start()?),
    };
    let token = token.unwrap_or_else(|| "pylf_v1_us_example".to_owned());
    let endpoint = match &collector {
        Some(collector) => collector.endpoint(),
        None => endpoint(&token)?.to_owned(),
    };

    let mut builder = Telemetry::builder()
        .with_service_name("logfire-example")
        .with_protocol(Protocol::HttpProtobuf) // Logfire takes OTLP over HTTP only.
        .with_endpoint(endpoint)
        .with_header("Authorization", token);
    // With the age that Logfire wants, which the variable alone would not give.
    if let Some(directory) = std::env::var_os("TRACING_OTLP_SPOOL_DIRECTORY") {
        if !directory.is_empty() {
            builder = builder.with_spool(SpoolSettings::logfire(directory));
        }
    }
    let telemetry = builder.init()?;
    info_span!("greet").in_scope(|| info!(who = "Logfire", "hello"));
    let report = telemetry.shutdown();
    println!("{report}");

    for request in collector.iter().flat_map(Collector::requests) {
        println!(
            "{}: {} bytes, authorization: {}",
            request.signal(),
            request.wire_size(),
            request.header("authorization").unwrap_or("none"),
        );
    }
    if report.lost() > 0 {
        return Err("Logfire did not take everything: see the notices above".into());
    }
    Ok(())
}

/// Tokens read `pylf_v1_<region>_…`; older ones have no region and belong to the US.
fn endpoint(token: &str) -> Result<&'static str, String> {
    match token
        .strip_prefix("pylf_v1_")
        .and_then(|rest| rest.split('_').next())
    {
        Some("us") | None => Ok("https://logfire-us.pydantic.dev"),
        Some("eu") => Ok("https://logfire-eu.pydantic.dev"),
        Some(region) => Err(format!(
            "unknown Logfire region {region:?}: set the endpoint by hand"
        )),
    }
}

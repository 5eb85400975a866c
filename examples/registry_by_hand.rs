//! The parts put together by hand, beside `fmt` and `EnvFilter`.
//!
//! ```text
//! RUST_LOG=debug cargo run --example registry_by_hand
//! ```
//!
//! Two things to know: the span layer goes in before the log layer, and each layer may have a
//! filter of its own. A span that a filter hides from the span layer is not exported; records
//! inside it point at its nearest exported ancestor.

use std::error::Error;

use tracing::level_filters::LevelFilter;
use tracing::{debug, info, info_span};
use tracing_otlp::{SpanFields, Telemetry};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = Telemetry::builder()
        .with_service_name("by-hand")
        .with_log_layer(|layer| layer.with_span_fields(SpanFields::matching(["user_id"], [""; 0])))
        .build()?;

    let subscriber = tracing_subscriber::registry()
        .with(telemetry.span_layer().with_filter(LevelFilter::INFO))
        .with(telemetry.log_layer().with_filter(LevelFilter::DEBUG))
        .with(
            fmt::layer()
                .with_writer(std::io::stderr)
                .with_filter(EnvFilter::from_default_env()),
        );
    tracing::subscriber::set_global_default(subscriber)?;
    // The propagator, the `log` crate's records, and panics as records.
    telemetry.install_globals();

    let span = info_span!("greet", user_id = 7);
    span.in_scope(|| {
        info!("hello");
        debug!("its record has user_id too");
    });
    drop(span);

    // Without a guard, the end is said by hand.
    let report = telemetry.shutdown();
    if report.lost() > 0 {
        return Err(format!("telemetry was lost: {report}").into());
    }
    Ok(())
}

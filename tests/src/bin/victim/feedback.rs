//! One application event, and then silence.

use std::time::Duration;

use tracing::{info, info_span};
use tracing_otlp::Telemetry;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::{Outcome, say_report};

pub(crate) fn run(how: &str) -> Outcome {
    if how == "witnessed" {
        return witnessed();
    }
    let guard = tracing_otlp::init()?;
    send(guard.telemetry(), how)?;
    say_report(&guard.telemetry().flush(PATIENCE));
    drop(guard);
    Ok(())
}

/// By hand, beside a layer that prints whatever anybody says, on any thread.
fn witnessed() -> Outcome {
    let telemetry = Telemetry::builder().build()?;
    tracing_subscriber::registry()
        .with(telemetry.span_layer())
        .with(telemetry.log_layer())
        .with(fmt::layer().with_ansi(false).with_writer(std::io::stderr))
        .init();
    send(&telemetry, "event-in-span")
}

const PATIENCE: Duration = Duration::from_secs(20);

fn send(telemetry: &Telemetry, how: &str) -> Outcome {
    match how {
        "event" => info!("the one event"),
        "event-in-span" => info_span!("the one span").in_scope(|| info!("the one event")),
        "log-record" => log::info!("the one event"),
        // Nothing is known of targets: an application may use these crates itself.
        "event-like-hyper" => info!(target: "hyper_util::client", "the one event"),
        _ => return Err(format!("{how}?").into()),
    }
    // What one request makes its client log would be the next flush's request.
    for _ in 0..20 {
        say_report(&telemetry.flush(PATIENCE));
    }
    // The clients' own end is silent too.
    say_report(&telemetry.shutdown());
    Ok(())
}

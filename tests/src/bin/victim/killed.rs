//! A service that is killed: it says what its reports called spooled, and nothing that they did not.

use std::time::Duration;

use serde_json::json;
use tracing::info;
use tracing_otlp::{BreakerSettings, DeliverySettings, Telemetry};

use super::{Outcome, say};

fn telemetry() -> Result<tracing_otlp::Guard, tracing_otlp::Error> {
    Telemetry::builder()
        .with_delivery(DeliverySettings::default().with_breaker(BreakerSettings::disabled()))
        .init()
}

/// Logs from this number on, a few records a request, until it is killed.
pub(super) fn spools(from: u64) -> Outcome {
    let telemetry = telemetry()?;
    let before = telemetry.telemetry().counts().logs().recovered();
    say(&json!({ "recovered": before }));
    let mut number = from;
    loop {
        let numbers = number..number + 3;
        for number in numbers.clone() {
            info!("record {number}");
        }
        number = numbers.end;
        let report = telemetry.flush(Duration::from_secs(60));
        if report.is_settled() && report.spooled() == before + number - from {
            say(&json!({ "spooled": numbers.collect::<Vec<_>>() }));
        }
    }
}

/// Logs nothing, and has what is on disk delivered; until it is killed, or nothing is left.
pub(super) fn drains() -> Outcome {
    let telemetry = telemetry()?;
    let counts = || *telemetry.telemetry().counts().logs();
    say(&json!({ "recovered": counts().recovered() }));
    while counts().spooled() + counts().pending() > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let report = telemetry.shutdown();
    let logs = report.logs();
    say(&json!({ "delivered": logs.delivered(), "lost": logs.lost() }));
    Ok(())
}

//! A real collector beside the program: owned by it, or gone for a while.

use std::time::Duration;

use serde_json::json;
use tracing::{info, info_span};
use tracing_otlp::{DeliverySettings, SpoolSettings, Telemetry};
use tracing_otlp_collector::{Collector, CollectorProcess};

use crate::{Outcome, say, say_report};

/// Owns a collector, says who it is, and waits to be killed.
pub(crate) fn owns_a_collector(program: &str) -> Outcome {
    let collector = CollectorProcess::builder()
        .with_binary(program)
        .with_grace(Duration::from_secs(1))
        .spawn()?;
    say(&json!({
        "pid": collector.pid(),
        "http": collector.http_address().to_string(),
    }));
    loop {
        std::thread::park();
    }
}

/// The one-line form: the collector that `PATH` has, and a line of logs through it.
pub(crate) fn owns_the_collector_of_its_path() -> Outcome {
    let collector = Collector::spawn()?;
    let telemetry = Telemetry::builder()
        .with_endpoint(collector.http_endpoint())
        .init()?;
    info!("through a collector of our own");
    say_report(&telemetry.shutdown());
    collector.shutdown()?;
    say(&json!({ "output": collector.output() }));
    Ok(())
}

/// Owns a collector and returns from main without a word to it.
pub(crate) fn leaves_a_collector(program: &str) -> Outcome {
    let collector = CollectorProcess::builder().with_binary(program).spawn()?;
    say(&json!({ "pid": collector.pid() }));
    std::mem::forget(collector);
    Ok(())
}

/// Works while its collector is away, with or without a spool, waits for so many deliveries, and
/// says how it went.
pub(crate) fn outlives_its_collector(
    records: u32,
    deliveries: u64,
    spool: Option<&str>,
) -> Outcome {
    let mut delivery = DeliverySettings::default();
    if let Some(folder) = spool {
        delivery = delivery.with_spool(SpoolSettings::new(folder));
    }
    let telemetry = Telemetry::builder().with_delivery(delivery).init()?;
    info_span!("work").in_scope(|| {
        for number in 0..records {
            info!(number, "kept");
        }
    });
    // The test's own patience ends it, if need be.
    while telemetry.telemetry().counts().logs().delivered() < deliveries {
        std::thread::sleep(Duration::from_millis(10));
    }
    say_report(&telemetry.shutdown());
    Ok(())
}

//! The whole way with this project's defaults.

use std::num::NonZeroUsize;
use std::time::Duration;

use bench_scene::load::{Order, perform};
use tracing_otlp::{Compression, Console, Telemetry};
use tracing_otlp_pipeline::{AdmissionSettings, DeliverySettings};

fn main() {
    let order = Order::from_arguments();
    let compression: Compression = order.compression.parse().expect("a compression");
    let mut builder = Telemetry::builder();
    let mut endpoint = order.endpoint.as_str();
    if endpoint == "null" {
        // The delivery queue takes nothing: each request is thrown away when it is finished.
        endpoint = "http://127.0.0.1:9";
        builder = builder
            .with_delivery(DeliverySettings::default().with_max_queued_bytes(NonZeroUsize::MIN))
            .with_admission(AdmissionSettings::default().with_loss_summary(None));
    }
    let guard = builder
        .with_environment(|_| None)
        .with_service_name("bench")
        .with_endpoint(endpoint)
        .with_compression(compression)
        .with_console(Console::Off)
        .with_filter("info")
        // As the official bridge has it: the records are the same on both sides.
        .with_log_layer(|layer| layer.with_source(false))
        // What is lost is counted by the receiver; a line on stderr would be timed.
        .on_notice(|_| ())
        .init()
        .expect("settings that agree");
    let telemetry = guard.telemetry().clone();
    perform(
        &order,
        || {
            let _report = telemetry.flush(Duration::from_secs(10));
        },
        || {
            let report = telemetry.shutdown();
            println!("told_lost={}", report.lost());
        },
    );
    std::mem::forget(guard);
}

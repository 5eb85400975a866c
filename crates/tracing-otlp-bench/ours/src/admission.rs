//! What admission and the ledger cost on the calling thread, in instructions.
//!
//! `calling admission MODE RECORDS`: the driver counts two lengths. The cost of a record is the
//! difference of `admitted` or `weighed` and `official`; `refused` stands for itself.
//!
//! - `admitted`: records that enter a queue with room, bounded in records;
//! - `weighed`: the same, bounded in bytes too, and the maker of the records says what they weigh, as
//!   by default;
//! - `walked`: the same, but nobody says it;
//! - `refused`: `event_enabled` at a queue without room, the whole call through the SDK's logger;
//! - `official`: the floor, the SDK's batch processor alone.

use std::{cell::Cell, num::NonZeroUsize, time::Duration};

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, SdkLoggerProvider,
};
use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, Destination, Pipeline, RecordWeight, Signal,
};

thread_local! {
    /// What the record in hand weighs, as a layer would keep it.
    static WEIGHT: Cell<Option<RecordWeight>> = const { Cell::new(None) };
}

/// Throws everything away.
#[derive(Debug)]
struct Nowhere;

impl LogExporter for Nowhere {
    async fn export(&self, _: LogBatch<'_>) -> opentelemetry_sdk::error::OTelSdkResult {
        Ok(())
    }
}

/// Runs `MODE RECORDS` and ends the process.
pub fn run(mode: &str, records: usize) -> Result<(), Box<dyn std::error::Error>> {
    let hour = Duration::from_hours(1);
    let long = NonZeroUsize::new(100_000).ok_or("zero")?;
    if mode == "official" {
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(long.get())
            .with_max_export_batch_size(long.get())
            .with_scheduled_delay(hour)
            .build();
        let processor = BatchLogProcessor::builder(Nowhere)
            .with_batch_config(config)
            .build();
        let provider = SdkLoggerProvider::builder()
            .with_log_processor(processor)
            .build();
        emit(&provider, records);
        std::process::exit(0);
    }
    let bytes = NonZeroUsize::new(match mode {
        "weighed" | "walked" => 1 << 30,
        _ => usize::MAX,
    });
    let bytes = bytes.ok_or("zero")?;
    let queue = NonZeroUsize::new(if mode == "refused" { 3 } else { 100_000 });
    let queue = queue.ok_or("zero")?;
    let pipeline = Pipeline::builder()
        .with_logs(Destination::from_base(Signal::Logs, "http://127.0.0.1:9")?)
        .with_log_batch(
            BatchSettings::logs()
                .with_max_queue_size(queue)
                .with_max_export_batch_size(long)
                .with_scheduled_delay(hour),
        )
        .with_admission(
            // Nothing of the helper thread: its instructions are not the caller's.
            AdmissionSettings::default()
                .with_max_queued_bytes(bytes)
                .with_loss_summary(None),
        )
        .with_weigher(|| WEIGHT.get())
        .build()?;
    if mode == "weighed" {
        WEIGHT.set(Some(RecordWeight::new(8, 14 + 3 + 5 + 11)));
    }
    let provider = pipeline.logger_provider().ok_or("no provider")?;
    if mode == "refused" {
        // Two of three places: no batch yet, and beyond the watermark of TRACE.
        emit(provider, 2);
        let logger = provider.logger("bench");
        let refused = (0..records)
            .filter(|_| !logger.event_enabled(Severity::Trace, "bench", None))
            .count();
        assert_eq!(refused, records);
    } else {
        emit(provider, records);
    }
    // Without a shutdown: it would count too.
    std::process::exit(0);
}

/// Records like the baseline's: five typed fields, a duration as text, source, and a message.
fn emit(provider: &SdkLoggerProvider, records: usize) {
    let logger = provider.logger("bench");
    for number in 0..records {
        let mut record = logger.create_log_record();
        record.set_severity_number(Severity::Info);
        record.set_observed_timestamp(std::time::UNIX_EPOCH);
        record.set_body(AnyValue::String("request served".into()));
        record.add_attribute("method", "GET");
        record.add_attribute("status", 200);
        record.add_attribute("bytes", i64::try_from(number).unwrap_or(0));
        record.add_attribute("ratio", 0.5);
        record.add_attribute("cached", true);
        record.add_attribute("elapsed", String::from("1.5ms"));
        record.add_attribute("code.file.path", "src/main.rs");
        record.add_attribute("code.line.number", 42);
        logger.emit(record);
    }
}

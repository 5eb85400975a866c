//! What a record costs on the exporting thread, beside the official exporter.
//!
//! `export_cost WHO COMPRESSION RECORDS` prints the CPU time a record of the SDK's worker thread,
//! all of it: taking batches of 512 out of the queue, encoding, dropping the records. Nothing is
//! sent, and what is encoded is thrown away at once. (Linux: the time is that of the scheduler.)
//!
//! For instructions: `valgrind --tool=callgrind --callgrind-out-file=out export_cost …`, then
//! `callgrind_annotate --inclusive=yes out`: the inclusive count of the exporter's `export`, divided
//! by the records.
//!
//! - `direct`: this crate's encoder;
//! - `official`: the same pipeline with the official conversion;
//! - `peer`: `opentelemetry-otlp` in the SDK's batch processor, with an HTTP client that answers 200.
//!
//! With `scopes` as a fourth word neighbours have different scopes.

#![expect(clippy::print_stdout, reason = "its answer")]

use std::{num::NonZeroUsize, time::Duration};

use bytes::Bytes;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::{SpanId, TraceFlags, TraceId};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{LogExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, SdkLoggerProvider};
use tracing_otlp_pipeline::{
    AdmissionSettings, BatchSettings, Compression, DeliverySettings, Destination, Encoder,
    Pipeline, Signal,
};

/// Answers 200 and forgets.
#[derive(Debug)]
struct Nobody;

#[async_trait::async_trait]
impl HttpClient for Nobody {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        std::hint::black_box(request.into_body());
        Ok(http::Response::new(Bytes::new()))
    }
}

const QUEUE: usize = 16_384;
const URL: &str = "http://127.0.0.1:9";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [who, compression, records, more @ ..] = &*arguments else {
        return Err("export_cost WHO COMPRESSION RECORDS [scopes]".into());
    };
    let records: usize = records.parse()?;
    let scopes = if more.is_empty() { 1 } else { 16 };
    if who == "peer" {
        let builder = LogExporter::builder()
            .with_http()
            .with_http_client(Nobody)
            .with_endpoint(URL);
        let builder = match &**compression {
            "gzip" => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
            "zstd" => builder.with_compression(opentelemetry_otlp::Compression::Zstd),
            _ => builder,
        };
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(Duration::from_secs(3600))
            .build();
        let processor = BatchLogProcessor::builder(builder.build()?)
            .with_batch_config(config)
            .build();
        let provider = SdkLoggerProvider::builder()
            .with_log_processor(processor)
            .build();
        run(&provider, records, scopes)?;
    } else {
        let encoder = match &**who {
            "direct" => Encoder::Direct,
            "official" => Encoder::Official,
            _ => return Err("direct, official or peer".into()),
        };
        let compression = match &**compression {
            "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            _ => Compression::None,
        };
        let queue = NonZeroUsize::new(QUEUE).ok_or("zero")?;
        let pipeline = Pipeline::builder()
            .with_encoder(encoder)
            .with_logs(Destination::from_base(Signal::Logs, URL)?.with_compression(compression))
            .with_log_batch(
                BatchSettings::logs()
                    .with_max_queue_size(queue)
                    .with_scheduled_delay(Duration::from_secs(3600)),
            )
            .with_admission(AdmissionSettings::default().with_loss_summary(None))
            // The delivery queue takes nothing, so every request is thrown away at once.
            .with_delivery(DeliverySettings::default().with_max_queued_bytes(NonZeroUsize::MIN))
            .build()?;
        run(
            pipeline.logger_provider().ok_or("no provider")?,
            records,
            scopes,
        )?;
    }
    // Without a shutdown: it would count too.
    std::process::exit(0);
}

fn run(
    provider: &SdkLoggerProvider,
    records: usize,
    scopes: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    // Batches that are always full, and a queue that is never.
    const ROUND: usize = 8 * 512;
    let rounds = records.div_ceil(ROUND);
    emit(provider, ROUND, scopes);
    let _nothing_arrives = provider.force_flush();
    let before = worker_time()?;
    for _ in 0..rounds {
        emit(provider, ROUND, scopes);
        let _nothing_arrives = provider.force_flush();
    }
    let nanos = worker_time()? - before;
    println!("{} ns a record", nanos / (rounds * ROUND) as u64);
    Ok(())
}

/// The CPU time of the SDK's worker so far, in nanoseconds.
fn worker_time() -> Result<u64, Box<dyn std::error::Error>> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.starts_with("OpenTelemetry.L") {
            let times = std::fs::read_to_string(task.join("schedstat"))?;
            return Ok(times.split(' ').next().ok_or("empty")?.parse()?);
        }
    }
    Err("no worker".into())
}

/// Records like the baseline's: five typed fields, a duration as text, ids, a formatted message;
/// about 200 bytes on the wire.
fn emit(provider: &SdkLoggerProvider, records: usize, scopes: usize) {
    const NAMES: [&str; 16] = [
        "app",
        "app::db",
        "app::http",
        "app::cache",
        "app::auth",
        "app::jobs",
        "app::mail",
        "app::api",
        "lib",
        "lib::db",
        "lib::http",
        "lib::cache",
        "lib::auth",
        "lib::jobs",
        "lib::mail",
        "lib::api",
    ];
    let loggers: Vec<_> = NAMES[..scopes]
        .iter()
        .map(|name| provider.logger(*name))
        .collect();
    for number in 0..records {
        let logger = &loggers[number % scopes];
        let mut record = logger.create_log_record();
        let now = std::time::SystemTime::now();
        record.set_timestamp(now);
        record.set_observed_timestamp(now);
        record.set_severity_number(Severity::Info);
        record.set_severity_text("INFO");
        let number = u64::try_from(number).unwrap_or(0);
        let ids = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        record.set_trace_context(
            TraceId::from(u128::from(ids) << 64 | u128::from(number)),
            SpanId::from(ids),
            Some(TraceFlags::SAMPLED),
        );
        let body = format!("request {number} served in {} ms", ids % 1000);
        record.set_body(AnyValue::String(body.into()));
        record.add_attribute("method", "GET");
        record.add_attribute("status", 200);
        record.add_attribute("bytes", i64::try_from(ids % 100_000).unwrap_or(0));
        record.add_attribute("ratio", 0.5);
        record.add_attribute("cached", true);
        record.add_attribute("elapsed", format!("{}.5ms", ids % 100));
        logger.emit(record);
    }
}

//! Shows the ledger as the metrics that the semantic conventions have for an SDK.
//!
//! Stands beside the whole way. Every instrument is observable: the ledger is read when somebody
//! collects, and the way of a record does not know of it (Semantic conventions, "SDK metrics").

use std::sync::Weak;

use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{AsyncInstrument, Meter, MeterProvider},
};

use crate::{
    builder::{Observed, PipelineBuilder},
    deliver::queue::Queue,
    door::Door,
    ledger::{LossReason, SignalCounts},
    settings::{Destination, Protocol, Signal},
};

const SCHEMA: &str = "https://opentelemetry.io/schemas/1.44.0";

impl PipelineBuilder {
    /// Shows what becomes of records and spans as metrics of this provider: `otel.sdk.log.created`
    /// and, for `log` and `span`, `otel.sdk.processor.*.queue.size`, `.queue.capacity`,
    /// `.processed` and `otel.sdk.exporter.*.inflight`, `.exported`.
    ///
    /// What failed has the [name of the reason](LossReason::as_str) as `error.type`. The pipeline
    /// is only looked at when the provider collects. When the metrics are exported by this very
    /// process, a look is as old as the collection's interval.
    pub fn with_meter_provider(self, provider: &(impl MeterProvider + ?Sized)) -> Self {
        let scope = InstrumentationScope::builder("tracing_otlp_pipeline")
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA)
            .build();
        let meter = provider.meter_with_scope(scope);
        self.with_observer(Box::new(move |observed| observe(&meter, observed)))
    }
}

fn observe(meter: &Meter, observed: &Observed<'_>) {
    for (door, destination) in observed.doors.iter().zip(&observed.destinations) {
        let look = Look {
            signal: door.signal(),
            queue: std::sync::Arc::downgrade(observed.queue),
            door: std::sync::Arc::downgrade(door),
        };
        let names = Names::of(door.signal());
        if door.signal() == Signal::Logs {
            created(meter, look.clone());
        }
        processor(meter, &names, &look);
        exporter(meter, &names, &look, destination);
    }
}

/// Looks at one signal, as long as there is a pipeline.
#[derive(Clone)]
struct Look {
    signal: Signal,
    queue: Weak<Queue>,
    door: Weak<Door>,
}

impl Look {
    fn counts(&self) -> Option<SignalCounts> {
        let queue = self.queue.upgrade()?;
        Some(*queue.ledger().counts().signal(self.signal))
    }

    /// How many records the batch processor has given to the exporter.
    fn handed(&self) -> Option<u64> {
        let queue = self.queue.upgrade()?;
        Some(queue.ledger().signal(self.signal).handed_total())
    }
}

struct Names {
    noun: &'static str,
    unit: &'static str,
    processor: &'static str,
}

impl Names {
    fn of(signal: Signal) -> Self {
        match signal {
            Signal::Logs => Self {
                noun: "log",
                unit: "{log_record}",
                processor: "batching_log_processor",
            },
            Signal::Traces => Self {
                noun: "span",
                unit: "{span}",
                processor: "batching_span_processor",
            },
            // Nothing of ours batches them.
            Signal::Metrics => Self {
                noun: "metric_data_point",
                unit: "{data_point}",
                processor: "periodic_metric_reader",
            },
        }
    }

    fn component(kind: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("otel.component.type", kind),
            KeyValue::new("otel.component.name", format!("{kind}/0")),
        ]
    }
}

fn created(meter: &Meter, look: Look) {
    let _registered = meter
        .u64_observable_counter("otel.sdk.log.created")
        .with_unit("{log_record}")
        .with_description("The number of logs submitted to enabled SDK Loggers.")
        .with_callback(move |observer| {
            if let Some(counts) = look.counts() {
                observer.observe(counts.emitted(), &[]);
            }
        })
        .build();
}

fn processor(meter: &Meter, names: &Names, look: &Look) {
    let attributes = Names::component(names.processor);
    let name = |what: &str| format!("otel.sdk.processor.{}.{what}", names.noun);

    let (theirs, at) = (attributes.clone(), look.clone());
    let _registered = meter
        .i64_observable_up_down_counter(name("queue.size"))
        .with_unit(names.unit)
        .with_description("The number of records in the queue of the processor.")
        .with_callback(move |observer| {
            if let Some(door) = at.door.upgrade() {
                observer.observe(signed(door.room().records()), &theirs);
            }
        })
        .build();

    let (theirs, at) = (attributes.clone(), look.clone());
    let _registered = meter
        .i64_observable_up_down_counter(name("queue.capacity"))
        .with_unit(names.unit)
        .with_description("The maximum number of records the queue of the processor can hold.")
        .with_callback(move |observer| {
            if let Some(door) = at.door.upgrade() {
                observer.observe(signed(door.room().capacity()), &theirs);
            }
        })
        .build();

    let at = look.clone();
    let _registered = meter
        .u64_observable_counter(name("processed"))
        .with_unit(names.unit)
        .with_description(
            "The number of records for which the processing has finished, either successful or \
             failed.",
        )
        .with_callback(move |observer| {
            if let (Some(counts), Some(handed)) = (at.counts(), at.handed()) {
                observer.observe(handed, &attributes);
                failures(observer, &counts, &attributes, is_of_processor);
            }
        })
        .build();
}

fn exporter(meter: &Meter, names: &Names, look: &Look, destination: &Destination) {
    let kind = match (destination.protocol(), look.signal) {
        (Protocol::Grpc, Signal::Logs) => "otlp_grpc_log_exporter",
        (Protocol::Grpc, Signal::Traces) => "otlp_grpc_span_exporter",
        (Protocol::Grpc, Signal::Metrics) => "otlp_grpc_metric_exporter",
        (Protocol::HttpProtobuf, Signal::Metrics) => "otlp_http_metric_exporter",
        (Protocol::HttpJson, Signal::Metrics) => "otlp_http_json_metric_exporter",
        (Protocol::HttpProtobuf, Signal::Logs) => "otlp_http_log_exporter",
        (Protocol::HttpProtobuf, Signal::Traces) => "otlp_http_span_exporter",
        (Protocol::HttpJson, Signal::Logs) => "otlp_http_json_log_exporter",
        (Protocol::HttpJson, Signal::Traces) => "otlp_http_json_span_exporter",
    };
    let mut attributes = Names::component(kind);
    if let Ok(uri) = destination.uri() {
        if let Some(host) = uri.host() {
            attributes.push(KeyValue::new("server.address", host.to_owned()));
        }
        let of_scheme = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(of_scheme);
        attributes.push(KeyValue::new("server.port", i64::from(port)));
    }
    let name = |what: &str| format!("otel.sdk.exporter.{}.{what}", names.noun);

    let (theirs, at) = (attributes.clone(), look.clone());
    let _registered = meter
        .i64_observable_up_down_counter(name("inflight"))
        .with_unit(names.unit)
        .with_description(
            "The number of records which were passed to the exporter, but that have not been \
             exported yet (neither successful, nor failed).",
        )
        .with_callback(move |observer| {
            let (Some(counts), Some(door)) = (at.counts(), at.door.upgrade()) else {
                return;
            };
            // What is on disk may stay there for hours: nobody is exporting it.
            let passed = counts.pending().saturating_sub(door.room().records());
            observer.observe(signed(passed), &theirs);
        })
        .build();

    let at = look.clone();
    let _registered = meter
        .u64_observable_counter(name("exported"))
        .with_unit(names.unit)
        .with_description(
            "The number of records for which the export has finished, either successful or failed.",
        )
        .with_callback(move |observer| {
            if let Some(counts) = at.counts() {
                observer.observe(counts.delivered(), &attributes);
                failures(observer, &counts, &attributes, |reason| {
                    !reason.is_before_admission()
                });
            }
        })
        .build();
}

fn failures(
    observer: &dyn AsyncInstrument<u64>,
    counts: &SignalCounts,
    attributes: &[KeyValue],
    belongs: impl Fn(LossReason) -> bool,
) {
    for (reason, lost) in counts.losses().filter(|(reason, _)| belongs(*reason)) {
        let name = match reason {
            // As other SDKs spell it.
            LossReason::AfterShutdown => "already_shutdown",
            other => other.as_str(),
        };
        let mut attributes = attributes.to_vec();
        attributes.push(KeyValue::new("error.type", name));
        observer.observe(lost.total(), &attributes);
    }
}

/// Whether the batch processor had to turn the record away.
fn is_of_processor(reason: LossReason) -> bool {
    matches!(
        reason,
        LossReason::QueueFull | LossReason::QueueBytesFull | LossReason::AfterShutdown
    )
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

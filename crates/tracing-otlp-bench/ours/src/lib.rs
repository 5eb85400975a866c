//! This project's layers and pipeline, set up for each case.

pub mod admission;

use std::any::Any;
use std::num::NonZeroUsize;
use std::time::Duration;

use bench_scene::{Case, End};
use opentelemetry::logs::{Logger as _, LoggerProvider as _, Severity};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tracing_otlp::Telemetry;
use tracing_otlp_layer::{LogLayer, SpanFields, span_layer};
use tracing_otlp_pipeline::{AdmissionSettings, BatchSettings, Destination, Pipeline, Signal};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

/// Sets the global subscriber; what comes back has to live as long as it is used.
pub fn setup(case: Case, end: End) -> Box<dyn Any> {
    let spans = bench_sdk::tracer_provider();
    let tracer = spans.tracer("bench");
    if end == End::Facade {
        return facade(case);
    }
    let pipeline = pipeline(if case == Case::Refused {
        16
    } else {
        bench_sdk::IDLE
    });
    let provider = pipeline.logger_provider().expect("a destination").clone();
    if case == Case::Refused {
        // INFO may use 80 % of the queue, so it never holds a batch of 16.
        let logger = provider.logger("fill");
        for _ in 0..16 {
            if logger.event_enabled(Severity::Info, "fill", None) {
                let mut record = logger.create_log_record();
                opentelemetry::logs::LogRecord::set_severity_number(&mut record, Severity::Info);
                logger.emit(record);
            }
        }
    }
    let (layer, logs) = match (case, end) {
        (Case::Nobody, _) => of(bench_sdk::nobody()),
        (_, End::Drop) => of(bench_sdk::dropping()),
        (_, End::Batch) => of(bench_sdk::batching()),
        _ => {
            let (layer, provider) = of(provider);
            (layer.with_on_refused(pipeline.refusals()), provider)
        }
    };
    let layer = layer.with_source(!matches!(case, Case::Event | Case::Hello));
    let layer = match case {
        Case::Spans | Case::Span => layer.with_span_fields(SpanFields::all()),
        _ => layer,
    };
    match (case, end) {
        (Case::Spans | Case::Span, End::Without) => {
            Registry::default().with(span_layer(tracer)).init();
        }
        (_, End::Without) => Registry::default().init(),
        (Case::Spans | Case::Span, _) => Registry::default()
            .with(span_layer(tracer))
            .with(layer)
            .init(),
        (Case::Filtered, _) => Registry::default()
            .with(layer.with_filter(LevelFilter::INFO))
            .init(),
        _ => Registry::default().with(layer).init(),
    }
    Box::new((spans, logs, pipeline))
}

fn of(provider: SdkLoggerProvider) -> (LogLayer<SdkLogger>, SdkLoggerProvider) {
    (LogLayer::new(&provider), provider)
}

/// The layers as the facade gives them.
fn facade(case: Case) -> Box<dyn Any> {
    let telemetry = Telemetry::builder()
        .with_environment(|_| None)
        .with_endpoint("http://127.0.0.1:9")
        .with_log_batch(batch(bench_sdk::IDLE))
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .with_log_layer(move |layer| {
            let layer = layer.with_source(!matches!(case, Case::Event | Case::Hello));
            if case == Case::Spans {
                layer.with_span_fields(SpanFields::all())
            } else {
                layer
            }
        })
        .build()
        .expect("settings that agree");
    if case.is_traced() {
        Registry::default()
            .with(telemetry.span_layer())
            .with(telemetry.log_layer())
            .init();
    } else {
        Registry::default().with(telemetry.log_layer()).init();
    }
    Box::new(telemetry)
}

fn batch(queue: usize) -> BatchSettings {
    let size = NonZeroUsize::new(queue).expect("not zero");
    BatchSettings::logs()
        .with_max_queue_size(size)
        .with_max_export_batch_size(size)
        .with_scheduled_delay(Duration::from_hours(1))
}

/// The pipeline with its defaults, but an idle worker and nothing said of losses.
fn pipeline(queue: usize) -> Pipeline {
    let nobody = Destination::from_base(Signal::Logs, "http://127.0.0.1:9").expect("an address");
    Pipeline::builder()
        .with_logs(nobody)
        .with_log_batch(batch(queue))
        .with_admission(AdmissionSettings::default().with_loss_summary(None))
        .build()
        .expect("settings that agree")
}

//! The ways in which a program puts telemetry together.

use std::time::Duration;

use serde_json::json;
use tracing::{Instrument as _, Subscriber, error, info, info_span, instrument, warn};
use tracing_otlp::Telemetry;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

use crate::{Outcome, say, say_report};

pub(crate) fn init_twice() -> Outcome {
    let first = tracing_otlp::init()?;
    info!("before");
    let second = tracing_otlp::init();
    say(&json!({
        "already_set": second.as_ref().is_err_and(tracing_otlp::Error::is_already_set),
        "error": second.as_ref().err().map(ToString::to_string),
    }));
    drop(second);
    info!("after");
    log::info!("after, by log");
    say_report(&first.shutdown());
    Ok(())
}

/// Another subscriber was first.
pub(crate) fn has_a_subscriber() -> Outcome {
    registry()
        .with(fmt::layer().with_writer(std::io::stdout))
        .init();
    let ours = tracing_otlp::init();
    say(&json!({
        "already_set": ours.as_ref().is_err_and(tracing_otlp::Error::is_already_set),
        "log": log::max_level().as_str(),
    }));
    info!("to the first");
    match ours {
        Ok(_) => Err("there are two".into()),
        Err(_) => Ok(()),
    }
}

struct Printing;

impl log::Log for Printing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        say(&json!({ "logged": record.args().to_string() }));
    }
    fn flush(&self) {}
}

/// The application's own logger for `log` was first.
pub(crate) fn has_a_logger() -> Outcome {
    log::set_logger(&Printing)?;
    log::set_max_level(log::LevelFilter::Info);
    let telemetry = tracing_otlp::init()?;
    info!("by tracing");
    log::info!("by log");
    say_report(&telemetry.shutdown());
    Ok(())
}

pub(crate) fn log_records() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| {
        log::warn!(target: "shop::cart", items = 3, customer = "Ada"; "cart is {}", "full");
    });
    log::debug!("below the filter");
    Ok(())
}

/// The log layer alone, in a registry with spans that nobody exports.
pub(crate) fn unlinked(trace_layer: &str) -> Outcome {
    use foreign_opentelemetry::trace::TracerProvider as _;

    let telemetry = Telemetry::builder().build()?;
    match trace_layer {
        "foreign" => {
            let spans = foreign_opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
            let layer = foreign_tracing_opentelemetry::layer().with_tracer(spans.tracer("old"));
            registry().with(layer).with(telemetry.log_layer()).init();
        }
        _ => registry().with(telemetry.log_layer()).init(),
    }
    info!("outside");
    for _ in 0..3 {
        info_span!("lost").in_scope(|| info!("inside"));
    }
    say_report(&telemetry.shutdown());
    Ok(())
}

#[instrument(skip_all)]
async fn fails(marked: &str) {
    info!("all is well");
    error!(error = "disk on fire", "cannot save {marked}");
}

#[instrument(skip_all)]
async fn warns() {
    warn!("only a warning");
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn errors() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    async {
        fails("it").await;
        warns().await;
    }
    .instrument(info_span!("request"))
    .await;
    say_report(&telemetry.flush(Duration::from_secs(20)));
    Ok(())
}

fn printed<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer().with_writer(std::io::stderr)
}

/// The parts in a registry of the application's own.
pub(crate) fn by_hand(order: &str) -> Outcome {
    let telemetry = Telemetry::builder().with_service_name("by-hand").build()?;
    let filter = || EnvFilter::new("info,quiet=off");
    let (spans, logs) = (telemetry.clone(), telemetry.clone());
    match order {
        "filter,fmt,spans,logs" => registry()
            .with(filter())
            .with(printed())
            .with(spans.span_layer())
            .with(logs.log_layer())
            .init(),
        "spans,logs,fmt,filter" => registry()
            .with(spans.span_layer())
            .with(logs.log_layer())
            .with(printed())
            .with(filter())
            .init(),
        "fmt,spans,filter,logs" => registry()
            .with(printed())
            .with(spans.span_layer())
            .with(filter())
            .with(logs.log_layer())
            .init(),
        "logs,spans" => registry()
            .with(filter())
            .with(logs.log_layer())
            .with(spans.span_layer())
            .init(),
        "each-its-filter" => registry()
            .with(printed().with_filter(EnvFilter::new("error")))
            .with(spans.span_layer().with_filter(filter()))
            .with(logs.log_layer().with_filter(filter()))
            .init(),
        "boxed" => registry()
            .with(vec![
                filter().boxed(),
                spans.span_layer().boxed(),
                logs.log_layer().boxed(),
                telemetry.console_layer().boxed(),
            ])
            .init(),
        _ => return Err(format!("{order}?").into()),
    }
    info!("outside");
    info_span!("outer").in_scope(|| {
        info!("in outer");
        info_span!("inner").in_scope(|| info!("in inner"));
        info_span!(target: "quiet", "hidden").in_scope(|| info!("in hidden"));
        tracing::debug!("below the filter");
        info!(target: "quiet", "silenced");
    });
    say_report(&telemetry.shutdown());
    Ok(())
}

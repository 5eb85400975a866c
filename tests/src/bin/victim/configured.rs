//! What the environment and the code say, rightly and wrongly.

use std::cell::Cell;
use std::time::Duration;

use serde_json::json;
use tracing::field::Empty;
use tracing::{info, info_span};
use tracing_otlp::tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_otlp::{
    Compression, Console, Error, Protocol, Telemetry, TelemetryBuilder, current_ids, propagation,
};

use crate::{Outcome, say, say_report};

/// Everything from the environment.
pub(crate) fn configured() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| info!(text = "0123456789", number = 1, "working"));
    say_report(&telemetry.shutdown());
    Ok(())
}

/// The same, but set in code.
pub(crate) fn in_code(endpoint: &str) -> Outcome {
    let telemetry = Telemetry::builder()
        .with_endpoint(endpoint)
        .with_service_name("from-code")
        .with_protocol(Protocol::HttpProtobuf)
        .with_compression(Compression::None)
        .with_header("x-who", "code")
        .with_timeout(Duration::from_secs(7))
        .with_filter("info")
        .with_console(Console::Off)
        .with_sampler(tracing_otlp::opentelemetry_sdk::trace::Sampler::AlwaysOn)
        .init()?;
    info_span!("work").in_scope(|| info!("working"));
    say_report(&telemetry.shutdown());
    Ok(())
}

/// `init` fails, leaves nothing behind, and succeeds when asked again with what is right.
pub(crate) fn refused(good: &str) -> Outcome {
    let first = tracing_otlp::init();
    say_refusal(&first);
    drop(first);
    correctly(good)
}

/// The same for what is set in code.
pub(crate) fn refused_in_code(what: &str) -> Outcome {
    let builder = Telemetry::builder();
    let builder = match what {
        "filter" => builder.with_filter("a=b=c"),
        "endpoint" => builder.with_endpoint("http://me:hunter2@/?key=hunter2"),
        "scheme" => builder.with_endpoint("ftp://me:hunter2@localhost"),
        "header" => builder.with_header("x-key", "hunter2\n"),
        "header-name" => builder.with_header("x key", "hunter2"),
        "deadline" => builder.with_timeout(Duration::ZERO),
        _ => return Err(format!("{what}?").into()),
    };
    let shown = format!("{builder:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    say_refusal(&builder.init());
    Ok(())
}

fn say_refusal(outcome: &Result<tracing_otlp::Guard, Error>) {
    let error = outcome.as_ref().err();
    say(&json!({
        "error": error.map(ToString::to_string),
        "debug": format!("{outcome:?}"),
        "variable": error.and_then(Error::variable_name),
        "value": error.and_then(Error::value),
        "already_set": error.is_some_and(Error::is_already_set),
        "subscriber": tracing::dispatcher::has_been_set(),
        "log": log::max_level().as_str(),
    }));
}

fn correctly(endpoint: &str) -> Outcome {
    let endpoint = endpoint.to_owned();
    let telemetry = Telemetry::builder()
        .with_environment(move |name| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
            "TRACING_OTLP_CONSOLE" => Some("off".to_owned()),
            _ => None,
        })
        .init()?;
    info!("right at last");
    say_report(&telemetry.shutdown());
    Ok(())
}

/// `Debug` of everything public.
pub(crate) fn shown(endpoint: &str) -> Outcome {
    let show = |builder: TelemetryBuilder| {
        let builder = builder.with_header("x-key", "hunter2");
        say(&json!(format!("{builder:?} {builder:#?}")));
        builder
    };
    let telemetry = show(Telemetry::builder()).build()?;
    say(&json!(format!("{telemetry:?} {telemetry:#?}")));
    say(&json!(format!("{:?}", telemetry.counts())));
    say(&json!(format!("{:?}", telemetry.shutdown())));
    let guard = show(Telemetry::builder()).with_endpoint(endpoint).init()?;
    info!("working");
    say(&json!(format!("{guard:?} {guard:#?}")));
    let report = guard.shutdown();
    say(&json!(format!("{report:?} {report}")));
    Ok(())
}

/// A trace comes in by headers, and goes on by headers.
pub(crate) fn propagates() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    let mut incoming = http::HeaderMap::new();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    incoming.insert("traceparent", parent.parse()?);
    incoming.insert("baggage", "tenant=blue".parse()?);
    let span = info_span!("handle");
    span.set_parent(propagation::extract(&incoming))?;
    span.in_scope(|| {
        info!("handling");
        let mut outgoing = http::HeaderMap::new();
        propagation::inject(&mut outgoing);
        let header = |name| outgoing.get(name).map(|value| value.to_str().unwrap());
        say(&json!({
            "trace": current_ids().map(|ids| ids.trace_id().to_string()),
            "traceparent": header("traceparent"),
            "baggage": header("baggage"),
        }));
    });
    Ok(())
}

/// Logs and flushes until it has seen the destination down, back, down and back again.
pub(crate) fn sees_an_outage() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    for is_up in [false, true, false, true] {
        let mut times = 0;
        while times < 5 {
            let before = telemetry.telemetry().counts();
            info_span!("work").in_scope(|| info!("working"));
            let report = telemetry.flush(Duration::from_secs(20));
            let delivered = report.logs().delivered() > before.logs().delivered();
            let spans = report.traces().delivered() > before.traces().delivered();
            if (delivered, spans) == (is_up, is_up) {
                times += 1;
            } else {
                // The test is about to change it.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        say(&json!(if is_up { "up" } else { "down" }));
    }
    say_report(&telemetry.shutdown());
    Ok(())
}

/// Logs when it is shown, once.
struct Chatty(Cell<bool>);

impl std::fmt::Debug for Chatty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.0.replace(true) {
            info!("from inside");
        }
        f.write_str("chatty")
    }
}

/// Logs itself when it is shown, always.
struct Endless;

impl std::fmt::Debug for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        info!(again = ?Endless, "deeper");
        f.write_str("endless")
    }
}

struct Bomb;

impl std::fmt::Debug for Bomb {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("in Debug")
    }
}

impl std::fmt::Display for Bomb {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

/// An error that is its own source.
#[derive(Debug)]
struct Ouroboros;

impl std::fmt::Display for Ouroboros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ouroboros")
    }
}

impl std::error::Error for Ouroboros {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self)
    }
}

fn chatty() -> Chatty {
    Chatty(Cell::new(false))
}

/// Values of events that do harm where a layer is not careful.
pub(crate) fn hostile_values() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| {
        info!(value = ?chatty(), "chatty");
        info!(value = ?Bomb, "bomb");
        info!(value = %Bomb, "mute");
        info!(value = ?Endless, "endless");
        info!("message {:?}", chatty());
        tracing::error!(value = ?chatty(), error = &Ouroboros as &dyn std::error::Error, "error");
        log::info!("log {:?}", chatty());
    });
    // A message that panics.
    info!("{Bomb:?}");
    info!("still here");
    say_report(&telemetry.shutdown());
    Ok(())
}

/// Values of spans that log when they are shown.
pub(crate) fn chatty_spans() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    info_span!("outer").in_scope(|| {
        let span = info_span!("work", chatty = ?chatty(), later = Empty, deeper = Empty);
        span.record("later", tracing::field::debug(chatty()));
        // Now the span is the current one while it is written to.
        let inside = span.enter();
        span.record("later", tracing::field::debug(chatty()));
        span.record("deeper", tracing::field::debug(Endless));
        drop(inside);
        info!("still here");
    });
    say_report(&telemetry.shutdown());
    Ok(())
}

/// Values of spans that panic when they are shown.
pub(crate) fn exploding_spans() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    info_span!("outer").in_scope(|| {
        let span = info_span!("work", bomb = ?Bomb, mute = %Bomb, number = 7, later = Empty);
        span.in_scope(|| info!("inside"));
        span.record("later", tracing::field::debug(Bomb));
        info!("still here");
    });
    say_report(&telemetry.shutdown());
    Ok(())
}

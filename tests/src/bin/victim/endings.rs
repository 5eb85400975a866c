//! The ways in which a program ends.

use std::time::Instant;

use serde_json::json;
use tracing::{Instrument as _, info, info_span};
use tracing_otlp::Telemetry;

use crate::{Outcome, counted, say, say_report};

pub(crate) fn returns_ok() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| info!("working"));
    Ok(())
}

pub(crate) fn returns_err() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| info!("working"));
    Err("the application failed".into())
}

pub(crate) fn panics() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    let _span = info_span!("work").entered();
    info!("working");
    panic!("the answer is {}", 42);
}

pub(crate) fn panics_outside_spans() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    panic!("no span here");
}

pub(crate) fn panics_with_a_value() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    std::panic::panic_any(42_u8);
}

pub(crate) fn panics_in_a_thread() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    let thread = std::thread::Builder::new().name("worker".to_owned());
    let ended = thread.spawn(|| {
        let _span = info_span!("work").entered();
        panic!("a worker fell");
    })?;
    assert!(ended.join().is_err());
    info!("going on");
    Ok(())
}

#[tokio::main]
pub(crate) async fn panics_in_a_task() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    let task = async {
        tokio::task::yield_now().await;
        panic!("a task fell");
    };
    let ended = tokio::spawn(task.instrument(info_span!("work"))).await;
    assert!(ended.is_err_and(|error| error.is_panic()));
    info!("going on");
    Ok(())
}

#[derive(Clone, Copy)]
struct Bomb;

impl std::fmt::Debug for Bomb {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("in Debug")
    }
}

pub(crate) fn panics_in_debug() -> Outcome {
    let _telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| info!(value = ?Bomb, "survived"));
    Ok(())
}

pub(crate) fn panics_unrecorded() -> Outcome {
    let _telemetry = Telemetry::builder().with_panic_records(false).init()?;
    panic!("nobody is told");
}

pub(crate) fn exits() -> Outcome {
    let telemetry = tracing_otlp::init()?;
    info_span!("work").in_scope(|| info!("working"));
    say_report(&telemetry.shutdown());
    std::process::exit(3);
}

pub(crate) fn guard_dropped_early() -> Outcome {
    let guard = tracing_otlp::init()?;
    let telemetry = guard.telemetry().clone();
    info!("in time");
    drop(guard);
    let start = Instant::now();
    for number in 0..900 {
        info!(number, "too late");
    }
    for number in 0..100 {
        log::info!("too late: {number}");
    }
    say(&json!({
        "seconds": start.elapsed().as_secs_f64(),
        "logs": counted(telemetry.counts().logs()),
    }));
    Ok(())
}

pub(crate) fn shuts_down_twice() -> Outcome {
    let guard = tracing_otlp::init()?;
    let telemetry = guard.telemetry().clone();
    info_span!("work").in_scope(|| info!("working"));
    let first = guard.shutdown();
    say_report(&first);
    info!("too late");
    assert_eq!(telemetry.shutdown(), first);
    say_report(&first);
    Ok(())
}

#[tokio::main]
pub(crate) async fn waits_for_a_signal() -> Outcome {
    use tokio::signal::unix::{SignalKind, signal};

    let telemetry = tracing_otlp::init()?;
    let mut terminated = signal(SignalKind::terminate())?;
    let handler = tokio::spawn(async move {
        terminated.recv().await;
        info!("stopping");
        telemetry.shutdown_async().await
    });
    info_span!("work").in_scope(|| info!("working"));
    say(&json!("ready"));
    say_report(&handler.await?);
    Ok(())
}

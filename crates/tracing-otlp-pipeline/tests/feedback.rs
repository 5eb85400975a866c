//! Nothing that happens in the pipeline becomes telemetry again: not on any thread, at any level.
//!
//! One test in one file: it needs the global subscriber for itself.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use opentelemetry::{
    Context,
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use support::{PATIENCE, Server, emit};
use tracing_core::{Event, Subscriber, span};
use tracing_otlp_pipeline::{Destination, Encoder, Pipeline, Protocol, Signal};
use tracing_subscriber::{
    Layer,
    layer::{Context as LayerContext, SubscriberExt as _},
};

#[derive(Debug, Clone)]
struct Happening {
    thread: String,
    what: String,
    suppressed: bool,
}

#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<Happening>>>);

impl Witness {
    fn saw(&self, what: String) {
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        self.0.lock().unwrap().push(Happening {
            thread,
            what,
            suppressed: Context::is_current_telemetry_suppressed(),
        });
    }
}

impl<S: Subscriber> Layer<S> for Witness {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: LayerContext<'_, S>) {
        self.saw(format!("span of {}", attributes.metadata().target()));
    }

    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let metadata = event.metadata();
        self.saw(format!(
            "event {} of {}",
            metadata.name(),
            metadata.target()
        ));
    }
}

fn through(encoder: Encoder, protocol: Protocol, url: &str) {
    let to = |signal| {
        Destination::from_base(signal, url)
            .unwrap()
            .with_protocol(protocol)
    };
    let pipeline = Pipeline::builder()
        .with_encoder(encoder)
        .with_logs(to(Signal::Logs))
        .with_traces(to(Signal::Traces))
        .build()
        .unwrap();
    emit(pipeline.logger_provider().unwrap(), "x");
    let tracer = pipeline.tracer_provider().unwrap().tracer("t");
    tracer.start("s").end();
    let _ = pipeline.force_flush(PATIENCE);
    emit(pipeline.logger_provider().unwrap(), "x");
    let _ = pipeline.shutdown(PATIENCE);
}

#[test]
fn whatever_the_pipeline_logs_is_suppressed_on_every_thread() {
    let witness = Witness::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(witness.clone()))
        .unwrap();
    let mut protocols = vec![Protocol::HttpProtobuf, Protocol::HttpJson];
    if cfg!(feature = "grpc") {
        protocols.push(Protocol::Grpc);
    }
    for protocol in protocols {
        let server = Server::start([]);
        // Only the official exporters have something to say while they encode.
        through(Encoder::Official, protocol, &server.url());
        // By name, so that the resolver's blocking pool takes part.
        through(
            Encoder::Direct,
            protocol,
            &format!("http://localhost:{}", server.address.port()),
        );
        assert!(server.received().len() >= 4);
        // And where everything fails.
        through(Encoder::Official, protocol, &support::nobody());
        through(Encoder::Direct, protocol, "http://localhost:1");
    }
    let all = witness.0.lock().unwrap().clone();
    let here = std::thread::current().name().unwrap().to_owned();
    let elsewhere: Vec<&Happening> = all
        .iter()
        .filter(|happening| happening.thread != here && happening.thread != "test-server")
        .collect();
    let threads: BTreeSet<&str> = elsewhere.iter().map(|h| &*h.thread).collect();
    // Otherwise there was nothing to prove anything with.
    assert!(threads.contains("tracing-otlp-delivery"), "{threads:?}");
    for part in ["hyper_util", "opentelemetry_sdk", "opentelemetry-otlp"] {
        assert!(
            elsewhere.iter().any(|h| h.what.contains(part)),
            "{part} is silent"
        );
    }
    let heard: Vec<_> = elsewhere.iter().filter(|h| !h.suppressed).collect();
    assert!(heard.is_empty(), "not suppressed: {heard:?}");
    // And on the application's thread, where it is built, emitted to, flushed and shut down.
    let here: Vec<_> = all
        .iter()
        .filter(|h| h.thread == here && !h.suppressed)
        // Said while the test itself asks the SDK for a logger.
        .filter(|h| !h.what.contains("NewLoggerReturned"))
        .collect();
    assert!(here.is_empty(), "not suppressed: {here:?}");
}

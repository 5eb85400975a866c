use std::sync::Mutex;

use opentelemetry::{
    logs::{LogRecord as _, Logger as _, LoggerProvider as _},
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{error::OTelSdkError, logs::SdkLoggerProvider, trace::SdkTracerProvider};

use super::*;
use crate::{
    admit::room::Room,
    deliver::queue::Queue,
    door::DeliveryComesLater,
    encode::Shape,
    notice::Notifier,
    settings::{DeliverySettings, Destination, Signal},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn door(signal: Signal) -> Arc<Door> {
    let queue = Arc::new(Queue::new(&DeliverySettings::default(), Arc::default()));
    let room = Room::first_come(4, 1 << 20);
    Arc::new(Door::new(signal, room, queue, Notifier::default()))
}

/// Writes down what it is asked to do.
#[derive(Debug, Clone, Default)]
struct Probe(Arc<Mutex<Vec<String>>>);

impl Probe {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl LogProcessor for Probe {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.note(format!("emit {:?} {}", record.body(), scope.name()));
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.note("flush");
        Ok(())
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        assert!(timeout <= PATIENCE);
        self.note("shutdown");
        Ok(())
    }
    fn shutdown(&self) -> OTelSdkResult {
        self.note("shutdown");
        Ok(())
    }
    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.note(format!("enabled {level:?} {target} {name:?}"));
        target != "refused"
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.note(format!("resource {}", resource.len()));
    }
}

impl SpanProcessor for Probe {
    fn on_start(&self, _: &mut Span, _: &Context) {
        self.note("start");
    }
    fn on_end(&self, span: SpanData) {
        self.note(format!("end {}", span.name));
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.note("flush");
        Ok(())
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        assert!(timeout <= PATIENCE);
        self.note("shutdown");
        Ok(())
    }
    fn shutdown(&self) -> OTelSdkResult {
        self.note("shutdown");
        Ok(())
    }
    fn set_resource(&mut self, resource: &Resource) {
        self.note(format!("resource {}", resource.len()));
    }
}

/// The SDK gives its traits default bodies that compile and do nothing.
#[test]
fn the_pipes_forward_their_whole_trait() {
    let resource = Resource::builder_empty().with_service_name("seen").build();
    let _later = DeliveryComesLater::enter();

    let probe = Probe::default();
    let settings = AdmissionSettings::default();
    let logs = door(Signal::Logs);
    let mut pipe = LogPipe::around(probe.clone(), &settings, logs, PATIENCE).unwrap();
    LogProcessor::set_resource(&mut pipe, &resource);
    assert!(pipe.event_enabled(Severity::Info, "t", Some("n")));
    assert!(!pipe.event_enabled(Severity::Info, "refused", None));
    let provider = SdkLoggerProvider::builder().build();
    let mut record = provider.logger("l").create_log_record();
    record.set_body("b".into());
    pipe.emit(&mut record, &InstrumentationScope::builder("s").build());
    LogProcessor::force_flush(&pipe).unwrap();
    LogProcessor::shutdown(&pipe).unwrap();
    LogProcessor::shutdown_with_timeout(&pipe, PATIENCE).unwrap();
    assert!(!pipe.event_enabled(Severity::Info, "t", None));
    assert_eq!(
        probe.heard(),
        [
            "resource 1",
            "enabled Info t Some(\"n\")",
            "enabled Info refused None",
            "emit Some(String(Static(\"b\"))) s",
            "flush",
            "shutdown",
            "shutdown",
        ]
    );

    let probe = Probe::default();
    let mut pipe = SpanPipe {
        inner: probe.clone(),
        door: door(Signal::Traces),
        flush_timeout: PATIENCE,
    };
    SpanProcessor::set_resource(&mut pipe, &resource);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(pipe)
        .with_resource(resource)
        .build();
    provider.tracer("t").start("span").end();
    provider.force_flush().unwrap();
    provider.shutdown_with_timeout(PATIENCE).unwrap();
    assert_eq!(
        probe.heard(),
        [
            "resource 1",
            "resource 1",
            "start",
            "end span",
            "flush",
            "shutdown"
        ]
    );
}

#[test]
fn the_exporters_forward_their_whole_trait() {
    let resource = Resource::builder_empty().with_service_name("seen").build();
    let shape = |signal| {
        let destination = Destination::new(signal, "http://localhost/").unwrap();
        Shape::of(
            &destination.with_compression(crate::settings::Compression::None),
            1 << 20,
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();

    let door_of_logs = door(Signal::Logs);
    let encoder = LogEncoder::new(shape(Signal::Logs)).unwrap();
    let mut exporter = LogHandOver {
        encoder,
        door: Arc::clone(&door_of_logs),
    };
    exporter.set_resource(&resource);
    assert!(LogExporter::event_enabled(
        &exporter,
        Severity::Info,
        "t",
        None
    ));
    let provider = SdkLoggerProvider::builder().build();
    let mut record = provider.logger("l").create_log_record();
    record.set_observed_timestamp(std::time::SystemTime::now());
    drop(door_of_logs.enter(SeverityBand::Info, size::of_record(&record)));
    let scope = InstrumentationScope::builder("s").build();
    let records = [(&record, &scope)];
    runtime
        .block_on(exporter.export(LogBatch::new(&records)))
        .unwrap();
    let (_, request) = door_of_logs.queue().take().unwrap();
    assert!(request.body.windows(4).any(|bytes| bytes == b"seen"));
    assert_eq!(door_of_logs.room().records(), 0);
    LogExporter::shutdown(&exporter).unwrap();
    assert!(matches!(
        exporter.shutdown_with_timeout(PATIENCE),
        Err(OTelSdkError::AlreadyShutdown)
    ));

    let door_of_spans = door(Signal::Traces);
    let encoder = SpanEncoder::new(shape(Signal::Traces)).unwrap();
    let mut exporter = SpanHandOver {
        encoder,
        door: door_of_spans,
    };
    SpanExporter::set_resource(&mut exporter, &resource);
    SpanExporter::force_flush(&exporter).unwrap();
    runtime.block_on(exporter.export(Vec::new())).unwrap();
    let (_, request) = exporter.door.queue().take().unwrap();
    assert_eq!(request.signal, Signal::Traces);
    // The official exporter for spans does not tell one shutdown from two.
    SpanExporter::shutdown(&exporter).unwrap();
    SpanExporter::shutdown_with_timeout(&exporter, PATIENCE).unwrap();
}

#[test]
fn the_official_processors_end_with_their_pipes() {
    let settings = BatchSettings::logs().with_scheduled_delay(PATIENCE);
    let _later = DeliveryComesLater::enter();
    let destination = |signal| Destination::new(signal, "http://localhost/").unwrap();

    let encoder = LogEncoder::new(Shape::of(&destination(Signal::Logs), 1 << 20)).unwrap();
    let admission = AdmissionSettings::default();
    let pipe = LogPipe::new(encoder, &settings, &admission, door(Signal::Logs), PATIENCE).unwrap();
    pipe.force_flush().unwrap();
    pipe.shutdown().unwrap();
    assert!(matches!(
        pipe.shutdown_with_timeout(PATIENCE),
        Err(OTelSdkError::AlreadyShutdown)
    ));
    assert!(pipe.force_flush().is_err());

    let encoder = SpanEncoder::new(Shape::of(&destination(Signal::Traces), 1 << 20)).unwrap();
    let pipe = SpanPipe::new(encoder, &settings, door(Signal::Traces), PATIENCE).unwrap();
    pipe.force_flush().unwrap();
    pipe.shutdown().unwrap();
    assert!(matches!(
        pipe.shutdown_with_timeout(PATIENCE),
        Err(OTelSdkError::AlreadyShutdown)
    ));
    assert!(pipe.force_flush().is_err());
}

use std::sync::Mutex;

use opentelemetry::{
    logs::{LogRecord as _, Logger as _, LoggerProvider as _},
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{error::OTelSdkError, logs::SdkLoggerProvider, trace::SdkTracerProvider};

use super::*;
use crate::{
    admit::{Tally, room::Room},
    deliver::queue::Queue,
    door::DeliveryComesLater,
    encode::Shape,
    notice::Notifier,
    settings::{DeliverySettings, Destination, Encoder, Signal},
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
    for encoder in [Encoder::Direct, Encoder::Official] {
        forwards_for_logs(encoder);
        forwards_for_spans(encoder);
    }
}

fn shape(signal: Signal) -> Shape {
    let destination = Destination::new(signal, "http://localhost/").unwrap();
    Shape::of(
        &destination.with_compression(crate::settings::Compression::None),
        1 << 20,
    )
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

fn forwards_for_logs(encoder: Encoder) {
    let resource = Resource::builder_empty().with_service_name("seen").build();
    let door = door(Signal::Logs);
    let mut exporter = LogHandOver {
        blanks: Arc::default(),
        batch: 512,
        encoder: LogEncoder::new(encoder, shape(Signal::Logs)).unwrap(),
        door: Arc::clone(&door),
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
    drop(door.enter(SeverityBand::Info, size::of_record(&record)));
    let scope = InstrumentationScope::builder("s").build();
    let records = [(&record, &scope)];
    run(exporter.export(LogBatch::new(&records))).unwrap();
    let (_, request) = door.queue().take().unwrap();
    assert!(request.body.windows(4).any(|bytes| bytes == b"seen"));
    assert_eq!(door.room().records(), 0);
    LogExporter::shutdown(&exporter).unwrap();
    let again = exporter.shutdown_with_timeout(PATIENCE);
    // The official exporter tells one shutdown from two, the direct encoder has nothing to shut.
    assert_eq!(
        matches!(again, Err(OTelSdkError::AlreadyShutdown)),
        encoder == Encoder::Official
    );
}

fn forwards_for_spans(encoder: Encoder) {
    let resource = Resource::builder_empty().with_service_name("seen").build();
    let door = door(Signal::Traces);
    let mut exporter = SpanHandOver {
        encoder: SpanEncoder::new(encoder, shape(Signal::Traces)).unwrap(),
        door: Arc::clone(&door),
    };
    SpanExporter::set_resource(&mut exporter, &resource);
    SpanExporter::force_flush(&exporter).unwrap();
    let span = opentelemetry_sdk::testing::trace::new_test_export_span_data();
    drop(door.enter(SeverityBand::Info, size::of_span(&span)));
    run(exporter.export(vec![span])).unwrap();
    let (_, request) = door.queue().take().unwrap();
    assert_eq!(request.signal, Signal::Traces);
    assert!(request.body.windows(4).any(|bytes| bytes == b"seen"));
    assert_eq!(door.room().records(), 0);
    // Neither for spans tells one shutdown from two.
    SpanExporter::shutdown(&exporter).unwrap();
    SpanExporter::shutdown_with_timeout(&exporter, PATIENCE).unwrap();
}

#[test]
fn the_official_processors_end_with_their_pipes() {
    let settings = BatchSettings::logs().with_scheduled_delay(PATIENCE);
    let _later = DeliveryComesLater::enter();
    let destination = |signal| Destination::new(signal, "http://localhost/").unwrap();

    let shape = Shape::of(&destination(Signal::Logs), 1 << 20);
    let encoder = || LogEncoder::new(Encoder::Official, shape.clone());
    let admission = AdmissionSettings::default();
    let pipe = LogPipe::new(encoder, &settings, &admission, door(Signal::Logs), PATIENCE).unwrap();
    pipe.force_flush().unwrap();
    pipe.shutdown().unwrap();
    assert!(matches!(
        pipe.shutdown_with_timeout(PATIENCE),
        Err(OTelSdkError::AlreadyShutdown)
    ));
    assert!(pipe.force_flush().is_err());

    let shape = Shape::of(&destination(Signal::Traces), 1 << 20);
    let encoder = SpanEncoder::new(Encoder::Official, shape).unwrap();
    let pipe = SpanPipe::new(encoder, &settings, door(Signal::Traces), PATIENCE).unwrap();
    pipe.force_flush().unwrap();
    pipe.shutdown().unwrap();
    assert!(matches!(
        pipe.shutdown_with_timeout(PATIENCE),
        Err(OTelSdkError::AlreadyShutdown)
    ));
    assert!(pipe.force_flush().is_err());
}

#[test]
fn the_requests_of_a_batch_are_handed_on_whatever_becomes_of_one() {
    let bytes = std::num::NonZeroUsize::new(200).unwrap();
    let settings = DeliverySettings::default().with_max_queued_bytes(bytes);
    let queue = Arc::new(Queue::new(&settings, Arc::default()));
    let (room, notifier) = (Room::first_come(4, 1 << 20), Notifier::default());
    let door = Arc::new(Door::new(Signal::Logs, room, queue, notifier));
    let shape = Shape {
        max_bytes: 150,
        ..shape(Signal::Logs)
    };
    let exporter = LogHandOver {
        blanks: Arc::default(),
        batch: 512,
        encoder: LogEncoder::new(Encoder::Direct, shape).unwrap(),
        door: Arc::clone(&door),
    };
    let provider = SdkLoggerProvider::builder().build();
    let record = |bytes| {
        let mut record = provider.logger("l").create_log_record();
        record.set_body("x".repeat(bytes).into());
        drop(door.enter(SeverityBand::Info, size::of_record(&record)));
        record
    };
    let (large, small) = (record(1000), record(10));
    let scope = InstrumentationScope::builder("s").build();
    let records = [(&large, &scope), (&small, &scope)];
    assert!(run(exporter.export(LogBatch::new(&records))).is_err());
    let (_, request) = door.queue().take().unwrap();
    assert_eq!(request.records, 1);
    let counts = door.counts();
    assert_eq!((counts.lost(), counts.pending()), (1, 1));
}

fn record() -> SdkLogRecord {
    let provider = SdkLoggerProvider::builder().build();
    provider.logger("test").create_log_record()
}

/// The first processor and those that help it.
const ALL: usize = crew::HELPERS + 1;

fn flood() -> Arc<Blanks> {
    let blanks = Arc::<Blanks>::default();
    blanks.provide(2, 2);
    blanks
}

#[test]
fn a_crew_forwards_its_whole_trait_to_all_who_may_have_something_to_do() {
    let (queue, room) = (Queue::new(&DeliverySettings::default(), Arc::default()), 80);
    let room = Room::first_come(room, 1 << 20);
    let notifier = Notifier::default();
    let door = Arc::new(Door::new(Signal::Logs, room, Arc::new(queue), notifier));
    let probe = Probe::default();
    let mut crew = Crew::new::<()>(Arc::clone(&door), flood(), 1, || Ok(probe.clone())).unwrap();
    let scope = InstrumentationScope::builder("s").build();
    crew.set_resource(&Resource::builder_empty().build());
    assert_eq!(probe.heard(), ["resource 0"; ALL]);
    assert!(crew.event_enabled(Severity::Info, "t", None));
    assert!(!crew.event_enabled(Severity::Info, "refused", None));
    assert_eq!(probe.heard().len(), 2);
    crew.emit(&mut record(), &scope);
    crew.force_flush().unwrap();
    assert_eq!(probe.heard(), ["emit None s", "flush"]);
    // More than an eighth of the room: one of all goes to the first.
    for _ in 0..11 {
        drop(door.enter(SeverityBand::Info, 1).unwrap());
    }
    for _ in 0..ALL {
        crew.emit(&mut record(), &scope);
    }
    assert_eq!(probe.heard().len(), ALL);
    crew.force_flush().unwrap();
    assert_eq!(probe.heard(), ["flush"; ALL]);
    crew.shutdown_with_timeout(PATIENCE).unwrap();
    crew.shutdown().unwrap();
    assert_eq!(probe.heard(), ["shutdown"; 2 * ALL]);
}

#[test]
fn a_crew_takes_turns_only_while_much_waits() {
    let room = Room::first_come(80, 1 << 20);
    let queue = Queue::new(&DeliverySettings::default(), Arc::default());
    let notifier = Notifier::default();
    let door = Arc::new(Door::new(Signal::Logs, room, Arc::new(queue), notifier));
    let probes: Vec<Probe> = (0..ALL).map(|_| Probe::default()).collect();
    let mut each = probes.iter().cloned();
    let crew = Crew::new(Arc::clone(&door), flood(), 1, || each.next().ok_or(())).unwrap();
    let scope = InstrumentationScope::default();
    let emit = |records| {
        for _ in 0..records {
            crew.emit(&mut record(), &scope);
        }
        let heard = probes.iter().map(|probe| probe.heard().len());
        <[usize; ALL]>::try_from(heard.collect::<Vec<_>>()).unwrap()
    };
    let mut first = [0; ALL];
    first[0] = 8;
    for _ in 0..10 {
        drop(door.enter(SeverityBand::Info, 1).unwrap());
    }
    assert_eq!(emit(8), first);
    drop(door.enter(SeverityBand::Info, 1).unwrap());
    assert_eq!(emit(2 * ALL), [2; ALL]);
    let calm = Crew::new(Arc::clone(&door), Arc::default(), 2, || {
        Ok::<_, ()>(Probe::default())
    });
    let calm = calm.unwrap();
    (0..8).for_each(|_| calm.emit(&mut record(), &scope));
    assert_eq!(calm.busy().len(), 0);
    let large = Crew::new(Arc::clone(&door), flood(), 6, || {
        Ok::<_, ()>(Probe::default())
    })
    .unwrap();
    (0..8).for_each(|_| large.emit(&mut record(), &scope));
    assert_eq!(large.busy().len(), 0);
    door.handed(&11.into(), 11);
    assert_eq!(emit(8), first);
}

#[test]
fn full_batches_and_no_others_make_a_flood_in_which_threads_take_boxes() {
    let destination = Destination::new(Signal::Logs, "http://localhost/").unwrap();
    let shape = Shape::of(&destination, 1 << 20);
    let encoder = || LogEncoder::new(Encoder::Direct, shape.clone());
    let settings = BatchSettings::logs()
        .with_max_export_batch_size(std::num::NonZeroUsize::new(4).unwrap())
        .with_scheduled_delay(PATIENCE);
    let admission = AdmissionSettings::default();
    let _later = DeliveryComesLater::enter();
    let pipe = LogPipe::new(encoder, &settings, &admission, door(Signal::Logs), PATIENCE).unwrap();
    let blanks = pipe.inner.blanks();
    let scope = InstrumentationScope::default();
    let emit = |records| (0..records).for_each(|_| pipe.emit(&mut record(), &scope));
    emit(3);
    pipe.force_flush().unwrap();
    assert!(!blanks.is_flood());
    emit(4);
    pipe.force_flush().unwrap();
    assert_eq!((blanks.is_flood(), blanks.in_stock()), (true, 8));
    emit(1);
    assert_eq!(blanks.in_stock(), 0);
    LogProcessor::shutdown(&pipe).unwrap();
}

#[test]
fn workers_that_leave_boxes_at_the_same_time_leave_no_more_than_one_may() {
    let blanks = Blanks::default();
    let barrier = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                blanks.provide(512, 512);
            });
        }
    });
    assert_eq!(blanks.in_stock(), 1024);
}

/// Who empties only what is full, and takes its time over it: the worst that workers can do between
/// two ticks.
#[test]
fn a_room_that_is_full_has_a_full_batch_in_some_hand() {
    const BATCH: usize = 16;
    // INFO's part of a batch for each, and more.
    for room in [13, 16, 17, 20, 30].map(|places| places * ALL) {
        let queue = Queue::new(&DeliverySettings::default(), Arc::default());
        let room = Room::first_come(room, 1 << 20);
        let door = Door::new(Signal::Logs, room, Arc::new(queue), Notifier::default());
        let door = Arc::new(door);
        let probes: Vec<Probe> = (0..ALL).map(|_| Probe::default()).collect();
        let mut each = probes.iter().cloned();
        let crew = Crew::new(Arc::clone(&door), flood(), BATCH, || each.next().ok_or(())).unwrap();
        let scope = InstrumentationScope::default();
        let (mut held, mut dice) = ([0; ALL], 1_u32);
        for _ in 0..10_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if dice >> 24 < 8 {
                for held in held.iter_mut().filter(|held| **held >= BATCH) {
                    let taken = Tally::from(std::mem::take(held) as u64);
                    door.handed(&taken, taken.total());
                }
            } else if door.enter(SeverityBand::Info, 1).is_some() {
                crew.emit(&mut record(), &scope);
                for (held, probe) in held.iter_mut().zip(&probes) {
                    *held += probe.heard().len();
                }
            } else {
                assert!(held.iter().any(|held| *held >= BATCH), "{held:?}");
            }
        }
    }
}

#[test]
fn threads_take_boxes_only_where_the_worker_left_some_and_it_leaves_no_more_than_it_may() {
    let blanks = Blanks::default();
    blanks.free_one();
    assert_eq!(blanks.in_stock(), 0);
    blanks.provide(10, 10);
    assert!(blanks.is_flood());
    assert_eq!(blanks.in_stock(), 20);
    blanks.free_one();
    assert_eq!(blanks.in_stock(), 4);
    // What this thread has taken lasts for fifteen more.
    (0..15).for_each(|_| blanks.free_one());
    assert_eq!(blanks.in_stock(), 4);
    blanks.free_one();
    assert_eq!(blanks.in_stock(), 0);
    blanks.free_one();
    blanks.provide(1 << 20, 1 << 20);
    blanks.provide(1 << 20, 1 << 20);
    assert_eq!(blanks.in_stock(), 1024);
    // The last batch of a round; and the end.
    blanks.provide(512, 2048);
    assert_eq!((blanks.in_stock(), blanks.is_flood()), (1024, true));
    blanks.provide(511, 2048);
    assert_eq!((blanks.in_stock(), blanks.is_flood()), (0, false));
    blanks.provide(2047, 2048);
    assert!(!blanks.is_flood());
}

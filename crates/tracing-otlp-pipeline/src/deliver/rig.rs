//! A delivery without a network and with time turned by hand, for tests.
//!
//! Stands in place of the thread and the wire: the loop runs in the runtime of the test, whose clock
//! is paused, and a scripted transport answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
};
use prost::Message as _;
use tokio::time::Instant;

use super::{
    queue::{Queue, Refusal},
    serve::Delivery,
    thread::{Way, Ways},
};
use crate::{
    admit::SeverityBand,
    encode::{Request, Shape},
    event::DeliveryEvent,
    ledger::SignalCounts,
    notice::Notifier,
    settings::{Compression, DeliverySettings, Protocol, Signal},
    wire::{Answer, Status, Transport},
};

/// What the scripted destination does with a request.
#[derive(Clone)]
pub(super) enum Play {
    /// Answers at once.
    Answer(Answer),
    /// Answers after a time.
    Late(Duration, Answer),
    /// Takes requests up to so many bytes of protobuf, and calls larger ones too large.
    UpTo(usize),
    Panic,
}

pub(super) fn accepted() -> Answer {
    Answer::Accepted {
        rejected: 0,
        message: String::new(),
    }
}

pub(super) fn http(status: u16) -> Answer {
    Answer::Refused {
        status: Status::Http(status),
        message: String::new(),
        retry_after: None,
    }
}

pub(super) fn wait(status: u16, seconds: u64) -> Answer {
    Answer::Refused {
        status: Status::Http(status),
        message: String::new(),
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

pub(super) fn unreachable() -> Answer {
    Answer::Unreachable("refused".into())
}

/// An attempt as the destination saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at: Duration,
    pub(super) records: u64,
    pub(super) bytes: usize,
    /// The bodies of the records.
    pub(super) bodies: Vec<String>,
}

type Pick = Box<dyn Fn(&Seen) -> Option<Play> + Send>;

struct Scripted {
    start: Instant,
    script: Mutex<VecDeque<Play>>,
    then: Mutex<Play>,
    pick: Mutex<Option<Pick>>,
    seen: Mutex<Vec<Seen>>,
}

#[async_trait]
impl Transport for Scripted {
    fn url(&self) -> &'static str {
        "http://test/v1/logs"
    }

    fn origin(&self) -> &'static str {
        "http://test"
    }

    async fn send(&self, request: &Request) -> Answer {
        let plain = request.protobuf(usize::MAX).unwrap();
        let bytes = plain.len();
        let logs = ExportLogsServiceRequest::decode(plain).unwrap();
        let scopes = logs.resource_logs.into_iter().flat_map(|r| r.scope_logs);
        let bodies: Vec<String> = scopes
            .flat_map(|scope| scope.log_records)
            .map(|record| match record.body.unwrap().value {
                Some(Value::StringValue(text)) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(bodies.len() as u64, request.records);
        let seen = Seen {
            at: self.start.elapsed(),
            records: request.records,
            bytes,
            bodies,
        };
        let picked = self
            .pick
            .lock()
            .unwrap()
            .as_ref()
            .and_then(|pick| pick(&seen));
        let scripted = || self.script.lock().unwrap().pop_front();
        let play = picked.or_else(scripted);
        let play = play.unwrap_or_else(|| self.then.lock().unwrap().clone());
        self.seen.lock().unwrap().push(seen);
        match play {
            Play::Answer(answer) => answer,
            Play::Late(time, answer) => {
                tokio::time::sleep(time).await;
                answer
            }
            Play::UpTo(limit) if bytes <= limit => accepted(),
            Play::UpTo(_) => http(413),
            Play::Panic => panic!("the transport"),
        }
    }
}

/// A queue, the loop that serves it, and a scripted destination for logs.
pub(super) struct Rig {
    pub(super) queue: Arc<Queue>,
    start: Instant,
    transport: Arc<Scripted>,
    shape: Shape,
    events: Arc<Mutex<Vec<DeliveryEvent>>>,
    said: Arc<Mutex<Vec<String>>>,
    served: tokio::task::JoinHandle<()>,
}

impl Rig {
    pub(super) fn new(
        settings: &DeliverySettings,
        script: impl IntoIterator<Item = Play>,
        then: Play,
    ) -> Self {
        Self::with_connectivity(settings, script, then, None)
    }

    pub(super) fn with_connectivity(
        settings: &DeliverySettings,
        script: impl IntoIterator<Item = Play>,
        then: Play,
        connectivity: Option<super::thread::Connectivity>,
    ) -> Self {
        let start = Instant::now();
        let queue = Arc::new(Queue::new(settings, Arc::default()));
        let transport = Arc::new(Scripted {
            start,
            script: Mutex::new(script.into_iter().collect()),
            then: Mutex::new(then),
            pick: Mutex::default(),
            seen: Mutex::default(),
        });
        let shape = Shape {
            signal: Signal::Logs,
            protocol: Protocol::HttpProtobuf,
            compression: Compression::Gzip,
            max_bytes: 64 << 20,
        };
        let mut ways = Ways::default();
        ways[Signal::Logs as usize] = Some(Way {
            transport: Arc::clone(&transport) as Arc<dyn Transport>,
            shape: shape.clone(),
        });
        let (events, said) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let notifier = {
            let (events, said) = (Arc::clone(&events), Arc::clone(&said));
            Notifier::new(Some(Arc::new(move |notice: &crate::Notice| {
                said.lock().unwrap().push(notice.to_string());
            })))
            .with_events(Some(Arc::new(move |event: &DeliveryEvent| {
                events.lock().unwrap().push(event.clone());
                assert!(
                    !matches!(event, DeliveryEvent::Split { .. }),
                    "a callback that panics"
                );
            })))
        };
        let delivery = Delivery::new(Arc::clone(&queue), ways, notifier, connectivity, None);
        let served = tokio::spawn(delivery.serve());
        Self {
            queue,
            start,
            transport,
            shape,
            events,
            said,
            served,
        }
    }

    /// Lets a function of the request decide first.
    pub(super) fn pick(&self, pick: impl Fn(&Seen) -> Option<Play> + Send + 'static) {
        *self.transport.pick.lock().unwrap() = Some(Box::new(pick));
    }

    pub(super) fn then(&self, play: Play) {
        *self.transport.then.lock().unwrap() = play;
    }

    /// Pushes a request of so many records with bodies of so many bytes.
    pub(super) fn push_sized(&self, records: usize, bytes: usize) -> Result<(), Refusal> {
        self.push_bodies((0..records).map(|index| format!("{index}:{}", "x".repeat(bytes))))
    }

    pub(super) fn push(&self, records: usize) {
        self.push_sized(records, 100).unwrap();
    }

    pub(super) fn push_bodies(&self, bodies: impl Iterator<Item = String>) -> Result<(), Refusal> {
        let log_records: Vec<_> = bodies
            .map(|body| LogRecord {
                body: Some(AnyValue {
                    value: Some(Value::StringValue(body)),
                }),
                ..LogRecord::default()
            })
            .collect();
        let records = log_records.len() as u64;
        let logs = ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                scope_logs: vec![ScopeLogs {
                    log_records,
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        };
        let account = self.queue.ledger().signal(Signal::Logs);
        for _ in 0..records {
            account.admit(SeverityBand::Info);
        }
        account.handed(&records.into());
        let request = self
            .shape
            .fit(logs.encode_to_vec().into(), records)
            .unwrap();
        self.queue.push(request)
    }

    /// What the destination saw so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.transport.seen.lock().unwrap().clone()
    }

    /// When it saw it, in seconds.
    pub(super) fn times(&self) -> Vec<f64> {
        self.seen()
            .iter()
            .map(|seen| seen.at.as_secs_f64())
            .collect()
    }

    pub(super) fn events(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        events.iter().map(ToString::to_string).collect()
    }

    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The counts, after a look whether they are right: every record is in one place.
    pub(super) fn counts(&self) -> SignalCounts {
        let counts = *self.queue.ledger().counts().logs();
        let (held, _) = self.queue.audit();
        assert_eq!(
            counts.emitted(),
            counts.delivered() + counts.lost() + counts.spooled() + held,
            "{counts}, {held} held"
        );
        counts
    }

    /// Lets everything happen that happens until then.
    pub(super) async fn until(&self, seconds: u64) {
        tokio::time::sleep_until(self.start + Duration::from_secs(seconds)).await;
        // What happens at that very moment happens before.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.counts();
    }

    /// Lets everything happen that happens now.
    pub(super) async fn turn(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.counts();
    }

    /// Lets time pass until nothing is pending.
    pub(super) async fn settle(&self) -> SignalCounts {
        for _ in 0..100_000 {
            let counts = self.counts();
            if counts.pending() == 0 {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never settled: {}", self.counts());
    }

    /// Begins the shutdown and sees it to its end.
    pub(super) async fn close(&mut self) -> SignalCounts {
        self.queue.begin_closing();
        (&mut self.served).await.unwrap();
        let counts = self.counts();
        assert_eq!(counts.pending(), 0);
        counts
    }
}

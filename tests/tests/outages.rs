//! The example `emit` against a receiver that dies and returns, hangs, throttles: with the spool
//! nothing is lost, without it the loss is what the report says, record by record.
//!
//! Behind every run stands [`assert_conserved`]. What is said there of duplicates holds here: a
//! record is taken once, unless a request with it was not answered. A receiver that dies lets the
//! answers that it has begun out first, so it is known what it took.

#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]
#![cfg(unix)]

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tracing_otlp_tests::child::{self, Child};
use tracing_otlp_tests::conserved::{assert_conserved, count, numbers};
use tracing_otlp_tests::directory::Directory;
use tracing_otlp_tests::receiver::{Mood, Receiver};

const PATIENCE: Duration = Duration::from_secs(120);
/// Records a second: so few that there is a middle.
const RATE: u64 = 500;
/// Waits until everything has arrived, for at most a minute.
const SETTLE: &str = " --settle 60";
const PROTOCOLS: [&str; 2] = ["http/protobuf", "grpc"];

/// The receiver, and the environment of the programs that send to it.
struct Scene {
    receiver: Receiver,
    directory: Directory,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    fn new(protocol: &str) -> Self {
        let receiver = Receiver::start();
        let variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            ("OTEL_BLRP_SCHEDULE_DELAY", "50".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
            // Longer than any of these runs should take.
            ("TRACING_OTLP_SHUTDOWN_DEADLINE", "60s".to_owned()),
        ];
        Self {
            receiver,
            directory: Directory::new(),
            variables,
        }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    fn with_spool(self) -> Self {
        let directory = self.directory.path().to_str().unwrap().to_owned();
        self.with("TRACING_OTLP_SPOOL_DIRECTORY", &directory)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = child::command(child::example("emit"));
        command
            .args(arguments.split(' '))
            .envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command
    }

    fn start(&self, arguments: &str) -> Child {
        Child::spawn(&mut self.command(arguments)).unwrap()
    }

    /// Runs it from beginning to end.
    fn run(&self, arguments: &str) -> Json {
        ended(self.start(arguments))
    }

    /// Starts it, with a receiver that is of another mood once it has half of so many records.
    fn start_and_turn(&self, records: u64, mood: Mood, more: &str) -> Child {
        self.receiver.turn_after(records / 2, mood);
        let child = self.start(&format!("--records {records} --rate {RATE}{more}"));
        self.receiver.wait_for("half of it arrives", |arrived| {
            arrived.records.len() as u64 >= records / 2
        });
        if mood == Mood::Dead {
            self.receiver.die();
        }
        child
    }

    /// Every one of the records has arrived.
    fn assert_all_arrived(&self, records: u64) {
        let numbers = numbers(&self.receiver.arrived().records);
        assert_eq!(numbers, (0..records).collect::<Vec<_>>());
    }

    fn assert_conserved(&self, runs: &[Json]) {
        assert_conserved(runs, &self.receiver.arrived());
    }
}

/// Runs the test for each of these, all at the same time: they mostly wait.
fn at_once<T: Send, const N: usize>(cases: [T; N], test: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| test(case));
        }
    });
}

/// Its report, once it has ended.
fn ended(mut child: Child) -> Json {
    let status = child.wait(PATIENCE).unwrap();
    assert!(status.success(), "{:#?}", child.stderr());
    serde_json::from_str(child.stdout().last().unwrap()).unwrap()
}

/// Waits until it has said on stderr, as it does by default, that something is wrong.
fn wait_for_notice(child: &Child, of: &str) {
    let said = |lines: &[String]| lines.iter().any(|line| line.contains(of));
    child.wait_for_stderr(PATIENCE, said).unwrap();
}

/// The only reasons that there are.
#[track_caller]
fn assert_lost_for(report: &Json, reasons: &[&str]) {
    for account in [report, &report["spans"]] {
        let lost = account["by_reason"].as_object().unwrap();
        for reason in lost.keys() {
            assert!(reasons.contains(&&**reason), "{reason}: {report:#}");
        }
    }
}

#[test]
fn a_receiver_that_dies_and_returns_costs_nothing() {
    at_once(PROTOCOLS, |protocol| {
        let scene = Scene::new(protocol);
        let child = scene.start_and_turn(1_000, Mood::Dead, SETTLE);
        wait_for_notice(&child, "cannot deliver");
        scene.receiver.come_back(Mood::Taking);
        let report = ended(child);
        assert_eq!(count(&report, "lost"), 0, "{report:#}");
        scene.assert_all_arrived(1_000);
        scene.assert_conserved(&[report]);
    });
}

#[test]
fn a_receiver_that_dies_for_good_costs_what_the_report_says() {
    at_once(PROTOCOLS, |protocol| {
        let scene = Scene::new(protocol);
        let child = scene.start_and_turn(1_000, Mood::Dead, "");
        let report = ended(child);
        assert!(count(&report, "lost") > 0, "{report:#}");
        assert_lost_for(&report, &["unreachable"]);
        scene.assert_conserved(&[report]);
    });
}

#[test]
fn with_a_spool_the_next_process_brings_what_a_dead_receiver_missed() {
    at_once(PROTOCOLS, |protocol| {
        let scene = Scene::new(protocol).with_spool();
        let child = scene.start_and_turn(1_000, Mood::Dead, "");
        let first = ended(child);
        assert!(count(&first, "spooled") > 0, "{first:#}");
        assert_eq!(count(&first, "lost"), 0, "{first:#}");
        scene.assert_conserved(std::slice::from_ref(&first));

        // A whole process during the outage, which has its own to add.
        let second = scene.run("--records 100 --from 1000");
        assert_eq!(count(&second, "delivered"), 0, "{second:#}");

        scene.receiver.come_back(Mood::Taking);
        let third = scene.run("--records 100 --from 1100 --settle 60");
        scene.assert_all_arrived(1_200);
        scene.assert_conserved(&[first, second, third]);
    });
}

#[test]
fn with_a_spool_old_data_comes_back_in_the_same_process_beside_the_fresh() {
    let scene = Scene::new("http/protobuf")
        .with_spool()
        // What fails goes to disk at once.
        .with("TRACING_OTLP_RETRY_DEADLINE", "0");
    let child = scene.start_and_turn(1_500, Mood::Dead, SETTLE);
    wait_for_notice(&child, "cannot deliver");
    scene.receiver.come_back(Mood::Taking);
    let report = ended(child);
    assert_eq!(count(&report, "lost"), 0, "{report:#}");
    assert_eq!(count(&report, "spooled"), 0, "{report:#}");
    scene.assert_all_arrived(1_500);
    scene.assert_conserved(&[report]);
}

#[test]
fn a_receiver_that_hangs_costs_what_the_report_says() {
    at_once(PROTOCOLS, |protocol| {
        let scene = Scene::new(protocol)
            .with("OTEL_EXPORTER_OTLP_TIMEOUT", "3000")
            .with("TRACING_OTLP_RETRY_DEADLINE", "0")
            .with("TRACING_OTLP_SHUTDOWN_DEADLINE", "4s");
        let child = scene.start_and_turn(1_000, Mood::Hanging, "");
        let report = ended(child);
        assert!(count(&report, "lost") > 0, "{report:#}");
        assert_lost_for(&report, &["timeout", "shutdown_deadline"]);
        // It was busy with some that were lost: a hanging receiver may have them after all.
        assert!(scene.receiver.arrived().unanswered_records > 0);
        scene.assert_conserved(&[report]);
    });
}

#[test]
fn with_a_spool_the_next_process_brings_what_a_hanging_receiver_did_not_answer() {
    at_once(PROTOCOLS, |protocol| {
        let scene = Scene::new(protocol)
            .with_spool()
            .with("OTEL_EXPORTER_OTLP_TIMEOUT", "3000")
            .with("TRACING_OTLP_SHUTDOWN_DEADLINE", "4s");
        let child = scene.start_and_turn(1_000, Mood::Hanging, "");
        let first = ended(child);
        assert_eq!(count(&first, "lost"), 0, "{first:#}");
        assert!(count(&first, "spooled") > 0, "{first:#}");

        scene.receiver.set(Mood::Taking);
        let second = scene.run("--records 1 --from 1000 --settle 60");
        scene.assert_all_arrived(1_001);
        scene.assert_conserved(&[first, second]);
        // These are the ones that a receiver has twice which took them and was slow to say so.
        assert!(scene.receiver.arrived().unanswered_records > 0);
    });
}

#[test]
fn a_receiver_that_throttles_for_a_while_costs_nothing_and_is_left_alone_as_it_asks() {
    at_once(
        [
            ("http/protobuf", 429, Some(1)),
            ("http/protobuf", 503, None),
            ("grpc", 429, Some(1)),
        ],
        |(protocol, status, wait)| {
            let scene = Scene::new(protocol);
            let child = scene.start_and_turn(1_000, Mood::Throttling(status, wait), SETTLE);
            scene
                .receiver
                .wait_for("it throttles", |arrived| !arrived.throttled.is_empty());
            if wait.is_some() {
                let said = scene.receiver.arrived().throttled[0];
                let is_early = |at: &&Instant| at.duration_since(said) < Duration::from_millis(900);
                scene.receiver.wait_for("somebody asks again", |arrived| {
                    !arrived.throttled.iter().all(|at| is_early(&at))
                });
                // What was under way when it said so could not know: four requests a signal at most.
                let throttled = scene.receiver.arrived().throttled;
                let early = throttled.iter().filter(is_early).count();
                assert!(early <= 8, "{throttled:?}");
            }
            scene.receiver.set(Mood::Taking);
            let report = ended(child);
            assert_eq!(count(&report, "lost"), 0, "{report:#}");
            scene.assert_all_arrived(1_000);
            scene.assert_conserved(&[report]);
        },
    );
}

#[test]
fn a_receiver_that_throttles_to_the_end_costs_what_the_report_says() {
    at_once(
        [
            ("http/protobuf", 429, Some(30)),
            ("http/protobuf", 503, None),
            ("grpc", 503, None),
        ],
        |(protocol, status, wait)| {
            let scene = Scene::new(protocol).with("TRACING_OTLP_SHUTDOWN_DEADLINE", "3s");
            let child = scene.start_and_turn(1_000, Mood::Throttling(status, wait), "");
            let report = ended(child);
            assert!(count(&report, "lost") > 0, "{report:#}");
            assert_lost_for(&report, &["unavailable", "shutdown_deadline"]);
            scene.assert_conserved(&[report]);
        },
    );
}

#[test]
fn with_a_spool_the_next_process_brings_what_was_throttled() {
    let scene = Scene::new("http/protobuf").with_spool();
    let child = scene.start_and_turn(1_000, Mood::Throttling(429, Some(30)), "");
    let first = ended(child);
    assert_eq!(count(&first, "lost"), 0, "{first:#}");
    assert!(count(&first, "spooled") > 0, "{first:#}");
    scene.receiver.set(Mood::Taking);
    let second = scene.run("--records 0 --settle 60");
    scene.assert_all_arrived(1_000);
    scene.assert_conserved(&[first, second]);
}

#[test]
fn what_memory_cannot_hold_in_an_outage_is_lost_by_name_and_with_a_spool_not_at_all() {
    at_once([false, true], |spool| {
        let mut scene =
            Scene::new("http/protobuf").with("TRACING_OTLP_DELIVERY_QUEUE_MAX_RECORDS", "5000");
        if spool {
            scene = scene.with_spool();
        }
        scene.receiver.die();
        // A quarter of the room is left for what comes while the disk writes: 0.8 s at this pace.
        let first = scene.run("--records 7500 --rate 1500 --spans 0");
        assert_eq!(count(&first, "delivered"), 0, "{first:#}");
        if spool {
            assert_eq!(count(&first, "lost"), 0, "{first:#}");
        } else {
            let full = &first["by_reason"]["delivery_queue_full"];
            assert!(full.as_u64().unwrap() >= 2_500, "{first:#}");
            assert_lost_for(&first, &["delivery_queue_full", "unreachable"]);
        }
        scene.receiver.come_back(Mood::Taking);
        let second = scene.run("--records 1 --from 7500 --settle 60");
        scene.assert_conserved(&[first, second]);
        if spool {
            scene.assert_all_arrived(7_501);
        }
    });
}

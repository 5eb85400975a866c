//! Runs the program under test in one of its modes, and reads what it has to tell.
//!
//! The modes are in `src/bin/victim`. A run starts without any setting but the one that keeps
//! its console quiet; what stands on its stderr then is what the library says to people.

use std::ffi::OsStr;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::Value;
use tracing_otlp_collector::Collector;

use crate::child::{self, Child};

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program in one of its modes, about to be run.
#[derive(Debug)]
#[must_use = "nothing runs before run() or start()"]
pub struct Victim(Command);

impl Victim {
    /// `program` is `env!("CARGO_BIN_EXE_victim")`; `mode` is the mode and its arguments.
    pub fn new(program: &str, mode: &[&str]) -> Self {
        let mut command = child::command(program);
        command
            .args(mode)
            .env("TRACING_OTLP_CONSOLE", "off")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE");
        Self(command)
    }

    /// Sends to this collector.
    pub fn to(self, collector: &Collector) -> Self {
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// The command, to be run by other means.
    pub fn into_command(self) -> Command {
        self.0
    }

    /// Starts it.
    pub fn start(mut self) -> Child {
        Child::spawn(&mut self.0).expect("the program starts")
    }

    /// Runs it to its end, whatever that is.
    pub fn run(self) -> Run {
        let mut child = self.start();
        let status = child
            .wait(PATIENCE)
            .unwrap_or_else(|gave_up| panic!("{gave_up}"));
        Run {
            status,
            stdout: child.stdout(),
            stderr: child.stderr(),
        }
    }

    /// Runs it to its end, which must be a good one.
    pub fn succeed(self) -> Run {
        let run = self.run();
        assert!(run.status.success(), "{run:#?}");
        run
    }
}

/// A run that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run {
    /// How it ended.
    pub status: ExitStatus,
    /// Its lines on stdout.
    pub stdout: Vec<String>,
    /// Its lines on stderr.
    pub stderr: Vec<String>,
}

impl Run {
    /// What it told, in order.
    pub fn told(&self) -> Vec<Value> {
        self.stdout
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The last thing it told, mostly its report.
    pub fn last(&self) -> Value {
        self.told()
            .pop()
            .unwrap_or_else(|| panic!("it told nothing: {self:#?}"))
    }

    /// What the library said to people.
    pub fn said(&self) -> Vec<&str> {
        self.stderr
            .iter()
            .filter_map(|line| line.strip_prefix("tracing-otlp: "))
            .collect()
    }
}

/// What every settled account must be: nothing pending, and every record in one place.
pub fn assert_balanced(report: &Value) {
    for account in [report, &report["spans"]] {
        if account.is_null() {
            continue;
        }
        let of = |what: &str| account[what].as_u64().expect("a number");
        assert_eq!(of("pending"), 0, "{report:#}");
        assert_eq!(
            of("emitted") + of("recovered"),
            of("delivered") + of("lost") + of("elsewhere"),
            "{report:#}"
        );
        let reasons = account["by_reason"].as_object().expect("reasons");
        let sum: u64 = reasons.values().filter_map(Value::as_u64).sum();
        assert_eq!(of("lost"), sum, "{report:#}");
    }
}

/// The whole of a report in which nothing was lost.
pub fn assert_delivered(report: &Value, logs: u64, spans: u64) {
    assert_balanced(report);
    assert_eq!(report["settled"], true, "{report:#}");
    assert_eq!(report["delivered"], logs, "{report:#}");
    assert_eq!(report["lost"], 0, "{report:#}");
    assert_eq!(report["spans"]["delivered"], spans, "{report:#}");
    assert_eq!(report["spans"]["lost"], 0, "{report:#}");
}

//! The thread that starts the collector, watches it, starts it again, and ends it.
//!
//! Everything that waits does so here, so the handle never blocks anybody who does not ask for it.
//! It ends with the collector: stopped when the handle says so, failed when nothing helps.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ChildStdout;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::binary::Facts;
use super::config::{CollectorConfig, Source};
use super::guard::{Guarded, whole_seconds};
use super::launch::{self, reachable};
use super::log::read_lines;
use super::ports::Ports;
use super::restart::IS_STABLE;
use super::state::{Shared, Started};
use super::{Fault, ProcessState, RestartPolicy, probe, render};

/// What the builder was told.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) program: PathBuf,
    pub(super) config: CollectorConfig,
    pub(super) environment: Vec<(String, String)>,
    pub(super) start_timeout: Duration,
    pub(super) grace: Duration,
    pub(super) restart: RestartPolicy,
    pub(super) health_interval: Duration,
}

/// Starts the thread.
pub(super) fn start(settings: Settings, shared: &Arc<Shared>) -> Result<(), Fault> {
    let supervisor = Supervisor {
        settings,
        shared: Arc::clone(shared),
        runs: 0,
    };
    thread::Builder::new()
        .name("otelcol-owner".to_owned())
        .spawn(move || supervisor.run())
        .map(drop)
        .map_err(Fault::system("no thread"))
}

struct Supervisor {
    settings: Settings,
    shared: Arc<Shared>,
    /// How many times it was started; the number of the run.
    runs: u64,
}

/// How a start went.
enum Start {
    Ready(Guarded),
    Stopped,
    Ended(String),
    Late,
}

/// How a run ended.
enum End {
    Asked,
    Unasked(String),
}

impl Supervisor {
    fn run(mut self) {
        let _last = LastWord(Arc::clone(&self.shared));
        let outcome = self.supervise();
        self.shared.change(|state| {
            state.pid = None;
            state.phase = match outcome {
                Ok(()) => ProcessState::Stopped,
                Err(fault) => {
                    state.fault = Some(fault);
                    ProcessState::Failed
                }
            };
        });
    }

    fn supervise(&mut self) -> Result<(), Fault> {
        let facts = Facts::ask(&self.settings.program)?;
        if self.is_rendered() {
            render::lacking(&self.settings.config, &facts)?;
        }
        let Some((mut running, ports)) = self.start_somewhere(&facts)? else {
            return Ok(());
        };
        let mut in_a_row = 0;
        loop {
            let since = Instant::now();
            let End::Unasked(mut how) = self.watch(&mut running, &facts, &ports) else {
                return Ok(());
            };
            if since.elapsed() >= IS_STABLE {
                in_a_row = 0;
            }
            running = loop {
                self.shared.change(|state| {
                    state.phase = ProcessState::Restarting;
                    state.pid = None;
                    state.last_end = Some(how);
                });
                let Some(wait) = self.settings.restart.wait_after(in_a_row) else {
                    return Err(Fault::GaveUp {
                        how: self
                            .shared
                            .read(|state| state.last_end.clone())
                            .unwrap_or_default(),
                        said: self.said(),
                    });
                };
                in_a_row += 1;
                if self
                    .shared
                    .wait(wait, |state| state.stop.then_some(()))
                    .is_some()
                {
                    return Ok(());
                }
                self.shared.change(|state| state.restarts += 1);
                how = match self.start(&facts, &ports) {
                    Ok(Start::Ready(running)) => break running,
                    Ok(Start::Stopped) => return Ok(()),
                    Ok(Start::Ended(how)) => how,
                    Ok(Start::Late) => "it was not ready in time".to_owned(),
                    // The system has no process for us now; it may have one later.
                    Err(fault) => fault.to_string(),
                };
            };
        }
    }

    /// The first start. A port that somebody took in the meantime is no reason to give up, where
    /// the choice was ours.
    fn start_somewhere(&mut self, facts: &Facts) -> Result<Option<(Guarded, Ports)>, Fault> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let wanted = self.settings.config.wanted;
            let ports = wanted.choose().map_err(Fault::system("no free port"))?;
            self.shared.change(|state| state.log.clear());
            let how = match self.start(facts, &ports)? {
                Start::Ready(running) => {
                    self.shared.change(|state| {
                        state.started = Some(Started {
                            ports: reachable(ports),
                            version: facts.version.clone(),
                        });
                    });
                    return Ok(Some((running, ports)));
                }
                Start::Stopped => return Ok(None),
                Start::Late => {
                    return Err(Fault::NotReady {
                        waited: self.settings.start_timeout,
                        said: self.said(),
                    });
                }
                Start::Ended(how) => how,
            };
            let said = self.said();
            if said.iter().any(|line| line.contains(IN_USE)) {
                if attempts < MOST_ATTEMPTS && !wanted.insists_on_one_of(&said) {
                    continue;
                }
                return Err(Fault::PortTaken { said });
            }
            let (location, environment) = self.told(facts, &ports);
            return Err(match facts.validate(&location, &environment) {
                Err(said) => Fault::ConfigRefused { said },
                Ok(()) => Fault::DiedAtStart { how, said },
            });
        }
    }

    /// Starts it there and waits until it answers.
    fn start(&mut self, facts: &Facts, ports: &Ports) -> Result<Start, Fault> {
        self.runs += 1;
        let run = self.runs;
        let (location, environment) = self.told(facts, ports);
        self.shared.change(|state| state.said_ready = false);
        let (mut running, output) = Guarded::start(
            &self.settings.program,
            &location,
            &environment,
            self.settings.grace,
        )
        .map_err(Fault::system("no shell"))?;
        self.listen(run, output)?;

        let deadline = Instant::now() + self.settings.start_timeout;
        let mut answers = 0;
        loop {
            if self.shared.read(|state| state.stop) {
                self.end(&mut running);
                return Ok(Start::Stopped);
            }
            if let Some(how) = self.ended(&mut running, run) {
                return Ok(Start::Ended(how));
            }
            answers = if self.answers(facts, ports) {
                answers + 1
            } else {
                0
            };
            // The port may be somebody else's, and our collector about to find that out. Its
            // health check's port, chosen a moment ago, is hardly that; without one it has to say
            // so itself, or to live with it for a while.
            let is_sure = self.has_health_check(facts)
                || self.shared.read(|state| state.said_ready)
                || answers >= MANY_ANSWERS;
            if answers > 0 && is_sure {
                if let Some(how) = self.ended(&mut running, run) {
                    return Ok(Start::Ended(how));
                }
                self.shared
                    .change(|state| state.phase = ProcessState::Ready);
                return Ok(Start::Ready(running));
            }
            if Instant::now() >= deadline {
                self.end(&mut running);
                return Ok(Start::Late);
            }
            self.shared.wait(BETWEEN_PROBES, |state| {
                (state.stop || state.silent == run).then_some(())
            });
        }
    }

    /// Watches a collector that is ready, until it ends.
    fn watch(&self, running: &mut Guarded, facts: &Facts, ports: &Ports) -> End {
        let run = self.runs;
        let mut missed = 0;
        let mut looked = Instant::now();
        loop {
            let tick = LONGEST_TICK.min(self.settings.health_interval);
            self.shared.wait(tick, |state| {
                (state.stop || state.silent == run).then_some(())
            });
            if self.shared.read(|state| state.stop) {
                self.end(running);
                return End::Asked;
            }
            if let Some(how) = self.ended(running, run) {
                return End::Unasked(how);
            }
            if looked.elapsed() < self.settings.health_interval {
                continue;
            }
            looked = Instant::now();
            missed = if self.answers(facts, ports) {
                0
            } else {
                missed + 1
            };
            if missed >= MOST_MISSED {
                self.end(running);
                return End::Unasked("it did not answer".to_owned());
            }
        }
    }

    fn ended(&self, running: &mut Guarded, run: u64) -> Option<String> {
        if self.shared.read(|state| state.silent == run) {
            // Its output has ended, so it is about to.
            thread::sleep(Duration::from_millis(2));
        }
        let how = running.ended()?;
        // What it said last may still be on its way.
        self.shared.wait(Duration::from_secs(1), |state| {
            (state.silent == run).then_some(())
        });
        // If only the guard's shell has ended: its other half ends the collector now.
        running.ask_to_end();
        Some(how)
    }

    fn end(&self, running: &mut Guarded) {
        running.ask_to_end();
        let deadline =
            Instant::now() + Duration::from_secs(whole_seconds(self.settings.grace)) + LONGEST_END;
        while running.ended().is_none() {
            if Instant::now() >= deadline {
                running.kill();
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Keeps what it prints, on a thread of its own.
    fn listen(&self, run: u64, output: ChildStdout) -> Result<(), Fault> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name("otelcol-output".to_owned())
            .spawn(move || {
                let mut is_first = true;
                read_lines(output, |line| {
                    shared.change(|state| {
                        if is_first {
                            state.pid = line.parse().ok();
                        } else {
                            state.said_ready |= line.contains(IS_READY);
                            state.log.push(line);
                        }
                    });
                    is_first = false;
                });
                shared.change(|state| state.silent = run);
            })
            .map(drop)
            .map_err(Fault::system("no thread"))
    }

    fn answers(&self, facts: &Facts, ports: &Ports) -> bool {
        let ports = reachable(*ports);
        if self.has_health_check(facts) {
            probe::get(ports.health) == Some(200)
                && probe::accepts(ports.grpc)
                && probe::accepts(ports.http)
        } else if self.is_rendered() {
            // Whatever it answers to this, it answers.
            probe::get(ports.http).is_some() && probe::accepts(ports.grpc)
        } else {
            probe::accepts(ports.http) || probe::accepts(ports.grpc)
        }
    }

    fn told(&self, facts: &Facts, ports: &Ports) -> (OsString, Vec<(String, String)>) {
        launch::told(&self.settings, facts, ports)
    }

    fn has_health_check(&self, facts: &Facts) -> bool {
        self.is_rendered() && facts.has_health_check()
    }

    fn is_rendered(&self) -> bool {
        matches!(self.settings.config.source, Source::Rendered)
    }

    fn said(&self) -> Vec<String> {
        self.shared.read(|state| state.log.lines())
    }
}

/// However the thread ends, nobody waits for it in vain.
struct LastWord(Arc<Shared>);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.change(|state| {
            if !matches!(state.phase, ProcessState::Stopped | ProcessState::Failed) {
                state.phase = ProcessState::Failed;
            }
        });
    }
}

/// How Go's standard library says `EADDRINUSE`.
const IN_USE: &str = "address already in use";
/// What every collector logs, at INFO, once all its pipelines run.
const IS_READY: &str = "Everything is ready";
const MOST_ATTEMPTS: u32 = 5;
const MANY_ANSWERS: u32 = 20;
const MOST_MISSED: u32 = 6;
const BETWEEN_PROBES: Duration = Duration::from_millis(50);
const LONGEST_TICK: Duration = Duration::from_secs(1);
/// Beyond the grace: the shell's steps, on a busy machine.
const LONGEST_END: Duration = Duration::from_secs(3);

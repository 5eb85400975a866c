//! Holds what an owned collector can be told before it starts, and starts it.

use std::path::PathBuf;
use std::time::Duration;

use super::config::CollectorConfig;
use super::process::{CollectorProcess, Owner};
use super::restart::RestartPolicy;
use super::state::Shared;
use super::supervise::{self, Settings};
use crate::Error;

/// The settings of a [`CollectorProcess`]; `CollectorProcess::builder()` makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct CollectorProcessBuilder {
    settings: Settings,
    log_capacity: usize,
}

impl CollectorProcessBuilder {
    pub(super) fn new() -> Self {
        Self {
            settings: Settings {
                program: PathBuf::from("otelcol"),
                config: CollectorConfig::new(),
                environment: Vec::new(),
                start_timeout: Duration::from_secs(30),
                grace: Duration::from_secs(5),
                restart: RestartPolicy::default(),
                health_interval: Duration::from_secs(10),
            },
            log_capacity: 256 * 1024,
        }
    }

    /// Runs this program; `otelcol`, found by `PATH`, by default.
    ///
    /// Any distribution will do, old or new: it is asked for the names of its components.
    pub fn with_binary(mut self, program: impl Into<PathBuf>) -> Self {
        self.settings.program = program.into();
        self
    }

    /// What the collector is to do.
    pub fn with_config(mut self, config: CollectorConfig) -> Self {
        self.settings.config = config;
        self
    }

    /// Sets a variable in the collector's environment, which is otherwise ours.
    pub fn with_env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.environment.push((name.into(), value.into()));
        self
    }

    /// Gives up a start that takes longer, 30 s by default.
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.settings.start_timeout = timeout;
        self
    }

    /// Leaves it this long between SIGTERM and SIGKILL, 5 s by default; counted in whole seconds,
    /// rounded up.
    ///
    /// In this time it sends what it still holds.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// What happens when it ends unasked.
    pub fn with_restart(mut self, policy: RestartPolicy) -> Self {
        self.settings.restart = policy;
        self
    }

    /// Asks this often whether it still answers, every 10 s by default. After six questions in a
    /// row without an answer it is ended and started again.
    pub fn with_health_interval(mut self, interval: Duration) -> Self {
        self.settings.health_interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Keeps this many bytes of the lines it printed last, 256 KiB by default.
    pub fn with_log_capacity(mut self, bytes: usize) -> Self {
        self.log_capacity = bytes;
        self
    }

    /// Starts it and returns once it answers.
    ///
    /// It blocks the calling thread meanwhile, mostly well under a second. In async code use
    /// [`spawn_async`](Self::spawn_async).
    ///
    /// # Errors
    ///
    /// When the program is missing ([`Error::is_program_missing`]) or is no collector, refuses its
    /// configuration ([`Error::is_config_refused`]), lacks a component, finds its port taken
    /// ([`Error::is_address_in_use`]; ports that were chosen here are chosen again first), ends or
    /// is not ready in time. The message has the collector's own words;
    /// [`Error::collector_output`] has more of them.
    pub fn spawn(self) -> Result<CollectorProcess, Error> {
        // Nobody may wait longer, whatever happens to the thread: all attempts and their grace.
        let longest = self.settings.start_timeout * 6 + LONGEST_QUESTIONS;
        let owner = self.begin()?;
        let started = owner.0.wait(longest, Owner::outcome);
        match started {
            Some(Ok(started)) => Ok(CollectorProcess::new(owner, started)),
            Some(Err(fault)) => Err(Error::process(fault)),
            None => Err(Error::ended()),
        }
    }

    /// Starts it, and is done once it answers; blocks no thread and needs no particular runtime.
    ///
    /// Dropping the future stops the collector.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub async fn spawn_async(self) -> Result<CollectorProcess, Error> {
        let owner = self.begin()?;
        match owner.0.until(Owner::outcome).await {
            Ok(started) => Ok(CollectorProcess::new(owner, started)),
            Err(fault) => Err(Error::process(fault)),
        }
    }

    fn begin(self) -> Result<Owner, Error> {
        let grace = self.settings.grace;
        let shared = Shared::new(self.log_capacity);
        supervise::start(self.settings, &shared).map_err(Error::process)?;
        Ok(Owner(shared, grace))
    }
}

/// Asking the program for its components, and for its opinion of the configuration.
const LONGEST_QUESTIONS: Duration = Duration::from_secs(60);

//! Owns a real OpenTelemetry Collector as a child process.
//!
//! It stands beside the way of an event: where the in-process [`Collector`](crate::Collector) is
//! not what a program wants to send to, it can bring the OpenTelemetry Collector along: started
//! before the application's exporters, watched while they run, gone when they are.
//!
//! A thread of its own (`supervise`) asks the program what it is (`binary`), picks ports
//! (`ports`), renders a configuration (`config`, `render`, `launch`), starts the program behind a guard that
//! outlives us (`guard`), and waits until it answers (`probe`). The handle (`process`) only reads
//! and sets what the two share (`state`).
//!
//! The one thing to know: the guard is a shell of a few lines that holds the read end of a pipe.
//! When the write end closes, by `drop`, by return from `main` or by `kill -9`, it ends the
//! collector. No signal handler, no `unsafe`, no dependency.

mod binary;
mod builder;
mod config;
mod fault;
mod guard;
mod launch;
mod log;
mod ports;
mod probe;
mod process;
mod render;
mod restart;
mod state;
mod supervise;

pub(crate) use fault::Fault;

pub use builder::CollectorProcessBuilder;
pub use config::{CollectorConfig, Destination};
pub use process::CollectorProcess;
pub use restart::RestartPolicy;
pub use state::ProcessState;

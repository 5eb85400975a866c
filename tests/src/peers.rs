//! Independent peers: other people's code that reads what ours has written.
//!
//! [`Oracle`] parses captured request bodies with the Python project's protobuf classes.
//! [`Rotel`] is a third-party agent that receives over HTTP and gRPC and prints what it got. Both
//! give the types of [`model`](crate::model), so that a test can hold them against each other.
//! [`Otelcol`] is the OpenTelemetry Collector itself. [`python`] and [`node`] run other people's
//! senders.
//!
//! The one thing to know: `find()` and `start()` give `None` when the peer is not installed, after
//! saying so loudly; a test then leaves out that leg. Where `TRACING_OTLP_REQUIRE_PEERS=1` is set
//! (CI does) they panic instead, so that a missing peer can never pass for a passing test.

use std::io::Write;
use std::path::{Path, PathBuf};

mod oracle;
mod otelcol;
mod printed;
mod rotel;

pub use oracle::{Format, Oracle, Signal, Unreadable};
pub use otelcol::Otelcol;
pub use rotel::Rotel;

/// The Python interpreter of the peers' virtual environment: `.venv` at the root of the workspace,
/// or what `TRACING_OTLP_VENV` names.
pub fn python() -> Option<PathBuf> {
    in_venv("bin/python")
}

/// Where the packages of the Node senders are: a folder that holds `node_modules`, if Node is
/// there too.
pub fn node() -> Option<PathBuf> {
    let packages = in_venv("node/package.json")?;
    let answers = std::process::Command::new("node").arg("--version").output();
    let folder = packages.parent()?.to_owned();
    answers
        .is_ok_and(|it| it.status.success())
        .then_some(folder)
}

/// Says that a leg is left out because `what` is not installed, and that `setup` does that.
///
/// # Panics
///
/// Where `TRACING_OTLP_REQUIRE_PEERS=1` is set.
pub fn missing(what: &str, setup: &str) {
    assert!(
        !required(),
        "{what} is not installed, and TRACING_OTLP_REQUIRE_PEERS=1: run {setup}"
    );
    // Straight to the stream: the print macros are captured while a test passes.
    let line = format!("\nSKIPPED LEG: {what} is not installed: run {setup}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// What makes the virtual environment.
pub const SETUP: &str = "tests/peers/setup";

/// Whether a missing peer is a failure.
pub fn required() -> bool {
    std::env::var_os("TRACING_OTLP_REQUIRE_PEERS").is_some_and(|value| value == "1")
}

fn in_venv(path: &str) -> Option<PathBuf> {
    let venv = std::env::var_os("TRACING_OTLP_VENV")
        .filter(|path| !path.is_empty())
        .map_or_else(
            || crate::child::workspace_root().join(".venv"),
            PathBuf::from,
        );
    // Half an environment is none: the setup leaves its stamp last.
    let ready = Path::new(&venv).join(".setup.stamp").is_file();
    Some(venv.join(path)).filter(|path| ready && path.is_file())
}

//! Independent peers: other people's code that reads what ours has written.
//!
//! [`Oracle`] parses captured request bodies with the Python project's protobuf classes.
//! [`Rotel`] is a third-party agent that receives over HTTP and gRPC and prints what it got. Both
//! give the types of [`model`](crate::model), so that a test can hold them against each other.
//!
//! The one thing to know: `find()` and `start()` give `None` when the peer is not installed, after
//! saying so loudly; a test then leaves out that leg. Where `TRACING_OTLP_REQUIRE_PEERS=1` is set
//! (CI does) they panic instead, so that a missing peer can never pass for a passing test.

use std::io::Write;
use std::path::{Path, PathBuf};

mod oracle;
mod printed;
mod rotel;

pub use oracle::{Format, Oracle, Signal, Unreadable};
pub use rotel::Rotel;

/// The Python interpreter of the peers' virtual environment: `.venv` at the root of the workspace,
/// or what `TRACING_OTLP_VENV` names.
pub fn python() -> Option<PathBuf> {
    in_venv("python")
}

/// Says that a leg is left out because `what` is not installed.
///
/// # Panics
///
/// Where `TRACING_OTLP_REQUIRE_PEERS=1` is set.
pub fn missing(what: &str) {
    assert!(
        !required(),
        "{what} is not installed, and TRACING_OTLP_REQUIRE_PEERS=1: run tests/peers/setup"
    );
    // Straight to the stream: the print macros are captured while a test passes.
    let line = format!("\nSKIPPED LEG: {what} is not installed: run tests/peers/setup\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Whether a missing peer is a failure.
pub fn required() -> bool {
    std::env::var_os("TRACING_OTLP_REQUIRE_PEERS").is_some_and(|value| value == "1")
}

fn in_venv(program: &str) -> Option<PathBuf> {
    let venv = std::env::var_os("TRACING_OTLP_VENV")
        .filter(|path| !path.is_empty())
        .map_or_else(
            || crate::child::workspace_root().join(".venv"),
            PathBuf::from,
        );
    // Half an environment is none: the setup leaves its stamp last.
    let ready = Path::new(&venv).join(".setup.stamp").is_file();
    Some(venv.join("bin").join(program)).filter(|path| ready && path.is_file())
}

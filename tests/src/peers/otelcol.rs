//! The real OpenTelemetry Collector and its load sender, as `tests/collector/setup` builds them.
//!
//! Found by what they were built from: a build of other pins than the ones that stand in
//! `tests/collector` now is no build.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::missing;
use crate::child::workspace_root;

/// The programs that `tests/collector/setup` has built.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Otelcol {
    /// A collector of today, with every component that our configurations name.
    pub new: PathBuf,
    /// One from before v0.144.0, with as little as possible.
    pub old: PathBuf,
    /// Sends logs, traces and metrics.
    pub telemetrygen: PathBuf,
}

impl Otelcol {
    /// The programs, if they are built.
    ///
    /// # Panics
    ///
    /// When they are not, and `TRACING_OTLP_REQUIRE_PEERS=1`, unless `TRACING_OTLP_WITHOUT_COLLECTOR=1`
    /// says that this machine has no Go to build them with.
    pub fn find() -> Option<Self> {
        let found = built();
        let is_known =
            std::env::var_os("TRACING_OTLP_WITHOUT_COLLECTOR").is_some_and(|it| it == "1");
        if found.is_none() && is_known {
            let _ = std::io::stderr().write_all(b"\nSKIPPED LEG: no OpenTelemetry Collector\n");
        } else if found.is_none() {
            missing(
                "the OpenTelemetry Collector of these pins",
                "tests/collector/setup",
            );
        }
        found
    }
}

fn built() -> Option<Otelcol> {
    let root = workspace_root();
    let wanted: Vec<u8> = ["setup", "otelcol.yaml", "otelcol-old.yaml"]
        .iter()
        .flat_map(|name| {
            fs::read(root.join("tests/collector").join(name)).expect("it is in the repository")
        })
        .collect();
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = variable("TRACING_OTLP_COLLECTOR_DIR").map_or_else(
        || {
            let target = variable("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
            root.join(target).join("collector-peer")
        },
        |base| root.join(base),
    );
    let folders = fs::read_dir(base).ok()?.flatten();
    let built = folders
        .map(|folder| folder.path())
        .find(|folder| fs::read(folder.join(".stamp")).is_ok_and(|stamp| stamp == wanted))?;
    Some(Otelcol {
        new: built.join("bin/otelcol"),
        old: built.join("bin/otelcol-old"),
        telemetrygen: built.join("bin/telemetrygen"),
    })
}

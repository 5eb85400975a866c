//! Where a program of this workspace is, after cargo has seen to it that it is fresh.
//!
//! A package's tests are told of its own binaries only (`CARGO_BIN_EXE_*`), and of no examples, so
//! cargo is asked. It is asked in a way that fits `cargo test --workspace`: what that command has
//! built already is not built again.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The executable of an example of this workspace, built when it is not fresh.
///
/// It is built like `cargo test --workspace` builds it, in the same profile and target directory,
/// so that after that command nothing is left to do. One build a process and name.
///
/// # Panics
///
/// When it does not build; with the compiler's words.
pub fn example(name: &str) -> PathBuf {
    built("example", name)
}

/// The executable of a binary of this workspace, built when it is not fresh. As [`example`].
///
/// # Panics
///
/// When it does not build; with the compiler's words.
pub fn binary(name: &str) -> PathBuf {
    built("bin", name)
}

/// The root of the workspace.
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
}

fn built(kind: &'static str, name: &str) -> PathBuf {
    static BUILT: OnceLock<Mutex<HashMap<(&str, String), PathBuf>>> = OnceLock::new();
    let mut built = BUILT
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let key = (kind, name.to_owned());
    if let Some(path) = built.get(&key) {
        return path.clone();
    }
    let path = build(kind, name);
    built.insert(key, path.clone());
    path
}

fn build(kind: &str, name: &str) -> PathBuf {
    // A test runs at TARGET/PROFILE/deps/NAME-HASH.
    let me = std::env::current_exe().expect("a test knows its own path");
    let profile_dir = me
        .ancestors()
        .nth(2)
        .expect("cargo put the test into a profile's folder");
    let target_dir = profile_dir
        .parent()
        .expect("a profile's folder lies in the target folder");
    let profile = match profile_dir.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(workspace_root())
        // The whole workspace, though one target: features are united over the selected packages,
        // and another selection would build the dependencies once more.
        .args([
            "build",
            "--workspace",
            "--message-format=json-render-diagnostics",
            "--quiet",
        ])
        .args(["--profile", profile, "--target-dir"])
        .arg(target_dir)
        .args([&format!("--{kind}"), name])
        .stdin(Stdio::null());
    if kind == "bin" {
        // An example beside it brings in the dev-dependencies, hence the features of a test run.
        command.args(["--example", "quickstart"]);
    }
    // What `cargo test` set for this package is not meant for the build of another.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(variable);
        }
    }
    let output = command.output().expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo cannot build the {kind} `{name}`:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == name)
        .filter(|message| message["target"]["kind"][0] == kind)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo names no executable for the {kind} `{name}`"))
}

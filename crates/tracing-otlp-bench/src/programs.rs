//! The programs: how each is built, and where it is then.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, path};

/// One package, built alone with these features.
#[derive(Debug, Clone, Copy)]
pub struct Flavour {
    /// The name of the copy, before the program's.
    pub name: &'static str,
    package: &'static str,
    features: &'static str,
}

pub const OURS: Flavour = Flavour::new("ours", "bench-ours", "");
pub const OURS_WIRE: Flavour = Flavour::new("ours", "bench-ours", "wire");
/// The official bridge as it is.
pub const PLAIN: Flavour = Flavour::new("plain", "bench-peer", "");
/// The official bridge with all its features.
pub const FULL: Flavour = Flavour::new("full", "bench-peer", "everything");
pub const PEER_WIRE: Flavour = Flavour::new("peer", "bench-peer", "wire");
pub const LOGFIRE: Flavour = Flavour::new("logfire", "bench-logfire", "");
pub const SINK: Flavour = Flavour::new("sink", "bench-sink", "");

impl Flavour {
    const fn new(name: &'static str, package: &'static str, features: &'static str) -> Self {
        Self {
            name,
            package,
            features,
        }
    }

    /// Builds the package and copies these programs of it: the next flavour has the same names.
    pub fn build(&self, programs: &[&str]) {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["build", "--release", "--locked", "--quiet", "--package"])
            .arg(self.package)
            .args(["--features", self.features])
            .env("CARGO_TARGET_DIR", target())
            .current_dir(home());
        for program in programs {
            cargo.args(["--bin", program]);
        }
        let status = cargo.status().expect("cargo can be run");
        assert!(status.success(), "{} does not build", self.package);
        fs::create_dir_all(folder()).expect("a folder for the programs");
        for program in programs {
            let built = target().join("release").join(program);
            let copy = folder().join(format!("{}-{program}", self.name));
            fs::copy(built, copy).expect("what was built");
        }
    }
}

/// Where the copies are. Programs are started in there by a relative name: it stands on their
/// stack, whose place they must have in common.
pub fn folder() -> PathBuf {
    target().join("programs")
}

/// The folder of this package.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR");
    let folder = folder.map_or_else(|| home().join("target"), PathBuf::from);
    path::absolute(folder).expect("a current directory")
}

/// An environment that is always the same. Its size moves the stack, and the C library picks its
/// copies of `memcpy` by processor unless told otherwise.
pub fn bare(command: &mut Command) {
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2_Usable,-AVX2,-ERMS,-FSRM",
        )
        .current_dir(folder());
}

/// What a program printed; it has to succeed.
pub fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program can be started");
    assert!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

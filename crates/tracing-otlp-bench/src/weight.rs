//! The table of weights: crates, build time, size of a minimal application.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::programs;

/// Prints the section.
pub fn table() {
    println!("| | crates | clean build, s | binary, MiB | stripped |\n|---|--:|--:|--:|--:|");
    for (title, package, features) in [
        ("peer: gRPC, HTTP, TLS, gzip, zstd", "weight-peer", true),
        ("ours: the same (default features)", "weight-ours", true),
        ("peer: plain HTTP (default features)", "weight-peer", false),
        ("ours: plain HTTP, gzip", "weight-ours", false),
    ] {
        let crates = crates(&["--package", package], features, &[]);
        let folder = programs::target().join("weight");
        // Clean is clean: nothing is shared with what was built before.
        let _was_not_there = fs::remove_dir_all(&folder);
        let started = Instant::now();
        let mut cargo = Command::new("cargo");
        cargo
            .args([
                "build",
                "--release",
                "--locked",
                "--quiet",
                "--package",
                package,
            ])
            .env("CARGO_TARGET_DIR", &folder)
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .current_dir(programs::home());
        if !features {
            cargo.arg("--no-default-features");
        }
        programs::output(&mut cargo);
        let seconds = started.elapsed().as_secs_f64();
        let binary = folder.join("release").join(package);
        let size = |path| fs::metadata(path).map_or(0, |file| file.len()) as f64 / 1_048_576.0;
        let stripped = folder.join("stripped");
        let mut strip = Command::new("strip");
        programs::output(strip.arg("-o").arg(&stripped).arg(&binary));
        println!(
            "| {title} | {crates} | {seconds:.0} | {:.1} | {:.1} |",
            size(&binary),
            size(&stripped)
        );
        let _left = fs::remove_dir_all(&folder);
    }
    println!("\n| the layer alone | crates |\n|---|--:|");
    let root = [
        "--manifest-path",
        "../../Cargo.toml",
        "--package",
        "tracing-otlp-layer",
    ];
    println!(
        "| `default-features = false` | {} |",
        crates(&root, false, &[])
    );
    println!("| default features | {} |", crates(&root, true, &[]));
    let macros = ["--edges", "normal,no-proc-macro"];
    println!(
        "| `default-features = false`, what ends up in the binary (no procedural macros) | {} |",
        crates(&root, false, &macros)
    );
}

/// Crates in the tree of normal dependencies, the package itself among them.
fn crates(package: &[&str], features: bool, edges: &[&str]) -> usize {
    let edges = if edges.is_empty() {
        &["--edges", "normal"]
    } else {
        edges
    };
    let mut cargo = Command::new("cargo");
    cargo
        .args(["tree", "--locked", "--prefix", "none", "--no-dedupe"])
        .args(package)
        .args(edges)
        .current_dir(programs::home());
    if !features {
        cargo.arg("--no-default-features");
    }
    let text = programs::output(&mut cargo);
    text.lines().collect::<BTreeSet<_>>().len()
}

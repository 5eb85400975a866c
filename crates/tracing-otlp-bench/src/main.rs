//! Builds the peers and ours into comparable programs, and measures them in one run.
//!
//! ```sh
//! cd crates/tracing-otlp-bench
//! cargo run -- table              # everything, as the markdown of docs/performance.md
//! cargo run -- table calling      # one section: calling exporting delivery whole latency weight
//! cargo run -- write [SECTION]    # the same, into docs/performance.md
//! cargo run -- check              # the instruction counts against figures.txt, as CI does
//! cargo run -- refresh            # counts, and writes figures.txt
//! ```
//!
//! The driver itself has no dependencies. The programs are the packages beside it, each built
//! alone, so that none has features or a backend that another asked for.

mod calling;
mod counts;
mod document;
mod figures;
mod network;
mod programs;
mod receiver;
mod statistics;
mod weight;

use std::process::ExitCode;

/// The sections of the document, in its order.
const SECTIONS: [(&str, fn()); 6] = [
    ("calling", calling::table),
    ("exporting", network::exporting),
    ("delivery", network::delivery),
    ("whole", network::whole),
    ("latency", network::latency),
    ("weight", weight::table),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let is_known = |name: &&str| SECTIONS.iter().any(|(known, _)| known == name);
    let wanted = SECTIONS
        .iter()
        .filter(|(name, _)| names.is_empty() || names.contains(name));
    match arguments.first().map(String::as_str) {
        Some("check") if names.is_empty() => return figures::check(),
        Some("refresh") if names.is_empty() => return figures::refresh(),
        Some("table") if names.iter().all(is_known) => wanted.for_each(|(_, print)| print()),
        Some("write") if names.iter().all(is_known) => {
            wanted.for_each(|(name, _)| document::write(name));
        }
        _ => return explain(),
    }
    ExitCode::SUCCESS
}

/// Says what can be asked for.
fn explain() -> ExitCode {
    let sections = SECTIONS.map(|(name, _)| name).join(" ");
    eprintln!(
        "usage: cargo run -- table [SECTION...] | write [SECTION...] | check | refresh\n\
         sections: {sections}"
    );
    ExitCode::from(2)
}

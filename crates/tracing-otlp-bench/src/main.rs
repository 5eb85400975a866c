//! Builds the peers and ours into comparable programs, and measures them in one run.
//!
//! ```sh
//! cd crates/tracing-otlp-bench
//! cargo run -- table      # everything, as the markdown of docs/performance.md
//! cargo run -- calling    # one section of it: calling exporting delivery whole latency weight
//! cargo run -- check      # the instruction counts against figures.txt, as CI does
//! cargo run -- refresh    # the same, and writes figures.txt
//! ```
//!
//! The driver itself has no dependencies. The programs are the packages beside it, each built
//! alone, so that none has features or a backend that another asked for.

mod calling;
mod counts;
mod figures;
mod network;
mod programs;
mod receiver;
mod statistics;
mod weight;

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    let (all, mut found) = (command == "table", false);
    let sections: [(&str, fn()); 6] = [
        ("calling", calling::table),
        ("exporting", network::exporting),
        ("delivery", network::delivery),
        ("whole", network::whole),
        ("latency", network::latency),
        ("weight", weight::table),
    ];
    match command.as_str() {
        "check" => return figures::check(),
        "refresh" => return figures::refresh(),
        _ => {}
    }
    for (name, section) in sections {
        if all || name == command {
            section();
            found = true;
        }
    }
    if found {
        return ExitCode::SUCCESS;
    }
    eprintln!("one of: table check refresh calling exporting delivery whole latency weight");
    ExitCode::from(2)
}

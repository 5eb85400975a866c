//! The committed figures, and whether today's are still as good.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::counts;
use crate::programs;

/// A count may move this much by itself; half a percent was never seen.
const TOLERANCE: f64 = 1.03;

/// A handful of instructions is no regression where there are hardly any: below 134 it is more than
/// the tolerance.
const SLACK: f64 = 4.0;

/// Is a count more than may be?
fn has_grown(count: f64, expected: f64) -> bool {
    count > (expected * TOLERANCE).max(expected + SLACK)
}

/// Counts, and writes them down.
pub fn refresh() -> ExitCode {
    counts::build();
    let mut text = String::from(
        "# Instructions a record on the calling thread (export: on all others), by callgrind. Written by\n\
         # `cargo run -- refresh` in crates/tracing-otlp-bench; `check` fails when one of ours grows\n\
         # by more than 3 %. Another compiler, C library or valgrind gives other figures.\n",
    );
    let _ = writeln!(text, "made with: {}", tools());
    for (key, count) in counts::all() {
        let _ = writeln!(text, "{key} {count:.1}");
    }
    fs::write(path(), &text).expect("the file can be written");
    print!("{text}");
    ExitCode::SUCCESS
}

/// Counts, and fails when a figure of ours grew.
pub fn check() -> ExitCode {
    let text = fs::read_to_string(path()).expect("figures.txt: run `refresh` first");
    let (committed, made_with) = parse(&text);
    counts::build();
    let now = counts::all();
    let mut grown = Vec::new();
    let mut shrunk = Vec::new();
    let same = made_with == tools();
    if !same {
        println!(
            "!!! OTHER TOOLS THAN THE FIGURES WERE MADE WITH: only ratios to the peers are compared\n\
             !!!   then: {made_with}\n!!!   now:  {}",
            tools()
        );
    }
    println!(
        "{:28} {:>10} {:>10} {:>7}",
        "", "committed", "now", "change"
    );
    for (key, count) in &now {
        let Some(before) = committed.get(*key) else {
            grown.push(format!("{key} is not in figures.txt"));
            continue;
        };
        let is_ours = key.starts_with("ours/") || key.starts_with("admission/");
        let expected = if same {
            *before
        } else {
            // What it would be if it had changed as its peer did.
            let Some(peer) = counts::peer_of(key) else {
                println!("{key:28} {before:>10.1} {count:>10.1}   not compared");
                continue;
            };
            before * now[peer] / committed.get(peer).copied().unwrap_or(now[peer])
        };
        let change = (count / expected - 1.0) * 100.0;
        let verdict = if has_grown(*count, expected) {
            if is_ours {
                grown.push(format!("{key}: {count:.1} instead of {expected:.1}"));
            }
            "GROWN"
        } else if has_grown(expected, *count) {
            if is_ours {
                shrunk.push(*key);
            }
            "shrunk"
        } else {
            ""
        };
        println!("{key:28} {before:>10.1} {count:>10.1} {change:>+6.1}% {verdict}");
    }
    for key in committed.keys().filter(|key| !now.contains_key(*key)) {
        grown.push(format!("{key} is in figures.txt and not counted any more"));
    }
    if !shrunk.is_empty() {
        println!(
            "better than committed, please refresh: {}",
            shrunk.join(" ")
        );
    }
    if grown.is_empty() {
        println!("no instruction count has grown by more than 3 %");
        return ExitCode::SUCCESS;
    }
    println!(
        "INSTRUCTION COUNTS HAVE GROWN BY MORE THAN 3 %:\n  {}\n\
         If that is worth it: `cargo run -- refresh` in crates/tracing-otlp-bench, and say why in \
         the commit.",
        grown.join("\n  ")
    );
    ExitCode::FAILURE
}

fn parse(text: &str) -> (BTreeMap<&str, f64>, String) {
    let mut made_with = String::new();
    let mut committed = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(tools) = line.strip_prefix("made with: ") {
            tools.clone_into(&mut made_with);
        } else if let Some((key, count)) = line.split_once(' ') {
            committed.insert(key, count.parse().expect("a number"));
        }
    }
    (committed, made_with)
}

fn path() -> PathBuf {
    programs::home().join("figures.txt")
}

/// Compiler, C library and valgrind.
pub fn tools() -> String {
    let first_line = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().unwrap_or("unknown").to_owned()
    };
    format!(
        "{}; {}; {}",
        first_line("rustc", "--version"),
        first_line("ldd", "--version"),
        first_line("valgrind", "--version"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_three_percent_is_too_much_and_four_instructions_never_are() {
        for (expected, most) in [(1000.0, 1030.0), (324.0, 333.7), (64.0, 68.0), (13.0, 17.0)] {
            assert!(!has_grown(most, expected) && !has_grown(expected, expected));
            assert!(has_grown(most + 0.1, expected), "{expected}");
        }
    }
}

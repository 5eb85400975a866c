//! What is counted on the calling thread, and how: instructions by callgrind.
//!
//! Each program runs twice, with [`SHORT`] and [`LONG`] records. The difference divided by the
//! records between them is the cost of one: set-up, warm-up and end fall out. Only the first
//! thread counts, the one that emits.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::{fs, sync::OnceLock};

use crate::programs::{self, FULL, OURS, PLAIN};

const SHORT: u64 = 1_000;
const LONG: u64 = 5_000;

/// `flavour/case/end`, or `admission/mode`.
pub type Key = &'static str;

/// Everything that is counted.
pub const KEYS: &[Key] = &[
    "plain/event/without",
    "plain/event/visit",
    "plain/event/format",
    "plain/event/json",
    "plain/event/drop",
    "plain/event/batch",
    "plain/hello/visit",
    "plain/hello/drop",
    "plain/hello/batch",
    "plain/filtered/drop",
    "plain/nobody/drop",
    "plain/refused/batch",
    "full/source/drop",
    "full/source/batch",
    "full/spans/json",
    "full/spans/drop",
    "full/spans/batch",
    "full/span-events/batch",
    "full/span/visit",
    "full/span/without",
    "full/span/drop",
    "ours/event/drop",
    "ours/event/batch",
    "ours/event/pipeline",
    "ours/event/facade",
    "ours/source/drop",
    "ours/source/batch",
    "ours/source/pipeline",
    "ours/spans/drop",
    "ours/spans/batch",
    "ours/spans/pipeline",
    "ours/spans/facade",
    "ours/hello/drop",
    "ours/hello/batch",
    "ours/hello/pipeline",
    "ours/filtered/drop",
    "ours/nobody/drop",
    "ours/refused/pipeline",
    "ours/span/without",
    "ours/span/drop",
    "admission/official",
    "admission/admitted",
    "admission/weighed",
    "admission/refused",
];

/// The peer's figure that one of ours stands against.
pub fn peer_of(key: &str) -> Option<Key> {
    let rest = key.strip_prefix("ours/")?;
    Some(match rest {
        "event/drop" => "plain/event/drop",
        "event/batch" | "event/pipeline" | "event/facade" => "plain/event/batch",
        "source/drop" => "full/source/drop",
        "source/batch" | "source/pipeline" => "full/source/batch",
        "spans/drop" => "full/spans/drop",
        "spans/batch" | "spans/pipeline" | "spans/facade" => "full/spans/batch",
        "hello/drop" => "plain/hello/drop",
        "hello/batch" | "hello/pipeline" => "plain/hello/batch",
        "filtered/drop" => "plain/filtered/drop",
        "nobody/drop" => "plain/nobody/drop",
        "refused/pipeline" => "plain/refused/batch",
        "span/without" => "full/span/without",
        "span/drop" => "full/span/drop",
        _ => return None,
    })
}

/// Builds what the counts need, and nothing else: CI does this.
pub fn build() {
    OURS.build(&["calling"]);
    PLAIN.build(&["calling"]);
    FULL.build(&["calling"]);
}

/// Instructions a record, of everything.
pub fn all() -> BTreeMap<Key, f64> {
    KEYS.iter().map(|key| (*key, count(key))).collect()
}

/// Instructions a record.
pub fn count(key: &str) -> f64 {
    let (short, long) = (instructions(key, SHORT), instructions(key, LONG));
    long.saturating_sub(short) as f64 / (LONG - SHORT) as f64
}

/// The program of a key, to run with so many records.
pub fn arguments(key: &str, mode: &str, records: u64) -> (String, Vec<String>) {
    let parts: Vec<&str> = key.split('/').collect();
    let records = records.to_string();
    match parts[..] {
        ["admission", how] => (
            "./ours-calling".to_owned(),
            vec!["admission".to_owned(), how.to_owned(), records],
        ),
        [flavour, case, end] => {
            let arguments = [mode, case, end, &records].map(str::to_owned).to_vec();
            let program = if mode == "allocations" {
                mode
            } else {
                "calling"
            };
            (format!("./{flavour}-{program}"), arguments)
        }
        _ => panic!("no such key: {key}"),
    }
}

fn instructions(key: &str, records: u64) -> u64 {
    let (program, arguments) = arguments(key, "count", records);
    let mut command = valgrind();
    let report = format!("callgrind.{}", std::process::id());
    programs::bare(&mut command);
    command
        .args(["--tool=callgrind", "--separate-threads=yes", "--quiet"])
        .arg(format!("--callgrind-out-file={report}"))
        .arg(program)
        .args(arguments);
    programs::output(&mut command);
    let mut total = None;
    for file in fs::read_dir(programs::folder())
        .expect("the folder")
        .flatten()
    {
        let name = file.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(&report) else {
            continue;
        };
        if rest == "-01" {
            let text = fs::read_to_string(file.path()).expect("a report");
            total = text.lines().find_map(|line| {
                let value = line.strip_prefix("totals:")?;
                value.trim().parse::<u64>().ok()
            });
        }
        let _left_over = fs::remove_file(file.path());
    }
    total.expect("callgrind's total for the first thread")
}

/// Valgrind, at addresses that are the same in every run where the kernel allows it.
fn valgrind() -> Command {
    static SETARCH: OnceLock<bool> = OnceLock::new();
    let setarch = *SETARCH.get_or_init(|| {
        let mut try_it = Command::new("setarch");
        let status = try_it.args(["-R", "true"]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    });
    if !setarch {
        return Command::new("valgrind");
    }
    let mut command = Command::new("setarch");
    command.args(["-R", "valgrind"]);
    command
}

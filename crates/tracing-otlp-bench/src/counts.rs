//! What is counted on the calling thread, and how: instructions by callgrind.
//!
//! Each program runs twice, with [`SHORT`] and [`LONG`] records. The difference divided by the
//! records between them is the cost of one: set-up, warm-up and end fall out. Only the first
//! thread counts, the one that emits.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::{fs, sync::OnceLock};

use crate::programs::{self, FULL, OURS, OURS_WIRE, PLAIN};

const SHORT: u64 = 1_000;
const LONG: u64 = 5_000;

/// `flavour/case/end`, `admission/mode`, or `flavour/export/compression`.
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
    "ours/export/none",
    "ours/export/gzip",
    "ours/export/zstd",
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
    OURS_WIRE.build(&["wire"]);
    PLAIN.build(&["calling"]);
    FULL.build(&["calling"]);
}

/// Instructions a record, of everything.
pub fn all() -> BTreeMap<Key, f64> {
    KEYS.iter().map(|key| (*key, count(key))).collect()
}

/// Instructions a record.
pub fn count(key: &str) -> f64 {
    if key.contains("/export/") {
        return exporting(key);
    }
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
            let program = match flavour {
                "logfire" => "bench-logfire",
                _ if mode == "allocations" => mode,
                _ => "calling",
            };
            (format!("./{flavour}-{program}"), arguments)
        }
        _ => panic!("no such key: {key}"),
    }
}

/// Instructions a record on all threads but the caller's, encoded in batches of 512 and thrown away.
fn exporting(key: &str) -> f64 {
    const BATCHES: [u64; 2] = [4, 16];
    let [short, long] = BATCHES.map(|batches| {
        let records = (512 * batches).to_string();
        let (flavour, compression) = key.split_once("/export/").expect("such a key");
        let arguments = ["count", "null", compression, &records, "0"].map(str::to_owned);
        let threads = callgrind(&format!("./{flavour}-wire"), &arguments);
        threads.iter().skip(1).sum::<u64>()
    });
    long.saturating_sub(short) as f64 / (512 * (BATCHES[1] - BATCHES[0])) as f64
}

fn instructions(key: &str, records: u64) -> u64 {
    let (program, arguments) = arguments(key, "count", records);
    callgrind(&program, &arguments)[0]
}

/// The instructions of each thread, in the order in which they were started.
fn callgrind(program: &str, arguments: &[String]) -> Vec<u64> {
    let mut command = valgrind();
    let report = format!("callgrind.{}", std::process::id());
    programs::bare(&mut command);
    command
        .args(["--tool=callgrind", "--separate-threads=yes", "--quiet"])
        .arg(format!("--callgrind-out-file={report}"))
        .arg(program)
        .args(arguments);
    programs::output(&mut command);
    let mut totals = BTreeMap::new();
    for file in fs::read_dir(programs::folder())
        .expect("the folder")
        .flatten()
    {
        let name = file.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(&report) else {
            continue;
        };
        let text = fs::read_to_string(file.path()).expect("a report");
        let total = text.lines().find_map(|line| {
            let value = line.strip_prefix("totals:")?;
            value.trim().parse::<u64>().ok()
        });
        // "-01" is the first thread; what has no such number is empty.
        if let Some(thread) = rest
            .strip_prefix('-')
            .and_then(|text| text.parse::<u32>().ok())
        {
            totals.insert(thread, total.expect("callgrind's total"));
        }
        let _left_over = fs::remove_file(file.path());
    }
    assert_eq!(totals.first_key_value().map(|(thread, _)| *thread), Some(1));
    totals.into_values().collect()
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

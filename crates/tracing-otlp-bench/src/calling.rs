//! The tables of the calling thread: instructions, times, allocations.

use std::collections::BTreeMap;
use std::process::Command;

use crate::counts::{self, Key, peer_of};
use crate::figures;
use crate::programs::{self, FULL, LOGFIRE, OURS, PLAIN};
use crate::statistics::{interleaved, number};

const REPETITIONS: usize = 9;
const TIMED_RECORDS: u64 = 20_000;

/// A row: what it is, peer, ours into the same end, ours through our own pipeline, the target.
type Row = (&'static str, Key, Key, Option<Key>, &'static str);

const ROWS: &[Row] = &[
    (
        "event, dropped after the layer",
        "plain/event/drop",
        "ours/event/drop",
        None,
        "",
    ),
    (
        "event, batch processor",
        "plain/event/batch",
        "ours/event/batch",
        Some("ours/event/pipeline"),
        "0.70",
    ),
    (
        "event with source, dropped",
        "full/source/drop",
        "ours/source/drop",
        None,
        "",
    ),
    (
        "event with source, batch processor",
        "full/source/batch",
        "ours/source/batch",
        Some("ours/source/pipeline"),
        "",
    ),
    (
        "source, ids, fields of three spans, dropped",
        "full/spans/drop",
        "ours/spans/drop",
        None,
        "",
    ),
    (
        "source, ids, fields of three spans, batch processor",
        "full/spans/batch",
        "ours/spans/batch",
        Some("ours/spans/pipeline"),
        "0.45",
    ),
    (
        "`info!(\"hello\")`, dropped",
        "plain/hello/drop",
        "ours/hello/drop",
        None,
        "",
    ),
    (
        "`info!(\"hello\")`, batch processor",
        "plain/hello/batch",
        "ours/hello/batch",
        Some("ours/hello/pipeline"),
        "0.80",
    ),
    (
        "filtered out by level",
        "plain/filtered/drop",
        "ours/filtered/drop",
        None,
        "the registry's",
    ),
    (
        "nobody listens (a provider without processors)",
        "plain/nobody/drop",
        "ours/nobody/drop",
        None,
        "the registry's",
    ),
    (
        "refused: the queue is full",
        "plain/refused/batch",
        "ours/refused/pipeline",
        None,
        "150 instructions",
    ),
];

/// Rows that stand for themselves.
const SINGLE: &[(&str, Key)] = &[
    ("registry alone, the event", "plain/event/without"),
    ("a layer that visits the fields", "plain/event/visit"),
    (
        "… and formats the text ones: the floor of any bridge",
        "plain/event/format",
    ),
    (
        "a layer that visits `info!(\"hello\")`",
        "plain/hello/visit",
    ),
    ("`fmt().json()` into nothing, no span", "plain/event/json"),
    (
        "`fmt().json()` into nothing, in three spans",
        "full/spans/json",
    ),
    (
        "peer, three spans, events on the trace layer too (its default)",
        "full/span-events/batch",
    ),
    ("our facade's layers, event", "ours/event/facade"),
    (
        "our facade's layers, source, ids, fields of three spans",
        "ours/spans/facade",
    ),
];

/// Prints the section.
pub fn table() {
    for flavour in [OURS, PLAIN, FULL] {
        flavour.build(&["calling", "allocations"]);
    }
    LOGFIRE.build(&["bench-logfire"]);
    let counted = counts::all();
    let keys: Vec<Key> = counts::KEYS
        .iter()
        .copied()
        .filter(|key| !key.starts_with("admission/") && !key.contains("/export/"))
        .chain(["logfire/spans/batch", "logfire/event/batch"])
        .collect();
    let medians = interleaved(&keys, REPETITIONS, |key| time(key));
    let times: BTreeMap<Key, f64> = keys.iter().copied().zip(medians).collect();

    println!("Made with {}.\n", figures::tools());
    println!(
        "| per record | peer: instructions | ours | ratio | target | … with our admission and ledger | time, ratio |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (title, peer, ours, pipeline, target) in ROWS {
        let through = pipeline.map_or_else(String::new, |key| {
            let count = counted[key];
            format!("{} ({:.2})", number(count), count / counted[peer])
        });
        println!(
            "| {title} | {} | {} | **{:.2}** | {target} | {through} | {:.2} |",
            number(counted[peer]),
            number(counted[ours]),
            counted[ours] / counted[peer],
            times[ours] / times[peer],
        );
    }
    spans(&counted, &times);
    println!("\n| floors and neighbours | instructions | ns |\n|---|--:|--:|");
    for (title, key) in SINGLE {
        println!("| {title} | {} | {:.0} |", number(counted[key]), times[key]);
    }
    println!(
        "| logfire 0.13.1, event, batch processor | – | {:.0} |",
        times["logfire/event/batch"]
    );
    println!(
        "| logfire 0.13.1, in three spans, batch processor | – | {:.0} |",
        times["logfire/spans/batch"]
    );
    admission(&counted);
    allocations();
}

fn spans(counted: &BTreeMap<Key, f64>, times: &BTreeMap<Key, f64>) {
    println!(
        "\n| an `#[instrument]` span with three fields: created, entered, closed | peer | ours | ratio | target |"
    );
    println!("|---|--:|--:|--:|--:|");
    let registry = counted["full/span/visit"];
    println!(
        "| registry alone | {} | {} | | |",
        number(registry),
        number(registry)
    );
    let [peer, ours] = ["full/span/without", "ours/span/without"].map(|key| counted[key]);
    println!(
        "| trace layer | {} | {} | {:.2} | |",
        number(peer),
        number(ours),
        ours / peer
    );
    let [with_peer, with_ours] = ["full/span/drop", "ours/span/drop"].map(|key| counted[key]);
    println!(
        "| trace and log layer | {} | {} | {:.2} | |",
        number(with_peer),
        number(with_ours),
        with_ours / with_peer
    );
    println!(
        "| so the log layer adds | {} | {} | **{:.2}** | 0.60 |",
        number(with_peer - peer),
        number(with_ours - ours),
        (with_ours - ours) / (with_peer - peer)
    );
    println!(
        "| trace and log layer, ns | {:.0} | {:.0} | {:.2} | |",
        times["full/span/drop"],
        times["ours/span/drop"],
        times["ours/span/drop"] / times["full/span/drop"]
    );
}

fn admission(counted: &BTreeMap<Key, f64>) {
    let official = counted["admission/official"];
    println!(
        "\n| admission and ledger, on top of the SDK's {} | instructions | target |",
        number(official)
    );
    println!("|---|--:|--:|");
    for (title, key, floor, target) in [
        (
            "queue with room, bounded in records",
            "admission/admitted",
            official,
            "60",
        ),
        (
            "queue with room, bounded in bytes too (the default)",
            "admission/weighed",
            official,
            "60",
        ),
        (
            "queue without room (`event_enabled` alone)",
            "admission/refused",
            0.0,
            "150",
        ),
    ] {
        println!("| {title} | {} | {target} |", number(counted[key] - floor));
    }
}

fn allocations() {
    println!(
        "\n| allocations a record (growing counts) | peer | bytes | ours | bytes |\n|---|--:|--:|--:|--:|"
    );
    for (title, peer, ours) in [
        (
            "event, batch processor",
            "plain/event/batch",
            "ours/event/batch",
        ),
        (
            "event with source, batch processor",
            "full/source/batch",
            "ours/source/batch",
        ),
        (
            "source, ids, fields of three spans, batch processor",
            "full/spans/batch",
            "ours/spans/batch",
        ),
        (
            "… through our pipeline",
            "full/spans/batch",
            "ours/spans/pipeline",
        ),
        (
            "`info!(\"hello\")`, batch processor",
            "plain/hello/batch",
            "ours/hello/batch",
        ),
        ("refused", "plain/refused/batch", "ours/refused/pipeline"),
        (
            "an `#[instrument]` span under both layers",
            "full/span/drop",
            "ours/span/drop",
        ),
    ] {
        debug_assert!(peer_of(ours).is_some_and(|found| found == peer));
        let of = |key| {
            let text = run(key, "allocations", 5_000);
            let (count, bytes) = text.split_once(' ').expect("two figures");
            format!("{count} | {bytes}")
        };
        println!("| {title} | {} | {} |", of(peer), of(ours));
    }
}

/// Nanoseconds a record.
fn time(key: &str) -> f64 {
    run(key, "time", TIMED_RECORDS).parse().expect("a time")
}

fn run(key: &str, mode: &str, records: u64) -> String {
    let (program, arguments) = counts::arguments(key, mode, records);
    let mut command = Command::new(program);
    // The environment of a user: the C library picks what is fast on this processor.
    command.current_dir(programs::folder()).args(arguments);
    programs::output(&mut command)
}

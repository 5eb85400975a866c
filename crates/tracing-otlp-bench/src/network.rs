//! The tables of the programs with a network: exporting thread, delivery, whole way, latency.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Once;

use crate::counts;
use crate::programs::{self, OURS_WIRE, PEER_WIRE, SINK};
use crate::receiver::{Arrived, Receiver};
use crate::statistics::{median, number};

const COMPRESSIONS: [&str; 3] = ["none", "gzip", "zstd"];

/// The programs that stand beside each other.
const SIDES: [&str; 2] = ["peer", "ours"];

const MILLION: usize = 1_000_000;

/// What a program printed.
type Values = BTreeMap<String, f64>;

struct Run<'a> {
    kind: &'a str,
    compression: &'a str,
    records: usize,
    number: usize,
}

fn build() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        OURS_WIRE.build(&["wire", "spool"]);
        PEER_WIRE.build(&["wire"]);
        SINK.build(&["bench-sink"]);
    });
}

fn run(side: &str, endpoint: &str, order: &Run<'_>) -> Values {
    let mut command = Command::new(format!("./{side}-wire"));
    command
        .args([order.kind, endpoint, order.compression])
        .args([order.records.to_string(), order.number.to_string()])
        .current_dir(programs::folder());
    programs::output(&mut command)
        .lines()
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// The same against a receiver; with what arrived.
fn deliver(side: &str, order: &Run<'_>) -> (Values, Arrived) {
    let mut receiver = Receiver::start();
    let values = run(side, &receiver.endpoint(), order);
    (values, receiver.count())
}

/// What a record costs all threads but the caller's.
pub fn exporting() {
    const RECORDS: usize = 102_400;
    const TIMES: usize = 5;
    build();
    println!(
        "| compression | peer: instructions | ours | ratio | target | peer: CPU µs | ours | ratio |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let order = |compression| Run {
        kind: "export",
        compression,
        records: RECORDS,
        number: 0,
    };
    for (compression, target) in COMPRESSIONS.into_iter().zip(["0.25", "0.25", "0.40"]) {
        let [peer, ours] = SIDES.map(|side| counts::count(&format!("{side}/export/{compression}")));
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..TIMES {
            for (side, times) in SIDES.into_iter().zip(&mut times) {
                times.push(run(side, "null", &order(compression))["exporting_ns"] / 1000.0);
            }
        }
        let [peer_time, our_time] = times.map(|mut values| median(&mut values));
        println!(
            "| {compression} | {} | {} | **{:.2}** | {target} | {peer_time:.2} | {our_time:.2} | {:.2} |",
            number(peer),
            number(ours),
            ours / peer,
            our_time / peer_time,
        );
    }
    println!(
        "\n| into a receiver on loopback | peer: CPU µs | ours | ratio | bytes on the wire a record, peer | ours |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for compression in COMPRESSIONS {
        let mut all = [Vec::new(), Vec::new()];
        let mut bytes = [0.0; 2];
        for _ in 0..TIMES {
            for (at, side) in SIDES.into_iter().enumerate() {
                let (values, arrived) = deliver(side, &order(compression));
                all[at].push(values["exporting_ns"] / 1000.0);
                bytes[at] = arrived.bytes / arrived.records;
            }
        }
        let [peer, ours] = all.map(|mut values| median(&mut values));
        println!(
            "| {compression} | {peer:.2} | {ours:.2} | {:.2} | {:.0} | {:.0} |",
            ours / peer,
            bytes[0],
            bytes[1],
        );
    }
    levels();
}

/// The levels of the two compressors, of the requests that this project makes.
fn levels() {
    let mut receiver = Receiver::start();
    run(
        "ours",
        &receiver.endpoint(),
        &Run {
            kind: "export",
            compression: "none",
            records: 51_200,
            number: 0,
        },
    );
    println!("\n| compressor and level | CPU µs a record | bytes a record |\n|---|--:|--:|");
    for line in receiver.levels() {
        println!("{line}");
    }
}

/// What is delivered of bursts, and how fast the spool is.
pub fn delivery() {
    build();
    println!("| with default settings | peer: delivered | ours |\n|---|--:|--:|");
    for (title, kind, records, threads) in [
        ("64 threads × 200 records at once", "burst", 12_800, 64),
        ("4,000 records, then shutdown", "flood", 4_000, 1),
    ] {
        let order = Run {
            kind,
            compression: "gzip",
            records,
            number: threads,
        };
        let least = SIDES.map(|side| {
            let runs = (0..5).map(|_| deliver(side, &order).1.records);
            runs.fold(f64::INFINITY, f64::min)
        });
        println!(
            "| {title} (the worst of 5 runs) | {} | {} |",
            number(least[0]),
            number(least[1])
        );
    }
    println!("\nThe spool, group commit of 25 ms:\n\n```text");
    let mut spool = Command::new("./ours-spool");
    spool.current_dir(programs::folder());
    println!("{}\n```", programs::output(&mut spool));
}

/// A million events from one thread, as fast as it can; and paced.
pub fn whole() {
    build();
    println!(
        "| | delivered, peer | ours | CPU µs per delivered record, peer | ours | ratio | peak memory MiB, peer | ours | records/s emitted, peer | ours |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (threads, compression) in [
        (1, "none"),
        (1, "gzip"),
        (1, "zstd"),
        (2, "none"),
        (2, "gzip"),
    ] {
        let order = Run {
            kind: "flood",
            compression,
            records: MILLION,
            number: threads,
        };
        row(&format!("{threads} thread(s), {compression}"), &order, 3);
    }
    for rate in [200_000, 333_000, 500_000, 1_000_000] {
        for compression in ["none", "gzip"] {
            let order = Run {
                kind: "paced",
                compression,
                records: MILLION,
                number: rate,
            };
            row(
                &format!("paced, {}/s, {compression}", number(rate as f64)),
                &order,
                1,
            );
        }
    }
}

fn row(title: &str, order: &Run<'_>, times: usize) {
    let mut found = [(); 2].map(|()| [(); 4].map(|()| Vec::new()));
    for _ in 0..times {
        for (at, side) in SIDES.into_iter().enumerate() {
            let (values, arrived) = deliver(side, order);
            let emitting = values["emit_seconds"];
            found[at][0].push(100.0 * arrived.records / order.records as f64);
            found[at][1].push(1e6 * values["cpu_seconds"] / arrived.records);
            found[at][2].push(values["peak_kib"] / 1024.0);
            found[at][3].push(order.records as f64 / emitting);
        }
    }
    let [peer, ours] = found.map(|figures| figures.map(|mut values| median(&mut values)));
    let rate = |value: f64| {
        if value.is_finite() {
            number(value)
        } else {
            String::new()
        }
    };
    println!(
        "| {title} | {:.1} % | {:.1} % | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {} | {} |",
        peer[0],
        ours[0],
        peer[1],
        ours[1],
        ours[1] / peer[1],
        peer[2],
        ours[2],
        rate(peer[3]),
        rate(ours[3]),
    );
}

/// How long a single event takes the caller, at worst.
pub fn latency() {
    const TIMES: usize = 5;
    build();
    println!("| | peer: p50 | p99 | p99.9 | max | ours: p50 | p99 | p99.9 | max |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (title, stalled, records, rate) in [
        ("50,000/s, all is well", false, 100_000, 50_000),
        ("as fast as it can", false, 300_000, 0),
        (
            "50,000/s, the receiver never answers",
            true,
            200_000,
            50_000,
        ),
        (
            "as fast as it can, the receiver never answers: the queue is full",
            true,
            300_000,
            0,
        ),
    ] {
        let order = Run {
            kind: "latency",
            compression: "gzip",
            records,
            number: rate,
        };
        let mut found = [(); 2].map(|()| [(); 4].map(|()| Vec::new()));
        for _ in 0..TIMES {
            for (at, side) in SIDES.into_iter().enumerate() {
                let mut receiver = Receiver::start();
                if stalled {
                    receiver.stall();
                }
                let values = run(side, &receiver.endpoint(), &order);
                for (slot, name) in ["p50_ns", "p99_ns", "p999_ns", "max_ns"].iter().enumerate() {
                    found[at][slot].push(values[*name] / 1000.0);
                }
            }
        }
        let cells: Vec<String> = found
            .iter_mut()
            .flat_map(|side| {
                side.iter_mut()
                    .map(|values| format!("{:.2}", median(values)))
            })
            .collect();
        println!("| {title} | {} |", cells.join(" | "));
    }
}

//! How many records a second the spool makes durable, with its default group commit of 25 ms.
//!
//! `cargo bench -p tracing-otlp-pipeline --bench spool [-- DIRECTORY]`; the directory decides which
//! disk is measured. The floor is the same bytes in plain writes of 1 MiB with one `fsync` each, in
//! the same run.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people, and nothing to save when it fails"
)]

use std::{
    fs::{self, File},
    io::Write as _,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use tracing_otlp_pipeline::{
    Protocol, Signal, SpoolSettings,
    internals::{Entry, Spool},
};

const RECORD: usize = 200;
const TOTAL: u64 = 1_000_000;

fn main() {
    let directory = std::env::args().skip(1).find(|text| !text.starts_with('-'));
    let directory = directory.map_or_else(std::env::temp_dir, Into::into);
    let directory = directory.join(format!("spool-bench-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the directory can be made");
    for records in [512, 1] {
        let rate = append(&directory.join("spool"), records);
        let floor = floor(&directory.join("plain"), records);
        println!(
            "append, {records} records of {RECORD} bytes an entry: {:>9.0} records/s ({:.2} of plain writes)",
            rate.records,
            rate.records / floor,
        );
        println!(
            "    slowest hand-over {:?}, back for being busy {} times, time from hand-over to durable: {:?} at most",
            rate.slowest, rate.busy, rate.durable
        );
        println!(
            "    replay and acknowledge: {:>9.0} records/s",
            rate.replayed
        );
    }
    fs::remove_dir_all(&directory).expect("the directory can be removed");
}

struct Rate {
    records: f64,
    replayed: f64,
    slowest: Duration,
    durable: Duration,
    busy: u64,
}

fn append(directory: &Path, records: u64) -> Rate {
    let settings =
        SpoolSettings::new(directory).with_max_bytes(NonZeroUsize::new(2 << 30).expect("not 0"));
    let (spool, _) = Spool::open(&settings, &Signal::ALL, |_| {}).expect("the spool opens");
    let count = TOTAL / records;
    let body = vec![7; RECORD * usize::try_from(records).expect("small")];
    let entry = Entry {
        signal: Signal::Logs,
        records: [0, 0, records, 0, 0, 0],
        created_at: SystemTime::now(),
        protocol: Protocol::HttpProtobuf,
        content_type: "application/x-protobuf".into(),
        content_encoding: None,
        destination: Arc::from("http://localhost:4318"),
        body: body.into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut rate = Rate {
        records: 0.0,
        replayed: 0.0,
        slowest: Duration::ZERO,
        durable: Duration::ZERO,
        busy: 0,
    };
    let started = Instant::now();
    runtime.block_on(async {
        let mut waiting = std::collections::VecDeque::new();
        for _ in 0..count {
            let mut one = entry.clone();
            loop {
                let before = Instant::now();
                let outcome = spool.append(one);
                rate.slowest = rate.slowest.max(before.elapsed());
                match outcome {
                    Ok(ticket) => break waiting.push_back((before, ticket)),
                    Err(back) => {
                        one = back.entry;
                        rate.busy += 1;
                        // The writer is behind: wait for the oldest.
                        let (since, ticket) = waiting.pop_front().expect("something waits");
                        ticket.await.expect("the disk takes it");
                        rate.durable = rate.durable.max(since.elapsed());
                    }
                }
            }
        }
        for (since, ticket) in waiting {
            ticket.await.expect("the disk takes it");
            rate.durable = rate.durable.max(since.elapsed());
        }
    });
    rate.records = per_second(count * records, started);
    assert_eq!(spool.counts().spooled.all_records(), count * records);
    let started = Instant::now();
    runtime.block_on(async {
        while let Some(replay) = spool.next().await {
            replay.ack();
        }
        assert!(spool.sync().await);
    });
    rate.replayed = per_second(count * records, started);
    assert_eq!(spool.counts().spooled.entries(), 0);
    assert!(spool.shutdown(Instant::now() + Duration::from_secs(30)));
    rate
}

fn floor(path: &Path, records: u64) -> f64 {
    let overhead = 109 / records;
    let total = TOTAL * (RECORD as u64 + overhead);
    let chunk = vec![7; 1 << 20];
    let started = Instant::now();
    let mut file = File::create(path).expect("a file");
    for _ in 0..total / chunk.len() as u64 {
        file.write_all(&chunk).expect("space");
        file.sync_data().expect("a disk");
    }
    per_second(TOTAL, started)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

//! What each level of each compressor costs, and saves, for the bodies at hand.
//!
//! With the libraries and backends of the pipeline, and tables that are kept from body to body like
//! its own.

use std::fs;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::Encoding;

const GZIP: [u32; 5] = [1, 2, 3, 6, 9];
const ZSTD: [i32; 7] = [-5, -1, 1, 2, 3, 6, 9];
const TIMES: usize = 5;
/// The scheduler counts in ticks of some milliseconds.
const ROUNDS: u32 = 4;

/// Prints a line of a table for each, and an empty one.
pub fn print(bodies: &[(Encoding, Vec<u8>)]) {
    let plain = |(encoding, body): &(Encoding, Vec<u8>)| {
        matches!(encoding, Encoding::Plain).then(|| body.clone())
    };
    let bodies: Vec<Vec<u8>> = bodies.iter().filter_map(plain).collect();
    let records: u64 = bodies.iter().map(|body| crate::log_records(body)).sum();
    let mut rows: Vec<(String, Vec<f64>, usize)> = Vec::new();
    let names = GZIP.map(|level| format!("gzip {level}"));
    let names = names
        .into_iter()
        .chain(ZSTD.map(|level| format!("zstd {level}")));
    rows.extend(names.map(|name| (name, Vec::new(), 0)));
    // In turn, and the medians: a shared machine drifts.
    for _ in 0..TIMES {
        let gzip = GZIP.map(|level| measured(&bodies, gzip(level)));
        let zstd = ZSTD.map(|level| measured(&bodies, zstd(level)));
        for (row, (time, bytes)) in rows.iter_mut().zip(gzip.into_iter().chain(zstd)) {
            row.1.push(time);
            row.2 = bytes;
        }
    }
    for (name, mut times, bytes) in rows {
        times.sort_by(f64::total_cmp);
        let time = times[TIMES / 2] / records as f64 / 1000.0;
        println!(
            "| {name} | {time:.2} | {:.1} |",
            bytes as f64 / records as f64
        );
    }
    println!();
}

/// Nanoseconds on a processor and bytes.
fn measured(bodies: &[Vec<u8>], mut pack: impl FnMut(&[u8], &mut Vec<u8>)) -> (f64, usize) {
    let mut packed = Vec::new();
    let mut bytes = 0;
    let before = own_time();
    for _ in 0..ROUNDS {
        bytes = 0;
        for body in bodies {
            packed.clear();
            pack(body, &mut packed);
            bytes += packed.len();
        }
    }
    ((own_time() - before) / f64::from(ROUNDS), bytes)
}

fn gzip(level: u32) -> impl FnMut(&[u8], &mut Vec<u8>) {
    let mut gzip = Compress::new_gzip(Compression::new(level), 15);
    move |body, packed| {
        gzip.reset();
        packed.reserve(body.len() + 64);
        let status = gzip.compress_vec(body, packed, FlushCompress::Finish);
        assert_eq!(status.expect("gzip"), Status::StreamEnd);
    }
}

fn zstd(level: i32) -> impl FnMut(&[u8], &mut Vec<u8>) {
    let mut zstd = zstd::bulk::Compressor::new(level).expect("zstd");
    move |body, packed| {
        packed.reserve(zstd::zstd_safe::compress_bound(body.len()));
        zstd.compress_to_buffer(body, packed).expect("zstd");
    }
}

fn own_time() -> f64 {
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let time = times.split(' ').next().and_then(|text| text.parse().ok());
    time.expect("nanoseconds")
}

//! How many records of each level there were over time.
//!
//! The viewer draws it above the list.

use super::scan::{Go, Order, Scan, What};
use super::text::LEVELS;
use super::write::{list, long, number};
use crate::Signal;
use crate::otlp::to_json::ObjectWriter;

/// Writes the counts of `n` spans of time between `from` and `to`, or between the first and the last record.
pub(crate) fn histogram(
    scan: &mut Scan<'_>,
    from: Option<u64>,
    to: Option<u64>,
    n: u64,
) -> Vec<u8> {
    let (first, last) = times(scan);
    let from = from.unwrap_or(first);
    let to = to.unwrap_or(last.saturating_add(1)).max(from);
    let n = n.clamp(1, MAX_BUCKETS);
    // Whole milliseconds, and wide enough for the last one to hold `to`.
    let width = ((to - from) / n + 1).div_ceil(MILLI) * MILLI;
    let mut buckets = vec![[0_u64; LEVELS.len()]; usize::try_from(n).unwrap_or(1)];
    (scan.from, scan.to) = (from, to);
    let outcome = scan.run(Order::NewestFirst, u64::MAX, |item| {
        let nth = usize::try_from((item.time().saturating_sub(from)) / width);
        let severity = item.head.severity;
        let level = LEVELS
            .iter()
            .position(|(_, from, to)| (*from..=*to).contains(&severity));
        if let Some(bucket) = nth.ok().and_then(|nth| buckets.get_mut(nth)) {
            bucket[level.unwrap_or(0)] += 1;
        }
        Go::On
    });
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    long(from, object.member("from"));
    long(to, object.member("to"));
    long(width, object.member("bucketNanos"));
    number(outcome.truncated, object.member("truncated"));
    let buckets = buckets.iter().zip(0_u64..);
    list(buckets, object.member("buckets"), |(counts, nth), out| {
        let mut bucket = ObjectWriter::new(out);
        long(from.saturating_add(nth * width), bucket.member("start"));
        for ((name, ..), count) in LEVELS.iter().zip(counts) {
            number(count, bucket.member(name));
        }
        bucket.end();
    });
    object.end();
    out
}

/// When the first and the last record that is kept happened; records without a time do not count.
fn times(scan: &Scan<'_>) -> (u64, u64) {
    debug_assert_eq!(scan.what, What::Logs);
    let mut at = 0;
    let (mut first, mut last) = (u64::MAX, 0);
    loop {
        let block = scan.store.after(&[Signal::Logs], at, 256);
        let Some(end) = block.last().map(crate::retain::lane::Kept::end) else {
            break;
        };
        at = end;
        for kept in block {
            let (from, to) = kept.chunk.times;
            if from > 0 {
                first = first.min(from);
            }
            last = last.max(to);
        }
    }
    if first > last {
        (scan.now, scan.now)
    } else {
        (first, last)
    }
}

const MILLI: u64 = 1_000_000;
const MAX_BUCKETS: u64 = 1000;

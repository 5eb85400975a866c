//! One look at every record of a batch before it is encoded.
//!
//! Part of `encode`: how many records of which severity, and how much room they took.

use opentelemetry_sdk::{logs::LogBatch, trace::SpanData};

use crate::admit::{SeverityBand, Tally, room::Room, size};

/// What a batch holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) records: Tally,
    /// The sum of the sizes that were taken from the room.
    pub(crate) bytes: u64,
}

impl Scan {
    pub(crate) fn of_logs(batch: &LogBatch<'_>, room: &Room) -> Self {
        let mut scan = Self::default();
        for (record, _) in batch.iter() {
            scan.records
                .add(SeverityBand::of(record.severity_number()), 1);
            scan.bytes += room.weigh(|| size::of_record(record));
        }
        scan
    }

    pub(crate) fn of_spans(batch: &[SpanData], room: &Room) -> Self {
        Self {
            records: Tally::from(batch.len() as u64),
            bytes: batch
                .iter()
                .map(|span| room.weigh(|| size::of_span(span)))
                .sum(),
        }
    }
}

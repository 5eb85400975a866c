//! One look at every record of a batch before it is encoded.
//!
//! Part of `encode`: how many records of which severity, how much room they took, and whether the
//! official encoding has to be completed.

use opentelemetry_sdk::{
    logs::{LogBatch, SdkLogRecord},
    trace::SpanData,
};

use super::dropped;
use crate::admit::{SeverityBand, Tally, room::Room, size};

/// What a batch holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) records: Tally,
    /// The sum of the sizes that were taken from the room.
    pub(crate) bytes: u64,
    /// Whether a record says that attributes were dropped.
    pub(crate) has_dropped_attributes: bool,
}

impl Scan {
    pub(crate) fn of_logs(batch: &LogBatch<'_>, room: &Room) -> Self {
        let mut scan = Self::default();
        for (record, _) in batch.iter() {
            scan.records
                .add(SeverityBand::of(record.severity_number()), 1);
            scan.bytes += room.weigh(|| size::of_record(record));
            scan.has_dropped_attributes |= says_dropped(record);
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
            has_dropped_attributes: false,
        }
    }
}

fn says_dropped(record: &SdkLogRecord) -> bool {
    record
        .attributes_iter()
        .any(|(key, _)| key.as_str() == dropped::ATTRIBUTE)
}

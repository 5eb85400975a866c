//! How many records and bytes wait for a batch, and who still fits.
//!
//! Part of `admit`. Records and bytes share one atomic word, so that taking room is one operation
//! and both bounds are judged by the same state. Who asks before making a record only reads it:
//! threads that are turned away by the thousand do not slow down those who are let in.
//!
//! Invariant: what is inside never exceeds the bounds, but for records of the pipeline itself.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

use super::{AdmissionSettings, SeverityBand};

/// Keeps what it holds on cache lines of its own (two: processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// Why somebody does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Records,
    Bytes,
}

/// Up to where a severity may fill the room; exclusive.
#[derive(Debug, Clone, Copy)]
struct Limit {
    records: u64,
    bytes: u64,
}

/// The room in front of one batch processor.
#[derive(Debug)]
pub(crate) struct Room {
    inside: Apart<AtomicU64>,
    limits: [Limit; SeverityBand::ALL.len()],
    weighs: bool,
}

/// The lower bits count bytes: up to 1 TiB, twice what may be inside, so that threads that
/// overshoot for a moment cannot carry over into the records.
const BYTE_BITS: u32 = 40;
const ONE_RECORD: u64 = 1 << BYTE_BITS;
const BYTES: u64 = ONE_RECORD - 1;
const MAX_BYTES: u64 = 1 << (BYTE_BITS - 1);
const MAX_RECORDS: u64 = 1 << (63 - BYTE_BITS);
/// More than a record can have; a bound for the sum.
const MAX_SIZE: u64 = 1 << 32;

impl Room {
    /// Room for records of any severity, in the order they come.
    pub(crate) fn first_come(capacity: usize, max_bytes: usize) -> Self {
        Self::with_watermarks(capacity, max_bytes, |_| 100)
    }

    pub(crate) fn new(capacity: usize, settings: &AdmissionSettings) -> Self {
        Self::with_watermarks(capacity, settings.max_queued_bytes().get(), |band| {
            settings.watermark(band)
        })
    }

    fn with_watermarks(
        capacity: usize,
        max_bytes: usize,
        watermark: impl Fn(SeverityBand) -> u8,
    ) -> Self {
        let capacity = (capacity as u64).min(MAX_RECORDS);
        let weighs = max_bytes != usize::MAX;
        let max_bytes = (max_bytes as u64).min(MAX_BYTES);
        let limits = SeverityBand::ALL.map(|band| {
            // Rounded up, so that every severity has room in the smallest queue.
            let part = |whole: u64| (whole * u64::from(watermark(band))).div_ceil(100);
            Limit {
                records: part(capacity),
                bytes: part(max_bytes),
            }
        });
        Self {
            inside: Apart::default(),
            limits,
            weighs,
        }
    }

    /// The size of something that wants to enter, which is only looked at where bytes are bounded.
    #[inline]
    pub(crate) fn weigh(&self, size: impl FnOnce() -> u64) -> u64 {
        if self.weighs { size().min(MAX_SIZE) } else { 0 }
    }

    /// Takes room for one record that was [weighed](Self::weigh).
    #[inline]
    pub(crate) fn take(&self, band: SeverityBand, size: u64) -> Result<(), Full> {
        let step = ONE_RECORD + size;
        let before = self.inside.0.fetch_add(step, AcqRel);
        let fits = self.fits(before, band, size);
        if fits.is_err() {
            self.inside.0.fetch_sub(step, AcqRel);
        }
        fits
    }

    /// Takes room for a record of the pipeline itself, whether there is some or not.
    pub(crate) fn take_anyway(&self, size: u64) {
        self.inside.0.fetch_add(ONE_RECORD + size, AcqRel);
    }

    /// Whether a small record would fit now.
    #[inline]
    pub(crate) fn has_some_for(&self, band: SeverityBand) -> Result<(), Full> {
        self.fits(self.inside.0.load(Acquire), band, u64::from(self.weighs))
    }

    #[inline]
    fn fits(&self, inside: u64, band: SeverityBand, size: u64) -> Result<(), Full> {
        let limit = self.limits[band as usize];
        if inside >> BYTE_BITS >= limit.records {
            Err(Full::Records)
        } else if (inside & BYTES) + size > limit.bytes {
            Err(Full::Bytes)
        } else {
            Ok(())
        }
    }

    /// Makes room again; the sizes are those that were taken.
    pub(crate) fn give_back(&self, records: u64, bytes: u64) {
        self.inside
            .0
            .fetch_sub(records * ONE_RECORD + bytes, AcqRel);
    }

    /// How many records are inside.
    #[cfg(any(test, feature = "metrics"))]
    pub(crate) fn records(&self) -> u64 {
        self.inside.0.load(Acquire) >> BYTE_BITS
    }

    /// How many records of the most severe kind may be inside.
    #[cfg(feature = "metrics")]
    pub(crate) fn capacity(&self) -> u64 {
        self.limits
            .iter()
            .map(|limit| limit.records)
            .max()
            .unwrap_or(0)
    }

    /// Whether everybody would be let in.
    pub(crate) fn is_relaxed(&self) -> bool {
        let inside = self.inside.0.load(Acquire);
        SeverityBand::ALL
            .into_iter()
            .all(|band| self.fits(inside, band, u64::from(self.weighs)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn severities_are_turned_away_in_order() {
        let room = Room::new(100, &AdmissionSettings::default());
        for (band, limit) in SeverityBand::ALL.into_iter().zip([50, 65, 80, 90, 100]) {
            while room.take(band, 1).is_ok() {}
            assert_eq!(room.records(), limit, "{band}");
            assert_eq!(room.has_some_for(band), Err(Full::Records));
        }
        assert!(room.take(SeverityBand::Fatal, 1).is_err());
        assert!(!room.is_relaxed());
        room.give_back(51, 51);
        assert!(room.is_relaxed());
    }

    #[test]
    fn bytes_are_bounded_like_records() {
        let settings =
            AdmissionSettings::default().with_max_queued_bytes(NonZeroUsize::new(1000).unwrap());
        let room = Room::new(100, &settings);
        assert_eq!(room.take(SeverityBand::Trace, 501), Err(Full::Bytes));
        room.take(SeverityBand::Trace, 500).unwrap();
        assert_eq!(room.has_some_for(SeverityBand::Trace), Err(Full::Bytes));
        assert_eq!(room.take(SeverityBand::Info, 301), Err(Full::Bytes));
        room.take(SeverityBand::Info, 300).unwrap();
        assert_eq!(room.take(SeverityBand::Error, 201), Err(Full::Bytes));
        room.take(SeverityBand::Error, 200).unwrap();
        assert_eq!(room.records(), 3);
        room.give_back(3, 1000);
        assert_eq!(room.records(), 0);
        let huge = room.weigh(|| u64::MAX);
        assert_eq!(room.take(SeverityBand::Fatal, huge), Err(Full::Bytes));
    }

    #[test]
    fn every_severity_has_room_in_the_smallest_queue() {
        let room = Room::new(1, &AdmissionSettings::default());
        room.take(SeverityBand::Trace, 1).unwrap();
        assert_eq!(room.take(SeverityBand::Fatal, 1), Err(Full::Records));
    }
}

//! How many records and bytes wait for a batch, and who still fits.
//!
//! Part of `admit`. Records, bytes and whether it is too late share one atomic word, so that taking
//! room is one operation and everything is judged by the same state. Who asks before making a record
//! only reads it: threads that are turned away by the thousand do not slow down those who are let in.
//!
//! Invariants: what is inside never exceeds the bounds, but for records of the pipeline itself; where
//! no record is inside, no byte is.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use opentelemetry_sdk::logs::SdkLogRecord;

use super::{
    AdmissionSettings, RecordWeight, SeverityBand,
    size::{self, MAX_SIZE},
};

/// Keeps what it holds on cache lines of its own (two: processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// Why somebody does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Records,
    Bytes,
    /// It is closed for good.
    Closed,
}

/// Says what the record that this thread is emitting weighs, where somebody knows.
pub(crate) type Weigher = fn() -> Option<RecordWeight>;

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
    /// Above this one worker is not enough.
    pressed: Limit,
    weighs: bool,
    weigher: Weigher,
}

/// The lower bits count bytes: up to 512 GiB, twice what may be inside, so that threads that
/// overshoot for a moment cannot carry over into the records. The same holds for the records above
/// them, and the bit that says closed.
const BYTE_BITS: u32 = 39;
const ONE_RECORD: u64 = 1 << BYTE_BITS;
const BYTES: u64 = ONE_RECORD - 1;
const MAX_BYTES: u64 = 1 << (BYTE_BITS - 1);
const MAX_RECORDS: u64 = 1 << (62 - BYTE_BITS);
const CLOSED: u64 = 1 << 63;

/// Which part of it may be taken on a calm day: with the default queue, eight batches.
const PRESSED: u64 = 8;

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
            pressed: Limit {
                records: capacity / PRESSED,
                bytes: max_bytes / PRESSED,
            },
            weighs,
            weigher: || None,
        }
    }

    /// Believes what a weigher says of the records that come.
    ///
    /// Only for a room that they reach untouched: [`give_back`](Self::give_back) is told what they
    /// weigh then.
    pub(crate) fn with_weigher(mut self, weigher: Weigher) -> Self {
        self.weigher = weigher;
        self
    }

    /// The size of something that wants to enter, which is only looked at where bytes are bounded.
    #[inline]
    pub(crate) fn weigh(&self, size: impl FnOnce() -> u64) -> u64 {
        if self.weighs { size().min(MAX_SIZE) } else { 0 }
    }

    /// The same for a log record that its maker may have weighed while making it.
    #[inline]
    pub(crate) fn weigh_entering(&self, record: &SdkLogRecord) -> u64 {
        if !self.weighs {
            return 0;
        }
        match (self.weigher)() {
            Some(weight) => weight.size(),
            None => self.weigh_by_looking(record),
        }
    }

    #[inline(never)]
    fn weigh_by_looking(&self, record: &SdkLogRecord) -> u64 {
        self.weigh(|| size::of_record(record))
    }

    /// Takes room for one record that was weighed.
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

    /// Takes room for a record of the pipeline itself, whether there is some or not; says whether
    /// it is open still.
    pub(crate) fn take_anyway(&self, size: u64) -> bool {
        self.inside.0.fetch_add(ONE_RECORD + size, AcqRel) & CLOSED == 0
    }

    /// Gives no room to anybody any more, but to the pipeline itself.
    pub(crate) fn close(&self) {
        self.inside.0.fetch_or(CLOSED, AcqRel);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inside.0.load(Acquire) & CLOSED != 0
    }

    /// Whether a small record would fit now.
    #[inline]
    pub(crate) fn has_some_for(&self, band: SeverityBand) -> Result<(), Full> {
        self.fits(self.inside.0.load(Acquire), band, u64::from(self.weighs))
    }

    #[inline]
    fn fits(&self, inside: u64, band: SeverityBand, size: u64) -> Result<(), Full> {
        let limit = self.limits[band as usize];
        // A closed room is full of records: one comparison less for everybody else.
        if inside >> BYTE_BITS >= limit.records {
            Err(if inside & CLOSED == 0 {
                Full::Records
            } else {
                Full::Closed
            })
        } else if (inside & BYTES) + size > limit.bytes {
            Err(Full::Bytes)
        } else {
            Ok(())
        }
    }

    /// Makes room again; the sizes are those that were taken.
    pub(crate) fn give_back(&self, records: u64, bytes: u64) {
        let less = |inside: u64| {
            // Should the sizes ever differ from those that were taken, the error must not reach the
            // count of the records, and ends when the last one leaves.
            let records = (inside & !CLOSED).saturating_sub(records * ONE_RECORD) & !BYTES;
            let bytes = match records {
                0 => 0,
                _ => (inside & BYTES).saturating_sub(bytes),
            };
            Some(inside & CLOSED | records | bytes)
        };
        let _always = self.inside.0.fetch_update(AcqRel, Acquire, less);
    }

    /// How many records are inside.
    pub(crate) fn records(&self) -> u64 {
        (self.inside.0.load(Acquire) & !CLOSED) >> BYTE_BITS
    }

    /// What [`is_pressed`](Self::is_pressed) has to be told so that so many records are calm.
    pub(crate) fn above(records: u64) -> u64 {
        (records.min(MAX_RECORDS) + 1) << BYTE_BITS
    }

    /// Whether an eighth of it is taken, by number or by bytes, and by more records than are calm.
    #[inline]
    pub(crate) fn is_pressed(&self, above: u64) -> bool {
        let inside = self.inside.0.load(Relaxed);
        // One comparison on a calm day: the records are above the bytes.
        inside >= above && self.is_an_eighth_taken(inside)
    }

    #[inline(never)]
    fn is_an_eighth_taken(&self, inside: u64) -> bool {
        let records = (inside & !CLOSED) >> BYTE_BITS;
        records > self.pressed.records || inside & BYTES > self.pressed.bytes
    }

    /// How many records of any kind may be inside.
    pub(crate) fn for_everybody(&self) -> usize {
        let least = self.limits.iter().map(|limit| limit.records).min();
        least.map_or(0, |records| usize::try_from(records).unwrap_or(usize::MAX))
    }

    /// How many bytes are inside.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.inside.0.load(Acquire) & BYTES
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

    /// Whether there is room for everybody.
    pub(crate) fn is_relaxed(&self) -> bool {
        let inside = self.inside.0.load(Acquire) & !CLOSED;
        SeverityBand::ALL
            .into_iter()
            .all(|band| self.fits(inside, band, u64::from(self.weighs)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use opentelemetry::logs::{Logger as _, LoggerProvider as _};
    use opentelemetry_sdk::logs::SdkLoggerProvider;

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
    fn sizes_that_were_not_taken_cost_no_record_its_place() {
        let room = Room::first_come(10, 1000);
        for size in [100, 200, 300] {
            room.take(SeverityBand::Info, size).unwrap();
        }
        room.give_back(1, 900);
        assert_eq!((room.records(), room.bytes()), (2, 0));
        room.take(SeverityBand::Info, 50).unwrap();
        room.give_back(3, 7);
        assert_eq!((room.records(), room.bytes()), (0, 0));
        room.give_back(1, 1);
        assert_eq!((room.records(), room.bytes()), (0, 0));
    }

    #[test]
    fn a_closed_room_has_place_for_nobody_but_the_pipeline_and_still_empties() {
        let room = Room::first_come(10, 1000);
        room.take(SeverityBand::Info, 100).unwrap();
        room.close();
        assert!(room.is_closed() && room.is_relaxed());
        assert_eq!(room.take(SeverityBand::Fatal, 1), Err(Full::Closed));
        assert_eq!(room.has_some_for(SeverityBand::Info), Err(Full::Closed));
        assert!(!room.take_anyway(50));
        assert_eq!((room.records(), room.bytes()), (2, 150));
        room.give_back(2, 150);
        assert_eq!((room.records(), room.bytes()), (0, 0));
        assert!(room.is_closed());
    }

    #[test]
    fn many_records_or_large_ones_press_but_never_a_few() {
        let room = Room::first_come(80, 800);
        let above = Room::above(2);
        room.take(SeverityBand::Info, 700).unwrap();
        room.take(SeverityBand::Info, 1).unwrap();
        assert!(!room.is_pressed(above));
        room.take(SeverityBand::Info, 1).unwrap();
        assert!(room.is_pressed(above));
        room.give_back(1, 602);
        room.take(SeverityBand::Info, 0).unwrap();
        // 100 bytes are an eighth, and not more.
        assert!(!room.is_pressed(above));
        room.take(SeverityBand::Info, 1).unwrap();
        assert!(room.is_pressed(above));
        room.give_back(1, 101);
        (0..7).for_each(|_| room.take(SeverityBand::Info, 0).unwrap());
        assert!(!room.is_pressed(above));
        room.take(SeverityBand::Info, 0).unwrap();
        assert!(room.is_pressed(above));
    }

    #[test]
    fn a_weight_that_is_known_is_believed() {
        let known = Room::first_come(10, 1000).with_weigher(|| Some(RecordWeight::new(2, 30)));
        let record = SdkLoggerProvider::builder()
            .build()
            .logger("test")
            .create_log_record();
        let expected = RecordWeight::new(2, 30).size();
        assert_eq!(known.weigh_entering(&record), expected);
        assert_eq!(known.weigh(|| 7), 7);
        let looks = Room::first_come(10, 1000);
        assert_eq!(looks.weigh_entering(&record), size::of_record(&record));
        let boundless = Room::first_come(10, usize::MAX).with_weigher(|| unreachable!());
        assert_eq!(boundless.weigh_entering(&record), 0);
    }

    #[test]
    fn every_severity_has_room_in_the_smallest_queue() {
        let room = Room::new(1, &AdmissionSettings::default());
        room.take(SeverityBand::Trace, 1).unwrap();
        assert_eq!(room.take(SeverityBand::Fatal, 1), Err(Full::Records));
    }
}

//! One request of somebody else's.

use std::fmt;

use bytes::Bytes;

use crate::{
    admit::{SeverityBand, Tally},
    settings::Signal,
};

/// One OTLP export request as protobuf, with what it holds.
#[derive(Clone)]
pub struct Parcel {
    pub(super) signal: Signal,
    pub(super) body: Bytes,
    pub(super) records: Tally,
}

impl Parcel {
    /// An `Export…ServiceRequest` of this signal, uncompressed and without a frame.
    ///
    /// It is not checked: whoever took it in has done that.
    pub fn new(signal: Signal, protobuf: impl Into<Bytes>) -> Self {
        Self {
            signal,
            body: protobuf.into(),
            records: Tally::default(),
        }
    }

    /// Says that so many more log records of this severity are in it; spans and data points count
    /// as [`SeverityBand::Info`].
    #[must_use]
    pub fn with_records(mut self, band: SeverityBand, records: u64) -> Self {
        self.records.add(band, records);
        self
    }

    /// What kind of records it holds.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How many records it holds.
    pub fn records(&self) -> u64 {
        self.records.total()
    }
}

impl fmt::Debug for Parcel {
    /// Without the body, which holds other people's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("signal", &self.signal)
            .field("records", &self.records.total())
            .field("bytes", &self.body.len())
            .finish()
    }
}

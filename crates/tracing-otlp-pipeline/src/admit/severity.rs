//! The six severities that records are sorted and counted by.
//!
//! Part of `admit`; `ledger` and `deliver` count by them.

use std::fmt;

use opentelemetry::logs::Severity;

/// One of the six ranges of severity numbers (Logs data model, "Field: `SeverityNumber`").
///
/// A record without a severity counts as [`Info`](Self::Info), and so does a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SeverityBand {
    /// 1 to 4.
    Trace,
    /// 5 to 8.
    Debug,
    /// 9 to 12.
    Info,
    /// 13 to 16.
    Warn,
    /// 17 to 20.
    Error,
    /// 21 to 24.
    Fatal,
}

impl SeverityBand {
    /// Every band, the least severe first.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Fatal,
    ];

    /// The name used in reports: `trace`, `debug`, `info`, `warn`, `error` or `fatal`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }

    /// The band of a record's severity.
    #[inline]
    pub(crate) fn of(severity: Option<Severity>) -> Self {
        severity.map_or(Self::Info, Self::from)
    }
}

impl From<Severity> for SeverityBand {
    #[inline]
    fn from(severity: Severity) -> Self {
        // Asked about every record: a table is faster than five comparisons.
        const BANDS: [SeverityBand; 25] = {
            let mut bands = [SeverityBand::Info; 25];
            let mut number = 1;
            while number < bands.len() {
                bands[number] = SeverityBand::ALL[(number - 1) / 4];
                number += 1;
            }
            bands
        };
        BANDS.get(severity as usize).copied().unwrap_or(Self::Info)
    }
}

impl fmt::Display for SeverityBand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A number of records of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally([u64; SeverityBand::ALL.len()]);

impl Tally {
    pub(crate) fn of(band: SeverityBand, records: u64) -> Self {
        let mut tally = Self::default();
        tally.add(band, records);
        tally
    }

    pub(crate) fn add(&mut self, band: SeverityBand, records: u64) {
        self.0[band as usize] += records;
    }

    pub(crate) fn get(&self, band: SeverityBand) -> u64 {
        self.0[band as usize]
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The bands that have records, with their number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SeverityBand, u64)> {
        SeverityBand::ALL
            .into_iter()
            .zip(self.0)
            .filter(|(_, records)| *records > 0)
    }

    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
        self
    }

    pub(crate) fn minus(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_sub(theirs);
        }
        self
    }

    /// Takes so many records out, and returns them and the rest.
    ///
    /// For a partial success, where the server says how many it rejected and not which: each
    /// severity gives its share, rounded down, and the least severe make up the difference.
    pub(crate) fn split(self, records: u64) -> (Self, Self) {
        let total = self.total();
        if records >= total {
            return (self, Self::default());
        }
        let mut part = Self::default();
        for (share, have) in part.0.iter_mut().zip(self.0) {
            let exact = u128::from(have) * u128::from(records) / u128::from(total);
            *share = u64::try_from(exact).unwrap_or(have);
        }
        let mut missing = records - part.total();
        for (share, have) in part.0.iter_mut().zip(self.0) {
            let more = missing.min(have - *share);
            *share += more;
            missing -= more;
        }
        (part, self.minus(&part))
    }
}

/// By severity, the least severe first.
impl From<[u64; SeverityBand::ALL.len()]> for Tally {
    fn from(records: [u64; SeverityBand::ALL.len()]) -> Self {
        Self(records)
    }
}

impl From<Tally> for [u64; SeverityBand::ALL.len()] {
    fn from(tally: Tally) -> Self {
        tally.0
    }
}

/// Records whose severity is not known, or that have none, like spans.
impl From<u64> for Tally {
    fn from(records: u64) -> Self {
        Self::of(SeverityBand::Info, records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_severity_number_has_its_band() {
        for (severity, band) in [
            (Severity::Trace, SeverityBand::Trace),
            (Severity::Trace4, SeverityBand::Trace),
            (Severity::Debug, SeverityBand::Debug),
            (Severity::Info4, SeverityBand::Info),
            (Severity::Warn2, SeverityBand::Warn),
            (Severity::Error, SeverityBand::Error),
            (Severity::Fatal4, SeverityBand::Fatal),
        ] {
            assert_eq!(SeverityBand::from(severity), band);
        }
        assert_eq!(SeverityBand::of(None), SeverityBand::Info);
    }

    #[test]
    fn a_split_loses_nothing_and_takes_from_nobody_what_they_do_not_have() {
        let tally = Tally([7, 0, 100, 3, 1, 0]);
        for records in 0..=120 {
            let (part, rest) = tally.split(records);
            assert_eq!(part.total(), records.min(111));
            assert_eq!(part.plus(&rest), tally);
        }
    }
}

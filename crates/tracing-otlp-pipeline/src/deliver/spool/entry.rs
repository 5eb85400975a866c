//! One encoded request with what is needed to send it later.
//!
//! Part of `spool`. Headers with credentials are not in it: they belong to the destination, which
//! is looked up again when the entry is replayed.

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use crate::{
    admit::{SeverityBand, Tally as Severities},
    encode::Request,
    settings::{Protocol, Signal},
};

/// One encoded request on its way to disk or back. Cloning shares the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What kind of records the body holds.
    pub signal: Signal,
    /// How many of each severity, the least severe first.
    pub records: [u64; SEVERITIES],
    /// When the request was made, by the wall clock; decides when it is too old.
    pub created_at: SystemTime,
    /// How it is to be carried.
    pub protocol: Protocol,
    /// The content type of the body.
    pub content_type: Cow<'static, str>,
    /// The content encoding of the body, if it is compressed.
    pub content_encoding: Option<Cow<'static, str>>,
    /// Which of several destinations it is for: a key that means the same after a restart, without
    /// secrets. Empty where there is only one.
    pub destination: Arc<str>,
    /// The body, as it goes over the wire.
    pub body: Bytes,
}

impl Entry {
    /// The entry for a request that is made now.
    pub(crate) fn of(request: &Request, protocol: Protocol) -> Self {
        Self {
            signal: request.signal,
            records: request.severities.into(),
            created_at: SystemTime::now(),
            protocol,
            content_type: Cow::Borrowed(request.content_type),
            content_encoding: request.content_encoding.map(Cow::Borrowed),
            destination: Arc::from(""),
            body: request.body.clone(),
        }
    }

    /// The request again; `None` when its content type or encoding is none that we write.
    pub(crate) fn to_request(&self) -> Option<Request> {
        let known = |text: &str, all: &[&'static str]| all.iter().copied().find(|one| *one == text);
        let severities = self.severities();
        Some(Request {
            signal: self.signal,
            records: severities.total(),
            severities,
            body: self.body.clone(),
            content_type: known(&self.content_type, &CONTENT_TYPES)?,
            content_encoding: match &self.content_encoding {
                None => None,
                Some(encoding) => Some(known(encoding, &CONTENT_ENCODINGS)?),
            },
            source: None,
        })
    }

    /// How many records it holds, by severity.
    pub(crate) fn severities(&self) -> Severities {
        self.records.into()
    }

    pub(super) fn tally(&self) -> Tally {
        Tally::one(signal_code(self.signal), self.records)
    }

    /// Nanoseconds since 1970; what lies outside of the range of the format is moved to its ends.
    pub(super) fn created_nanos(&self) -> u64 {
        nanos(self.created_at)
    }
}

impl fmt::Debug for Entry {
    /// Without the body, which holds other people's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("signal", &self.signal)
            .field("records", &self.severities().total())
            .field("destination", &self.destination)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

pub(super) fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

pub(super) fn time(nanos: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_nanos(nanos))
        .unwrap_or(UNIX_EPOCH)
}

/// Entries, and records by signal and severity. What a newer version wrote for a signal that is unknown here
/// counts too, without a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub(super) entries: u64,
    /// By the signal's code of the format, then by severity.
    pub(super) records: [[u64; SEVERITIES]; SIGNAL_CODES],
}

impl Tally {
    pub(super) fn one(code: u8, records: [u64; SEVERITIES]) -> Self {
        Self {
            entries: 1,
            ..Self::part(code, records)
        }
    }

    /// Records of an entry that counts elsewhere.
    pub(super) fn part(code: u8, records: [u64; SEVERITIES]) -> Self {
        let mut tally = Self::default();
        let code = usize::from(code);
        tally.records[if code < SIGNAL_CODES { code } else { 0 }] = records;
        tally
    }

    /// How many entries.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many records of the signal.
    pub fn records(&self, signal: Signal) -> u64 {
        self.severities(signal).total()
    }

    /// How many records of all signals.
    pub fn all_records(&self) -> u64 {
        self.records
            .iter()
            .flatten()
            .fold(0, |sum, records| sum.saturating_add(*records))
    }

    /// The records of the signal, by severity.
    pub(crate) fn severities(&self, signal: Signal) -> Severities {
        // A file that somebody made up must not make a sum overflow.
        let bounded = |records: u64| records.min(u64::MAX >> 16);
        self.records[usize::from(signal_code(signal))]
            .map(bounded)
            .into()
    }

    /// What came on top of what was there before.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut more = *self;
        more.take(before);
        more
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.entries = self.entries.saturating_add(other.entries);
        for (mine, theirs) in self.records.iter_mut().zip(&other.records) {
            if *theirs != [0; SEVERITIES] {
                for (mine, theirs) in mine.iter_mut().zip(theirs) {
                    *mine = mine.saturating_add(*theirs);
                }
            }
        }
    }

    /// Takes away what is there, and says how much that was.
    pub(super) fn take(&mut self, other: &Self) -> Self {
        let mut taken = *other;
        taken.entries = taken.entries.min(self.entries);
        self.entries -= taken.entries;
        for (mine, theirs) in self.records.iter_mut().zip(&mut taken.records) {
            if *theirs != [0; SEVERITIES] {
                for (mine, theirs) in mine.iter_mut().zip(theirs) {
                    *theirs = (*theirs).min(*mine);
                    *mine -= *theirs;
                }
            }
        }
        taken
    }
}

/// The code of a signal in the format.
pub(super) fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Logs => 1,
        Signal::Traces => 2,
        Signal::Metrics => 3,
    }
}

pub(super) fn signal_of(code: u8) -> Option<Signal> {
    Signal::ALL
        .into_iter()
        .find(|signal| signal_code(*signal) == code)
}

/// The code of a protocol in the format.
pub(super) fn protocol_code(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::HttpProtobuf => 1,
        Protocol::HttpJson => 2,
        Protocol::Grpc => 3,
    }
}

pub(super) fn protocol_of(code: u8) -> Option<Protocol> {
    [Protocol::HttpProtobuf, Protocol::HttpJson, Protocol::Grpc]
        .into_iter()
        .find(|protocol| protocol_code(*protocol) == code)
}

/// One number for each severity.
pub(super) const SEVERITIES: usize = SeverityBand::ALL.len();
/// 0 stands for a signal that is unknown here, 1 logs, 2 traces, 3 metrics.
pub(super) const SIGNAL_CODES: usize = 4;
const CONTENT_TYPES: [&str; 3] = [
    "application/x-protobuf",
    "application/json",
    "application/grpc",
];
const CONTENT_ENCODINGS: [&str; 2] = ["gzip", "zstd"];

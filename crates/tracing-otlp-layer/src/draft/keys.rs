//! Keys, and the quick answer to whether a record has one already.
//!
//! Part of the draft, third stop on the way of an event. A record's keys are unique. Comparing each
//! new key to all the others would cost more than everything else, so every key has a mark, one of
//! 256 bits, and a draft knows the marks of all its keys: a mark that is not there says that the key
//! is not either. Only where it is there the keys are compared.

use tracing_core::Field;
use tracing_core::field::FieldSet;

use crate::capture::constant::Constant;
use crate::settings::Limits;

/// The mark of a key: one bit of [`Marks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u8);

impl Mark {
    /// FNV-1a, folded. It is worked out once for a call site, not for a record.
    pub(crate) const fn of(key: &str) -> Self {
        let bytes = key.as_bytes();
        let mut hash: u32 = 0x811c_9dc5;
        let mut index = 0;
        while index < bytes.len() {
            hash = (hash ^ bytes[index] as u32).wrapping_mul(0x0100_0193);
            index += 1;
        }
        let [a, b, c, d] = hash.to_le_bytes();
        Self(a ^ b ^ c ^ d)
    }
}

/// The marks of many keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks([u64; 4]);

impl Marks {
    /// May the key of this mark be among them?
    #[inline]
    pub(crate) const fn may_have(&self, mark: Mark) -> bool {
        self.0[(mark.0 >> 6) as usize] >> (mark.0 & 63) & 1 == 1
    }

    #[inline]
    pub(crate) const fn add(&mut self, mark: Mark) {
        self.0[(mark.0 >> 6) as usize] |= 1 << (mark.0 & 63);
    }
}

/// What a field of an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Message,
    EventName,
    SeverityNumber,
    /// An attribute; where it is a text and there is no message, an exception too.
    Error,
    Attribute,
}

/// What is known of a field of a call site.
pub(crate) struct FieldFact {
    pub(crate) name: &'static str,
    pub(crate) meaning: Meaning,
    pub(crate) mark: Mark,
    /// Characters of its texts to keep.
    pub(crate) limit: usize,
    pub(crate) constant: Constant,
}

/// What is known of the fields of a call site.
pub(crate) struct FieldFacts {
    all: Box<[FieldFact]>,
    /// A field may take the place of what is there already, or be taken out again: a record cannot be
    /// filled as they come.
    pub(crate) must_hold: bool,
}

impl FieldFacts {
    pub(crate) fn of(fields: &'static FieldSet, limits: &Limits) -> Self {
        let all: Box<[_]> = fields
            .iter()
            .map(|field| {
                let meaning = match field.name() {
                    "message" => Meaning::Message,
                    EVENT_NAME => Meaning::EventName,
                    SEVERITY_NUMBER => Meaning::SeverityNumber,
                    "error" => Meaning::Error,
                    _ => Meaning::Attribute,
                };
                FieldFact {
                    name: field.name(),
                    meaning,
                    mark: Mark::of(field.name()),
                    limit: match meaning {
                        Meaning::Message => limits.body_length,
                        _ => limits.value_length,
                    },
                    constant: Constant::default(),
                }
            })
            .collect();
        let is_apart = |index: usize, name: &str| {
            !OwnKey::ALL.iter().any(|key| key.as_str() == name)
                && all[..index].iter().all(|other| other.name != name)
        };
        Self {
            must_hold: limits.record_bytes != usize::MAX
                || all.len() > MAX_UNIQUE
                || !all
                    .iter()
                    .enumerate()
                    .all(|(index, fact)| is_apart(index, fact.name)),
            all,
        }
    }

    #[inline]
    pub(crate) fn get(&self, field: &Field) -> Option<&FieldFact> {
        self.all.get(field.index())
    }

    /// The names of the fields whose bits are set.
    pub(crate) fn names_of(&self, present: u64) -> impl Iterator<Item = &'static str> {
        self.all
            .iter()
            .enumerate()
            .filter(move |(index, _)| present >> index & 1 == 1)
            .map(|(_, fact)| fact.name)
    }
}

/// The bits of a word.
const MAX_UNIQUE: usize = 64;

pub(crate) const EVENT_NAME: &str = "otel.event.name";
pub(crate) const SEVERITY_NUMBER: &str = "otel.severity_number";

/// A key that the layer itself gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnKey {
    File,
    Line,
    Module,
    ThreadId,
    ThreadName,
    TraceId,
    SpanId,
    ExceptionType,
    ExceptionMessage,
    ExceptionStacktrace,
    /// Where a record has no field for the number (Common concepts, "Mapping to non-OTLP Formats",
    /// "Dropped Attributes Count"); what encodes OTLP turns it into one.
    DroppedAttributesCount,
}

impl OwnKey {
    const ALL: [Self; 11] = [
        Self::File,
        Self::Line,
        Self::Module,
        Self::ThreadId,
        Self::ThreadName,
        Self::TraceId,
        Self::SpanId,
        Self::ExceptionType,
        Self::ExceptionMessage,
        Self::ExceptionStacktrace,
        Self::DroppedAttributesCount,
    ];

    #[inline]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::File => "code.file.path",
            Self::Line => "code.line.number",
            Self::Module => "code.module.name",
            Self::ThreadId => "thread.id",
            Self::ThreadName => "thread.name",
            Self::TraceId => "trace_id",
            Self::SpanId => "span_id",
            Self::ExceptionType => "exception.type",
            Self::ExceptionMessage => "exception.message",
            Self::ExceptionStacktrace => "exception.stacktrace",
            Self::DroppedAttributesCount => "otel.dropped_attributes_count",
        }
    }

    #[inline]
    pub(crate) const fn mark(self) -> Mark {
        const MARKS: [Mark; OwnKey::ALL.len()] = {
            let mut marks = [Mark(0); OwnKey::ALL.len()];
            let mut index = 0;
            while index < marks.len() {
                marks[index] = Mark::of(OwnKey::ALL[index].as_str());
                index += 1;
            }
            marks
        };
        MARKS[self as usize]
    }

    #[inline]
    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The keys whose bits are set.
    pub(crate) fn of_bits(present: u16) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |key| present & key.bit() != 0)
    }
}

#[cfg(test)]
impl FieldFacts {
    pub(crate) fn none(limits: &Limits) -> Self {
        Self {
            all: Box::default(),
            must_hold: limits.record_bytes != usize::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_have_equal_marks() {
        for key in ["", "a", "ab", "http.route", "é"] {
            let mut marks = Marks::default();
            assert!(!marks.may_have(Mark::of(key)));
            // Not by the address of the text.
            let again = String::from(key);
            marks.add(Mark::of(&again));
            assert!(marks.may_have(Mark::of(key)));
        }
    }

    #[test]
    fn a_key_of_ours_has_the_mark_of_its_text() {
        for own in OwnKey::ALL {
            assert_eq!(own.mark(), Mark::of(own.as_str()));
        }
    }

    #[test]
    fn names_that_people_give_have_different_marks_most_of_the_time() {
        let names = [
            "method",
            "status",
            "bytes",
            "ratio",
            "cached",
            "elapsed",
            "code.file.path",
            "code.line.number",
            "code.module.name",
            "route",
            "tenant",
            "secure",
            "user",
            "attempt",
            "admin",
            "table",
            "rows",
            "slow",
            "error",
            "id",
            "name",
            "path",
            "count",
            "duration",
        ];
        let mut marks = Marks::default();
        let collisions = names.iter().filter(|name| {
            let mark = Mark::of(name);
            let collides = marks.may_have(mark);
            marks.add(mark);
            collides
        });
        assert!(collisions.count() <= 2);
    }
}

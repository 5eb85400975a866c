//! Keys, and the quick answer to whether a record has one already.
//!
//! Part of the draft, third stop on the way of an event. A record's keys are unique. Comparing each
//! new key to all the others would cost more than everything else, so every key has a mark, one bit
//! of a word, and a draft knows the marks of all its keys: a mark that is not there says that the key
//! is not either. Only where it is there the keys are compared.

/// The mark of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    /// Made from the length and three bytes: names of fields differ in these.
    #[inline]
    pub(crate) const fn of(key: &str) -> Self {
        let bytes = key.as_bytes();
        let length = bytes.len();
        if length == 0 {
            return Self(1);
        }
        let mixed = length
            .wrapping_mul(7)
            .wrapping_add(bytes[0] as usize)
            .wrapping_add((bytes[length / 2] as usize).wrapping_mul(5))
            .wrapping_add((bytes[length - 1] as usize).wrapping_mul(11));
        Self(1 << (mixed % 64))
    }
}

/// The marks of many keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks(u64);

impl Marks {
    /// May the key of this mark be among them?
    #[inline]
    pub(crate) const fn may_have(self, mark: Mark) -> bool {
        self.0 & mark.0 != 0
    }

    #[inline]
    pub(crate) const fn add(&mut self, mark: Mark) {
        self.0 |= mark.0;
    }
}

/// What a field of an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Message,
    EventName,
    SeverityNumber,
    Attribute,
}

/// What is known of a field of a call site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldFact {
    pub(crate) meaning: Meaning,
    pub(crate) mark: Mark,
}

impl FieldFact {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            meaning: match name {
                "message" => Meaning::Message,
                EVENT_NAME => Meaning::EventName,
                SEVERITY_NUMBER => Meaning::SeverityNumber,
                _ => Meaning::Attribute,
            },
            mark: Mark::of(name),
        }
    }
}

pub(crate) const EVENT_NAME: &str = "otel.event.name";
pub(crate) const SEVERITY_NUMBER: &str = "otel.severity_number";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_have_equal_marks() {
        for key in ["", "a", "ab", "http.route", "é"] {
            let mut marks = Marks::default();
            assert!(!marks.may_have(Mark::of(key)));
            marks.add(Mark::of(&key.to_owned()));
            assert!(marks.may_have(Mark::of(key)));
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
        assert!(collisions.count() <= 8);
    }
}

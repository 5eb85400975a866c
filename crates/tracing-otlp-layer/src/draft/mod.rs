//! The record while it can change: unique keys, limits, errors, event name.
//!
//! Third stop on the way of an event. SDK records cannot be edited once filled (`SdkLogRecord` has
//! no way to remove or replace an attribute), so whatever shapes values happens here. What can change
//! no more goes into the record at once: with most call sites that is everything, since no field of
//! theirs can meet another one's key. Where it may, all of it is [held](held::Held) to the end.

pub(crate) mod error;
mod held;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod nested;
#[cfg(all(tracing_unstable, feature = "valuable"))]
pub(crate) mod valuable;

use std::collections::HashSet;

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use opentelemetry::{Key, StringValue};

use crate::capture::text::Text;
use crate::guard::Weight;
use crate::settings::Limits;
use held::Held;
use keys::{FieldFact, FieldFacts, Mark, Marks, OwnKey};

/// One record in the making.
pub(crate) struct Draft<'a, R> {
    record: &'a mut R,
    pub(crate) limits: &'a Limits,
    /// What is known of the call site's fields.
    pub(crate) fields: &'a FieldFacts,
    held: Option<Box<Held>>,
    /// So many attributes may still go into the record as they come; none where all is held.
    room: usize,
    /// What is needed to tell the keys that are there: the marks of all, and which of the call
    /// site's fields and of our own. Those of spans their nodes know.
    marks: Marks,
    fields_here: u64,
    own_here: u16,
    has_body: bool,
    /// The first error of the event has already filled `exception.*`.
    has_exception: bool,
    /// Bytes in the texts of body and attributes; [`UNWEIGHED`] or more where that is not known.
    text_bytes: u64,
    /// Attributes that the limits turned away.
    pub(crate) dropped: u32,
    /// Their keys: what comes under one of them later is not another attribute.
    #[expect(clippy::box_collection, reason = "seldom there, and a draft is small")]
    turned_away: Option<Box<HashSet<Key>>>,
    /// The text of a field called `error`.
    error: Option<Box<StringValue>>,
}

/// The bytes of a value that nobody has counted. With more added it still says so.
pub(crate) const UNWEIGHED: usize = u32::MAX as usize;

impl<'a, R: LogRecord> Draft<'a, R> {
    #[inline]
    pub(crate) fn new(record: &'a mut R, limits: &'a Limits, fields: &'a FieldFacts) -> Self {
        Self {
            record,
            limits,
            fields,
            held: fields.must_hold.then(Box::default),
            room: if fields.must_hold {
                0
            } else {
                limits.attributes
            },
            marks: Marks::default(),
            fields_here: 0,
            own_here: 0,
            has_body: false,
            has_exception: false,
            text_bytes: 0,
            dropped: 0,
            turned_away: None,
            error: None,
        }
    }

    /// A name given by the `otel.event.name` field, in place of the call site's.
    pub(crate) fn set_event_name(&mut self, name: &'static str) {
        self.record.set_event_name(name);
    }

    /// A number given by the `otel.severity_number` field, in place of the call site's.
    pub(crate) fn set_severity(&mut self, severity: Severity) {
        self.record.set_severity_number(severity);
        self.record.set_severity_text(severity.name());
    }

    /// Holds everything to the end: keys will come that are not known now.
    #[cfg(feature = "log")]
    pub(crate) fn holding(mut self) -> Self {
        self.held = Some(Box::default());
        self.room = 0;
        self
    }

    /// Takes note of the text of a field called `error`, which matters where there is no message.
    pub(crate) fn set_error(&mut self, text: &StringValue) {
        if !self.has_body {
            self.error = Some(Box::new(text.clone()));
        }
    }

    /// Sets the body; `bytes` are those of its text.
    #[inline]
    pub(crate) fn set_body(&mut self, value: AnyValue, bytes: usize) {
        if std::mem::replace(&mut self.has_body, true) {
            self.text_bytes = UNWEIGHED as u64;
        }
        self.text_bytes += bytes as u64;
        match &mut self.held {
            None => self.record.set_body(value),
            Some(held) => held.body = Some(value),
        }
    }

    /// Takes the attribute of a field: within one source the latest wins. `bytes` are those of a
    /// text, or 0, or [`UNWEIGHED`].
    #[expect(
        clippy::inline_always,
        reason = "each kind of value is made where the record takes it"
    )]
    #[inline(always)]
    pub(crate) fn add_field(
        &mut self,
        index: usize,
        fact: &FieldFact,
        value: AnyValue,
        bytes: usize,
    ) {
        if self.room > 0 {
            self.fields_here |= 1 << (index % 64);
            self.fill(Key::from_static_str(fact.name), fact.mark, value, bytes);
        } else {
            self.add_without_room(fact, value, bytes);
        }
    }

    #[inline(never)]
    fn add_without_room(&mut self, fact: &FieldFact, value: AnyValue, bytes: usize) {
        self.set(Key::from_static_str(fact.name), fact.mark, value, bytes);
    }

    /// Sets an attribute while everything is held, replacing an earlier value.
    pub(crate) fn set(&mut self, key: Key, mark: Mark, value: AnyValue, bytes: usize) {
        if self.marks.may_have(mark) {
            if let Some(slot) = self.held.as_mut().and_then(|held| held.slot(key.as_str())) {
                *slot = value;
                self.text_bytes = UNWEIGHED as u64;
                return;
            }
        }
        self.push(key, mark, value, bytes);
    }

    /// Adds a span's `key` unless something nearer to the event has it: the event beats its spans,
    /// an inner span beats an outer one. `is_in_span` looks for it in the spans that were before;
    /// the value comes with its bytes.
    #[inline]
    pub(crate) fn add(
        &mut self,
        key: &Key,
        mark: Mark,
        value: impl FnOnce() -> (AnyValue, usize),
        is_in_span: impl FnOnce() -> bool,
    ) {
        if !self.marks.may_have(mark) || !(self.looks_and_has(key.as_str()) || is_in_span()) {
            let (value, bytes) = value();
            self.push(key.clone(), mark, value, bytes);
        }
    }

    /// Adds a key of ours unless the event has it. Comes before what spans have.
    #[expect(clippy::inline_always, reason = "many callers, of which two are hot")]
    #[inline(always)]
    pub(crate) fn add_own(&mut self, own: OwnKey, value: AnyValue, bytes: usize) {
        let (key, mark) = (own.as_str(), own.mark());
        if self.marks.may_have(mark) && self.looks_and_has(key) {
            return;
        }
        if self.push(Key::from_static_str(key), mark, value, bytes) {
            self.own_here |= own.bit();
        }
    }

    /// The same for a text.
    pub(crate) fn add_own_text(&mut self, own: OwnKey, text: Text) {
        let bytes = text.as_str().len();
        self.add_own(own, text.into_value(), bytes);
    }

    #[cold]
    fn looks_and_has(&mut self, key: &str) -> bool {
        match &mut self.held {
            Some(held) => held.slot(key).is_some(),
            None => {
                OwnKey::of_bits(self.own_here).any(|own| own.as_str() == key)
                    || self
                        .fields
                        .names_of(self.fields_here)
                        .any(|name| name == key)
            }
        }
    }

    /// Takes a new attribute if there is a place left.
    #[inline]
    fn push(&mut self, key: Key, mark: Mark, value: AnyValue, bytes: usize) -> bool {
        if self.room > 0 {
            self.fill(key, mark, value, bytes);
            true
        } else {
            self.hold(key, mark, value, bytes)
        }
    }

    /// A new attribute goes into the record at once: there is room.
    #[inline]
    fn fill(&mut self, key: Key, mark: Mark, value: AnyValue, bytes: usize) {
        self.room -= 1;
        self.marks.add(mark);
        self.text_bytes += bytes as u64;
        self.record.add_attribute(key, value);
    }

    /// A new attribute waits with the others, or there is no place left for it.
    #[inline(never)]
    fn hold(&mut self, key: Key, mark: Mark, value: AnyValue, bytes: usize) -> bool {
        match &mut self.held {
            Some(held) if held.attributes.len() < self.limits.attributes => {
                self.marks.add(mark);
                self.text_bytes += bytes as u64;
                held.attributes.push((key, value));
                true
            }
            _ => {
                if self.turned_away.get_or_insert_default().insert(key) {
                    self.dropped = self.dropped.saturating_add(1);
                }
                false
            }
        }
    }

    /// Fills `exception.*` if no error has done so yet.
    pub(crate) fn is_first_exception(&mut self) -> bool {
        !std::mem::replace(&mut self.has_exception, true)
    }

    /// `#[instrument(err)]` logs no message and an `error` that is only a text: still an exception.
    #[inline]
    pub(crate) fn recognise_error(&mut self) {
        if self.has_body || self.has_exception {
            return;
        }
        if let Some(text) = self.error.take() {
            self.has_exception = true;
            let bytes = text.as_str().len();
            self.add_own(OwnKey::ExceptionMessage, AnyValue::String(*text), bytes);
        }
    }

    /// Applies what can only be judged when everything is there, and fills the record.
    #[inline]
    pub(crate) fn finish(&mut self) {
        if self.held.is_some() || self.dropped > 0 {
            self.settle();
        }
    }

    /// Is there nothing in it to drop, as most of the time? For a finished one.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_none() && self.error.is_none()
    }

    /// What the finished record weighs, if everything in it was counted.
    #[inline]
    pub(crate) fn weight(&self) -> Option<Weight> {
        let attributes = self.limits.attributes.wrapping_sub(self.room);
        if self.text_bytes >= UNWEIGHED as u64 {
            return None;
        }
        Weight::of(attributes, self.text_bytes)
    }

    #[inline(never)]
    fn settle(&mut self) {
        const TELLS: &str = OwnKey::DroppedAttributesCount.as_str();
        self.turned_away = None;
        let Some(mut held) = self.held.take() else {
            // Beyond the limits: it tells of them. No span has the key, and where the event has, it
            // is held.
            let dropped = AnyValue::Int(self.dropped.into());
            self.record.add_attribute(TELLS, dropped);
            // One more than had room.
            self.room = self.room.wrapping_sub(1);
            return;
        };
        if self.limits.record_bytes != usize::MAX {
            let dropped = limits::fit(&mut held.body, &mut held.attributes, self.limits);
            self.dropped = self.dropped.saturating_add(dropped);
            self.text_bytes = UNWEIGHED as u64;
        }
        if self.dropped > 0 {
            let dropped = AnyValue::Int(self.dropped.into());
            if let Some(slot) = held.slot(TELLS) {
                *slot = dropped;
                self.text_bytes = UNWEIGHED as u64;
            } else {
                held.attributes.push((TELLS.into(), dropped));
            }
        }
        self.room = self.limits.attributes.wrapping_sub(held.attributes.len());
        if let Some(body) = held.body {
            self.record.set_body(body);
        }
        self.record.add_attributes(held.attributes);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::logs::{Logger as _, LoggerProvider as _};
    use opentelemetry_sdk::logs::{SdkLogRecord, SdkLoggerProvider};

    use super::*;

    struct Finished {
        weight: Option<Weight>,
        dropped: u32,
    }

    fn int(value: i64) -> AnyValue {
        AnyValue::Int(value)
    }

    /// What a record holds after `work` on its draft, and what is known of it.
    fn drafted(
        limits: &Limits,
        work: impl FnOnce(&mut Draft<'_, SdkLogRecord>),
    ) -> (Vec<(String, AnyValue)>, Finished) {
        let provider = SdkLoggerProvider::builder().build();
        let mut record = provider.logger("test").create_log_record();
        let fields = FieldFacts::none(limits);
        let mut draft = Draft::new(&mut record, limits, &fields);
        work(&mut draft);
        draft.finish();
        let (weight, dropped) = (draft.weight(), draft.dropped);
        let finished = Finished { weight, dropped };
        let attributes = record
            .attributes_iter()
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect();
        (attributes, finished)
    }

    fn set<R: LogRecord>(draft: &mut Draft<'_, R>, key: &'static str, value: i64) {
        draft.set(key.into(), Mark::of(key), int(value), 0);
    }

    fn add<R: LogRecord>(draft: &mut Draft<'_, R>, key: &'static str, value: i64) {
        let key = Key::from_static_str(key);
        draft.add(&key, Mark::of(key.as_str()), || (int(value), 0), || false);
    }

    fn pairs(expected: &[(&str, i64)]) -> Vec<(String, AnyValue)> {
        let pair = |(key, value): &(&str, i64)| ((*key).to_owned(), int(*value));
        expected.iter().map(pair).collect()
    }

    #[test]
    fn set_replaces_and_add_does_not() {
        // Held, because a whole record's size is bounded.
        let limits = Limits::default().with_record_bytes(10_000);
        let (attributes, finished) = drafted(&limits, |draft| {
            set(draft, "a", 1);
            set(draft, "a", 2);
            add(draft, "a", 3);
            add(draft, "b", 4);
        });
        assert_eq!(attributes, pairs(&[("a", 2), ("b", 4)]));
        assert_eq!(finished.weight, None);
    }

    /// Keys that have the mark of another, all with the same text every time.
    fn with_mark_of(key: &str) -> impl Iterator<Item = &'static str> {
        let mark = Mark::of(key);
        (0..10_000)
            .map(|number| format!("key{number}"))
            .filter(move |key| Mark::of(key) == mark)
            .map(|key| &*Box::leak(key.into_boxed_str()))
    }

    #[test]
    fn keys_with_the_same_mark_are_told_apart() {
        let keys: Vec<_> = with_mark_of("code.file.path").take(4).collect();
        let [a, b, c, d] = keys[..] else { panic!() };
        for limits in [
            Limits::default(),
            Limits::default().with_record_bytes(10_000),
        ] {
            let (attributes, _) = drafted(&limits, |draft| {
                draft.add_own(OwnKey::File, int(1), 0);
                add(draft, OwnKey::File.as_str(), 2);
                add(draft, a, 3);
                add(draft, b, 4);
                let key = Key::from_static_str(c);
                draft.add(&key, Mark::of(c), || (int(5), 0), || true);
                add(draft, d, 6);
            });
            let expected = [("code.file.path", 1), (a, 3), (b, 4), (d, 6)];
            assert_eq!(attributes, pairs(&expected));
        }
    }

    #[test]
    fn what_is_in_a_record_is_weighed() {
        let (_, finished) = drafted(&Limits::default(), |draft| {
            draft.set_body(AnyValue::String("four".into()), 4);
            draft.add_own_text(OwnKey::File, Text::of("seven s"));
            add(draft, "a", 1);
        });
        let weight = finished.weight.unwrap();
        assert_eq!((weight.attributes, weight.text_bytes), (2, 11));
        let (_, finished) = drafted(&Limits::default(), |draft| {
            let key = Key::from_static_str("a");
            draft.add(&key, Mark::of("a"), || (int(1), UNWEIGHED), || false);
            draft.set_body(AnyValue::String("four".into()), 4);
        });
        assert_eq!(finished.weight, None);
    }

    #[test]
    fn what_goes_over_the_count_is_counted_but_a_known_key_still_changes() {
        let limits = Limits::default()
            .with_attribute_count(1)
            .with_record_bytes(10_000);
        let (attributes, finished) = drafted(&limits, |draft| {
            set(draft, "a", 1);
            set(draft, "b", 2);
            set(draft, "a", 3);
        });
        assert_eq!(finished.dropped, 1);
        let expected = [("a", 3), ("otel.dropped_attributes_count", 1)];
        assert_eq!(attributes, pairs(&expected));
    }

    #[test]
    fn a_record_filled_as_attributes_come_tells_what_it_had_no_room_for() {
        let limits = Limits::default().with_attribute_count(2);
        let (attributes, finished) = drafted(&limits, |draft| {
            draft.add_own(OwnKey::Line, int(1), 0);
            for key in ["a", "b", "c"] {
                add(draft, key, 2);
            }
        });
        assert_eq!(finished.dropped, 2);
        assert_eq!(finished.weight.unwrap().attributes, 3);
        let expected = [
            ("code.line.number", 1),
            ("a", 2),
            ("otel.dropped_attributes_count", 2),
        ];
        assert_eq!(attributes, pairs(&expected));
    }
}

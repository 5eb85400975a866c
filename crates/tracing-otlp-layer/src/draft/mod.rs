//! The record while it can still change: unique keys, limits, errors, event name.
//!
//! Third stop on the way of an event. SDK records cannot be edited once built
//! (`SdkLogRecord` has no way to remove or replace an attribute), so whatever shapes values
//! happens here, on our own draft.

pub(crate) mod error;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod nested;
#[cfg(all(tracing_unstable, feature = "valuable"))]
pub(crate) mod valuable;

use std::cell::Cell;

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, Severity};

use crate::capture::text::Text;
use crate::guard::Weight;
use crate::settings::Limits;
use keys::{FieldFact, Mark, Marks};

/// One record in the making.
pub(crate) struct Draft<'a> {
    pub(crate) limits: &'a Limits,
    /// What is known of the call site's fields.
    pub(crate) fields: &'a [FieldFact],
    pub(crate) body: Option<AnyValue>,
    pub(crate) attributes: Vec<(Key, AnyValue)>,
    marks: Marks,
    /// Bytes in the texts of body and attributes; [`UNWEIGHED`] where that is not known.
    text_bytes: usize,
    /// Attributes that the limits turned away.
    pub(crate) dropped: u32,
    /// A name given by the `otel.event.name` field.
    pub(crate) event_name: Option<&'static str>,
    /// A number given by the `otel.severity_number` field.
    pub(crate) severity: Option<Severity>,
    /// The first error of the event has already filled `exception.*`.
    pub(crate) has_exception: bool,
}

/// The bytes of a value that nobody has counted. Adding to it changes nothing.
pub(crate) const UNWEIGHED: usize = usize::MAX;

thread_local! {
    /// The list of the last record, empty, for the next one. Elsewhere while a draft is made.
    static SPARE: Cell<Vec<(Key, AnyValue)>> = const { Cell::new(Vec::new()) };
}

/// So many attributes a thread keeps the room for.
const KEPT_CAPACITY: usize = 256;

impl<'a> Draft<'a> {
    pub(crate) fn new(limits: &'a Limits, fields: &'a [FieldFact]) -> Self {
        Self {
            limits,
            fields,
            body: None,
            attributes: SPARE.try_with(Cell::take).unwrap_or_default(),
            marks: Marks::default(),
            text_bytes: 0,
            dropped: 0,
            event_name: None,
            severity: None,
            has_exception: false,
        }
    }

    /// Sets the body; `bytes` are those of its text.
    pub(crate) fn set_body(&mut self, value: AnyValue, bytes: usize) {
        if self.body.replace(value).is_some() {
            self.text_bytes = UNWEIGHED;
        }
        self.text_bytes = self.text_bytes.saturating_add(bytes);
    }

    /// Sets `key`, replacing an earlier value: within one source the latest wins. `bytes` are those
    /// of a text, or 0, or [`UNWEIGHED`].
    #[inline]
    pub(crate) fn set(&mut self, key: Key, mark: Mark, value: AnyValue, bytes: usize) {
        if self.marks.may_have(mark) {
            if let Some(slot) = self.slot(&key) {
                *slot = value;
                self.text_bytes = UNWEIGHED;
                return;
            }
        }
        self.push(key, mark, value, bytes);
    }

    /// Adds `key` unless something nearer to the event has it: the event beats its spans, an
    /// inner span beats an outer one.
    #[inline]
    pub(crate) fn add(&mut self, key: &Key, mark: Mark, value: &AnyValue, bytes: usize) {
        if !self.has(key, mark) {
            self.push(key.clone(), mark, value.clone(), bytes);
        }
    }

    /// The same for a key of ours.
    #[inline]
    pub(crate) fn add_own(&mut self, key: &'static str, value: AnyValue, bytes: usize) {
        let (key, mark) = (Key::from_static_str(key), Mark::of(key));
        if !self.has(&key, mark) {
            self.push(key, mark, value, bytes);
        }
    }

    /// The same for a text.
    pub(crate) fn add_text(&mut self, key: &'static str, text: Text) {
        self.add_own(key, AnyValue::String(text.value), text.bytes);
    }

    #[inline]
    fn has(&mut self, key: &Key, mark: Mark) -> bool {
        self.marks.may_have(mark) && self.slot(key).is_some()
    }

    #[inline]
    fn push(&mut self, key: Key, mark: Mark, value: AnyValue, bytes: usize) {
        if self.attributes.len() < self.limits.attributes {
            self.attributes.push((key, value));
            self.marks.add(mark);
            self.text_bytes = self.text_bytes.saturating_add(bytes);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn slot(&mut self, key: &Key) -> Option<&mut AnyValue> {
        self.attributes
            .iter_mut()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    /// `#[instrument(err)]` logs no message and an `error` that is only a text: still an exception.
    pub(crate) fn recognise_error(&mut self) {
        const ERROR: Key = Key::from_static_str("error");
        if self.body.is_some() || self.has_exception || !self.marks.may_have(Mark::of("error")) {
            return;
        }
        if let Some(AnyValue::String(text)) = self.slot(&ERROR) {
            let (text, bytes) = (text.clone(), text.as_str().len());
            self.has_exception = true;
            self.add_own("exception.message", AnyValue::String(text), bytes);
        }
    }

    /// Applies what can only be judged when everything is there: the whole record's size.
    pub(crate) fn finish(&mut self) {
        if self.limits.record_bytes != usize::MAX {
            self.dropped = self.dropped.saturating_add(limits::fit(
                &mut self.body,
                &mut self.attributes,
                self.limits,
            ));
            self.text_bytes = UNWEIGHED;
        }
        if self.dropped > 0 {
            // Beyond the limits: it tells of them.
            let dropped = AnyValue::Int(self.dropped.into());
            match self.slot(&DROPPED_ATTRIBUTES_COUNT) {
                Some(slot) => {
                    *slot = dropped;
                    self.text_bytes = UNWEIGHED;
                }
                None => self.attributes.push((DROPPED_ATTRIBUTES_COUNT, dropped)),
            }
        }
    }

    /// What the finished record weighs, if everything in it was counted.
    #[inline]
    pub(crate) fn weight(&self) -> Option<Weight> {
        Some(Weight {
            attributes: u32::try_from(self.attributes.len()).ok()?,
            text_bytes: u32::try_from(self.text_bytes).ok()?,
        })
    }
}

/// What is left of a draft is kept for the next one.
impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let mut attributes = std::mem::take(&mut self.attributes);
        if attributes.capacity() <= KEPT_CAPACITY {
            attributes.clear();
            let _ = SPARE.try_with(|spare| spare.set(attributes));
        }
    }
}

/// Where a record has no field for the number (Common concepts, "Mapping to non-OTLP Formats",
/// "Dropped Attributes Count"); what encodes OTLP turns it into one.
const DROPPED_ATTRIBUTES_COUNT: Key = Key::from_static_str("otel.dropped_attributes_count");

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> AnyValue {
        AnyValue::Int(value)
    }

    fn set(draft: &mut Draft<'_>, key: &'static str, value: i64) {
        draft.set(key.into(), Mark::of(key), int(value), 0);
    }

    #[test]
    fn set_replaces_and_add_does_not() {
        let limits = Limits::default();
        let mut draft = Draft::new(&limits, &[]);
        set(&mut draft, "a", 1);
        assert_eq!(draft.weight().unwrap().attributes, 1);
        set(&mut draft, "a", 2);
        assert_eq!(draft.weight(), None, "what was replaced has been counted");
        draft.add_own("a", int(3), 0);
        draft.add(&"b".into(), Mark::of("b"), &int(4), 0);
        assert_eq!(
            draft.attributes,
            vec![("a".into(), int(2)), ("b".into(), int(4))]
        );
    }

    #[test]
    fn keys_with_the_same_mark_are_told_apart() {
        // The same length, and the same bytes where the mark looks.
        assert_eq!(Mark::of("a1b1c"), Mark::of("a2b2c"));
        let limits = Limits::default();
        let mut draft = Draft::new(&limits, &[]);
        set(&mut draft, "a1b1c", 1);
        set(&mut draft, "a2b2c", 2);
        draft.add_own("a3b3c", int(3), 0);
        draft.add_own("a2b2c", int(4), 0);
        assert_eq!(
            draft.attributes,
            vec![
                ("a1b1c".into(), int(1)),
                ("a2b2c".into(), int(2)),
                ("a3b3c".into(), int(3))
            ]
        );
    }

    #[test]
    fn a_draft_begins_empty_where_another_was_given_up() {
        let limits = Limits::default();
        let mut draft = Draft::new(&limits, &[]);
        set(&mut draft, "a", 1);
        drop(draft);
        assert!(Draft::new(&limits, &[]).attributes.is_empty());
    }

    #[test]
    fn what_goes_over_the_count_is_counted_but_a_known_key_still_changes() {
        let limits = Limits::default().with_attribute_count(1);
        let mut draft = Draft::new(&limits, &[]);
        set(&mut draft, "a", 1);
        set(&mut draft, "b", 2);
        set(&mut draft, "a", 3);
        assert_eq!(draft.attributes, vec![("a".into(), int(3))]);
        assert_eq!(draft.dropped, 1);
        draft.finish();
        assert_eq!(
            draft.attributes[1..],
            [("otel.dropped_attributes_count".into(), int(1))]
        );
    }
}

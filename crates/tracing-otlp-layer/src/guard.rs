//! What this thread is in the middle of, so that an event inside an event does no harm.
//!
//! It stands beside the way of an event: the layer asks here before it starts. Three things can
//! bring an event into the middle of another: a field's `Debug` that logs, a processor that
//! logs, and a `Debug` that panics.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::Context;

/// Lives as long as the thread's OpenTelemetry context can be asked for.
///
/// Thread-locals are dropped in the reverse order of their making, so one that is made right
/// after the context's is gone before it.
struct Alive;

impl Drop for Alive {
    fn drop(&mut self) {
        HERE.with(|here| here.is_alive.set(false));
    }
}

thread_local! {
    static ALIVE: Alive = {
        Context::map_current(|_| ());
        Alive
    };
}

/// True while the thread-locals of this thread are being dropped: the current OpenTelemetry
/// context can no longer be asked for without a panic, which would abort the process.
#[doc(hidden)]
#[inline]
pub fn thread_is_ending() -> bool {
    !HERE.with(|here| here.is_alive.get()) && !comes_alive()
}

/// Is this the first time that this thread asks? Else it is ending.
#[cold]
fn comes_alive() -> bool {
    let is_alive = ALIVE.try_with(|_| ()).is_ok();
    HERE.with(|here| here.is_alive.set(is_alive));
    is_alive
}

/// Is this telemetry's own work, which must not become telemetry again?
#[doc(hidden)]
pub fn is_suppressed() -> bool {
    !thread_is_ending() && Context::is_current_telemetry_suppressed()
}

/// What a thread is in the middle of.
struct Here {
    /// [`Alive`] is there.
    is_alive: Cell<bool>,
    /// How deep in formatting, and above that, in [`EMITTING`], whether in an emission: one comparison
    /// tells of both.
    doing: Cell<u32>,
    /// What the record weighs that is being emitted.
    weight: Cell<Weight>,
}

const EMITTING: u32 = 1 << 31;

thread_local! {
    // Together, and without a destructor: one address, and there as long as the thread is.
    static HERE: Here = const {
        Here {
            is_alive: Cell::new(false),
            doing: Cell::new(0),
            weight: Cell::new(Weight::UNKNOWN),
        }
    };
}

/// What a record holds, counted while it was made: for who bounds records by their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct Weight {
    /// Attributes, all of them texts, numbers and truth values.
    pub attributes: u32,
    /// Bytes in the texts of body and attribute values.
    pub text_bytes: u32,
}

impl Weight {
    /// No record is as large. An `Option` would take more than a word.
    const UNKNOWN: Self = Self {
        attributes: u32::MAX,
        text_bytes: u32::MAX,
    };

    /// `None` where something is not known.
    #[inline]
    pub(crate) fn of(attributes: usize, text_bytes: u64) -> Option<Self> {
        Some(Self {
            attributes: u32::try_from(attributes).ok()?,
            text_bytes: u32::try_from(text_bytes).ok()?,
        })
    }
}

/// What the record weighs that this thread is handing to its logger right now, if its layer
/// [tells](crate::LogLayer::with_weights_told).
///
/// It can be asked once for each record: what a processor emits in between is another one.
#[inline]
pub fn weight_in_hand() -> Option<Weight> {
    let weight = HERE.with(|here| here.weight.replace(Weight::UNKNOWN));
    (weight != Weight::UNKNOWN).then_some(weight)
}

/// How deep events may sit inside the formatting of other events' fields.
///
/// One level is a `Debug` that logs. A second would be a `Debug` that logs a value whose `Debug`
/// logs: that is where recursion without end begins, so it is cut there.
const MAX_FORMATTING_DEPTH: u32 = 1;

/// True while this thread runs user code (`Debug`, `Display`, `Serialize`) for a layer of ours.
///
/// A panic hook asks this: a panic in there is caught and becomes the field's text, so it is no
/// crash of the application.
#[doc(hidden)]
pub fn is_formatting() -> bool {
    HERE.with(|here| here.doing.get() & !EMITTING > 0)
}

/// Runs user code that renders a value, with panics caught; `None` where it panicked.
#[doc(hidden)]
#[inline]
pub fn formatting<R>(render: impl FnOnce() -> R) -> Option<R> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            HERE.with(|here| here.doing.set(here.doing.get().wrapping_sub(1)));
        }
    }
    // No stack is as deep as this can count.
    HERE.with(|here| here.doing.set(here.doing.get().wrapping_add(1)));
    let _leave = Leave;
    caught(render)
}

/// Runs `work` with panics caught; `None` where it panicked.
#[inline]
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => Some(value),
        Err(payload) => {
            // What was thrown may panic again when it is dropped.
            std::mem::forget(payload);
            None
        }
    }
}

/// May an event be worked on now? Not inside the emission of another, and not too deep.
#[doc(hidden)]
#[inline]
pub fn may_enter() -> bool {
    HERE.with(|here| here.doing.get() <= MAX_FORMATTING_DEPTH)
}

/// Marks this thread as emitting, so that what processors log does not come back in.
#[doc(hidden)]
pub fn emitting<R>(emit: impl FnOnce() -> R) -> R {
    // Also inside of an emission: what is emitted is another record.
    let _emitting = Emitting::of(Some(Weight::UNKNOWN));
    emit()
}

/// While it lives, this thread is emitting.
pub(crate) struct Emitting {
    was_doing: u32,
}

impl Emitting {
    /// With a record in hand that weighs this much.
    #[inline]
    pub(crate) fn of(weight: Option<Weight>) -> Self {
        HERE.with(|here| {
            // None is in hand outside of an emission.
            if let Some(weight) = weight {
                here.weight.set(weight);
            }
            let was_doing = here.doing.get();
            here.doing.set(was_doing | EMITTING);
            Self { was_doing }
        })
    }
}

impl Drop for Emitting {
    #[inline]
    fn drop(&mut self) {
        HERE.with(|here| {
            here.doing.set(self.was_doing);
            // Also when it was not asked for: the next record is another one.
            here.weight.set(Weight::UNKNOWN);
        });
    }
}

/// While it lives, this thread asks whether a record is wanted, and nothing may enter either.
pub(crate) struct Asking(());

impl Asking {
    /// Only for who [may enter](may_enter): it is not emitting, so a bit is all there is to remember.
    #[inline]
    pub(crate) fn begin() -> Self {
        HERE.with(|here| here.doing.set(here.doing.get() | EMITTING));
        Self(())
    }
}

impl Drop for Asking {
    #[inline]
    fn drop(&mut self) {
        HERE.with(|here| here.doing.set(here.doing.get() & !EMITTING));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_while_formatting_is_caught_and_leaves_no_trace() {
        assert_eq!(formatting(|| -> u8 { panic!("in Debug") }), None);
        assert!(!is_formatting());
        assert!(may_enter());
    }

    #[test]
    fn one_nested_event_may_enter_a_second_may_not() {
        formatting(|| {
            assert!(is_formatting() && may_enter());
            formatting(|| assert!(!may_enter()));
            assert!(may_enter());
        });
    }

    #[test]
    fn the_weight_in_hand_is_told_once_and_gone_when_the_record_is() {
        let weight = Weight {
            attributes: 1,
            text_bytes: 2,
        };
        {
            let _emitting = Emitting::of(Some(weight));
            assert_eq!(weight_in_hand(), Some(weight));
            assert_eq!(weight_in_hand(), None);
            let _another = Emitting::of(None);
            assert_eq!(weight_in_hand(), None);
        }
        drop(Emitting::of(Some(weight)));
        assert_eq!(weight_in_hand(), None);
        let _emitting = Emitting::of(Some(weight));
        // What is emitted in between is another record.
        emitting(|| assert_eq!(weight_in_hand(), None));
    }

    #[test]
    fn nothing_enters_while_emitting() {
        emitting(|| {
            assert!(!may_enter());
            emitting(|| ());
            assert!(!may_enter());
        });
        assert!(may_enter());
    }
}

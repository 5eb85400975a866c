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
    fn drop(&mut self) {}
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
pub fn thread_is_ending() -> bool {
    ALIVE.try_with(|_| ()).is_err()
}

/// Is this telemetry's own work, which must not become telemetry again?
#[doc(hidden)]
pub fn is_suppressed() -> bool {
    !thread_is_ending() && Context::is_current_telemetry_suppressed()
}

thread_local! {
    static FORMATTING: Cell<u8> = const { Cell::new(0) };
    static EMITTING: Cell<bool> = const { Cell::new(false) };
}

/// How deep events may sit inside the formatting of other events' fields.
///
/// One level is a `Debug` that logs. A second would be a `Debug` that logs a value whose `Debug`
/// logs: that is where recursion without end begins, so it is cut there.
const MAX_FORMATTING_DEPTH: u8 = 1;

/// True while this thread runs user code (`Debug`, `Display`, `Serialize`) for a layer of ours.
///
/// A panic hook asks this: a panic in there is caught and becomes the field's text, so it is no
/// crash of the application.
#[doc(hidden)]
pub fn is_formatting() -> bool {
    FORMATTING
        .try_with(|depth| depth.get() > 0)
        .unwrap_or(false)
}

/// Runs user code that renders a value, with panics caught; `None` where it panicked.
#[doc(hidden)]
pub fn formatting<R>(render: impl FnOnce() -> R) -> Option<R> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = FORMATTING.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
        }
    }
    let _ = FORMATTING.try_with(|depth| depth.set(depth.get().saturating_add(1)));
    let _leave = Leave;
    caught(render)
}

/// Runs `work` with panics caught; `None` where it panicked.
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
pub fn may_enter() -> bool {
    let emitting = EMITTING.try_with(Cell::get).unwrap_or(false);
    let depth = FORMATTING.try_with(Cell::get).unwrap_or(0);
    !emitting && depth <= MAX_FORMATTING_DEPTH
}

/// Marks this thread as emitting, so that what processors log does not come back in.
#[doc(hidden)]
pub fn emitting<R>(emit: impl FnOnce() -> R) -> R {
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            let _ = EMITTING.try_with(|emitting| emitting.set(self.0));
        }
    }
    let before = EMITTING
        .try_with(|emitting| emitting.replace(true))
        .unwrap_or(false);
    let _leave = Leave(before);
    emit()
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
    fn nothing_enters_while_emitting() {
        emitting(|| {
            assert!(!may_enter());
            emitting(|| ());
            assert!(!may_enter());
        });
        assert!(may_enter());
    }
}

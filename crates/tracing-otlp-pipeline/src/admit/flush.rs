//! When an error has the batch leave before its time.
//!
//! Part of `admit`; asked by the `helper`. Time comes from outside, so that a test can turn it by
//! hand.

use std::time::{Duration, Instant};

/// What is to be done about errors that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    At(Instant),
}

/// Lets the first one through at once, and whatever follows within the window together at its end.
#[derive(Debug)]
pub(crate) struct Debounce {
    window: Duration,
    last: Option<Instant>,
}

impl Debounce {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, last: None }
    }

    /// Somebody wants a flush: now, or when?
    pub(crate) fn due(&mut self, now: Instant) -> Due {
        match self.last.and_then(|last| last.checked_add(self.window)) {
            Some(next) if next > now => Due::At(next),
            _ => {
                self.last = Some(now);
                Due::Now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_leaves_at_once_and_a_storm_once_a_window() {
        let window = Duration::from_millis(100);
        let mut debounce = Debounce::new(window);
        let start = Instant::now();
        assert_eq!(debounce.due(start), Due::Now);
        for millisecond in 1..100 {
            let now = start + Duration::from_millis(millisecond);
            assert_eq!(debounce.due(now), Due::At(start + window));
        }
        assert_eq!(debounce.due(start + window), Due::Now);
        assert_eq!(debounce.due(start + window), Due::At(start + 2 * window));
    }

    #[test]
    fn without_a_window_every_error_leaves_at_once() {
        let mut debounce = Debounce::new(Duration::ZERO);
        let now = Instant::now();
        assert_eq!(debounce.due(now), Due::Now);
        assert_eq!(debounce.due(now), Due::Now);
    }
}

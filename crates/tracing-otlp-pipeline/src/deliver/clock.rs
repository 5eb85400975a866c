//! The time that counts for the deadline of a request: time online.
//!
//! Part of `deliver`. Stands still while the process is known to be offline, so that an outage of
//! the own network ends no request.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct OnlineClock {
    elapsed: Duration,
    last: Option<Instant>,
    offline: bool,
}

impl OnlineClock {
    /// Moves on to `now`; what was true until now counts for the time until now.
    pub(super) fn turn(&mut self, now: Instant, online: bool) -> Duration {
        let passed = self
            .last
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        if !self.offline {
            self.elapsed += passed;
        }
        self.last = Some(now);
        self.offline = !online;
        self.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_offline() {
        let (mut clock, start) = (OnlineClock::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(clock.turn(start, true), Duration::ZERO);
        assert_eq!(clock.turn(start + second, false), second);
        assert_eq!(clock.turn(start + 100 * second, true), second);
        assert_eq!(clock.turn(start + 101 * second, true), 2 * second);
    }
}

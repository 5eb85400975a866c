//! When, and how often, a collector that ended unasked is started again.

use std::time::Duration;

/// What happens after the collector ended without being asked to.
///
/// By default it is started again after 500 ms, then after waits that double up to 30 s, without
/// end. The waits begin anew once it has been ready for a minute. It comes back on the same ports,
/// because the exporters know no other.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tracing_otlp_collector::RestartPolicy;
///
/// let policy = RestartPolicy::default()
///     .with_first_wait(Duration::from_millis(100))
///     .with_limit(5);
/// assert_ne!(policy, RestartPolicy::never());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct RestartPolicy {
    first_wait: Duration,
    longest_wait: Duration,
    limit: Option<u32>,
}

impl RestartPolicy {
    /// Leaves a collector that ended as it is.
    pub fn never() -> Self {
        Self::default().with_limit(0)
    }

    /// Waits this long before the first new start, 500 ms by default.
    pub fn with_first_wait(mut self, wait: Duration) -> Self {
        self.first_wait = wait;
        self
    }

    /// Never waits longer than this, 30 s by default.
    pub fn with_longest_wait(mut self, wait: Duration) -> Self {
        self.longest_wait = wait;
        self
    }

    /// Gives up after this many new starts in a row; without a limit by default.
    pub fn with_limit(mut self, starts: u32) -> Self {
        self.limit = Some(starts);
        self
    }

    /// How long to wait before the next start, after so many in a row; `None` is the end.
    pub(super) fn wait_after(&self, in_a_row: u32) -> Option<Duration> {
        if self.limit.is_some_and(|limit| in_a_row >= limit) {
            return None;
        }
        let factor = 1_u32.checked_shl(in_a_row).unwrap_or(u32::MAX);
        Some(
            self.first_wait
                .saturating_mul(factor)
                .min(self.longest_wait),
        )
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
            limit: None,
        }
    }
}

/// After so long without an end, an end is the first again.
pub(super) const IS_STABLE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_up_to_the_longest() {
        let policy = RestartPolicy::default();
        let waits = [0, 1, 2, 5, 6, 31, 32, u32::MAX].map(|n| policy.wait_after(n));
        let seconds = [0.5, 1.0, 2.0, 16.0, 30.0, 30.0, 30.0, 30.0];
        assert_eq!(waits, seconds.map(|s| Some(Duration::from_secs_f64(s))));
    }

    #[test]
    fn a_limit_ends_them() {
        assert_eq!(RestartPolicy::never().wait_after(0), None);
        let policy = RestartPolicy::default().with_limit(2);
        assert!(policy.wait_after(1).is_some());
        assert_eq!(policy.wait_after(2), None);
    }
}

//! When a request that failed is tried again, and when a destination is left alone.
//!
//! Part of `settings`; read by `deliver`.

use std::{num::NonZeroU32, time::Duration};

use crate::error::Error;

/// How often and how long a request is tried.
///
/// Tried again is what the OTLP specification names ("Failures"): HTTP 429, 502, 503 and 504, the
/// retryable gRPC codes, and requests without an answer. The wait before the n-th retry is a random
/// time between zero and `initial · 2ⁿ⁻¹`, at most the longest wait ("full jitter"): upper bounds of
/// 1 s, 2 s, 4 s … 32 s unless set. A server that says how long to wait (`Retry-After`, `RetryInfo`)
/// is waited for at least so long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySettings {
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    /// `None`: nobody said anything, so that others still can.
    batch_deadline: Option<Duration>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(32),
            batch_deadline: None,
        }
    }
}

impl RetrySettings {
    /// One attempt for each request, and no more.
    pub fn never() -> Self {
        Self::default().with_batch_deadline(Duration::ZERO)
    }

    /// Sets the longest possible wait before the first retry, 1 second unless set.
    #[must_use]
    pub fn with_initial_backoff(mut self, wait: Duration) -> Self {
        self.initial_backoff = wait;
        self
    }

    /// Sets the longest possible wait before any retry, 32 seconds unless set.
    #[must_use]
    pub fn with_max_backoff(mut self, wait: Duration) -> Self {
        self.max_backoff = wait;
        self
    }

    /// Sets how long after its first attempt a request is given up, 5 minutes unless set; zero
    /// means that there is one attempt only.
    ///
    /// Time during which the process is known to be offline does not count. A server that wants
    /// a longer wait than what is left ends the request at once. What is given up goes to the
    /// spool, or is lost as `unreachable`, `timeout` or `unavailable`: by its last failure.
    #[must_use]
    pub fn with_batch_deadline(mut self, deadline: Duration) -> Self {
        self.batch_deadline = Some(deadline);
        self
    }

    /// The same, unless it was set before: for what comes from where code is to win, like the
    /// environment.
    #[must_use]
    pub fn or_batch_deadline(mut self, deadline: Duration) -> Self {
        self.batch_deadline.get_or_insert(deadline);
        self
    }

    /// How long after its first attempt a request is given up.
    pub fn batch_deadline(&self) -> Duration {
        self.batch_deadline.unwrap_or(BATCH_DEADLINE)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.initial_backoff > self.max_backoff {
            return Err(Error::configuration(
                "the initial backoff must not be longer than the longest",
            ));
        }
        Ok(())
    }
}

const BATCH_DEADLINE: Duration = Duration::from_secs(5 * 60);

/// When a destination that fails again and again is left alone for a while.
///
/// After so many failures in a row (no answer, or an answer that takes nothing; 5 unless set) the
/// breaker opens: requests stay in the queue. After a while (10 seconds unless set) one request is
/// let through as a probe: accepted, it closes the breaker, else the wait starts anew.
///
/// An answer that tells when to come back is no failure, nor is one that calls for smaller requests
/// or other credentials: these have their own remedies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerSettings {
    pub(crate) failures: NonZeroU32,
    pub(crate) open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: NonZeroU32::MIN.saturating_add(4),
            open_for: Duration::from_secs(10),
        }
    }
}

impl BreakerSettings {
    /// A breaker that never opens.
    pub fn disabled() -> Self {
        Self::default().with_failures(NonZeroU32::MAX)
    }

    /// Sets how many failures in a row open the breaker, 5 unless set.
    #[must_use]
    pub fn with_failures(mut self, failures: NonZeroU32) -> Self {
        self.failures = failures;
        self
    }

    /// Sets how long the breaker stays open before a probe, 10 seconds unless set.
    #[must_use]
    pub fn with_open_for(mut self, wait: Duration) -> Self {
        self.open_for = wait;
        self
    }
}

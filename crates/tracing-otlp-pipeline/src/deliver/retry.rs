//! Says what an answer means for the request: done, again, smaller, or never.
//!
//! Part of `deliver`, between the answer and the account. Pure: no clock, no state.
//!
//! OTLP specification: "Failures" of OTLP/gRPC and OTLP/HTTP. What the specification does not know
//! are the aliases of 413, which real servers answer.

use std::time::Duration;

use crate::{
    ledger::LossReason,
    settings::RetrySettings,
    wire::{Answer, Status},
};

/// What an answer means for its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken, but for so many records.
    Taken { rejected: u64 },
    /// It may be sent again, not before the destination wants it.
    Again {
        after: Option<Duration>,
        reason: LossReason,
    },
    /// It would be taken if it were smaller.
    TooLarge,
    /// It would be taken with other credentials.
    Unauthorized,
    /// It must not be sent again.
    Never,
}

/// The verdict on an answer.
pub(crate) fn judge(answer: &Answer) -> Verdict {
    match answer {
        Answer::Accepted { rejected, .. } => Verdict::Taken {
            rejected: *rejected,
        },
        Answer::Unreachable(_) => Verdict::Again {
            after: None,
            reason: LossReason::Unreachable,
        },
        Answer::TimedOut(_) => Verdict::Again {
            after: None,
            reason: LossReason::Timeout,
        },
        Answer::Refused {
            status,
            message,
            retry_after,
        } => refused(*status, message, *retry_after),
    }
}

fn refused(status: Status, message: &str, after: Option<Duration>) -> Verdict {
    let again = Verdict::Again {
        after,
        reason: LossReason::Unavailable,
    };
    match status {
        Status::Http(413) => Verdict::TooLarge,
        // RESOURCE_EXHAUSTED and OUT_OF_RANGE are how gRPC servers refuse large messages.
        Status::Http(400) | Status::Grpc(8 | 11) if says_too_large(message) => Verdict::TooLarge,
        // UNAUTHENTICATED, PERMISSION_DENIED
        Status::Http(401 | 403) | Status::Grpc(16 | 7) => Verdict::Unauthorized,
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        Status::Http(429 | 502 | 503 | 504) | Status::Grpc(1 | 4 | 10 | 11 | 14 | 15) => again,
        // RESOURCE_EXHAUSTED only where the server says that it will recover.
        Status::Grpc(8) if after.is_some() => again,
        Status::Http(_) | Status::Grpc(_) => Verdict::Never,
    }
}

/// Whether a message speaks of a request that is too large: the Collector ("request body too
/// large"), grpc-go ("received message larger than max"), tonic ("message length too large"),
/// grpc-java ("gRPC message exceeds maximum size"), .NET ("message exceeds the maximum configured
/// message size").
fn says_too_large(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let has = |words: &str| message.contains(words);
    // Not "exceed" alone: so do rates and quotas, and what exceeds them must not be sent again.
    let exceeds = has("message") && has("exceed") && has("maximum") && has("size");
    exceeds || has("too large") || has("larger than max") || has("entity too big")
}

/// The wait before the next attempt: exponential, with full jitter. `chance` is between 0 and 1.
pub(super) fn backoff(settings: &RetrySettings, attempts: u32, chance: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    settings
        .initial_backoff
        .saturating_mul(1 << doublings)
        .min(settings.max_backoff)
        .mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_the_waits_double_up_to_the_longest() {
        let settings = RetrySettings::default();
        let bounds: Vec<_> = (1..=8)
            .map(|attempts| backoff(&settings, attempts, 1.0).as_secs())
            .collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 32, 32, 32]);
        assert_eq!(backoff(&settings, u32::MAX, 1.0).as_secs(), 32);
        assert_eq!(backoff(&settings, 5, 0.0), Duration::ZERO);
        assert_eq!(backoff(&settings, 2, 0.5), Duration::from_secs(1));
    }
}

//! Takes encoded requests and sees each one to its end: delivered, spooled, or lost with a reason.
//!
//! Stands between `encode` and `wire`. The queue is bounded and pushing never waits; one thread
//! owns all I/O.
//!
//! ```text
//! push ─▶ queue      the account of every request, bounded in records and bytes
//!           lane      one per destination: fresh requests, and those waiting to be tried again
//!             gate      may one go now? breaker, credentials, Retry-After, learned size limit
//!         thread     owns the runtime and the ways out
//!         serve      sends, and acts on the answer:
//!           retry     what it means for the request: done, again, smaller, never
//!           split     makes two of one
//!           cut       makes a record smaller that is too large alone
//!           watch     what people should hear of it
//!         overflow   what cannot be delivered goes to the spool on disk, and comes back
//! ```

use std::time::Duration;

use tokio::time::Instant;

mod breaker;
mod clock;
mod cut;
mod gate;
mod lane;
mod limit;
pub(crate) mod overflow;
pub(crate) mod queue;
mod retry;
#[cfg(test)]
mod rig;
mod serve;
mod split;
pub(crate) mod spool;
#[cfg(test)]
mod tests;
pub(crate) mod thread;
mod watch;

#[cfg(feature = "relay")]
pub(crate) use retry::{Verdict, judge};

/// A point in time that cannot overflow: nobody waits for a year.
fn later(now: Instant, wait: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now + wait.min(YEAR)
}

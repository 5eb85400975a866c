//! Takes encoded requests and sees each one to its end: delivered, or lost with a reason.
//!
//! Stands between `encode` and `wire`. The queue is bounded and pushing never waits; one thread
//! owns all I/O.

pub(crate) mod outcome;
pub(crate) mod queue;
pub(crate) mod spool;
pub(crate) mod thread;

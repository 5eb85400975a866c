//! Keeps what arrived, in memory and within bounds.
//!
//! It stands after `receive`, which hands over decoded requests, and before everything that reads:
//! the audit, the tree, the tests of a user.
//!
//! Records are shared, not copied: a snapshot clones handles, so looking is cheap.

mod attributes;
mod batch;
mod capacity;
mod counts;
pub(crate) mod id;
mod log;
mod origin;
mod request;
mod ring;
mod snapshot;
mod span;
mod store;

pub use capacity::Capacity;
pub use counts::Counts;
pub use log::StoredLog;
pub use request::ReceivedRequest;
pub use snapshot::Snapshot;
pub use span::StoredSpan;

pub(crate) use batch::Batch;
pub(crate) use store::Store;

#[cfg(test)]
pub(crate) mod samples;

//! Keeps what arrived, in memory and within bounds.
//!
//! It stands after `receive`, which hands over requests, and before everything that reads: queries,
//! the audit, the tree, the tests of a user.
//!
//! A request stays the bytes that were sent (`chunk`), with a fixed `head` for each item that `index`
//! finds while it checks them. `lane`s hold the chunks in the order of arrival, `store` bounds them all.
//! Messages are made only for those who ask for messages (`view`).

mod attributes;
mod capacity;
pub(crate) mod chunk;
pub(crate) mod clock;
mod counts;
pub(crate) mod files;
pub(crate) mod head;
pub(crate) mod id;
pub(crate) mod index;
pub(crate) mod lane;
mod log;
mod origin;
pub(crate) mod rejected;
mod request;
mod ring;
mod snapshot;
mod span;
pub(crate) mod span_index;
pub(crate) mod store;
mod view;

pub use capacity::Capacity;
pub use counts::Counts;
pub use files::Files;
pub use log::StoredLog;
pub use request::ReceivedRequest;
pub use snapshot::Snapshot;
pub use span::StoredSpan;

pub(crate) use store::Store;

#[cfg(test)]
pub(crate) mod samples;

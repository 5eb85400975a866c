//! Answers questions about what is kept.
//!
//! It stands between `retain` and everything that shows: `filter` is the language of the questions,
//! `item` what can be asked of a record, `scan` goes through the store in blocks, and the others put
//! answers together as JSON. All of it reads bytes where they lie and runs on the threads that may
//! block, never on the one that receives.

pub(crate) mod audit;
pub(crate) mod fields;
pub(crate) mod filter;
pub(crate) mod histogram;
pub(crate) mod item;
pub(crate) mod link;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod rejected;
pub(crate) mod scan;
pub(crate) mod text;
pub(crate) mod traces;
pub(crate) mod write;

#[cfg(test)]
mod tests;

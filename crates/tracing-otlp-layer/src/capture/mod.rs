//! Capture: what the call site, the fields and the open spans say.
//!
//! First stop on the way of an event. One visitor reads the fields of events and spans alike;
//! what differs is the sink it writes into.

pub(crate) mod callsite;
pub(crate) mod constant;
pub(crate) mod fields;
mod interned;
mod kept;
#[cfg(feature = "log")]
pub(crate) mod log_records;
mod once_map;
pub(crate) mod severity;
pub(crate) mod span_facts;
pub(crate) mod spans;
pub(crate) mod text;

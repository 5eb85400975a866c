//! Shows what was kept to a person.
//!
//! It is the collector's last stop and reads a snapshot of the store: `tree` arranges spans and
//! records, `line` writes each of them on one line, `value` writes OTLP values.

mod arrange;
mod line;
mod tree;
pub(crate) mod value;

pub use tree::TraceTree;

//! Reads OTLP/JSON into the same messages that protobuf is decoded into.
//!
//! It stands beside protobuf in `decode`. `object` and `scalar` are the tools, the other files
//! follow the `.proto` files they are named after.
//!
//! It takes what real senders write and the official serde types reject: `{"arrayValue":{}}`,
//! `"NaN"`, null for lists and messages, 64-bit integers as numbers, enums by name, and the
//! `snake_case` names of the `.proto` files. Unknown fields are ignored. What cannot be read is named
//! by its path. Nesting is limited by `serde_json`, to 128 levels.

mod common;
mod error;
mod logs;
mod metrics;
mod object;
mod scalar;
mod trace;

pub(super) use logs::logs_request;
pub(super) use metrics::metrics_request;
pub(super) use trace::trace_request;

#[cfg(test)]
mod tests;

//! The forms of OTLP, driven by one table of its messages.
//!
//! `schema` is the table. `check` holds protobuf bytes against it, `wire` reads checked bytes without
//! making messages of them, `to_json` and `from_json` translate between the two encodings as a
//! stream. So nothing here takes more memory than a small multiple of the bytes it reads.

pub(crate) mod any_value;
pub(crate) mod check;
pub(crate) mod from_json;
mod scalar;
pub(crate) mod schema;
mod surrogates;
pub(crate) mod to_json;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

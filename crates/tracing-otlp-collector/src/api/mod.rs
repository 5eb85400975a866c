//! The HTTP API and the page, on every port that OTLP has.
//!
//! `receive::serve` hands over what is neither gRPC nor OTLP's. `guard` decides who may ask, `routes`
//! which question it is, `query` answers it on a thread that may block, `stream` follows the store,
//! `assets` has the page.

mod answer;
mod assets;
mod guard;
mod openapi;
mod params;
mod routes;
mod site;
mod status;
mod stream;

pub(crate) use routes::{answer, is_ours};
pub(crate) use site::Site;

#[cfg(test)]
mod tests;

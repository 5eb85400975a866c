//! What the whole-way tests share: independent peers, and programs run as a user runs them.
//!
//! Nothing of this project decides here whether its output is right. [`peers`] reads captured
//! bytes with other people's code, [`child`] runs examples and binaries in processes of their
//! own, and [`http`] is a client of a few lines that knows nothing of OTLP. [`scenario`] is what goes
//! in, and what has to come out.
//!
//! The one thing to know: a peer that is not installed makes its test loudly skip its leg, or
//! panic where `TRACING_OTLP_REQUIRE_PEERS=1` says that peers must be there. `tests/peers/setup`
//! installs them.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test support: a broken expectation ends the test, with its reason"
)]

pub mod child;
pub mod collected;
pub mod conserved;
pub mod directory;
pub mod http;
pub mod model;
pub mod peers;
pub mod places;
pub mod quickstart;
pub mod receiver;
pub mod scenario;
pub mod victim;

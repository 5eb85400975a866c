//! Sends on what comes in: all of it, or what strangers send, once they have shown who they are.
//!
//! The last stop, beside `show`. Both ways use the delivery of `tracing-otlp-pipeline`.
//!
//! ```text
//! relay   receive ─▶ intake ─▶ Forward ─▶ queue, retries, spool ─▶ upstream
//! proxy   gate: origin, token, rate, size, form ─▶ one attempt ─▶ upstream ─▶ answer
//! ```
//!
//! `upstream` says where to, `relay` is what a collector does besides keeping; `proxy` is a server of
//! its own, whose requests go through `gate` with the help of `cors`, `token` and `rate`, and are
//! answered by `answers`.

mod answers;
mod cors;
mod gate;
mod proxy;
mod rate;
mod relay;
mod token;
mod upstream;

pub use proxy::{Proxy, ProxyBuilder};
pub use rate::RateLimit;
pub use relay::Forward;
pub use token::SessionKeys;
pub use upstream::Upstream;

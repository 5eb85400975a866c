//! The real OpenTelemetry Collector: owned as a child, receiving from us, sending to us.
//!
//! `tests/collector/setup` builds it. What needs no real one runs without.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test says enough by failing there")]

mod configs;
mod faults;
mod journeys;
mod life;
mod load;
mod support;

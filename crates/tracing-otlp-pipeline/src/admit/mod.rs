//! Decides who may wait for a batch, and sees to it that what matters leaves first.
//!
//! Part of the `door`, on the application's threads, in front of the official batch processor:
//! `severity` sorts, `size` estimates, `room` holds the bound. Beside it one `helper` thread
//! flushes errors at once (`flush`) and tells of losses once they are over (`summary`).
//!
//! The caller never waits: every decision is an atomic operation or two, and whoever is turned
//! away is counted under its reason and severity at once.

pub(crate) mod flush;
pub(crate) mod helper;
pub(crate) mod room;
mod settings;
mod severity;
pub(crate) mod size;
pub(crate) mod summary;

pub use settings::AdmissionSettings;
pub use severity::SeverityBand;
pub(crate) use severity::Tally;
pub use size::RecordWeight;

//! Whoever else is given what was received.
//!
//! `intake` calls it for each request that was accepted. `forward` has the one there is.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::Error;
use crate::retain::index::Indexed;

/// Takes requests and never keeps the receiver waiting.
pub(crate) trait Onward: fmt::Debug + Send + Sync {
    fn pass(&self, indexed: &Indexed);

    /// How it is doing, as a JSON object.
    fn status(&self, out: &mut Vec<u8>);

    /// Sees what it has to its end, within a bound of its own.
    fn end(&self);
}

/// What a builder holds of it.
pub(crate) trait ToOnward: fmt::Debug + Send + Sync {
    /// Starts it for a collector that listens on these addresses.
    fn start(&self, listening: &[SocketAddr]) -> Result<Arc<dyn Onward>, Error>;
}

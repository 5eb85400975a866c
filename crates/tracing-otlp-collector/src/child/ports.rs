//! Free ports for the collector.
//!
//! A port that is free now may be taken before the collector binds it. So a choice is only a
//! proposal: `supervise` chooses again when the collector finds one taken.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Where the collector listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) health: SocketAddr,
}

/// What was asked for; port 0 is any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
}

impl Wanted {
    /// Chooses; the health check's port is always ours to choose.
    pub(super) fn choose(&self) -> io::Result<Ports> {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        // All are held until all are known, so that they differ.
        let mut held = Vec::new();
        let mut choose = |wanted: SocketAddr| {
            if wanted.port() != 0 {
                return Ok(wanted);
            }
            let listener = TcpListener::bind(wanted)?;
            let address = listener.local_addr();
            held.push(listener);
            address
        };
        Ok(Ports {
            grpc: choose(self.grpc)?,
            http: choose(self.http)?,
            health: choose(loopback)?,
        })
    }

    /// Whether the collector's words are about an address that was asked for, so that another
    /// choice would not help.
    pub(super) fn insists_on_one_of(&self, said: &[String]) -> bool {
        [self.grpc, self.http]
            .iter()
            .filter(|address| address.port() != 0)
            .any(|address| {
                let address = format!("{address}: ");
                said.iter().any(|line| line.contains(&address))
            })
    }
}

impl Default for Wanted {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            grpc: any,
            http: any,
        }
    }
}

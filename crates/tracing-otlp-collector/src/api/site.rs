//! What the API knows about the collector that it belongs to.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::receive::Intake;
use crate::retain::{Store, clock};

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) store: Arc<Store>,
    pub(crate) intake: Intake,
    pub(crate) listening: Vec<SocketAddr>,
    /// Nanoseconds since 1970.
    pub(crate) started: u64,
    /// Origins of web pages that may read answers and send logs.
    pub(crate) origins: Vec<String>,
    /// Names that the page may be asked for by, besides those of this machine.
    pub(crate) hosts: Vec<String>,
    /// Questions that are answered at the same time.
    pub(crate) turns: Arc<Semaphore>,
    /// Says when streams have to end.
    pub(crate) stopping: watch::Sender<bool>,
}

impl Site {
    pub(crate) fn new(
        store: Arc<Store>,
        intake: Intake,
        listening: Vec<SocketAddr>,
        origins: Vec<String>,
        hosts: Vec<String>,
    ) -> Self {
        Self {
            store,
            intake,
            listening,
            started: clock::now(),
            origins,
            hosts,
            turns: Arc::new(Semaphore::new(QUESTIONS)),
            stopping: watch::Sender::new(false),
        }
    }
}

const QUESTIONS: usize = 4;

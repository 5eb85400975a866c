//! How large a request may be, as far as a destination's refusals have taught.
//!
//! Part of the gate. What was learned is halved with every refusal, and doubted after a while: it
//! doubles until it is forgotten. Pure: told the time, never asks for it.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Limit {
    known: Option<(usize, Instant)>,
    memory: Duration,
    largest: usize,
}

impl Limit {
    /// Learned limits hold for so long, and are forgotten where they reach the largest.
    pub(super) fn new(memory: Duration, largest: usize) -> Self {
        Self {
            known: None,
            memory,
            largest,
        }
    }

    /// A request of so many bytes was too large.
    pub(super) fn too_large(&mut self, bytes: usize, now: Instant) {
        let half = (bytes / 2).max(1);
        let limit = self.get(now).map_or(half, |limit| limit.min(half));
        self.known = Some((limit, now));
    }

    pub(super) fn get(&mut self, now: Instant) -> Option<usize> {
        let (limit, since) = self.known?;
        if now.duration_since(since) < self.memory {
            return Some(limit);
        }
        let relaxed = limit.saturating_mul(2);
        self.known = (relaxed < self.largest).then_some((relaxed, now));
        self.known.map(|(limit, _)| limit)
    }
}

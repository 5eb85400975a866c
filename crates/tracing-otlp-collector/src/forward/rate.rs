//! How much a session may send.
//!
//! `gate` asks before it reads a body and charges for what the body was. A session has two buckets
//! that fill with time: one of requests, one of bytes.
//!
//! What is remembered of sessions is bounded: a fixed size each, and of so many at most. Who has not
//! been seen for longest is forgotten first, and comes back with full buckets.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much one session may send, on the average and at once.
///
/// Ten requests a second and twenty at once, 256 KiB a second and 2 MiB at once, unless set. Bytes
/// are counted after unpacking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RateLimit {
    requests: u32,
    request_burst: u32,
    bytes: usize,
    byte_burst: usize,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests: 10,
            request_burst: 20,
            bytes: 256 * 1024,
            byte_burst: 2 * 1024 * 1024,
        }
    }
}

impl RateLimit {
    /// Sets how many requests a second, and how many at once.
    pub fn with_requests(mut self, per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        (self.requests, self.request_burst) = (per_second.get(), burst.get());
        self
    }

    /// Sets how many bytes a second, and how many at once.
    ///
    /// A request is let in as long as there is something left, and paid for in full: one that is
    /// larger than what is left makes the session wait for longer afterwards.
    pub fn with_bytes(mut self, per_second: NonZeroUsize, burst: NonZeroUsize) -> Self {
        (self.bytes, self.byte_burst) = (per_second.get(), burst.get());
        self
    }
}

/// The sessions that were seen lately.
#[derive(Debug)]
pub(super) struct Sessions {
    limit: RateLimit,
    table: Mutex<Table>,
    hasher: RandomState,
    /// Of each of the two generations.
    capacity: usize,
}

/// Two generations: who is seen is young; when there are too many young ones, they become the old
/// ones, and the old ones are forgotten.
#[derive(Debug, Default)]
struct Table {
    young: HashMap<u64, Buckets>,
    old: HashMap<u64, Buckets>,
}

/// What a session has left. Less than no bytes is what it has to wait for.
#[derive(Clone, Copy, Debug)]
struct Buckets {
    requests: f64,
    bytes: f64,
    at: Duration,
}

impl Sessions {
    pub(super) fn new(limit: RateLimit, capacity: NonZeroUsize) -> Self {
        Self {
            limit,
            table: Mutex::default(),
            hasher: RandomState::new(),
            capacity: capacity.get().div_ceil(2),
        }
    }

    /// Lets a request of the session in, or says how long to wait.
    pub(super) fn admit(&self, session: &str, now: Duration) -> Result<(), Duration> {
        self.with(session, now, |buckets, limit| {
            buckets.fill(limit, now);
            let request = (1.0 - buckets.requests) / f64::from(limit.requests);
            // Anything left is enough, and a byte is the least there can be.
            let bytes = (1.0 - buckets.bytes) / float(limit.bytes);
            let wait = request.max(bytes);
            if wait > 0.0 {
                return Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX));
            }
            buckets.requests -= 1.0;
            Ok(())
        })
    }

    /// Takes what a request has cost that was let in at that time; others may have come since.
    pub(super) fn charge(&self, session: &str, bytes: usize, now: Duration) {
        self.with(session, now, |buckets, _| buckets.bytes -= float(bytes));
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.young.len() + table.old.len()
    }

    fn with<T>(
        &self,
        session: &str,
        now: Duration,
        act: impl FnOnce(&mut Buckets, &RateLimit) -> T,
    ) -> T {
        // Names may be long; two that fall together by chance share their buckets.
        let key = self.hasher.hash_one(session);
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let table = &mut *table;
        if !table.young.contains_key(&key) {
            if table.young.len() >= self.capacity {
                table.old = std::mem::take(&mut table.young);
            }
            let known = table.old.remove(&key);
            let buckets = known.unwrap_or_else(|| Buckets::full(&self.limit, now));
            table.young.insert(key, buckets);
        }
        let full = Buckets::full(&self.limit, now);
        let buckets = table.young.entry(key).or_insert(full);
        act(buckets, &self.limit)
    }
}

impl Buckets {
    fn full(limit: &RateLimit, now: Duration) -> Self {
        Self {
            requests: f64::from(limit.request_burst),
            bytes: float(limit.byte_burst),
            at: now,
        }
    }

    fn fill(&mut self, limit: &RateLimit, now: Duration) {
        // A clock that was set back starts anew from there.
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = now;
        let full = Self::full(limit, now);
        self.requests = (self.requests + passed * f64::from(limit.requests)).min(full.requests);
        self.bytes = (self.bytes + passed * float(limit.bytes)).min(full.bytes);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody sends so many bytes that one of them counts"
)]
fn float(bytes: usize) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(capacity: usize) -> Sessions {
        let per_second = NonZeroU32::new(2).unwrap();
        let burst = NonZeroU32::new(3).unwrap();
        let bytes = |n| NonZeroUsize::new(n).unwrap();
        let limit = RateLimit::default()
            .with_requests(per_second, burst)
            .with_bytes(bytes(100), bytes(1000));
        Sessions::new(limit, NonZeroUsize::new(capacity).unwrap())
    }

    fn at(millis: u64) -> Duration {
        Duration::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn a_burst_is_let_in_and_then_the_rate() {
        let sessions = sessions(10);
        for _ in 0..3 {
            assert_eq!(sessions.admit("a", at(0)), Ok(()));
        }
        assert_eq!(sessions.admit("a", at(0)), Err(Duration::from_millis(500)));
        // Others have their own.
        assert_eq!(sessions.admit("b", at(0)), Ok(()));
        // Who asks too early pays nothing for it.
        assert!(sessions.admit("a", at(400)).is_err());
        assert_eq!(sessions.admit("a", at(500)), Ok(()));
        assert!(sessions.admit("a", at(500)).is_err());
        // A long rest gives no more than a burst.
        let let_in = (0..10).filter(|_| sessions.admit("a", at(3_600_000)).is_ok());
        assert_eq!(let_in.count(), 3);
    }

    #[test]
    fn what_was_larger_than_what_was_left_is_waited_for() {
        let sessions = sessions(10);
        assert_eq!(sessions.admit("a", at(0)), Ok(()));
        sessions.charge("a", 1500, at(0));
        let wait = sessions.admit("a", at(0)).unwrap_err();
        assert_eq!(wait.as_millis(), 5010);
        assert!(sessions.admit("a", at(5000)).is_err());
        assert_eq!(sessions.admit("a", at(5010)), Ok(()));
    }

    #[test]
    fn a_body_that_took_its_time_gives_none_back() {
        let sessions = sessions(10);
        assert_eq!(sessions.admit("a", at(0)), Ok(()));
        let later = || {
            (0..10)
                .filter(|_| sessions.admit("a", at(60_000)).is_ok())
                .count()
        };
        assert_eq!(later(), 3);
        sessions.charge("a", 1, at(0));
        assert_eq!(later(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_gives_nor_blocks() {
        let sessions = sessions(10);
        let let_in = (0..10).filter(|_| sessions.admit("a", at(10_000)).is_ok());
        assert_eq!(let_in.count(), 3);
        assert!(sessions.admit("a", at(0)).is_err());
        assert_eq!(sessions.admit("a", at(500)), Ok(()));
    }

    #[test]
    fn a_million_sessions_take_the_room_of_a_thousand() {
        let sessions = sessions(1000);
        for number in 0..1_000_000 {
            assert_eq!(sessions.admit(&number.to_string(), at(0)), Ok(()));
            // Whoever keeps coming is not forgotten among them.
            if number % 100 == 0 {
                let is_fresh = number < 300;
                assert_eq!(sessions.admit("busy", at(0)).is_ok(), is_fresh, "{number}");
            }
        }
        assert!(sessions.len() <= 1000, "{}", sessions.len());
        let table = sessions.table.lock().unwrap();
        assert!(table.young.capacity() + table.old.capacity() < 4000);
    }
}

//! A map that only grows, and is read without a lock and without counting readers.
//!
//! Part of capture, first stop on the way of an event: every event looks its call site up, from
//! every thread. Call sites are few and stay, so nothing is ever removed.

use std::sync::OnceLock;

/// From addresses to values that stay.
pub(crate) struct OnceMap<V> {
    buckets: Box<[Slot<V>; BUCKETS]>,
}

type Slot<V> = OnceLock<Box<Entry<V>>>;

struct Entry<V> {
    address: usize,
    value: V,
    next: Slot<V>,
}

/// What a byte can tell apart; 4 KiB in all. Programs have some hundred call sites that log.
const BUCKETS: usize = 256;

impl<V> OnceMap<V> {
    pub(crate) fn new() -> Self {
        Self {
            buckets: Box::new([const { OnceLock::new() }; BUCKETS]),
        }
    }

    #[inline]
    pub(crate) fn get(&self, address: usize) -> Option<&V> {
        let mut slot = self.bucket(address);
        while let Some(entry) = slot.get() {
            if entry.address == address {
                return Some(&entry.value);
            }
            slot = &entry.next;
        }
        None
    }

    /// The value that is there afterwards: the first one wins.
    pub(crate) fn insert(&self, address: usize, value: V) -> &V {
        let mut slot = self.bucket(address);
        let mut new = Some(Box::new(Entry {
            address,
            value,
            next: OnceLock::new(),
        }));
        loop {
            if let Some(mine) = new.take() {
                new = slot.set(mine).err();
            }
            // Set by now, by this thread or by another.
            match slot.get() {
                Some(entry) if entry.address == address => return &entry.value,
                Some(entry) => slot = &entry.next,
                None => {}
            }
        }
    }

    #[inline]
    fn bucket(&self, address: usize) -> &Slot<V> {
        // Statics lie a multiple of 8 bytes apart, often of 64: the upper bits of a product mix them.
        let mixed = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        &self.buckets[usize::from(mixed as u8)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_again_and_the_first_wins() {
        let map = OnceMap::new();
        for address in (0..40_000).step_by(8) {
            assert_eq!(map.get(address), None);
            assert_eq!(*map.insert(address, address), address);
            assert_eq!(*map.insert(address, 1), address);
        }
        for address in (0..40_000).step_by(8) {
            assert_eq!(map.get(address), Some(&address));
            assert_eq!(map.get(address + 1), None);
        }
    }

    #[test]
    fn threads_that_insert_at_once_agree() {
        let map = OnceMap::new();
        let barrier = std::sync::Barrier::new(4);
        let found: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let (map, barrier) = (&map, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        (0..2000)
                            .map(|address| *map.insert(address, thread))
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(found.iter().all(|one| *one == found[0]));
    }
}

//! Texts that are the same each time: they become static, and cost no allocation any more.
//!
//! Part of capture, first stop on the way of an event. `tracing` hands a literal over like any other
//! text, and nothing tells that it lives for ever. But `info!("hello")` and `kind = "db"` are what
//! most call sites have, so what a field says again and again is kept for good, up to a bound that all
//! the process shares.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::interned::Interned;

/// What is known of the text of one field of one call site.
#[derive(Debug, Default)]
pub(crate) struct Constant {
    text: OnceLock<&'static str>,
    /// What was seen so far: [`VARIES`], nothing (0), or how often in the lowest bits, and above them
    /// of which text.
    seen: AtomicU32,
}

/// It has been more than one text, or will not be kept.
const VARIES: u32 = u32::MAX;
/// So often a field says the same before it is believed.
const ENOUGH: u32 = 4;
const COUNT: u32 = 0xf;
const MAX_LENGTH: usize = 256;

static TEXTS: Interned = Interned::new(4096, MAX_LENGTH);

impl Constant {
    /// What the field has always said, as far as is known.
    #[inline]
    pub(crate) fn text(&self) -> Option<&'static str> {
        self.text.get().copied()
    }

    /// The lasting twin of what the field says now, if it always says so.
    #[inline]
    pub(crate) fn twin_of(&self, text: &str) -> Option<&'static str> {
        if let Some(known) = self.text.get() {
            return (*known == text).then_some(*known);
        }
        if self.seen.load(Ordering::Relaxed) == VARIES {
            return None;
        }
        self.learn(text)
    }

    #[cold]
    fn learn(&self, text: &str) -> Option<&'static str> {
        // Threads may come between each other here: then a text is believed later, or not at all.
        let seen = self.seen.load(Ordering::Relaxed);
        let hash = hash_of(text) & !COUNT;
        let next = match seen {
            _ if text.len() > MAX_LENGTH => VARIES,
            0 => hash | 1,
            _ if seen & !COUNT != hash => VARIES,
            _ if seen & COUNT < ENOUGH => seen + 1,
            _ => match TEXTS.intern(text) {
                Some(twin) => {
                    let _first_wins = self.text.set(twin);
                    return Some(twin);
                }
                None => VARIES,
            },
        };
        self.seen.store(next, Ordering::Relaxed);
        None
    }
}

fn hash_of(text: &str) -> u32 {
    // FNV-1a: a text that collides is only believed too early, and never taken for another.
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_and_again_becomes_static() {
        let constant = Constant::default();
        let said: Vec<_> = (0..8).map(|_| constant.twin_of("hello")).collect();
        assert_eq!(said[..4], [None; 4]);
        assert_eq!(said[5..], [Some("hello"); 3]);
        assert_eq!(constant.twin_of("other"), None);
        assert_eq!(constant.twin_of("hello"), Some("hello"));
    }

    #[test]
    fn what_varies_is_not_kept() {
        let constant = Constant::default();
        for text in ["a", "a", "b", "a", "a", "a", "a", "a", "a"] {
            assert_eq!(constant.twin_of(text), None);
        }
        let long = "x".repeat(MAX_LENGTH + 1);
        let constant = Constant::default();
        assert!((0..8).all(|_| constant.twin_of(&long).is_none()));
    }
}

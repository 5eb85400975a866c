//! Texts that are kept for good, up to a bound.
//!
//! Part of capture, first stop on the way of an event. Event names that are only known at run time
//! (the API wants `&'static str`; they are few by definition: Events semantic conventions, "Event
//! name"), and texts that a call site always says.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// A set of texts, each of them leaked once.
pub(crate) struct Interned {
    known: RwLock<Option<HashSet<&'static str>>>,
    max_texts: usize,
    max_length: usize,
}

/// Names of events.
pub(crate) static EVENT_NAMES: Interned = Interned::new(1024, 256);

impl Interned {
    pub(crate) const fn new(max_texts: usize, max_length: usize) -> Self {
        Self {
            known: RwLock::new(None),
            max_texts,
            max_length,
        }
    }

    /// The lasting twin of `text`; `None` where it is empty or too long, or there are too many.
    pub(crate) fn intern(&self, text: &str) -> Option<&'static str> {
        if text.is_empty() || text.len() > self.max_length {
            return None;
        }
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(twin) = known.as_ref().and_then(|known| known.get(text)) {
                return Some(twin);
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(HashSet::new);
        if let Some(twin) = known.get(text) {
            return Some(twin);
        }
        if known.len() >= self.max_texts {
            return None;
        }
        let twin: &'static str = Box::leak(text.to_owned().into_boxed_str());
        known.insert(twin);
        Some(twin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_and_no_more_than_may_be() {
        let interned = Interned::new(2, 3);
        let a = interned.intern("a").unwrap();
        assert!(std::ptr::eq(a, interned.intern("a").unwrap()));
        assert_eq!(interned.intern("abcd"), None);
        assert_eq!(interned.intern(""), None);
        assert_eq!(interned.intern("b"), Some("b"));
        assert_eq!(interned.intern("c"), None);
        assert_eq!(interned.intern("a"), Some("a"));
    }
}

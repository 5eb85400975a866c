//! Event names that are only known at run time.
//!
//! Part of capture, first stop on the way of an event. The API wants `&'static str`, so a name
//! from a field is kept for good, up to a bound: event names are few by definition (Events
//! semantic conventions, "Event name").

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

const MAX_NAMES: usize = 1024;
const MAX_LENGTH: usize = 256;

static NAMES: RwLock<Option<HashSet<&'static str>>> = RwLock::new(None);

/// The lasting twin of `name`; `None` where it is too long or there are too many already.
pub(crate) fn intern(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > MAX_LENGTH {
        return None;
    }
    if let Some(known) = NAMES
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
    {
        if let Some(known) = known.get(name) {
            return Some(known);
        }
    }
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_with(HashSet::new);
    if let Some(known) = names.get(name) {
        return Some(known);
    }
    if names.len() >= MAX_NAMES {
        return None;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    Some(name)
}

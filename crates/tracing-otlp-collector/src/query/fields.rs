//! What could be typed next: keys, and values of a key, with how often they occur.
//!
//! The viewer completes with it. It looks at the newest records only.

use std::collections::HashMap;

use super::filter::{Answer, Key};
use super::item::Item;
use super::scan::{Go, Order, Scan};
use super::text::plain;
use super::write::{list, number};
use crate::otlp::any_value::{self, View};
use crate::otlp::to_json::{ObjectWriter, string};
use crate::otlp::wire;

/// Writes the keys that begin with this, built-in ones first, then the most frequent.
pub(crate) fn keys(scan: &Scan<'_>, prefix: &str) -> Vec<u8> {
    let mut found: HashMap<(&'static str, String), u64> = HashMap::new();
    look(scan, |item| {
        let mut add = |source: &'static str, before: &str, message: &[u8], field: u32| {
            for attribute in wire::all(message, field) {
                let key = any_value::key(attribute.bytes());
                if found.len() < MAX_FOUND {
                    *found.entry((source, name(before, key))).or_default() += 1;
                }
            }
        };
        add("attribute", "", item.message(), item.attributes_field());
        add(
            "resource",
            "resource.",
            &item.resource().unwrap_or_default(),
            1,
        );
        add("scope", "scope.", &item.scope().unwrap_or_default(), 3);
    });
    let mut found: Vec<_> = found
        .into_iter()
        .filter(|((_, key), _)| starts_with(key, prefix))
        .collect();
    found.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    let builtin = super::filter::builtin_names()
        .filter(|name| starts_with(name, prefix))
        .map(|name| ("builtin", name.to_owned(), None));
    let found = found
        .into_iter()
        .map(|((source, key), count)| (source, key, Some(count)));
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    let all = builtin.chain(found).take(MAX_SHOWN);
    list(all, object.member("fields"), |(source, key, count), out| {
        let mut field = ObjectWriter::new(out);
        string(&key, field.member("key"));
        string(source, field.member("source"));
        number(count.unwrap_or(0), field.member("count"));
        field.end();
    });
    object.end();
    out
}

/// Writes the values of a key that begin with this, the most frequent first.
pub(crate) fn values(scan: &Scan<'_>, key: &str, prefix: &str) -> Vec<u8> {
    let unquoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    let key = Key::of(unquoted.unwrap_or(key), unquoted.is_some());
    let mut found: HashMap<String, u64> = HashMap::new();
    if key == Key::Level {
        // All of them, also those that have not been seen.
        let names = super::text::LEVELS.iter().map(|(name, ..)| *name);
        found.extend(names.map(|name| (name.to_owned(), 0)));
    }
    look(scan, |item| {
        let mut text = match key.answer(item) {
            Answer::Value(Some(value)) => {
                let mut text = String::new();
                plain(&View::of(&value), &mut text);
                text
            }
            Answer::Text(Some(text)) => text.into_owned(),
            Answer::Value(None) | Answer::Text(None) => return,
        };
        if let Some((at, _)) = text.char_indices().nth(MAX_VALUE) {
            text.truncate(at);
        }
        if found.len() < MAX_FOUND || found.contains_key(&text) {
            *found.entry(text).or_default() += 1;
        }
    });
    let mut found: Vec<_> = found
        .into_iter()
        .filter(|(value, _)| !value.is_empty() && starts_with(value, prefix))
        .collect();
    found.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    found.truncate(MAX_SHOWN);
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    list(found, object.member("values"), |(value, count), out| {
        let mut entry = ObjectWriter::new(out);
        string(&value, entry.member("value"));
        number(count, entry.member("count"));
        entry.end();
    });
    object.end();
    out
}

fn look(scan: &Scan<'_>, mut see: impl FnMut(&Item<'_>)) {
    let mut left = LOOKED_AT;
    scan.run(Order::NewestFirst, u64::MAX, |item| {
        see(item);
        left -= 1;
        if left == 0 { Go::Enough } else { Go::On }
    });
}

/// A key as it is written in a filter.
fn name(prefix: &str, key: &str) -> String {
    let is_odd = |c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/'));
    let shadows = prefix.is_empty() && super::filter::builtin_names().any(|name| name == key);
    if key.contains(is_odd) || key.is_empty() || key.starts_with('-') {
        let key = key.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("{prefix}\"{key}\"");
    }
    if shadows {
        return format!("attr.{key}");
    }
    format!("{prefix}{key}")
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

const LOOKED_AT: usize = 5_000;
const MAX_FOUND: usize = 10_000;
const MAX_SHOWN: usize = 100;
const MAX_VALUE: usize = 200;

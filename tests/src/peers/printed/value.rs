//! The agent's typed values: `Str(a)`, `Slice(Int(1), Empty)`, `Map(key:Bool(true))`.
//!
//! The one thing to know: texts inside of lists and maps are not escaped either, so the shortest
//! reading that leaves a readable rest is taken.

use crate::model::{Attributes, Value};

/// Whether a text begins like a typed value.
pub(super) fn typed(text: &str) -> bool {
    const TYPES: [&str; 7] = [
        "Str(", "Int(", "Double(", "Bool(", "Bytes(", "Slice(", "Map(",
    ];
    text == "Empty" || TYPES.iter().any(|name| text.starts_with(name))
}

/// The typed value that is exactly this text.
pub(super) fn value(text: &str) -> Option<Value> {
    if text == "Empty" {
        return Some(Value::Empty);
    }
    let (kind, rest) = text.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    Some(match kind {
        "Str" => Value::String(inner.to_owned()),
        "Int" => Value::Int(inner.parse().ok()?),
        "Double" => Value::Double(inner.parse().ok()?),
        "Bool" => Value::Bool(inner.parse().ok()?),
        "Bytes" => Value::Bytes(bytes(inner)?),
        "Slice" => Value::Array(values(inner)?),
        "Map" => Value::Map(entries(inner)?),
        _ => return None,
    })
}

/// `[0, 255]`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let numbers = inner.split(", ").filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().ok()).collect()
}

/// `Int(1), Str(a, b)`: the shortest value first, as long as the rest can be read as well.
fn values(text: &str) -> Option<Vec<Value>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    first_that_fits(text, value, values)
}

/// `key:Int(1), key:Str(b)`.
fn entries(text: &str) -> Option<Attributes> {
    if text.is_empty() {
        return Some(Attributes::new());
    }
    let entry = |first: &str| {
        let colons = first.match_indices(':').map(|(at, _)| at);
        let split = colons.into_iter().find(|at| typed(&first[at + 1..]))?;
        Some((first[..split].to_owned(), value(&first[split + 1..])?))
    };
    first_that_fits(text, entry, entries)
}

fn first_that_fits<T>(
    text: &str,
    head: impl Fn(&str) -> Option<T>,
    tail: impl Fn(&str) -> Option<Vec<T>>,
) -> Option<Vec<T>> {
    let commas = text
        .match_indices(", ")
        .map(|(at, _)| at)
        .chain([text.len()]);
    commas.into_iter().find_map(|at| {
        let first = head(&text[..at])?;
        let rest = match text.get(at + 2..) {
            // An item follows a comma.
            Some("") => return None,
            Some(rest) => tail(rest)?,
            None => Vec::new(),
        };
        Some(std::iter::once(first).chain(rest).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_a_list_may_hold_what_separates_items() {
        let texts = |list: &[&str]| Value::Array(list.iter().map(|text| (*text).into()).collect());
        assert_eq!(
            value("Slice(Str(a, b), Str(c))"),
            Some(texts(&["a, b", "c"]))
        );
        assert_eq!(value("Slice(Str(), Str())"), Some(texts(&["", ""])));
    }

    #[test]
    fn a_map_may_hold_maps_and_colons() {
        let inner = Value::Map(vec![("c:d".to_owned(), Value::Int(2))]);
        let map = Value::Map(vec![
            ("a".to_owned(), "x:y".into()),
            ("b".to_owned(), inner),
        ]);
        assert_eq!(value("Map(a:Str(x:y), b:Map(c:d:Int(2)))"), Some(map));
    }

    #[test]
    fn what_is_not_whole_is_no_value() {
        for text in [
            "",
            "Str(",
            "Str(a",
            "Int(x)",
            "Slice(Int(1), )",
            "Bytes(0, 1)",
            "Odd(1)",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}

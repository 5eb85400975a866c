//! Looks fields up in a JSON object as protobuf's JSON mapping wants it.
//!
//! Every message's reader starts with one of these. A missing field and null mean the same: the
//! default.

use serde_json::{Map, Value};

use super::error::JsonError;
use super::scalar::kind;

pub(super) struct Object<'a> {
    fields: Option<&'a Map<String, Value>>,
    /// Whether it is worth looking for `snake_case` names.
    has_underscores: bool,
}

impl<'a> Object<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, JsonError> {
        match value {
            Value::Null => Ok(Self {
                fields: None,
                has_underscores: false,
            }),
            Value::Object(fields) => {
                let has_underscores = fields.keys().any(|key| key.contains('_'));
                Ok(Self {
                    fields: Some(fields),
                    has_underscores,
                })
            }
            other => Err(JsonError::new(format!(
                "expected an object, found {}",
                kind(other)
            ))),
        }
    }

    /// The field's value; `None` when it is missing or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let fields = self.fields?;
        let mut found = fields.get(name);
        if found.is_none() && self.has_underscores {
            found = fields
                .iter()
                .find(|(key, _)| is_snake_case_of(key, name))
                .map(|(_, v)| v);
        }
        found.filter(|value| !value.is_null())
    }

    /// The field as `read` reads it, its default when missing.
    pub(super) fn field<T: Default>(
        &self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, JsonError>,
    ) -> Result<T, JsonError> {
        self.optional(name, read).map(Option::unwrap_or_default)
    }

    /// The field as `read` reads it, `None` when missing.
    pub(super) fn optional<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&'a Value) -> Result<T, JsonError>,
    ) -> Result<Option<T>, JsonError> {
        self.get(name)
            .map(read)
            .transpose()
            .map_err(|error| error.in_field(name))
    }

    /// The field's elements as `read` reads them; null elements are left out.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        read: impl Fn(&'a Value) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        self.elements(name, read, |element| !element.is_null())
    }

    /// Like [`list`](Self::list), but null elements are read too.
    pub(super) fn list_with_nulls<T>(
        &self,
        name: &'static str,
        read: impl Fn(&'a Value) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        self.elements(name, read, |_| true)
    }

    fn elements<T>(
        &self,
        name: &'static str,
        read: impl Fn(&'a Value) -> Result<T, JsonError>,
        counts: fn(&Value) -> bool,
    ) -> Result<Vec<T>, JsonError> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(elements)) => elements
                .iter()
                .enumerate()
                .filter(|(_, element)| counts(element))
                .map(|(index, element)| {
                    read(element).map_err(|error| error.at_index(index).in_field(name))
                })
                .collect(),
            Some(other) => {
                let problem = format!("expected a list, found {}", kind(other));
                Err(JsonError::new(problem).in_field(name))
            }
        }
    }
}

/// Whether `snake` is `camel` with each capital written as an underscore and a small letter.
fn is_snake_case_of(snake: &str, camel: &str) -> bool {
    let mut snake = snake.bytes();
    let all = camel.bytes().all(|letter| {
        if letter.is_ascii_uppercase() {
            snake.next() == Some(b'_') && snake.next() == Some(letter.to_ascii_lowercase())
        } else {
            snake.next() == Some(letter)
        }
    });
    all && snake.next().is_none()
}

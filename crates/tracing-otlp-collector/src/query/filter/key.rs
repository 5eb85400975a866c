//! What a filter can ask for: the built-in keys and attributes of three origins.
//!
//! `parse` makes keys, `Filter::matches` holds items against them.

use std::borrow::Cow;
use std::fmt;

use super::compare::Test;
use crate::query::item::Item;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Level,
    Service,
    Scope,
    Body,
    Event,
    Trace,
    Span,
    Link,
    Seq,
    Time,
    Name,
    Kind,
    Status,
    Duration,
    /// An attribute of the item itself.
    Attribute(String),
    Resource(String),
    ScopeAttribute(String),
    /// An attribute of the item, else of its scope, else of its resource.
    Any(String),
}

/// What an item has under a key.
pub(crate) enum Answer<'a> {
    /// The bytes of an `AnyValue`.
    Value(Option<Cow<'a, [u8]>>),
    Text(Option<Cow<'a, str>>),
}

/// The built-in keys by name.
pub(crate) const BUILTIN: &[(&str, Key)] = &[
    ("level", Key::Level),
    ("service", Key::Service),
    ("scope", Key::Scope),
    ("body", Key::Body),
    ("event", Key::Event),
    ("trace", Key::Trace),
    ("span", Key::Span),
    ("link", Key::Link),
    ("seq", Key::Seq),
    ("time", Key::Time),
    ("name", Key::Name),
    ("kind", Key::Kind),
    ("status", Key::Status),
    ("duration", Key::Duration),
];

impl Key {
    pub(crate) fn of(name: &str, is_quoted: bool) -> Self {
        if is_quoted {
            return Self::Any(name.to_owned());
        }
        if let Some((_, key)) = BUILTIN.iter().find(|(known, _)| *known == name) {
            return key.clone();
        }
        let prefixed = |prefix: &str| name.strip_prefix(prefix).map(str::to_owned);
        prefixed("attr.")
            .map(Self::Attribute)
            .or_else(|| prefixed("resource.").map(Self::Resource))
            .or_else(|| prefixed("scope.").map(Self::ScopeAttribute))
            .unwrap_or_else(|| Self::Any(name.to_owned()))
    }

    /// Whether the item has it, with any value.
    pub(super) fn is_in(&self, item: &Item<'_>) -> bool {
        match self.answer(item) {
            _ if *self == Self::Level => item.head.severity != 0,
            Answer::Value(found) => found.is_some(),
            Answer::Text(text) => text.is_some_and(|text| !text.is_empty()),
        }
    }

    pub(super) fn test(&self, item: &Item<'_>, test: &Test) -> bool {
        match self {
            Self::Level => test.number(item.head.severity.into()),
            Self::Seq => test.number(item.seq().into()),
            Self::Time => test.number(item.time().into()),
            Self::Duration if item.is_span() => test.number(item.duration().into()),
            _ => match self.answer(item) {
                Answer::Value(found) => test.value(found.as_deref()),
                Answer::Text(found) => test.text(found.as_deref()),
            },
        }
    }

    /// What an item says when it is asked for this.
    pub(crate) fn answer<'a>(&self, item: &Item<'a>) -> Answer<'a> {
        match self {
            Self::Attribute(key) => Answer::Value(item.attribute(key)),
            Self::Resource(key) => Answer::Value(item.resource_attribute(key)),
            Self::ScopeAttribute(key) => Answer::Value(item.scope_attribute(key)),
            Self::Any(key) => Answer::Value(item.any_attribute(key)),
            Self::Body => Answer::Value(item.body()),
            _ => match self.text(item) {
                None if self.is_also_an_attribute() => {
                    Answer::Value(item.any_attribute(self.name()))
                }
                text => Answer::Text(text),
            },
        }
    }

    /// `status` and its like are a span's own; of a record they are attributes like any other.
    fn is_also_an_attribute(&self) -> bool {
        matches!(
            self,
            Self::Name | Self::Kind | Self::Status | Self::Duration
        )
    }

    fn text<'a>(&self, item: &Item<'a>) -> Option<Cow<'a, str>> {
        match self {
            Self::Level => Some(item.level().into()),
            Self::Service => item.service(),
            Self::Scope => Some(item.scope_name()),
            Self::Event => Some(item.event_name().into()),
            Self::Trace => item.trace_hex().map(Cow::Owned),
            Self::Span => item.span_hex().map(Cow::Owned),
            Self::Link => item.link().map(|link| link.name().into()),
            Self::Seq => Some(item.seq().to_string().into()),
            Self::Time => Some(item.time().to_string().into()),
            Self::Name => item.name().map(Cow::Borrowed),
            Self::Kind => item.kind_name().map(Cow::Borrowed),
            Self::Status => item.status_name().map(Cow::Borrowed),
            Self::Duration => item.is_span().then(|| item.duration().to_string().into()),
            _ => None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Attribute(key)
            | Self::Resource(key)
            | Self::ScopeAttribute(key)
            | Self::Any(key) => key,
            builtin => BUILTIN
                .iter()
                .find(|(_, key)| key == builtin)
                .map_or("", |(name, _)| name),
        }
    }

    pub(super) fn cost(&self) -> u8 {
        match self {
            Self::Level | Self::Seq | Self::Time | Self::Trace | Self::Span | Self::Duration => 0,
            Self::Link => 2,
            Self::Service | Self::Scope | Self::Name | Self::Kind | Self::Status => 3,
            _ => 4,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

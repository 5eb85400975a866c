//! Holds one value against what a filter wants of it.
//!
//! Typed: a number is compared as a number when both sides are one, everything else as text.

use std::cmp::Ordering;

use regex::Regex;

use super::token::Op;
use crate::otlp::any_value::View;
use crate::query::text::{Needle, plain};

#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// The text contains this.
    Contains(Needle),
    Matches(Regex),
    Compare(Compare, Literal),
    /// The text is, or is not, one of these, whatever its case.
    OneOf(Vec<String>, bool),
    /// The text begins with this, or does not.
    Prefix(String, bool),
    /// The number lies in one of these ranges, both ends included, or in none.
    Ranges(Vec<(i128, i128)>, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Is,
    IsNot,
    Less,
    LessOrIs,
    More,
    MoreOrIs,
}

impl Compare {
    pub(super) fn of(op: Op) -> Option<Self> {
        Some(match op {
            Op::Is => Self::Is,
            Op::IsNot => Self::IsNot,
            Op::Less => Self::Less,
            Op::LessOrIs => Self::LessOrIs,
            Op::More => Self::More,
            Op::MoreOrIs => Self::MoreOrIs,
            Op::Contains | Op::Matches => return None,
        })
    }

    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Is => ordering == Some(Ordering::Equal),
            Self::IsNot => ordering != Some(Ordering::Equal),
            Self::Less => ordering == Some(Ordering::Less),
            Self::LessOrIs => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Self::More => ordering == Some(Ordering::Greater),
            Self::MoreOrIs => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// The right side of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Literal {
    text: String,
    int: Option<i64>,
    double: Option<f64>,
}

impl Literal {
    pub(super) fn new(text: String) -> Self {
        let looks_like_a_number = text.bytes().any(|b| b.is_ascii_digit());
        Self {
            int: text.parse().ok(),
            double: text.parse().ok().filter(|_| looks_like_a_number),
            text,
        }
    }

    fn compare(&self, view: &View<'_>) -> Option<Ordering> {
        match (view, self.int, self.double) {
            (View::Int(value), Some(int), _) => Some(value.cmp(&int)),
            #[expect(clippy::cast_precision_loss, reason = "compared with a double")]
            (View::Int(value), None, Some(double)) => (*value as f64).partial_cmp(&double),
            (View::Double(value), _, Some(double)) => value.partial_cmp(&double),
            (View::Text(text), ..) => Some((**text).cmp(&*self.text)),
            (other, ..) => {
                let mut text = String::new();
                plain(other, &mut text);
                Some(text.as_str().cmp(&self.text))
            }
        }
    }
}

impl Test {
    /// Tests an `AnyValue`; what is not there is only ever "not that".
    pub(super) fn value(&self, any_value: Option<&[u8]>) -> bool {
        let Some(any_value) = any_value else {
            return self.of_nothing();
        };
        let view = View::of(any_value);
        if let Self::Compare(compare, literal) = self {
            return compare.holds(literal.compare(&view));
        }
        match &view {
            View::Text(text) => self.text(Some(text)),
            other => {
                let mut text = String::new();
                plain(other, &mut text);
                self.text(Some(&text))
            }
        }
    }

    pub(super) fn text(&self, text: Option<&str>) -> bool {
        let Some(text) = text else {
            return self.of_nothing();
        };
        match self {
            Self::Contains(needle) => needle.is_in(text),
            Self::Matches(regex) => regex.is_match(text),
            Self::Compare(compare, literal) => compare.holds(Some(text.cmp(&literal.text))),
            Self::OneOf(these, wanted) => {
                these.iter().any(|one| one.eq_ignore_ascii_case(text)) == *wanted
            }
            Self::Prefix(prefix, wanted) => text.starts_with(prefix.as_str()) == *wanted,
            Self::Ranges(..) => text.parse().is_ok_and(|number| self.number(number)),
        }
    }

    pub(super) fn number(&self, number: i128) -> bool {
        match self {
            Self::Ranges(ranges, wanted) => {
                ranges
                    .iter()
                    .any(|(from, to)| (*from..=*to).contains(&number))
                    == *wanted
            }
            other => other.text(Some(&number.to_string())),
        }
    }

    fn of_nothing(&self) -> bool {
        match self {
            Self::Compare(compare, _) => *compare == Compare::IsNot,
            Self::OneOf(_, wanted) | Self::Prefix(_, wanted) | Self::Ranges(_, wanted) => !wanted,
            Self::Contains(_) | Self::Matches(_) => false,
        }
    }
}

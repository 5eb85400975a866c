//! The filter language, which the API, the viewer and the command line share.
//!
//! ```text
//! level>=warn service:shop timeout            whitespace is AND
//! (status=500 OR status=503) -path:/health    OR, parentheses, NOT or -
//! body=~"order \d+" "my key"="x" has:user.id  regular expressions, odd keys, presence
//! ```
//!
//! `token` cuts the text, `parse` makes an [`Expr`] of it, `compare` holds values against it.

mod compare;
mod key;
mod parse;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use compare::Test;
pub(crate) use key::{Answer, Key};

use super::item::Item;
use super::text::Needle;

/// A question that each record or span answers with yes or no.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    expr: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// This text is in the body or in any attribute that is text.
    Text(Needle),
    Has(Key),
    Test(Key, Test),
}

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterError {
    pub(crate) message: String,
    /// In bytes from the beginning.
    pub(crate) position: usize,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.message, self.position)
    }
}

impl Filter {
    /// Reads a filter; the empty one lets everything through.
    ///
    /// `now` is what relative times such as `time>-5m` count from.
    pub(crate) fn parse(text: &str, now: u64) -> Result<Self, FilterError> {
        parse::parse(text, now).map(|expr| Self { expr })
    }

    /// The filter that lets everything through.
    pub(crate) fn everything() -> Self {
        Self { expr: None }
    }

    /// The first and the last order number that can match, so that the rest need not be looked at.
    pub(crate) fn seq_bounds(&self) -> (u64, u64) {
        let all: &[Expr] = match &self.expr {
            Some(Expr::And(all)) => all,
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        let bound = |number: i128| u64::try_from(number.max(0)).unwrap_or(u64::MAX);
        all.iter()
            .fold((0, u64::MAX), |(first, last), expr| match expr {
                Expr::Test(Key::Seq, Test::Ranges(ranges, true)) if ranges.len() == 1 => {
                    let (from, to) = ranges[0];
                    (first.max(bound(from)), last.min(bound(to)))
                }
                _ => (first, last),
            })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.expr.is_none()
    }

    pub(crate) fn matches(&self, item: &Item<'_>) -> bool {
        self.expr.as_ref().is_none_or(|expr| expr.matches(item))
    }
}

impl Expr {
    fn matches(&self, item: &Item<'_>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|expr| expr.matches(item)),
            Self::Or(any) => any.iter().any(|expr| expr.matches(item)),
            Self::Not(expr) => !expr.matches(item),
            Self::Text(needle) => item.has_text(needle),
            Self::Has(key) => key.is_in(item),
            Self::Test(key, test) => key.test(item, test),
        }
    }

    /// How much work it is, so that the cheap ones of an AND go first.
    pub(super) fn cost(&self) -> u8 {
        match self {
            Self::Test(key, _) | Self::Has(key) => key.cost(),
            Self::Text(_) => 5,
            Self::Not(expr) => expr.cost(),
            Self::And(several) | Self::Or(several) => {
                several.iter().map(Self::cost).max().unwrap_or(0)
            }
        }
    }
}

/// The keys that are not attributes.
pub(crate) fn builtin_names() -> impl Iterator<Item = &'static str> {
    key::BUILTIN.iter().map(|(name, _)| *name)
}

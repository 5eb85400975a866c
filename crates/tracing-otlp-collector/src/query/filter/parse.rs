//! Makes an expression of a filter's tokens.
//!
//! `AND` binds more tightly than `OR`, `NOT` more tightly than both. What a built-in key cannot be
//! compared with is an error here, not an empty result later.

use regex::RegexBuilder;

use super::compare::{Compare, Literal, Test};
use super::key::Key;
use super::token::{Op, Term, Token, tokens};
use super::{Expr, FilterError};
use crate::query::link::Link;
use crate::query::text::{LEVELS, Needle, parse_duration, parse_time};

pub(super) fn parse(text: &str, now: u64) -> Result<Option<Expr>, FilterError> {
    if text.len() > MAX_LENGTH {
        return Err(error(MAX_LENGTH, "the filter is too long"));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        end: text.len(),
        depth: 0,
        now,
    };
    if parser.tokens.is_empty() {
        return Ok(None);
    }
    let expr = parser.or()?;
    match parser.tokens.get(parser.at) {
        None => Ok(Some(expr)),
        Some((at, _)) => Err(error(*at, "this parenthesis was never opened")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    end: usize,
    depth: usize,
    now: u64,
}

impl Parser {
    fn or(&mut self) -> Result<Expr, FilterError> {
        let mut any = vec![self.and()?];
        while self.take(&Token::Or) {
            any.push(self.and()?);
        }
        Ok(if any.len() == 1 {
            any.remove(0)
        } else {
            Expr::Or(any)
        })
    }

    fn and(&mut self) -> Result<Expr, FilterError> {
        let mut all = vec![self.unary()?];
        loop {
            let is_explicit = self.take(&Token::And);
            match self.peek() {
                None | Some(Token::Or | Token::Close) if !is_explicit => break,
                _ => all.push(self.unary()?),
            }
        }
        if all.len() == 1 {
            return Ok(all.remove(0));
        }
        all.sort_by_key(Expr::cost);
        Ok(Expr::And(all))
    }

    fn unary(&mut self) -> Result<Expr, FilterError> {
        let (at, token) = self
            .tokens
            .get(self.at)
            .cloned()
            .ok_or_else(|| error(self.end, "something is missing at the end"))?;
        self.at += 1;
        match token {
            Token::Not => {
                self.descend(at)?;
                let expr = self.unary()?;
                self.depth -= 1;
                Ok(Expr::Not(Box::new(expr)))
            }
            Token::Open => {
                self.descend(at)?;
                let expr = self.or()?;
                if !self.take(&Token::Close) {
                    return Err(error(at, "this parenthesis is never closed"));
                }
                self.depth -= 1;
                Ok(expr)
            }
            Token::Text(text) => Ok(Expr::Text(Needle::new(&text))),
            Token::Term(term) => self.term(at, term),
            Token::Close | Token::And | Token::Or => {
                Err(error(at, "something is missing before this"))
            }
        }
    }

    fn descend(&mut self, at: usize) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error(at, "the filter is nested too deeply"));
        }
        Ok(())
    }

    fn term(&self, at: usize, term: Term) -> Result<Expr, FilterError> {
        if term.key == "has" && term.op == Op::Contains && !term.is_quoted {
            return Ok(Expr::Has(Key::of(&term.value, false)));
        }
        let key = Key::of(&term.key, term.is_quoted);
        let test = self.test(at, &key, term)?;
        Ok(Expr::Test(key, test))
    }

    fn test(&self, at: usize, key: &Key, term: Term) -> Result<Test, FilterError> {
        let Term {
            op,
            value,
            value_at,
            ..
        } = term;
        if op == Op::Matches {
            return RegexBuilder::new(&value)
                .size_limit(MAX_REGEX)
                .dfa_size_limit(MAX_REGEX)
                .build()
                .map(Test::Matches)
                .map_err(|problem| {
                    let problem = problem.to_string();
                    let last = problem.lines().last().unwrap_or_default();
                    error(value_at, &format!("no regular expression: {last}"))
                });
        }
        let bad = |wanted: &str| Err(error(value_at, &format!("{key} takes {wanted}")));
        let number = |number: Option<i128>, wanted: &str| match number {
            Some(number) => Ok(range(op, number, number)),
            None => Err(error(value_at, &format!("{key} takes {wanted}"))),
        };
        let one_of = |names: &[&str], wanted: &str| {
            if !matches!(op, Op::Contains | Op::Is | Op::IsNot) {
                let message = format!("{key} can only be compared with :, = and !=");
                return Err(error(at, &message));
            }
            let lower = value.to_ascii_lowercase();
            if !names.contains(&lower.as_str()) {
                return Err(error(value_at, &format!("{key} takes {wanted}")));
            }
            Ok(Test::OneOf(vec![lower], op != Op::IsNot))
        };
        match key {
            Key::Level => {
                let lower = value.to_ascii_lowercase();
                let range_of = LEVELS.iter().find(|(name, ..)| *name == lower);
                match (range_of, value.parse::<u8>()) {
                    (Some((_, from, to)), _) => Ok(level(op, i128::from(*from), i128::from(*to))),
                    (None, Ok(number @ 0..=24)) => Ok(level(op, number.into(), number.into())),
                    _ => bad("trace, debug, info, warn, error, fatal, unset or 0 to 24"),
                }
            }
            Key::Link => one_of(
                &Link::ALL.map(Link::name),
                "linked, unlinked, pending or orphaned",
            ),
            Key::Seq => number(value.parse().ok(), "a whole number"),
            Key::Time => number(
                parse_time(&value, self.now).map(i128::from),
                "a time such as 2026-01-31T12:00:00Z, -15m or nanoseconds since 1970",
            ),
            Key::Duration => number(
                parse_duration(&value).map(i128::from),
                "a duration such as 100ms, 1.5s or nanoseconds",
            ),
            Key::Trace | Key::Span => {
                let lower = value.to_ascii_lowercase();
                if lower.is_empty() || !lower.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return bad("an id in hex digits");
                }
                match op {
                    Op::Contains => Ok(Test::Prefix(lower, true)),
                    Op::Is | Op::IsNot => Ok(Test::OneOf(vec![lower], op == Op::Is)),
                    _ => Err(error(
                        at,
                        &format!("{key} can only be compared with :, = and !="),
                    )),
                }
            }
            _ => Ok(match Compare::of(op) {
                Some(compare) => Test::Compare(compare, Literal::new(value)),
                None => Test::Contains(Needle::new(&value)),
            }),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }
}

/// What lies before, in or after this range.
fn range(op: Op, from: i128, to: i128) -> Test {
    let (from, to) = match op {
        Op::Contains | Op::Is | Op::IsNot | Op::Matches => (from, to),
        Op::Less => (i128::MIN, from - 1),
        Op::LessOrIs => (i128::MIN, to),
        Op::More => (to + 1, i128::MAX),
        Op::MoreOrIs => (from, i128::MAX),
    };
    Test::Ranges(vec![(from, to)], op != Op::IsNot)
}

/// Records without a level are neither above nor below any.
fn level(op: Op, from: i128, to: i128) -> Test {
    match op {
        Op::Less => Test::Ranges(vec![(1, from - 1)], true),
        Op::LessOrIs => Test::Ranges(vec![(1, to)], true),
        _ => range(op, from, to),
    }
}

fn error(position: usize, message: &str) -> FilterError {
    FilterError {
        message: message.to_owned(),
        position,
    }
}

const MAX_LENGTH: usize = 8 * 1024;
const MAX_DEPTH: usize = 50;
/// A regular expression of a kilobyte may otherwise ask for megabytes.
const MAX_REGEX: usize = 1024 * 1024;

//! Cuts a filter's text into tokens.
//!
//! `parse` reads them. Quotes keep spaces and operators; inside them `\"` and `\\` are `"` and `\`,
//! and any other backslash stays, as regular expressions want it.

use super::FilterError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A bare word or quoted text.
    Text(String),
    Term(Term),
}

/// `key op value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) key: String,
    /// A key in quotes is an attribute's name and nothing else.
    pub(super) is_quoted: bool,
    pub(super) op: Op,
    pub(super) value: String,
    pub(super) value_at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Contains,
    Is,
    IsNot,
    Less,
    LessOrIs,
    More,
    MoreOrIs,
    Matches,
}

/// Each token with its place.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut cutter = Cutter { text, at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = cutter.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Cutter<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cutter<'a> {
    fn next(&mut self) -> Result<Option<(usize, Token)>, FilterError> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok(None);
        };
        let token = match first {
            '(' => self.one(Token::Open),
            ')' => self.one(Token::Close),
            '-' if !self.rest()[1..].starts_with(char::is_whitespace) && self.rest().len() > 1 => {
                self.one(Token::Not)
            }
            _ => self.word_or_term()?,
        };
        Ok(Some((start, token)))
    }

    fn word_or_term(&mut self) -> Result<Token, FilterError> {
        let start = self.at;
        let is_quoted = self.peek() == Some('"');
        let mut word = if is_quoted {
            self.quoted()?
        } else {
            self.bare(true)
        };
        if !is_quoted && word.ends_with('.') && self.peek() == Some('"') {
            // attr."my key"
            word.push_str(&self.quoted()?);
        }
        let Some(op) = self.op() else {
            if !is_quoted {
                match word.as_str() {
                    "AND" => return Ok(Token::And),
                    "OR" => return Ok(Token::Or),
                    "NOT" => return Ok(Token::Not),
                    "" => return Err(error(start, "a key or text is missing here")),
                    _ => {}
                }
            }
            return Ok(Token::Text(word));
        };
        if word.is_empty() {
            return Err(error(start, "a key is missing before the operator"));
        }
        let value_at = self.at;
        let value = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            self.bare(false)
        };
        if value.is_empty() && !self.text[value_at..].starts_with('"') {
            return Err(error(value_at, "a value is missing after the operator"));
        }
        Ok(Token::Term(Term {
            key: word,
            is_quoted,
            op,
            value,
            value_at,
        }))
    }

    /// Reads up to a space, a parenthesis or a quote; keys also end at an operator.
    fn bare(&mut self, is_key: bool) -> String {
        let is_end = |c: char| {
            c.is_whitespace()
                || matches!(c, '(' | ')' | '"')
                || is_key && matches!(c, ':' | '=' | '!' | '<' | '>')
        };
        let rest = self.rest();
        let mut length = rest.find(is_end).unwrap_or(rest.len());
        if is_key && rest[length..].starts_with('!') && !rest[length..].starts_with("!=") {
            // An exclamation mark alone is no operator: "done!" is a word.
            length += 1;
            let more = &rest[length..];
            length += more.find(is_end).unwrap_or(more.len());
        }
        self.at += length;
        rest[..length].to_owned()
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    Some((_, c)) => text.extend(['\\', c]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err(error(start, "a closing quote is missing"))
    }

    fn op(&mut self) -> Option<Op> {
        let rest = self.rest();
        let (text, op) = OPS.iter().find(|(text, _)| rest.starts_with(text))?;
        self.at += text.len();
        Some(*op)
    }

    fn one(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }
}

fn error(position: usize, message: &str) -> FilterError {
    FilterError {
        message: message.to_owned(),
        position,
    }
}

/// Longer ones first.
const OPS: &[(&str, Op)] = &[
    ("=~", Op::Matches),
    ("!=", Op::IsNot),
    (">=", Op::MoreOrIs),
    ("<=", Op::LessOrIs),
    (":", Op::Contains),
    ("=", Op::Is),
    (">", Op::More),
    ("<", Op::Less),
];

//! Reads what stands behind the question mark.

use percent_encoding::percent_decode_str;

use super::answer::Problem;
use crate::query::filter::Filter;
use crate::query::text::parse_time;
use crate::retain::clock;

/// The parameters of one question, and the moment it is asked.
#[derive(Debug)]
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    pub(super) now: u64,
}

impl Params {
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect();
        Self {
            pairs,
            now: clock::now(),
        }
    }

    /// Refuses what is none of these names.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let unknown = |(name, _): &&(String, String)| !known.contains(&name.as_str());
        match self.pairs.iter().find(unknown) {
            None => Ok(()),
            Some((name, _)) if known.contains(&"q") => Err(Problem::bad(format!(
                "{name:.40?} is no parameter here, known are {}; filters go into q, such as q=level>=warn",
                known.join(", ")
            ))),
            Some((name, _)) => Err(Problem::bad(format!("{name:.40?} is no parameter here"))),
        }
    }

    /// The value, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        Ok(Filter::parse(self.get("q").unwrap_or_default(), self.now)?)
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.get(name)
            .map(|text| {
                parse_time(text, self.now).ok_or_else(|| {
                    Problem::bad(format!(
                        "{name} is neither RFC 3339, nor nanoseconds since 1970, nor a time ago such as -15m"
                    ))
                })
            })
            .transpose()
    }

    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Problem> {
        self.get(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Problem::bad(format!("{name} is not a number")))
            })
            .transpose()
    }

    /// How many items are wanted, from 1 to `most`.
    pub(super) fn limit(&self, usual: usize, most: usize) -> Result<usize, Problem> {
        match self.number("limit")? {
            None => Ok(usual),
            Some(n) if (1..=most).contains(&n) => Ok(n),
            Some(_) => Err(Problem::bad(format!("limit goes from 1 to {most}"))),
        }
    }
}

/// `%20` and `+` are spaces.
pub(super) fn decode(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

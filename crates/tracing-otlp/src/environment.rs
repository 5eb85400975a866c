//! Environment variables as typed values.
//!
//! Source: OpenTelemetry specification, "Environment Variable Specification": an empty value is
//! an unset one, booleans are `true` in any case and everything else false, durations are
//! milliseconds. One rule is stricter here: a value that cannot be understood is an error that
//! names the variable, since a service that logs to nowhere because of a typo is the worse harm.

use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::say::say;

type Lookup = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// Key-value pairs, with the name of the variable that held them.
pub(crate) type Pairs = (String, Vec<(String, String)>);

/// Where variables come from.
#[derive(Clone)]
pub(crate) struct Environment(Arc<Lookup>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self(Arc::new(|name| std::env::var_os(name)))
    }

    pub(crate) fn from_fn(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |name| lookup(name).map(OsString::from)))
    }

    /// The value as text; an empty one is none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        match value.into_string() {
            Ok(value) if value.trim().is_empty() => Ok(None),
            Ok(value) => Ok(Some(value.trim().to_owned())),
            Err(_) => Err(Error::variable(name, "\u{fffd}", "not valid UTF-8")),
        }
    }

    /// The first of these variables that is set, with its name.
    pub(crate) fn first<'n>(&self, names: &[&'n str]) -> Result<Option<(&'n str, String)>, Error> {
        for name in names {
            if let Some(value) = self.text(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }

    /// The first of these that is set, parsed.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        names: &[&str],
        expected: &str,
    ) -> Result<Option<T>, Error> {
        let Some((name, value)) = self.first(names)? else {
            return Ok(None);
        };
        match value.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(Error::variable(
                name,
                &value,
                format_args!("expected {expected}"),
            )),
        }
    }

    /// `true` in any case; anything else is false, and said if it is not `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.text(name)? else {
            return Ok(None);
        };
        let is_true = value.eq_ignore_ascii_case("true");
        if !is_true && !value.eq_ignore_ascii_case("false") {
            say(&format_args!(
                "{name}={value:?} is taken as false; only true is true"
            ));
        }
        Ok(Some(is_true))
    }

    pub(crate) fn count(&self, names: &[&str]) -> Result<Option<NonZeroUsize>, Error> {
        self.parsed(names, "a whole number above 0")
    }

    pub(crate) fn milliseconds(&self, names: &[&str]) -> Result<Option<Duration>, Error> {
        let value: Option<std::num::NonZeroU64> =
            self.parsed(names, "a whole number of milliseconds above 0")?;
        Ok(value.map(|value| Duration::from_millis(value.get())))
    }

    /// A number of bytes above 0, with `KiB`, `MiB` or `GiB` behind it where wanted.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<NonZeroUsize>, Error> {
        let problem = "expected a number of bytes above 0, or one of KiB, MiB or GiB like 64MiB";
        self.with_unit(name, problem, |number, unit| {
            let bytes = number.checked_mul(match unit {
                "" | "b" => 1,
                "kib" => 1 << 10,
                "mib" => 1 << 20,
                "gib" => 1 << 30,
                _ => return None,
            })?;
            NonZeroUsize::new(usize::try_from(bytes).ok()?)
        })
    }

    /// Milliseconds, as everywhere in OpenTelemetry, or a number with its unit.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, Error> {
        let problem = "expected milliseconds, or a number with ms, s, m or h behind it like 30s";
        self.with_unit(name, problem, |number, unit| {
            let milliseconds = number.checked_mul(match unit {
                "" | "ms" => 1,
                "s" => 1000,
                "m" => 60 * 1000,
                "h" => 60 * 60 * 1000,
                _ => return None,
            })?;
            Some(Duration::from_millis(milliseconds))
        })
    }

    /// A whole number and what stands behind it, in lower case.
    fn with_unit<T>(
        &self,
        name: &str,
        problem: &str,
        convert: impl Fn(u64, &str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.text(name)? else {
            return Ok(None);
        };
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = value.split_at(digits);
        let unit = unit.trim_start().to_ascii_lowercase();
        match number
            .parse()
            .ok()
            .and_then(|number| convert(number, &unit))
        {
            Some(made) => Ok(Some(made)),
            None => Err(Error::variable(name, &value, problem)),
        }
    }

    /// `key=value,key=value` with percent-encoding, as W3C Baggage writes it.
    ///
    /// With `secret` no part of a value comes near an error.
    pub(crate) fn pairs(&self, names: &[&str], secret: bool) -> Result<Option<Pairs>, Error> {
        let Some((name, text)) = self.first(names)? else {
            return Ok(None);
        };
        let mut pairs = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let shown = if secret { MASK } else { text.as_str() };
            let Some((key, value)) = part.split_once('=') else {
                return Err(Error::variable(
                    name,
                    shown,
                    "expected key=value pairs, comma-separated",
                ));
            };
            let decode = |text: &str| {
                percent_decode_str(text.trim())
                    .decode_utf8()
                    .map(std::borrow::Cow::into_owned)
                    .map_err(|_| {
                        Error::variable(name, shown, "percent-encoding is not valid UTF-8")
                    })
            };
            let key = decode(key)?;
            if key.is_empty() {
                return Err(Error::variable(name, shown, "a key is empty"));
            }
            pairs.push((key, decode(value)?));
        }
        Ok(Some((name.to_owned(), pairs)))
    }
}

/// What stands in an error for a secret.
pub(crate) const MASK: &str = "***";

/// A URL with its user information and its query masked.
///
/// It is shown where it is wrong, so nothing is sure: a password may hold the very characters
/// that end it. What stands before an `@` is never shown.
pub(crate) fn masked_url(url: &str) -> String {
    let scheme = url.find("://").map_or(0, |end| end + "://".len());
    let (scheme, rest) = url.split_at(scheme);
    let (place, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    if scheme.contains('@') || query.contains('@') {
        return MASK.to_owned();
    }
    let place = match place.rsplit_once('@') {
        Some((_, host)) => format!("{MASK}@{host}"),
        None => place.to_owned(),
    };
    match query.get(..1) {
        Some(mark) => format!("{scheme}{place}{mark}{MASK}"),
        None => format!("{scheme}{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Environment {
        Environment::from_fn(move |asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn empty_is_unset() {
        assert_eq!(with("A", "  ").text("A").expect("fine"), None);
        let env = Environment::from_fn(|name| Some(if name == "A" { "" } else { "b" }.to_owned()));
        assert_eq!(
            env.first(&["A", "B"]).expect("fine"),
            Some(("B", "b".to_owned()))
        );
    }

    #[test]
    fn a_bad_number_names_variable_and_value() {
        for bad in ["x", "0", "-1", "1.5"] {
            let error = with("N", bad).count(&["N"]).expect_err("bad");
            assert_eq!(
                error.to_string(),
                format!("N={bad:?}: expected a whole number above 0")
            );
        }
    }

    #[test]
    fn bytes_and_durations_may_have_units() {
        for (text, bytes) in [
            ("1", 1),
            ("64MiB", 64 << 20),
            ("2 gib", 2 << 30),
            ("3KiB", 3072),
        ] {
            let read = with("B", text).bytes("B").expect("fine").expect("set");
            assert_eq!(read.get(), bytes, "{text}");
        }
        for (text, milliseconds) in [("0", 0), ("1500", 1500), ("30s", 30_000), ("5 m", 300_000)] {
            let read = with("D", text).duration("D").expect("fine");
            assert_eq!(read, Some(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(with("B", " ").bytes("B").expect("fine"), None);
        for bad in [
            "0",
            "MiB",
            "-1",
            "1.5MiB",
            "64MB",
            "18446744073709551615KiB",
            "1 0",
        ] {
            let error = with("B", bad).bytes("B").expect_err("bad").to_string();
            assert!(
                error.starts_with(&format!("B={bad:?}: expected")),
                "{error}"
            );
        }
        for bad in ["s", "1d", "-1s", "18446744073709551615h"] {
            let error = with("D", bad).duration("D").expect_err("bad").to_string();
            assert!(
                error.starts_with(&format!("D={bad:?}: expected")),
                "{error}"
            );
        }
    }

    #[test]
    fn pairs_are_decoded_and_secrets_stay_secret() {
        let (_, pairs) = with("H", "a=1, b=x%20y%3D,c=")
            .pairs(&["H"], true)
            .expect("fine")
            .expect("set");
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(pairs, [("a", "1"), ("b", "x y="), ("c", "")]);
        let error = with("H", "authorization secret")
            .pairs(&["H"], true)
            .expect_err("bad");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn user_information_is_masked() {
        assert_eq!(masked_url("http://me:pw@host:1/p"), "http://***@host:1/p");
        assert_eq!(masked_url("http://host/p/x"), "http://host/p/x");
        assert_eq!(masked_url("http://me:p/w@host/p"), "http://***@host/p");
        assert_eq!(masked_url("http//me:pw@host"), "***@host");
        assert_eq!(masked_url("http://me:p#w@host"), "***");
        assert_eq!(masked_url("http://host/#key"), "http://host/#***");
        assert_eq!(masked_url("me:pw@host"), "***@host");
        assert_eq!(masked_url("http://host/p?key=1"), "http://host/p?***");
    }
}

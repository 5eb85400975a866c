//! Where to send on, from flags and environment. Secrets come from the environment alone: what stands
//! on a command line can be read by everybody on the machine.

use std::env;

use percent_encoding::percent_decode_str;
use tracing_otlp_collector::Upstream;

use crate::out::Trouble;
use crate::serve::describe;

/// Adds the headers of the flags, and those that an environment variable has.
pub(crate) fn with_headers(
    mut upstream: Upstream,
    plain: &[String],
    secret: &str,
) -> Result<Upstream, Trouble> {
    for header in plain {
        let (name, value) = pair(header).ok_or_else(|| {
            Trouble::new(format!(
                "{header:?} is no header; one looks like name=value"
            ))
        })?;
        if SECRETS.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let message = format!("{name} is a secret: put it into {secret}, not into a flag");
            return Err(Trouble::new(message));
        }
        upstream = add(upstream, name, value)?;
    }
    for header in variable(secret)?
        .split(',')
        .filter(|header| !header.trim().is_empty())
    {
        // The text is not repeated.
        let unreadable = || Trouble::new(format!("{secret} is not a list of name=value"));
        let (name, value) = pair(header).ok_or_else(unreadable)?;
        let value = percent_decode_str(value)
            .decode_utf8()
            .map_err(|_| unreadable())?;
        upstream = add(upstream, name, &value)?;
    }
    Ok(upstream)
}

/// What a variable holds; nothing when it is not set.
pub(crate) fn variable(name: &str) -> Result<String, Trouble> {
    match env::var(name) {
        Ok(value) => Ok(value),
        Err(env::VarError::NotPresent) => Ok(String::new()),
        Err(env::VarError::NotUnicode(_)) => Err(Trouble::new(format!("{name} is no text"))),
    }
}

fn add(upstream: Upstream, name: &str, value: &str) -> Result<Upstream, Trouble> {
    let added = upstream.with_header(name, value);
    added.map_err(|error| Trouble::new(describe(&error)))
}

fn pair(header: &str) -> Option<(&str, &str)> {
    let (name, value) = header.split_once('=')?;
    Some((name.trim(), value.trim()))
}

const SECRETS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
];

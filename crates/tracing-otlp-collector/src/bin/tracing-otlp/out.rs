//! Writes to the terminal, or to whatever stands in its place.
//!
//! A reader that stops reading ends the program quietly.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody reads any longer.
    Closed,
    Other(String),
}

impl Trouble {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Other(message.into())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Other(error.to_string())
        }
    }
}

/// Prints one line and does not keep it back.
pub(crate) fn line(text: impl fmt::Display) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Says on standard error what went wrong; when that is closed there is nobody to tell.
pub(crate) fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "tracing-otlp: {text}");
}

/// Whether colours would be seen and are not unwanted.
pub(crate) fn has_colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

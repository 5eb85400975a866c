//! What goes wrong with an owned collector; [`Error`](crate::Error) answers for it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a collector process is not there.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The program cannot be started.
    Missing { program: PathBuf, source: io::Error },
    /// It can, but does not answer as a collector does.
    NotACollector { program: PathBuf, said: Vec<String> },
    /// It lacks a component that the configuration needs.
    Lacks {
        program: PathBuf,
        component: String,
        has: String,
    },
    /// It does not take the configuration.
    ConfigRefused { said: Vec<String> },
    /// Somebody else has a port that it was to have.
    PortTaken { said: Vec<String> },
    /// It ended before it was ready.
    DiedAtStart { how: String, said: Vec<String> },
    /// It was not ready in time.
    NotReady { waited: Duration, said: Vec<String> },
    /// It ended again and again, or once where that is enough.
    GaveUp { how: String, said: Vec<String> },
    /// It was asked to stop before it was ready.
    StoppedEarly,
    /// No shell, no thread, no port.
    System {
        what: &'static str,
        source: io::Error,
    },
}

impl Fault {
    pub(super) fn missing(program: &Path, source: io::Error) -> Self {
        Self::Missing {
            program: program.to_owned(),
            source,
        }
    }

    pub(super) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// The collector's own lines.
    pub(crate) fn said(&self) -> &[String] {
        match self {
            Self::NotACollector { said, .. }
            | Self::ConfigRefused { said }
            | Self::PortTaken { said }
            | Self::DiedAtStart { said, .. }
            | Self::GaveUp { said, .. }
            | Self::NotReady { said, .. } => said,
            Self::Missing { .. }
            | Self::Lacks { .. }
            | Self::StoppedEarly
            | Self::System { .. } => &[],
        }
    }

    pub(crate) fn source(&self) -> Option<&io::Error> {
        match self {
            Self::Missing { source, .. } | Self::System { source, .. } => Some(source),
            _ => None,
        }
    }

    /// What tells most: from the line that speaks of an error on; otherwise the last line.
    fn telling(&self) -> String {
        let said = self.said();
        let from = said
            .iter()
            .rposition(|line| line.starts_with("Error:"))
            .unwrap_or(said.len().saturating_sub(1));
        let lines: Vec<_> = said[from..].iter().map(|line| line.trim()).collect();
        let mut text = lines.join(" ");
        if let Some((at, _)) = text.char_indices().nth(LONGEST_MESSAGE) {
            text.truncate(at);
            text.push('…');
        }
        text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program, .. } => {
                write!(f, "the collector {} cannot be started", program.display())
            }
            Self::NotACollector { program, .. } => {
                write!(
                    f,
                    "{} is no OpenTelemetry Collector: it does not list its components",
                    program.display()
                )?;
                self.and_what_it_said(f)
            }
            Self::Lacks {
                program,
                component,
                has,
            } => write!(
                f,
                "the collector {} has no `{component}`; it has: {has}",
                program.display()
            ),
            Self::ConfigRefused { .. } => {
                f.write_str("the collector refuses its configuration")?;
                self.and_what_it_said(f)
            }
            Self::PortTaken { .. } => {
                f.write_str("a port of the collector is taken")?;
                self.and_what_it_said(f)
            }
            Self::DiedAtStart { how, .. } => {
                write!(f, "the collector ended before it was ready ({how})")?;
                self.and_what_it_said(f)
            }
            Self::GaveUp { how, .. } => {
                write!(
                    f,
                    "the collector is not started again after its end ({how})"
                )?;
                self.and_what_it_said(f)
            }
            Self::NotReady { waited, .. } => {
                write!(f, "the collector was not ready within {waited:?}")?;
                self.and_what_it_said(f)
            }
            Self::StoppedEarly => f.write_str("the collector was stopped before it was ready"),
            Self::System { what, .. } => write!(f, "the collector cannot be owned: {what}"),
        }
    }
}

impl Fault {
    fn and_what_it_said(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.telling() {
            text if text.is_empty() => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}

const LONGEST_MESSAGE: usize = 1000;

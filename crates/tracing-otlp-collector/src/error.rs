//! Says what went wrong with a collector, in one opaque type that answers questions.
//!
//! Requests that the collector refuses never end here: their sender gets the answer, and
//! [`Counts::refused`](crate::Counts::refused) goes up.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Why a collector could not start, stop or see what it waited for.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Bind {
        address: SocketAddr,
        source: io::Error,
    },
    Start {
        source: io::Error,
    },
    Files {
        dir: PathBuf,
        source: io::Error,
    },
    Ended,
    Stop {
        bound: Duration,
    },
    Timeout {
        waited: Duration,
        what: String,
    },
    #[cfg_attr(
        not(feature = "forward"),
        expect(dead_code, reason = "nothing else can be set wrongly")
    )]
    Configuration {
        message: String,
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    #[cfg(unix)]
    Process(crate::child::Fault),
}

impl Error {
    /// Whether the time of a `wait_for…` ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, Kind::Timeout { .. })
    }

    /// Whether a setting is wrong, so that trying again without changing it is pointless.
    pub fn is_configuration(&self) -> bool {
        matches!(self.kind, Kind::Configuration { .. })
    }

    /// Whether another program holds the port that was asked for.
    pub fn is_address_in_use(&self) -> bool {
        match &self.kind {
            Kind::Bind { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            #[cfg(unix)]
            Kind::Process(fault) => matches!(fault, crate::child::Fault::PortTaken { .. }),
            _ => false,
        }
    }

    /// Whether the program of an owned collector is not there, or must not be run.
    #[cfg(unix)]
    pub fn is_program_missing(&self) -> bool {
        matches!(
            &self.kind,
            Kind::Process(crate::child::Fault::Missing { .. })
        )
    }

    /// Whether an owned collector refuses its configuration; the message has its own words.
    #[cfg(unix)]
    pub fn is_config_refused(&self) -> bool {
        matches!(
            &self.kind,
            Kind::Process(crate::child::Fault::ConfigRefused { .. })
        )
    }

    /// The last lines that an owned collector printed before it failed.
    #[cfg(unix)]
    pub fn collector_output(&self) -> &[String] {
        match &self.kind {
            Kind::Process(fault) => fault.said(),
            _ => &[],
        }
    }

    #[cfg(unix)]
    pub(crate) fn process(fault: crate::child::Fault) -> Self {
        Self {
            kind: Kind::Process(fault),
        }
    }

    pub(crate) fn bind(address: SocketAddr, source: io::Error) -> Self {
        Self {
            kind: Kind::Bind { address, source },
        }
    }

    pub(crate) fn start(source: io::Error) -> Self {
        Self {
            kind: Kind::Start { source },
        }
    }

    #[cfg(feature = "forward")]
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Configuration {
                message: message.into(),
                source: None,
            },
        }
    }

    /// What the pipeline says about where it should send to.
    #[cfg(feature = "forward")]
    pub(crate) fn upstream(error: tracing_otlp_pipeline::Error) -> Self {
        if error.is_configuration() {
            return Self {
                kind: Kind::Configuration {
                    message: "the upstream cannot be used".to_owned(),
                    source: Some(error.into()),
                },
            };
        }
        Self::start(io::Error::other(error))
    }

    pub(crate) fn files(dir: PathBuf, source: io::Error) -> Self {
        Self {
            kind: Kind::Files { dir, source },
        }
    }

    pub(crate) fn ended() -> Self {
        Self { kind: Kind::Ended }
    }

    pub(crate) fn stop(bound: Duration) -> Self {
        Self {
            kind: Kind::Stop { bound },
        }
    }

    pub(crate) fn timeout(waited: Duration, what: String) -> Self {
        Self {
            kind: Kind::Timeout { waited, what },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Bind { address, .. } => write!(f, "the collector cannot listen on {address}"),
            Kind::Start { .. } => f.write_str("the collector's thread cannot start"),
            Kind::Files { dir, .. } => {
                write!(
                    f,
                    "the collector cannot use the directory {}",
                    dir.display()
                )
            }
            Kind::Configuration { message, .. } => f.write_str(message),
            Kind::Ended => f.write_str("the collector's thread ended before its time"),
            Kind::Stop { bound } => write!(f, "the collector did not stop within {bound:?}"),
            Kind::Timeout { waited, what } => write!(f, "waited {waited:?} for {what}"),
            #[cfg(unix)]
            Kind::Process(fault) => fault.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.kind {
            Kind::Bind { source, .. } | Kind::Start { source } | Kind::Files { source, .. } => {
                Some(source)
            }
            Kind::Configuration { source, .. } => source.as_ref().map(|source| &**source as _),
            #[cfg(unix)]
            Kind::Process(fault) => fault.source().map(|source| source as _),
            Kind::Ended | Kind::Stop { .. } | Kind::Timeout { .. } => None,
        }
    }
}

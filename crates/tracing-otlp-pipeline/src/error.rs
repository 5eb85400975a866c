//! The one error of this crate.
//!
//! It only occurs before the first event sets out: a setting that cannot be used, or a pipeline
//! that cannot be started. What happens to events later is counted, never thrown.

use std::{error::Error as StdError, fmt};

/// Why a setting was refused or the pipeline could not be started.
///
/// The type is opaque: ask it questions, print it for people. Values of headers and the user
/// information of URLs never appear in it.
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Configuration,
    Unsupported,
    Resource,
}

impl Error {
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, message.into())
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message.into())
    }

    pub(crate) fn resource(message: impl Into<String>) -> Self {
        Self::new(Kind::Resource, message.into())
    }

    fn new(kind: Kind, message: String) -> Self {
        Self {
            kind,
            message,
            source: None,
        }
    }

    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether a setting is wrong, so that trying again without changing it is pointless.
    ///
    /// Also true for what [`is_unsupported`](Self::is_unsupported).
    pub fn is_configuration(&self) -> bool {
        matches!(self.kind, Kind::Configuration | Kind::Unsupported)
    }

    /// Whether the setting is valid but needs a Cargo feature that this build left out.
    pub fn is_unsupported(&self) -> bool {
        self.kind == Kind::Unsupported
    }

    /// Whether the system refused something that the pipeline needs, such as a thread.
    pub fn is_resource(&self) -> bool {
        self.kind == Kind::Resource
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

//! The crate's one error: what is wrong, and in which variable.

use std::fmt;

/// Why telemetry could not be set up.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug)]
enum Kind {
    Variable {
        name: String,
        value: String,
        problem: String,
    },
    AlreadySet,
    Pipeline(String),
}

impl Error {
    pub(crate) fn variable(name: &str, value: &str, problem: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Variable {
                name: name.to_owned(),
                value: value.to_owned(),
                problem: problem.to_string(),
            },
            source: None,
        }
    }

    pub(crate) fn already_set(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            kind: Kind::AlreadySet,
            source: Some(Box::new(source)),
        }
    }

    pub(crate) fn pipeline(source: tracing_otlp_pipeline::Error) -> Self {
        Self {
            kind: Kind::Pipeline(source.to_string()),
            source: Some(Box::new(source)),
        }
    }

    /// The environment variable whose value is bad, if that is what is wrong.
    ///
    /// A setting made in code is named like the builder's method, for example `with_endpoint`.
    pub fn variable_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Variable { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The bad value, with secrets masked.
    pub fn value(&self) -> Option<&str> {
        match &self.kind {
            Kind::Variable { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Does the process already have a global subscriber?
    pub fn is_already_set(&self) -> bool {
        matches!(self.kind, Kind::AlreadySet)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Variable {
                name,
                value,
                problem,
            } => write!(f, "{name}={value:?}: {problem}"),
            Kind::AlreadySet => f.write_str("the process already has a global tracing subscriber"),
            Kind::Pipeline(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

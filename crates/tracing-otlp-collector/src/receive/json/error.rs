//! What is wrong with a JSON body, and where.
//!
//! A reader says what; each level on the way out adds its name, so the path is only built when
//! there is something to say.

use std::fmt;

#[derive(Debug)]
pub(crate) struct JsonError {
    /// From the inside out.
    path: Vec<Step>,
    problem: String,
}

#[derive(Debug)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl JsonError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            problem: problem.into(),
        }
    }

    pub(super) fn in_field(mut self, name: &'static str) -> Self {
        self.path.push(Step::Field(name));
        self
    }

    pub(super) fn at_index(mut self, index: usize) -> Self {
        self.path.push(Step::Index(index));
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.path.iter().rev().enumerate() {
            match step {
                Step::Field(name) if nth == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.problem)
    }
}

//! A problem with a setting: the variable, its value and what is allowed, on one line.

use std::fmt;

/// One problem of the environment or of a file it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    variable: &'static str,
    message: String,
}

// === impl Problem ===

impl Problem {
    /// A problem with the given message.
    pub fn new(variable: &'static str, message: impl Into<String>) -> Self {
        // A value may contain line breaks; a problem is one line.
        let message = message.into().replace(['\n', '\r'], " ");
        Self { variable, message }
    }

    /// A variable that must be set.
    pub(crate) fn missing(variable: &'static str, allowed: &str) -> Self {
        Self::new(variable, format!("missing; allowed: {allowed}"))
    }

    /// A value that is not allowed.
    pub(crate) fn refused(variable: &'static str, value: &str, allowed: &str) -> Self {
        Self::new(variable, format!("{value:?} is not allowed; allowed: {allowed}"))
    }

    /// The name of the variable.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, message } = self;
        write!(formatter, "{variable}: {message}")
    }
}

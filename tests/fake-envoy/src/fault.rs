//! Why a run failed: what a filter must not do, and input that the host cannot read.

use std::fmt;

/// An action of the module that fails a test.
#[derive(Clone, PartialEq, Eq)]
pub enum Fault {
    /// The module could not be loaded at all.
    Load(String),
    /// The module imports something outside the allow-list; all of them, as `module.name`.
    ForbiddenImports(Vec<String>),
    /// A callback trapped. The log holds the panic message, if there was one.
    Trap {
        /// Export that was running.
        callback: &'static str,
        /// The engine's message, with the module's last critical log line.
        cause: String,
    },
    /// A callback returned another action than Continue.
    Paused {
        /// Export that returned it.
        callback: &'static str,
        /// The action.
        action: i32,
    },
    /// A host call that Envoy answers with an error, or that only a mistake in the module can cause.
    BadCall(String),
    /// A stat name that does not follow `label=.=value;.;...family`.
    BadSeries(String),
    /// The script of an exchange cannot be read.
    Fixture(String),
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(cause) => write!(out, "the module does not load: {cause}"),
            Self::ForbiddenImports(names) => {
                write!(out, "imports outside the allow-list: {}", names.join(", "))
            }
            Self::Trap { callback, cause } => write!(out, "{callback} trapped: {cause}"),
            Self::Paused { callback, action } => {
                write!(out, "{callback} returned action {action}, not Continue")
            }
            Self::BadCall(what) => write!(out, "bad host call: {what}"),
            Self::BadSeries(name) => write!(out, "bad stat name: {name:?}"),
            Self::Fixture(what) => write!(out, "bad exchange: {what}"),
        }
    }
}

// A test that returns an error prints it with Debug; the readable form is the one wanted there.
impl fmt::Debug for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Fault {}

//! Label values: the closed sets, methods, and the forms of names and URIs that peers send.
//!
//! | module | label values |
//! |---|---|
//! | `values` | those that are known beforehand: each set is an enum |
//! | `method` | MCP's methods, those of the configuration, `other` and `unseen` |
//! | `clean` | names in the form that a stat name allows: cleaned and cut |
//! | `resource` | resource URIs, in the configured form |
//! | `template` | which listed URI template a URI matches |
//!
//! **What it does not do:** limit how many values a label takes; that is [`crate::recorder`].

pub(crate) mod clean;
mod client_name;
pub(crate) mod method;
pub(crate) mod resource;
pub(crate) mod template;
pub(crate) mod values;

pub(crate) use clean::{clean, end_without_dot};
pub(crate) use client_name::{UNKNOWN_CLIENT, client_name};
pub(crate) use method::ListKind;
pub use method::Method;
pub(crate) use resource::ResourceUriLabel;
pub use values::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, MirrorHeader, ProtocolVersion, RateLimitOutcome,
    ServerRequestStatus, SkipReason, Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};

//! Reads the bodies of HTTP messages chunk by chunk and returns their JSON-RPC messages.
//!
//! | module | from | to |
//! |---|---|---|
//! | `inflate` | gzip and deflate | text |
//! | `sse` | text of an event stream | events |
//! | `json` | text | the events of a JSON scanner |
//! | `reader` | those events | the members that are observed, as a `message` |
//! | `trace_parent` | a text | a valid `traceparent` of W3C Trace Context |
//! | `body` | chunks of one body | messages and skipped parts, in order |
//! | `held` | a whole body | its requests, for the rate limit |
//! | `found` | a whole body | the text of its ids, and names in another case |
//!
//! **What it does not do:** follow sessions and operations, make labels.

pub(crate) mod body;
pub(crate) mod found;
pub(crate) mod held;
pub(crate) mod inflate;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod reader;
pub(crate) mod sse;
pub(crate) mod trace_parent;

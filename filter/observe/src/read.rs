//! Bytes in, messages out: the bodies of HTTP messages, read chunk by chunk as they pass.
//!
//! | module | from | to |
//! |---|---|---|
//! | `inflate` | gzip and deflate | text |
//! | `sse` | text of an event stream | events |
//! | `json` | text | the events of a JSON scanner |
//! | `reader` | those events | the members that matter, as a `message` |
//! | `body` | chunks of one body | messages and what was not read, in order |
//!
//! Nothing here knows sessions, operations or labels.

pub(crate) mod body;
pub(crate) mod inflate;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod reader;
pub(crate) mod sse;

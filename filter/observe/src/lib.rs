//! Reads MCP as it passes through a proxy and says what happened.
//!
//! Bytes become text (`inflate`), text becomes events (`json`, `sse`), events become messages, messages of one HTTP exchange
//! become observations ([`Exchange`]), observations become stats ([`Recorder`]). Nothing here does I/O, reads a clock or
//! keeps a global: the caller hands in chunks as they come and answers a few questions through [`Host`].
//!
//! **What this crate does not do:** change or hold a byte, talk to Envoy, follow what crosses exchanges (an answer on
//! another stream, tasks, sessions), read brotli or zstd.

mod body;
mod catalogue;
mod closed;
mod config;
mod correlation;
mod digest;
mod error;
mod exchange;
mod family;
mod headers;
mod id;
mod inflate;
mod json;
mod label;
mod message;
mod method;
mod names;
mod observation;
mod page;
mod published;
mod reader;
mod recorder;
mod resource;
mod shared;
mod sse;
mod template;
mod text;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(test)]
mod testing;

pub use closed::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, MirrorHeader, Revision, ServerRequestStatus,
    SkipReason, Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};
pub use config::{Availability, Config, Limits, MOST_LABEL_BYTES, ResourceUriLabel, ServerNameFrom};
pub use correlation::{Correlation, HASH_KEY_BYTES, KEY_PREFIX};
pub use error::{ConfigError, Problem};
pub use exchange::{Around, Exchange};
pub use family::{
    FAMILIES, Family, FamilyName, Kind, LABELS, OPERATION_BOUNDS, PEOPLE_BOUNDS, SIZE_BOUNDS, markdown_table, tag_regex,
};

pub use method::Method;
pub use observation::{Ended, Host, Observation, Observer, Operation, Session, Time};

pub use page::{Item, Page};
pub use recorder::{Metrics, Recorder, Server, session_hash};
pub use shared::{InMemory, SharedData, Versioned};

/// The test attribute: the same tests run natively and, as `wasm32-unknown-unknown`, in Node.
#[cfg(all(test, not(all(target_arch = "wasm32", target_os = "unknown"))))]
pub(crate) use core::prelude::v1::test;
#[cfg(all(test, target_arch = "wasm32", target_os = "unknown"))]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;

//! Reads MCP as it passes through a proxy and says what happened.
//!
//! Bytes become text (`inflate`), text becomes events (`json`, `sse`), events become messages, messages of one HTTP exchange
//! become observations ([`Exchange`]), observations become stats ([`Recorder`]). Nothing here does I/O, reads a clock or
//! keeps a global: the caller hands in chunks as they come and answers a few questions through [`Host`].
//!
//! **What this crate does not do:** change or hold a byte, talk to Envoy, follow what crosses exchanges (an answer on
//! another stream, tasks, sessions), read brotli or zstd.

mod config;
mod correlation;
mod digest;
mod exchange;
mod host;
mod id;
mod label;
mod observation;
mod plugin;
mod read;
mod recorder;
mod shared_data;
mod text;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(test)]
mod testing;

pub use config::error::{ConfigError, Problem};
pub use config::{Availability, Config, Limits, MAX_LABEL_BYTES, ServerNameFrom};
pub use correlation::{Correlation, HASH_KEY_BYTES};
pub use exchange::{Context, Exchange};
pub use host::{Failure, Host, Metrics, SharedData, Shell, Time, Versioned};
pub use label::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, Method, MirrorHeader, ProtocolVersion,
    ResourceUriLabel, ServerRequestStatus, SkipReason, Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};
pub use observation::{Observation, Observer, Operation, OperationEnd, Page, PublishedLabels, Session};
pub use plugin::{HttpStream, Plugin};
pub use read::message::{Item, RpcErrorCode};
pub use recorder::families::{FAMILIES, LABELS};
pub use recorder::family::{Family, MetricKind, OPERATION_BOUNDS, PEOPLE_BOUNDS, SIZE_BOUNDS};
pub use recorder::label_code::Server;
pub use recorder::stat_tags::{LABEL_ASSIGN, LABEL_END, STAT_PREFIX, tag_regex};
pub use recorder::tables::{markdown_table, tables};
pub use recorder::{Recorder, session_hash};
pub use shared_data::{InMemory, KEY_PREFIX};

/// The test attribute: the same tests run natively and, as `wasm32-unknown-unknown`, in Node.
#[cfg(all(test, not(all(target_arch = "wasm32", target_os = "unknown"))))]
pub(crate) use core::prelude::v1::test;
#[cfg(all(test, target_arch = "wasm32", target_os = "unknown"))]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;

//! Observes MCP traffic that passes through a proxy and counts it in metric families.
//!
//! The data flows one way:
//!
//! | step | from | to | module, type |
//! |---|---|---|---|
//! | 1 | chunks of an HTTP body | JSON-RPC messages | `read` |
//! | 2 | headers and messages of one HTTP exchange | observations ([`Observation`]) | `exchange`, [`Exchange`] |
//! | 3 | observations | series of the families in [`FAMILIES`] | `recorder`, [`Recorder`] |
//!
//! Step 2 uses `correlation` ([`Correlation`]) for what crosses exchanges: a response on another stream, a server request, a
//! cancellation, a session, a task, a repeated event.
//!
//! | module | what it has |
//! |---|---|
//! | `host` | the traits that the shell implements |
//! | `config` | the plugin configuration ([`Config`]) |
//! | `label` | label values |
//! | `limit` | token buckets of the configured rate limits |
//! | `plugin` | what connects the steps ([`Plugin`], [`HttpStream`]) |
//! | `shared_data` | reads and changes values that all VMs of a process share |
//! | `text`, `id`, `digest` | strings of which only the start is kept, JSON-RPC ids, keyed digests |
//!
//! **Calls:** the shell is the crate that runs in the proxy, such as the Envoy filter in `filter/src`. It makes one [`Plugin`]
//! for each configuration and one [`HttpStream`] for each HTTP stream, and calls their methods from the callbacks of the
//! proxy. This crate calls the shell through [`Host`], [`Metrics`], [`SharedData`] and [`Shell`]. It has no I/O, no clock and
//! no global state of its own. The launcher makes Envoy's configuration from [`FAMILIES`], [`LABELS`] and [`tag_regex`].
//!
//! **What it does not do:** change traffic, delay or refuse it unless a rate limit is configured ([`LimitedStream`]), call Envoy
//! directly, follow a client without a session id from one
//! exchange to another, read compressed requests, or read responses in brotli or zstd.

mod config;
mod correlation;
mod digest;
mod exchange;
mod host;
mod id;
mod label;
mod limit;
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

pub use config::Config;
pub use config::error::{ConfigError, Problem};
pub use correlation::{Correlation, HASH_KEY_BYTES};
pub use exchange::{Context, Exchange};
pub use host::{Failure, Host, Metrics, SharedData, Shell, Time, Versioned};
pub use label::{
    BudgetedLabel, Direction, ErrorType, KnownMethod, ListChange, Method, MirrorHeader, ProtocolVersion,
    RateLimitOutcome, ServerRequestStatus, SkipReason, Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};
pub use observation::{Observation, Observer, Operation, OperationEnd, Page, PublishedLabels, Session};
pub use plugin::{Action, Answer, HttpStream, LimitedStream, Plugin};
pub use read::body::pool::BodyPool;
pub use read::message::{Item, RpcErrorCode};
pub use recorder::Recorder;
pub use recorder::families::{FAMILIES, LABELS};
pub use recorder::family::{Family, MetricKind};
pub use recorder::label_code::Server;
pub use recorder::stat_tags::{LABEL_ASSIGN, LABEL_END, tag_regex};
pub use recorder::tables::{markdown_table, tables};
pub use shared_data::InMemory;

/// The test attribute: the same tests run natively and, as `wasm32-unknown-unknown`, in Node.
#[cfg(all(test, not(all(target_arch = "wasm32", target_os = "unknown"))))]
pub(crate) use core::prelude::v1::test;
#[cfg(all(test, target_arch = "wasm32", target_os = "unknown"))]
pub(crate) use wasm_bindgen_test::wasm_bindgen_test as test;

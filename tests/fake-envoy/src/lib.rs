//! A small Envoy for tests: it loads a built proxy-wasm module and drives it as Envoy 1.40 does.
//!
//! A [`Host`] is one Envoy process: metrics by name, shared data, a clock that is constant until a test
//! moves it. Each [`Vm`] is one worker. A [`Stream`] is one HTTP stream on a worker; an [`Exchange`] is the
//! script of one, written in code or read from a file, and [`Vm::play`] runs it.
//!
//! What a test asserts is state, never the order of host calls: [`Host::series`] is the scrape,
//! [`Played::filter_state`] what an access log could read, [`Vm::cost`] the fuel and host calls so far.
//! A plugin with a rate limit may hold and refuse requests ([`Pause`]); [`Stream::upstream`] is what the server got then.
//! A trap, another pause, an import outside [`ALLOWED_IMPORTS`], a host call that changes traffic or one that Envoy
//! would answer with an error is a [`Fault`], whichever test it happens in.
//!
//! [`measure`] counts what an exchange costs, and [`CostTable`] compares that with the committed `cost.tsv`. For
//! the functions, the memory and the allocations it runs a copy of the module that reports them ([`Host::traced`]).
//!
//! # What this crate does not do
//!
//! It has no HTTP codec, no routing, no upstream and no timers: a tick runs when a test calls it.
//! A host call that the filter does not need fails.

mod callbacks;
mod cost;
mod exchange;
mod fault;
mod fixture;
mod guest;
mod hostcalls;
mod imports;
mod instrument;
mod metrics;
mod module;
mod process;
mod request;
mod state;
mod stream;
mod symbols;
mod trace;
mod vm;
mod wasi;

pub use cost::{Cost, CostTable, Footprint, Measured, measure, measure_all, measure_features};
pub use exchange::{Exchange, Framing, Played, Step};
pub use fault::Fault;
pub use fixture::{parse as parse_exchange, recorded};
pub use imports::{ALLOWED_IMPORTS, Import, Use};
pub use metrics::{Series, SeriesTable, Value};
pub use process::{Host, LogLine};
pub use request::Upstream;
pub use state::{LocalReply, flags};
pub use stream::Stream;
pub use trace::{Function, Trace};
pub use vm::{Pause, Plugin, Vm};

//! The sidecar: one Envoy with the MCP filter in front of one MCP server, configured by environment variables.
//!
//! [`Settings::read`] reads the environment and returns all problems at once. [`bootstrap::render`] turns the settings into
//! Envoy's bootstrap. [`run`] starts Envoy, forwards signals and drains at the end. [`top()`] shows the metrics of sidecars, and
//! [`page()`] the live page for them.
//! `demo` is a sidecar with a server and clients that are built in.
//!
//! **What this crate does not do:** restart an Envoy that exited (the supervisor of the sidecar does), reload settings, push
//! metrics. Cost: one sleeping process beside Envoy.

mod abandoned;
mod admin;
mod answers;
mod audit_log;
pub mod bootstrap;
mod console;
mod demo;
mod drain;
mod endpoint;
mod environment;
mod envoy_binary;
mod file_sd;
mod filter_plugin;
mod forward_proxy;
mod launcher;
mod machine;
mod notices;
mod page;
mod ports;
mod probe;
mod problem;
mod process;
mod server_program;
mod temporary;
mod tls_failure;
mod tls_files;
mod top;
mod unreachable;

pub use audit_log::refused_audit_log;
pub use demo::{DemoOptions, command_line as demo_command_line, serve as demo_server, variable as demo_variable};
pub use drain::drain;
pub use endpoint::{Endpoint, EndpointHost, Scheme};
pub use environment::{
    ClientCertificate, CommandLine, HostHeader, Lookup, Otlp, OtlpProtocol, Running, Sampler, Server, Service,
    Settings, Upstream, unknown_variables,
};
pub use envoy_binary::EnvoyBinary;
pub use filter_plugin::{FilterPlugin, check};
pub use forward_proxy::ForwardProxy;
pub use launcher::run;
pub use machine::Machine;
pub use page::{PageOptions, page};
pub use ports::{FreePorts, taken_ports};
pub use probe::probe;
pub use problem::Problem;
pub use server_program::ServerProgram;
pub use tls_files::refused_files;
pub use top::{Column, TopOptions, top};

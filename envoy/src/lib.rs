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
pub mod bootstrap;
mod console;
mod demo;
mod diagnosis;
mod environment;
mod file_sd;
mod launcher;
mod machine;
mod page;
mod ports;
mod probe;
mod problem;
mod server_program;
mod temporary;
mod top;

pub use demo::{DemoOptions, command_line as demo_command_line, serve as demo_server, variable as demo_variable};
pub use environment::{
    ClientCertificate, CommandLine, Endpoint, EndpointHost, EnvoyBinary, FilterPlugin, ForwardProxy, HostHeader,
    Lookup, Otlp, OtlpProtocol, Running, Sampler, Scheme, Server, Service, Settings, Upstream, check, refused_files,
    unknown_variables, url_as_command,
};
pub use launcher::{drain, refused_audit_log, run};
pub use machine::Machine;
pub use page::{PageOptions, page};
pub use ports::{FreePorts, taken_ports};
pub use probe::{own_probe, probe};
pub use problem::Problem;
pub use server_program::ServerProgram;
pub use top::{Column, TopOptions, top};

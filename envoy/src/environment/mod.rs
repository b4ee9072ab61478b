//! Settings from environment variables. Reading returns all settings, or all problems.
//!
//! An empty value counts as missing. Reading also checks what the values refer to: the Envoy binary and its version, the
//! module, the plugin configuration, the certificate files.

mod endpoint;
mod envoy_binary;
mod filter_plugin;
mod forward_proxy;
mod program;
mod proxies;
mod reader;
mod running;
mod server;
mod telemetry;
#[cfg(test)]
mod tests;
mod tls_files;
mod unknown_variables;
mod upstream;

use crate::demo::DemoOptions;
use crate::ports::FreePorts;
use crate::problem::Problem;
pub use endpoint::{Endpoint, EndpointHost, Scheme};
pub use envoy_binary::EnvoyBinary;
pub use filter_plugin::{FilterPlugin, check};
pub use forward_proxy::ForwardProxy;
pub use program::url_as_command;
use reader::Reader;
pub use running::Running;
pub use server::{ClientCertificate, HostHeader, Server, Upstream};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
pub use tls_files::refused_files;
pub(crate) use unknown_variables::is_setting;
pub use unknown_variables::unknown_variables;

/// Returns the value of a variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    /// The command of the program that is the server; empty if the server is a URL.
    pub program: Vec<OsString>,
    /// This process's environment, from which the program's is made.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether this process serves MCP on its standard input and output.
    pub is_stdio: bool,
    /// The demo, if this process is one.
    pub demo: Option<DemoOptions>,
}

/// All settings of the sidecar.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP server.
    pub upstream: Upstream,
    /// Address of the MCP listener.
    pub listener: SocketAddr,
    /// Address of the listener for probes and scrapes.
    pub probe: SocketAddr,
    /// Port of Envoy's admin interface on 127.0.0.1.
    pub admin_port: u16,
    /// Which of the three ports are chosen at the start.
    pub free_ports: FreePorts,
    /// Whether this process serves MCP on its standard input and output.
    pub is_stdio: bool,
    /// The demo, if this process is one.
    pub demo: Option<DemoOptions>,
    /// Number of Envoy's workers.
    pub concurrency: u32,
    /// Envoy's log level.
    pub log_level: String,
    /// The filter.
    pub plugin: FilterPlugin,
    /// The Envoy binary.
    pub envoy: EnvoyBinary,
    /// Resource attributes of spans and logs.
    pub service: Service,
    /// Receiver of spans and logs; without it none are exported.
    pub otlp: Option<Otlp>,
    /// Path of the audit log; without it none is written.
    pub audit_log: Option<PathBuf>,
    /// Directory in which a collector finds this sidecar.
    pub file_sd: Option<PathBuf>,
    /// Variables that are set but ignored; they are reported at the start.
    pub remarks: Vec<Problem>,
}

/// Resource attributes of spans and logs.
#[derive(Clone, Debug)]
pub struct Service {
    /// `service.name`
    pub name: String,
    /// `service.version`
    pub version: String,
    /// `deployment.environment`
    pub environment: String,
}

/// An OTLP receiver.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Its URL.
    pub endpoint: Endpoint,
    /// Its protocol.
    pub protocol: OtlpProtocol,
    /// Trusted certificate authorities, for https.
    pub ca_file: Option<PathBuf>,
    /// Forward proxy, for https.
    pub proxy: Option<ForwardProxy>,
    /// Which traces have spans.
    pub sampler: Sampler,
}

/// Which traces have spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampler {
    /// Whether the sampled flag of the request's `traceparent`, if it has one, decides.
    pub parent_based: bool,
    /// The share of the other traces, in millionths.
    pub millionths: u32,
}

/// The transports of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Binary protobuf in HTTP POSTs.
    Http,
    /// gRPC.
    Grpc,
}

// === impl Sampler ===

impl Sampler {
    /// All traces.
    pub(crate) const ALL: u32 = 1_000_000;
    /// No trace.
    pub(crate) const NONE: u32 = 0;

    /// A share from 0 to 1 in millionths.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the share is from 0 to 1")]
    pub(crate) fn millionths(share: f64) -> u32 {
        (share * f64::from(Self::ALL)).round() as u32
    }
}

// === impl Settings ===

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    ///
    /// All problems, in the order of docs/settings.md's table.
    pub fn read(lookup: Lookup<'_>, command_line: &CommandLine) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(lookup);
        let CommandLine { is_stdio, demo, .. } = *command_line;
        // On this machine alone, and on free ports.
        let is_local = is_stdio || demo.is_some();
        let upstream = reader.upstream(command_line);
        let name = reader.server_name();
        let listener = SocketAddr::new(reader.address("HOST", is_local), reader.port("PORT", 4000, is_local));
        let probe = SocketAddr::new(reader.address("PROBE_HOST", is_local), reader.port("PROBE_PORT", 9902, is_local));
        let admin_port = reader.port("ADMIN_PORT", 9901, is_local);
        let free_ports = FreePorts::new(listener, probe, admin_port);
        reader.refuse_collisions(upstream.as_ref(), listener, probe, admin_port);
        let concurrency = reader.number(
            "CONCURRENCY",
            2,
            |workers| (1..=1024).contains(&workers),
            "a number of workers from 1 to 1024",
        );
        let log_level = reader.log_level();
        let config = reader.plugin_config(name);
        let envoy = reader.envoy();
        let module = reader.module();
        let service = reader.service();
        let audit_log = reader.audit_log(envoy.as_ref());
        let file_sd = reader.file_sd();
        let otlp = reader.otlp(envoy.as_ref());
        reader.refuse_temporary();
        match (upstream, envoy) {
            (Some(mut upstream), Some(envoy)) if reader.problems.is_empty() => {
                let plugin = FilterPlugin::new(module, config, otlp.is_some() || audit_log.is_some());
                upstream.name_program(&plugin);
                let remarks = reader.remarks;
                Ok(Self {
                    upstream,
                    listener,
                    probe,
                    admin_port,
                    free_ports,
                    is_stdio,
                    demo,
                    concurrency,
                    log_level,
                    plugin,
                    envoy,
                    service,
                    otlp,
                    audit_log,
                    file_sd,
                    remarks,
                })
            }
            _ => Err(reader.problems),
        }
    }

    /// The forward proxy of the MCP server or of the OTLP receiver. Both use the same variable.
    pub(crate) fn proxy(&self) -> Option<&ForwardProxy> {
        let of_otlp = || self.otlp.as_ref().and_then(|otlp| otlp.proxy.as_ref());
        self.upstream.proxy.as_ref().or_else(of_otlp)
    }

    /// Address at which this machine connects to the probe listener.
    pub(crate) fn own_probe(&self) -> SocketAddr {
        from_this_machine(self.probe)
    }

    /// Address at which this machine connects to the MCP listener.
    pub(crate) fn own_listener(&self) -> SocketAddr {
        from_this_machine(self.listener)
    }
}

fn from_this_machine(address: SocketAddr) -> SocketAddr {
    let host = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(host, address.port())
}

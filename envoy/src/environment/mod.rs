//! The environment variables, read once: settings, or every problem at once.
//!
//! An empty value is as good as none. Beside the values themselves this checks what they name: the Envoy binary and its
//! version, the module, the plugin configuration, the certificate bundle.

mod misspelt;
mod proxies;
mod reader;
#[cfg(test)]
mod tests;
mod upstream;

use crate::endpoint::Endpoint;
use crate::envoy_binary::EnvoyBinary;
use crate::filter_plugin::FilterPlugin;
use crate::forward_proxy::ForwardProxy;
use crate::problem::Problem;
pub use misspelt::misspelt;
use reader::Reader;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Looks up one variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything the sidecar is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The MCP server.
    pub upstream: Upstream,
    /// Where clients connect.
    pub listener: SocketAddr,
    /// Where probes and scrapes connect.
    pub probe: SocketAddr,
    /// Port of Envoy's admin interface on 127.0.0.1.
    pub admin_port: u16,
    /// Envoy's workers.
    pub concurrency: u32,
    /// Envoy's log level.
    pub log_level: String,
    /// The filter.
    pub plugin: FilterPlugin,
    /// Envoy's program.
    pub envoy: EnvoyBinary,
    /// Who spans and logs are from.
    pub service: Service,
    /// Where spans and logs go, if anywhere.
    pub otlp: Option<Otlp>,
    /// What was set, changes nothing and should be told.
    pub remarks: Vec<Problem>,
}

/// The MCP server and how to speak to it.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its URL.
    pub endpoint: Endpoint,
    /// Longest wait for the response headers of a POST; 0 is none.
    pub timeout_ms: u32,
    /// What it sees as `Host`.
    pub host_header: HostHeader,
    /// Certificates that its own must descend from, for https.
    pub ca_file: Option<PathBuf>,
    /// What it is shown of who connects, for https.
    pub client_certificate: Option<ClientCertificate>,
    /// After so long an idle connection to it is closed.
    pub idle_ms: u32,
    /// What it is reached through, for https.
    pub proxy: Option<ForwardProxy>,
}

/// A client certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// What the MCP server sees as `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// What the client sent.
    Preserve,
    /// The URL's host and port.
    Upstream,
}

/// The resource of spans and logs.
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
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
    /// Certificates that its own must descend from, for https.
    pub ca_file: Option<PathBuf>,
    /// What it is reached through, for https.
    pub proxy: Option<ForwardProxy>,
}

/// OTLP's two transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Binary protobuf in HTTP POSTs.
    Http,
    /// gRPC.
    Grpc,
}

// === impl Upstream ===

impl Upstream {
    /// Whether the server knows itself by its own name alone, so that an absolute URL in its answers leads past the sidecar.
    pub(crate) fn leads_past(&self) -> bool {
        self.host_header == HostHeader::Upstream
    }
}

// === impl Settings ===

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    ///
    /// Every problem, in the order of the documentation.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(lookup);
        let upstream = reader.upstream();
        let name = reader.server_name();
        let listener = SocketAddr::new(reader.address("HOST"), reader.port("PORT", 4000));
        let probe = SocketAddr::new(reader.address("PROBE_HOST"), reader.port("PROBE_PORT", 9902));
        let admin_port = reader.port("ADMIN_PORT", 9901);
        reader.refuse_collisions(upstream.as_ref(), listener, probe, admin_port);
        let concurrency = reader.number(
            "CONCURRENCY",
            2,
            |workers| (1..=1024).contains(&workers),
            "a number of workers from 1 to 1024",
        );
        let log_level = reader.log_level();
        let config = reader.plugin_config();
        let envoy = reader.envoy();
        let module = reader.module();
        let service = reader.service();
        let otlp = reader.otlp(envoy.as_ref());
        match (upstream, envoy) {
            (Some(upstream), Some(envoy)) if reader.problems.is_empty() => {
                let plugin = FilterPlugin::new(module, config, name.as_deref(), otlp.is_some());
                let remarks = reader.remarks;
                Ok(Self {
                    upstream,
                    listener,
                    probe,
                    admin_port,
                    concurrency,
                    log_level,
                    plugin,
                    envoy,
                    service,
                    otlp,
                    remarks,
                })
            }
            _ => Err(reader.problems),
        }
    }

    /// The proxy that anything is reached through; there is one variable for it.
    pub(crate) fn proxy(&self) -> Option<&ForwardProxy> {
        let of_otlp = || self.otlp.as_ref().and_then(|otlp| otlp.proxy.as_ref());
        self.upstream.proxy.as_ref().or_else(of_otlp)
    }

    /// Where the sidecar itself reaches its probe listener.
    pub(crate) fn own_probe(&self) -> SocketAddr {
        let host = if self.probe.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { self.probe.ip() };
        SocketAddr::new(host, self.probe.port())
    }
}

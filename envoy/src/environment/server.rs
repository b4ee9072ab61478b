//! The MCP server as the settings describe it: a URL or a program, and the connection to it.

use super::endpoint::{Endpoint, Scheme};
use super::filter_plugin::{self, FilterPlugin};
use super::forward_proxy::ForwardProxy;
use crate::server_program::ServerProgram;
use std::path::PathBuf;

/// The MCP server and the connection to it.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its URL, or the program.
    pub server: Server,
    /// Timeout for the response headers of a POST; 0 is no timeout.
    pub timeout_ms: u32,
    /// The `Host` header that the server receives.
    pub host_header: HostHeader,
    /// Trusted certificate authorities, for https.
    pub ca_file: Option<PathBuf>,
    /// Client certificate, for https.
    pub client_certificate: Option<ClientCertificate>,
    /// Idle timeout of connections to the server.
    pub idle_ms: u32,
    /// Forward proxy, for https.
    pub proxy: Option<ForwardProxy>,
}

/// What the MCP server is.
#[derive(Clone, Debug)]
pub enum Server {
    /// A server with this URL.
    Url(Endpoint),
    /// A program on standard input and output.
    Program(ServerProgram),
}

/// A client certificate and its private key; both files are PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate, followed by the intermediate certificates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The `Host` header that the MCP server receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's `Host`.
    Preserve,
    /// The URL's host and port.
    Upstream,
}

// === impl Upstream ===

impl Upstream {
    /// The URL, if the server has one.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match &self.server {
            Server::Url(endpoint) => Some(endpoint),
            Server::Program(_) => None,
        }
    }

    /// The program, if the server is one.
    pub(crate) fn program(&self) -> Option<&ServerProgram> {
        match &self.server {
            Server::Url(_) => None,
            Server::Program(program) => Some(program),
        }
    }

    /// Whether the connection to the server uses TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.endpoint().is_some_and(|endpoint| endpoint.scheme == Scheme::Https)
    }

    /// Gives the program the server's name, if it has one, for messages.
    pub(super) fn name_program(&mut self, plugin: &FilterPlugin) {
        if let Server::Program(program) = &mut self.server {
            program.bridge.name = Some(plugin.server_name.clone()).filter(|name| name != filter_plugin::NO_NAME);
        }
    }

    /// The URL or the command, for messages to the operator.
    pub(crate) fn text(&self) -> String {
        match &self.server {
            Server::Url(endpoint) => endpoint.url(),
            Server::Program(program) => program.bridge.command.text(),
        }
    }

    /// Whether `Host` is replaced with the server's own name. Absolute URLs in the server's responses then lead to the server
    /// and not to the sidecar.
    pub(crate) fn rewrites_host(&self) -> bool {
        self.host_header == HostHeader::Upstream
    }
}

//! What the command `drain` must know of the sidecar that runs with the same environment.

use super::filter_plugin;
use super::reader::Reader;
use super::{Lookup, Settings};
use crate::problem::Problem;

/// A sidecar that runs. Unlike its settings this needs no server: `run -- COMMAND` has no variable for it.
#[derive(Clone, Debug)]
pub struct Running {
    /// Port of Envoy's admin interface on 127.0.0.1.
    pub(crate) admin_port: u16,
    /// Value of the `server_name` label.
    pub(crate) server_name: String,
    /// Whether the server is reached through a forward proxy.
    pub(crate) is_proxied: bool,
}

// === impl Running ===

impl Running {
    /// Reads the variables that matter.
    ///
    /// # Errors
    ///
    /// All problems of these variables.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(lookup);
        let endpoint = reader.endpoint("MCP_UPSTREAM_URL");
        let is_proxied = endpoint.is_some_and(|endpoint| reader.proxy_to(&endpoint).is_some());
        let name = reader.server_name();
        let admin_port = reader.port("ADMIN_PORT", 9901, false);
        let server_name = filter_plugin::server_name(&reader.plugin_config(name));
        if reader.problems.is_empty() { Ok(Self { admin_port, server_name, is_proxied }) } else { Err(reader.problems) }
    }

    /// The sidecar with these settings.
    #[must_use]
    pub fn with(settings: &Settings) -> Self {
        Self {
            admin_port: settings.admin_port,
            server_name: settings.plugin.server_name.clone(),
            is_proxied: settings.upstream.proxy.is_some(),
        }
    }
}

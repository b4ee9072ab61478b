//! Reads single variables: the value, the default, or a problem.

use super::endpoint::Endpoint;
use super::envoy_binary::EnvoyBinary;
use super::filter_plugin::{self, Overrides};
use super::{Lookup, Upstream};
use crate::file_sd::refused_file_sd;
use crate::ports::ADDRESS;
use crate::problem::Problem;
use crate::temporary;
use serde_json::Map;
use std::fs::File;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

const PORT: &str = "a port from 1 to 65535";
const MODULE: &str = "the path of mcp_observability.wasm, which each release has beside mcp-sidecar";
const SERVER_NAME: &str = "1 to 64 characters of A-Za-z0-9_.-";

/// Reads variables one by one and collects the problems. A value with a problem is replaced by the default, and reading
/// continues.
pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    pub(super) problems: Vec<Problem>,
    /// Variables that are set but ignored.
    pub(super) remarks: Vec<Problem>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        Self { lookup, problems: Vec::new(), remarks: Vec::new() }
    }

    pub(super) fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable).filter(|value| !value.is_empty())
    }

    pub(super) fn number(
        &mut self,
        variable: &'static str,
        default: u32,
        is_allowed: fn(u32) -> bool,
        allowed: &str,
    ) -> u32 {
        let Some(value) = self.text(variable) else { return default };
        // `parse` accepts a leading plus sign.
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        value.parse().ok().filter(|&number| digits && is_allowed(number)).unwrap_or_else(|| {
            self.problems.push(Problem::refused(variable, &value, allowed));
            default
        })
    }

    /// A port. With `free` the default is 0: a free port is chosen at the start.
    pub(super) fn port(&mut self, variable: &'static str, default: u16, free: bool) -> u16 {
        let default = if free { 0 } else { default };
        let number = self.number(variable, default.into(), |port| (1..=65535).contains(&port), PORT);
        u16::try_from(number).unwrap_or(default)
    }

    /// An address to listen on. The default is every address, or with `is_local` only the loopback address.
    pub(super) fn address(&mut self, variable: &'static str, is_local: bool) -> IpAddr {
        let default = IpAddr::V4(if is_local { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED });
        let Some(value) = self.text(variable) else { return default };
        value.parse().unwrap_or_else(|_| {
            self.problems.push(Problem::refused(variable, &value, ADDRESS));
            default
        })
    }

    pub(super) fn choice<T: Copy>(&mut self, variable: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.text(variable)?;
        let found = choices.iter().find(|(name, _)| *name == value).map(|&(_, choice)| choice);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|&(name, _)| name).collect();
            self.problems.push(Problem::refused(variable, &value, &names.join(", ")));
        }
        found
    }

    pub(super) fn endpoint(&mut self, variable: &'static str) -> Option<Endpoint> {
        let value = self.text(variable)?;
        match Endpoint::parse(&value) {
            Ok(endpoint) => Some(endpoint),
            Err(message) => {
                self.problems.push(Problem::new(variable, message));
                None
            }
        }
    }

    pub(super) fn server_name(&mut self) -> Option<String> {
        let name = self.text("MCP_UPSTREAM_NAME")?;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if name.len() > 64 || !name.bytes().all(is_allowed) {
            self.problems.push(Problem::refused("MCP_UPSTREAM_NAME", &name, SERVER_NAME));
            return None;
        }
        Some(name)
    }

    /// Refuses two listeners on one port, and an upstream that is the sidecar itself (a loop).
    pub(super) fn refuse_collisions(
        &mut self,
        upstream: Option<&Upstream>,
        listener: SocketAddr,
        probe: SocketAddr,
        admin: u16,
    ) {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admin = SocketAddr::new(loopback, admin);
        let pairs = [
            ("PROBE_PORT", probe, "PORT", listener),
            ("ADMIN_PORT", admin, "PORT", listener),
            ("ADMIN_PORT", admin, "PROBE_PORT", probe),
        ];
        for (variable, one, other_variable, other) in pairs {
            if collide(one, other) {
                let allowed = format!("a port other than {other_variable}'s ({})", other.port());
                self.problems.push(Problem::refused(variable, &one.port().to_string(), &allowed));
            }
        }
        let endpoint = upstream.and_then(Upstream::endpoint);
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.is_loopback()) else { return };
        let target = SocketAddr::new(loopback, endpoint.port);
        for (variable, own) in [("PORT", listener), ("PROBE_PORT", probe), ("ADMIN_PORT", admin)] {
            if target.port() == own.port() && (own.ip().is_unspecified() || own.ip().is_loopback()) {
                let allowed = format!("the MCP server's URL, not the sidecar's own {variable}");
                self.problems.push(Problem::refused("MCP_UPSTREAM_URL", &endpoint.url(), &allowed));
            }
        }
    }

    pub(super) fn file_sd(&mut self) -> Option<PathBuf> {
        let directory = self.text("MCP_SIDECAR_FILE_SD").map(PathBuf::from)?;
        self.problems.extend(refused_file_sd(&directory));
        Some(directory)
    }

    /// The directory for temporary files.
    pub(super) fn temporary(&self) -> PathBuf {
        temporary::directory(self.text(temporary::VARIABLE).map(Into::into))
    }

    /// Adds a problem if no file can be made in the directory for temporary files, unless it has another problem.
    pub(super) fn refuse_temporary(&mut self) {
        if self.problems.iter().all(|problem| problem.variable() != temporary::VARIABLE) {
            self.problems.extend(temporary::refused(&self.temporary()));
        }
    }

    pub(super) fn log_level(&mut self) -> String {
        let levels = ["error", "warning", "info", "debug"].map(|level| (level, level));
        self.choice("LOG_LEVEL", &levels).unwrap_or("warning").to_owned()
    }

    /// The plugin configuration: the file, and the variables that override it.
    pub(super) fn plugin_config(&mut self, server_name: Option<String>) -> Map<String, serde_json::Value> {
        let forms = ["hash", "plain"].map(|form| (form, form));
        let overrides = Overrides {
            server_name,
            identity_header: self.text("MCP_IDENTITY_HEADER"),
            identity_form: self.choice("MCP_IDENTITY_FORM", &forms),
            has_hash_key: self.text("MCP_HASH_KEY").is_some(),
        };
        let file = self.text("MCP_FILTER_CONFIG").map(PathBuf::from);
        filter_plugin::load(file.as_deref(), &overrides, self.lookup).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Map::new()
        })
    }

    pub(super) fn envoy(&mut self) -> Option<EnvoyBinary> {
        let program = self.text("ENVOY_BIN").unwrap_or_else(|| "envoy".to_owned());
        EnvoyBinary::find(&program).map_err(|problem| self.problems.push(problem)).ok()
    }

    pub(super) fn module(&mut self) -> PathBuf {
        let file = self.text("MCP_FILTER_WASM").map_or_else(default_module, PathBuf::from);
        if self.refuse_unreadable("MCP_FILTER_WASM", &file, MODULE) && !is_module(&file) {
            let message = format!("{:?} is not a WebAssembly module; allowed: {MODULE}", file.to_string_lossy());
            self.problems.push(Problem::new("MCP_FILTER_WASM", message));
        }
        file
    }

    /// The machine's certificate authorities. `allowed` is what helps besides the package.
    pub(super) fn system_roots(&mut self, variable: &'static str, allowed: &str) -> Option<PathBuf> {
        let found = openssl_probe::probe().cert_file;
        if found.is_none() {
            let message = format!(
                "https:// needs certificate authorities, and this machine has none; install ca-certificates{allowed}"
            );
            self.problems.push(Problem::new(variable, message));
        }
        found
    }

    /// Adds a problem if the file cannot be read; returns whether it can be read.
    pub(super) fn refuse_unreadable(&mut self, variable: &'static str, file: &Path, allowed: &str) -> bool {
        let readable = File::open(file).and_then(|opened| opened.metadata());
        let reason = match readable {
            Ok(metadata) if metadata.is_file() => return true,
            Ok(_) => "not a file".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!("{:?} cannot be read ({reason}); allowed: {allowed}", file.to_string_lossy());
        self.problems.push(Problem::new(variable, message));
        false
    }
}

/// Whether the file begins as a WebAssembly module. Envoy checks the rest.
fn is_module(file: &Path) -> bool {
    let mut first = [0; 4];
    File::open(file).and_then(|mut opened| opened.read_exact(&mut first)).is_ok() && first == *b"\0asm"
}

/// The module in the launcher's directory.
fn default_module() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("mcp_observability.wasm")
}

/// Whether two listeners need the same port. Port 0 is one that is chosen later.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

//! The environment variables, read once: settings, or every problem at once.
//!
//! An empty value is as good as none. Beside the values themselves this checks what they name: the Envoy binary and its
//! version, the module, the plugin configuration, the certificate bundle.

use crate::endpoint::{self, Endpoint, Scheme};
use crate::envoy_binary::EnvoyBinary;
use crate::filter_plugin::{self, FilterPlugin};
use crate::problem::Problem;
use serde_json::Map;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

const PORT: &str = "a port from 1 to 65535";
const ADDRESS: &str = "an IP address of this machine, such as 0.0.0.0, 127.0.0.1 or ::";
const SERVER_NAME: &str = "1 to 64 characters of A-Za-z0-9_.-";

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
}

/// OTLP's two transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Binary protobuf in HTTP POSTs.
    Http,
    /// gRPC.
    Grpc,
}

// === impl Settings ===

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    ///
    /// Every problem, in the order of the documentation.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { lookup, problems: Vec::new() };
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
        let otlp = reader.otlp();
        match (upstream, envoy) {
            (Some(upstream), Some(envoy)) if reader.problems.is_empty() => {
                let plugin = FilterPlugin::new(module, config, name.as_deref(), otlp.is_some());
                Ok(Self { upstream, listener, probe, admin_port, concurrency, log_level, plugin, envoy, service, otlp })
            }
            _ => Err(reader.problems),
        }
    }
}

/// Reads variables one by one and gathers what is wrong with them; a value with a problem is replaced by its default, so
/// that reading can go on.
struct Reader<'a> {
    lookup: Lookup<'a>,
    problems: Vec<Problem>,
}

// === impl Reader ===

impl Reader<'_> {
    fn text(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable).filter(|value| !value.is_empty())
    }

    fn number(&mut self, variable: &'static str, default: u32, is_allowed: fn(u32) -> bool, allowed: &str) -> u32 {
        let Some(value) = self.text(variable) else { return default };
        // `parse` alone would take a leading plus sign.
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        value.parse().ok().filter(|&number| digits && is_allowed(number)).unwrap_or_else(|| {
            self.problems.push(Problem::refused(variable, &value, allowed));
            default
        })
    }

    fn port(&mut self, variable: &'static str, default: u16) -> u16 {
        let number = self.number(variable, default.into(), |port| (1..=65535).contains(&port), PORT);
        u16::try_from(number).unwrap_or(default)
    }

    fn address(&mut self, variable: &'static str) -> IpAddr {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let Some(value) = self.text(variable) else { return any };
        value.parse().unwrap_or_else(|_| {
            self.problems.push(Problem::refused(variable, &value, ADDRESS));
            any
        })
    }

    fn choice<T: Copy>(&mut self, variable: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.text(variable)?;
        let found = choices.iter().find(|(name, _)| *name == value).map(|&(_, choice)| choice);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|&(name, _)| name).collect();
            self.problems.push(Problem::refused(variable, &value, &names.join(", ")));
        }
        found
    }

    fn endpoint(&mut self, variable: &'static str) -> Option<Endpoint> {
        let value = self.text(variable)?;
        match Endpoint::parse(&value) {
            Ok(endpoint) => Some(endpoint),
            Err(message) => {
                self.problems.push(Problem::new(variable, message));
                None
            }
        }
    }

    fn upstream(&mut self) -> Option<Upstream> {
        if self.text("MCP_UPSTREAM_URL").is_none() {
            self.problems.push(Problem::missing("MCP_UPSTREAM_URL", endpoint::ALLOWED));
        }
        let endpoint = self.endpoint("MCP_UPSTREAM_URL");
        let timeout_ms = self.number(
            "MCP_UPSTREAM_TIMEOUT_MS",
            30_000,
            |_| true,
            "a whole number of milliseconds from 0 (no timeout) to 4294967295",
        );
        let choices =
            [("auto", None), ("preserve", Some(HostHeader::Preserve)), ("upstream", Some(HostHeader::Upstream))];
        let host_header = self.choice("MCP_UPSTREAM_HOST_HEADER", &choices).flatten();
        let given = self.text("MCP_UPSTREAM_CA_FILE").map(PathBuf::from);
        if let Some(file) = &given {
            self.refuse_unreadable("MCP_UPSTREAM_CA_FILE", file, "a readable PEM bundle");
        }
        let endpoint = endpoint?;
        let ca_file = match endpoint.scheme {
            Scheme::Http => None,
            Scheme::Https => given.or_else(|| self.system_roots("MCP_UPSTREAM_CA_FILE")),
        };
        let host_header = host_header.unwrap_or(match endpoint.scheme {
            Scheme::Http => HostHeader::Preserve,
            Scheme::Https => HostHeader::Upstream,
        });
        Some(Upstream { endpoint, timeout_ms, host_header, ca_file })
    }

    fn server_name(&mut self) -> Option<String> {
        let name = self.text("MCP_UPSTREAM_NAME")?;
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if name.len() > 64 || !name.bytes().all(is_allowed) {
            self.problems.push(Problem::refused("MCP_UPSTREAM_NAME", &name, SERVER_NAME));
        }
        Some(name)
    }

    /// Two listeners on one port, or an upstream that is the sidecar itself and would loop.
    fn refuse_collisions(&mut self, upstream: Option<&Upstream>, listener: SocketAddr, probe: SocketAddr, admin: u16) {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admin = SocketAddr::new(loopback, admin);
        let pairs = [
            ("PROBE_PORT", probe, "PORT", listener),
            ("ADMIN_PORT", admin, "PORT", listener),
            ("ADMIN_PORT", admin, "PROBE_PORT", probe),
        ];
        for (variable, one, other_variable, other) in pairs {
            if collide(one, other) {
                let allowed = format!("a port that is not {other_variable}'s ({})", other.port());
                self.problems.push(Problem::refused(variable, &one.port().to_string(), &allowed));
            }
        }
        let Some(endpoint) = upstream.map(|upstream| &upstream.endpoint).filter(|endpoint| endpoint.is_loopback())
        else {
            return;
        };
        let target = SocketAddr::new(loopback, endpoint.port);
        for (variable, own) in [("PORT", listener), ("PROBE_PORT", probe), ("ADMIN_PORT", admin)] {
            if target.port() == own.port() && (own.ip().is_unspecified() || own.ip().is_loopback()) {
                let allowed = format!("an address that is not the sidecar's own {variable}");
                self.problems.push(Problem::refused("MCP_UPSTREAM_URL", &endpoint.url(), &allowed));
            }
        }
    }

    fn log_level(&mut self) -> String {
        let levels = ["error", "warning", "info", "debug"].map(|level| (level, level));
        self.choice("LOG_LEVEL", &levels).unwrap_or("warning").to_owned()
    }

    fn plugin_config(&mut self) -> Map<String, serde_json::Value> {
        let Some(file) = self.text("MCP_FILTER_CONFIG") else { return Map::new() };
        filter_plugin::check(Path::new(&file), self.lookup).unwrap_or_else(|lines| {
            self.problems.extend(lines.into_iter().map(|line| Problem::new("MCP_FILTER_CONFIG", line)));
            Map::new()
        })
    }

    fn envoy(&mut self) -> Option<EnvoyBinary> {
        let program = self.text("ENVOY_BIN").unwrap_or_else(|| "envoy".to_owned());
        EnvoyBinary::find(&program).map_err(|problem| self.problems.push(problem)).ok()
    }

    fn module(&mut self) -> PathBuf {
        let file = self.text("MCP_FILTER_WASM").map_or_else(module_beside_the_launcher, PathBuf::from);
        self.refuse_unreadable("MCP_FILTER_WASM", &file, "the readable mcp_observability.wasm");
        file
    }

    fn service(&self) -> Service {
        let or = |variable, default: &str| self.text(variable).unwrap_or_else(|| default.to_owned());
        Service {
            name: or("OTEL_SERVICE_NAME", "mcp-sidecar"),
            version: or("SERVICE_VERSION", env!("CARGO_PKG_VERSION")),
            environment: or("OTEL_ENV", "dev"),
        }
    }

    fn otlp(&mut self) -> Option<Otlp> {
        let protocols = [("http/protobuf", OtlpProtocol::Http), ("grpc", OtlpProtocol::Grpc)];
        let protocol = self.choice("OTEL_EXPORTER_OTLP_PROTOCOL", &protocols);
        let endpoint = self.endpoint("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        // Without the protocol the port tells: 4317 is registered for gRPC, 4318 for HTTP.
        let by_port = if endpoint.port == 4317 { OtlpProtocol::Grpc } else { OtlpProtocol::Http };
        let ca_file = match endpoint.scheme {
            Scheme::Http => None,
            Scheme::Https => self.system_roots("OTEL_EXPORTER_OTLP_ENDPOINT"),
        };
        Some(Otlp { endpoint, protocol: protocol.unwrap_or(by_port), ca_file })
    }

    fn system_roots(&mut self, variable: &'static str) -> Option<PathBuf> {
        let found = openssl_probe::probe().cert_file;
        if found.is_none() {
            let message = "https needs certificate authorities and this machine has none; install ca-certificates";
            self.problems.push(Problem::new(variable, message));
        }
        found
    }

    fn refuse_unreadable(&mut self, variable: &'static str, file: &Path, allowed: &str) {
        let readable = File::open(file).and_then(|opened| opened.metadata());
        let reason = match readable {
            Ok(metadata) if metadata.is_file() => return,
            Ok(_) => "not a file".to_owned(),
            Err(error) => error.to_string(),
        };
        self.problems.push(Problem::refused(variable, &file.to_string_lossy(), &format!("{allowed} ({reason})")));
    }
}

fn module_beside_the_launcher() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("mcp_observability.wasm")
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

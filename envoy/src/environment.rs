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

#[cfg(test)]
mod tests {
    use super::{HostHeader, OtlpProtocol, Settings};
    use std::collections::HashMap;

    const ENVOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/envoy-1.40");
    /// Any file stands in for the module and for a certificate bundle: neither is read here.
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

    /// Reads the given variables over a minimum that is valid.
    fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let mut environment = HashMap::from([
            ("MCP_UPSTREAM_URL", "http://weather/mcp"),
            ("ENVOY_BIN", ENVOY),
            ("MCP_FILTER_WASM", FILE),
        ]);
        environment.extend(variables.iter().copied());
        Settings::read(&|name| environment.get(name).map(|&value| value.to_owned()))
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn ok_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.listener.to_string(), "0.0.0.0:4000");
        assert_eq!(settings.probe.to_string(), "0.0.0.0:9902");
        assert_eq!(settings.admin_port, 9901);
        assert_eq!(settings.concurrency, 2);
        assert_eq!(settings.log_level, "warning");
        assert_eq!(settings.upstream.timeout_ms, 30_000);
        assert_eq!(settings.upstream.host_header, HostHeader::Preserve);
        assert_eq!(settings.plugin.server_name, "upstream");
        assert_eq!(settings.service.name, "mcp-sidecar");
        assert_eq!(settings.service.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(settings.service.environment, "dev");
        assert!(settings.otlp.is_none() && settings.envoy.full_telemetry);
    }

    #[test]
    fn ok_an_empty_value_is_none() {
        let names = ["PORT", "HOST", "PROBE_PORT", "ADMIN_PORT", "CONCURRENCY", "LOG_LEVEL", "MCP_UPSTREAM_TIMEOUT_MS"];
        let names = names.into_iter().chain(["MCP_UPSTREAM_NAME", "MCP_UPSTREAM_HOST_HEADER", "MCP_UPSTREAM_CA_FILE"]);
        let names = names.chain(["MCP_FILTER_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENV", "SERVICE_VERSION"]);
        let empty: Vec<_> = names.map(|name| (name, "")).collect();
        assert_eq!(format!("{:?}", read(&empty).unwrap()), format!("{:?}", read(&[]).unwrap()));
    }

    #[test]
    fn ok_host_header_follows_the_scheme() {
        let https = ("MCP_UPSTREAM_URL", "https://weather/mcp");
        let ca_file = ("MCP_UPSTREAM_CA_FILE", FILE);
        let cases: [(&[_], _); 4] = [
            (&[https, ca_file], HostHeader::Upstream),
            (&[https, ca_file, ("MCP_UPSTREAM_HOST_HEADER", "auto")], HostHeader::Upstream),
            (&[https, ca_file, ("MCP_UPSTREAM_HOST_HEADER", "preserve")], HostHeader::Preserve),
            (&[("MCP_UPSTREAM_HOST_HEADER", "upstream")], HostHeader::Upstream),
        ];
        for (variables, expected) in cases {
            assert_eq!(read(variables).unwrap().upstream.host_header, expected, "{variables:?}");
        }
    }

    #[test]
    fn ok_otlp_protocol_by_variable_or_port() {
        let cases = [
            ("http://collector:4318", "", OtlpProtocol::Http),
            ("http://collector:4317", "", OtlpProtocol::Grpc),
            ("http://collector", "", OtlpProtocol::Http),
            ("http://collector:4317", "http/protobuf", OtlpProtocol::Http),
            ("http://collector:4318", "grpc", OtlpProtocol::Grpc),
        ];
        for (endpoint, protocol, expected) in cases {
            let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
            let settings = read(&variables).unwrap();
            assert_eq!(settings.otlp.unwrap().protocol, expected, "{variables:?}");
            assert_eq!(settings.plugin.config.get("filter_state"), Some(&true.into()));
        }
    }

    #[test]
    fn err_one_line_names_variable_and_value_and_what_is_allowed() {
        let cases = [
            ("MCP_UPSTREAM_URL", "", "missing; allowed: an http:// or https:// URL"),
            ("MCP_UPSTREAM_URL", "weather", "\"weather\" is not an http:// or https:// URL; allowed:"),
            ("MCP_UPSTREAM_URL", "http://weather:0", "port 0"),
            ("MCP_UPSTREAM_URL", "http://localhost:4000", "the sidecar's own PORT"),
            ("MCP_UPSTREAM_URL", "http://[::1]:9901", "the sidecar's own ADMIN_PORT"),
            ("MCP_UPSTREAM_NAME", "a b", "\"a b\" is not allowed; allowed: 1 to 64 characters of A-Za-z0-9_.-"),
            ("MCP_UPSTREAM_TIMEOUT_MS", "30s", "\"30s\" is not allowed; allowed: a whole number of milliseconds"),
            ("MCP_UPSTREAM_TIMEOUT_MS", "-1", "\"-1\" is not allowed"),
            ("MCP_UPSTREAM_HOST_HEADER", "keep", "allowed: auto, preserve, upstream"),
            ("MCP_UPSTREAM_CA_FILE", "/absent.pem", "\"/absent.pem\" is not allowed; allowed: a readable PEM bundle"),
            ("PORT", "0", "\"0\" is not allowed; allowed: a port from 1 to 65535"),
            ("PORT", "65536", "allowed: a port from 1 to 65535"),
            ("PORT", "+80", "allowed: a port from 1 to 65535"),
            ("HOST", "localhost", "allowed: an IP address"),
            ("PROBE_PORT", "4000", "allowed: a port that is not PORT's (4000)"),
            ("PROBE_HOST", "any", "allowed: an IP address"),
            ("ADMIN_PORT", "4000", "allowed: a port that is not PORT's (4000)"),
            ("ADMIN_PORT", "9902", "allowed: a port that is not PROBE_PORT's (9902)"),
            ("CONCURRENCY", "0", "allowed: a number of workers from 1 to 1024"),
            ("LOG_LEVEL", "trace", "allowed: error, warning, info, debug"),
            ("MCP_FILTER_CONFIG", "/absent.json", "/absent.json: cannot be read"),
            ("ENVOY_BIN", "/absent/envoy", "\"/absent/envoy\" cannot be started"),
            ("MCP_FILTER_WASM", "/absent.wasm", "\"/absent.wasm\" is not allowed"),
            ("MCP_FILTER_WASM", "/", "(not a file)"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "is not an http:// or https:// URL"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "allowed: http/protobuf, grpc"),
        ];
        for (variable, value, expected) in cases {
            let lines = read(&[(variable, value)]).unwrap_err();
            assert_eq!(lines.len(), 1, "{variable}={value}: {lines:?}");
            assert!(lines[0].starts_with(&format!("{variable}: ")), "{variable}={value}: {lines:?}");
            assert!(lines[0].contains(expected), "{variable}={value}: {lines:?}");
        }
    }

    #[test]
    fn err_an_old_envoy() {
        let old = ENVOY.replace("1.40", "1.35");
        let lines = read(&[("ENVOY_BIN", &old)]).unwrap_err();
        assert!(lines[0].contains("is Envoy 1.35.9; allowed: the path of an Envoy 1.36 or newer"), "{lines:?}");
    }

    #[test]
    fn err_all_at_once_in_the_documented_order() {
        let variables = [
            ("MCP_UPSTREAM_URL", "http://user:hunter2@weather"),
            ("MCP_UPSTREAM_NAME", "a/b"),
            ("PORT", "none"),
            ("LOG_LEVEL", "loud\nand clear"),
            ("ENVOY_BIN", "/absent/envoy"),
        ];
        let lines = read(&variables).unwrap_err();
        let found: Vec<_> = lines.iter().map(|line| line.split(':').next().unwrap()).collect();
        assert_eq!(found, variables.map(|(variable, _)| variable));
        let text = lines.join("\n");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(text.lines().count(), lines.len(), "{text}");
    }

    #[test]
    fn ok_one_port_on_two_addresses() {
        assert!(read(&[("HOST", "127.0.0.1"), ("PROBE_HOST", "127.0.0.2"), ("PROBE_PORT", "4000")]).is_ok());
        let variables = [("HOST", "10.0.0.1"), ("MCP_UPSTREAM_URL", "http://localhost:4000")];
        assert!(read(&variables).is_ok());
    }
}

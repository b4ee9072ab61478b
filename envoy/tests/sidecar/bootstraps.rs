//! Envoy accepts every bootstrap and the snippet, and the unchanged snippet works.

use crate::support::{Authority, TlsServer, Upstream, envoy, free_port, get, module, post, say_json, seen_in, until};
use mcp_sidecar::{CommandLine, Machine, Settings, bootstrap};
use serde_json::json;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};

const MACHINE: Machine = Machine { connections: 1000, heap_bytes: 1 << 30 };
const SNIPPET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/snippet.yaml");

/// The settings of an environment, with a URL as the server.
fn read(environment: &HashMap<&str, &str>) -> Settings {
    read_with(environment, &CommandLine::default())
}

fn read_with(environment: &HashMap<&str, &str>, command_line: &CommandLine) -> Settings {
    Settings::read(&|name| environment.get(name).map(|&value| value.to_owned()), command_line).unwrap()
}

fn validate(config: &Path) {
    let output = Command::new(envoy())
        .args(["--mode", "validate", "--disable-hot-restart", "--log-level", "warning", "--config-path"])
        .arg(config)
        .env("LABEL_KEY", "0123456789abcdef")
        .env("MCP_HASH_KEY", "0123456789abcdef")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // A later Envoy refuses fields that are deprecated now.
    assert!(!text.contains("deprecated") && !text.contains("work-in-progress"), "{text}");
}

/// The snippet with the given texts replaced. Each must occur once.
fn snippet(places: &[(&str, String)]) -> String {
    let mut text = fs::read_to_string(SNIPPET).unwrap();
    for (place, replacement) in places {
        assert_eq!(text.matches(place).count(), 1, "{place}");
        text = text.replace(place, replacement);
    }
    text
}

#[test]
fn every_kind_of_bootstrap_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let ca_file = authority.ca_file.to_str().unwrap();
    let (certificate, key) = authority.certify("sidecar.example");
    let [certificate, key] = [&certificate, &key].map(|file| file.to_str().unwrap());
    let config = directory.path().join("filter.json");
    fs::write(&config, r#"{"labels": {"resource_uri": "hash", "hash_key": "${LABEL_KEY}"}, "paths": ["/mcp"]}"#)
        .unwrap();
    let limited = directory.path().join("limited.json");
    fs::write(&limited, r#"{"rate_limit": {"rules": [{"method": "tools/call", "requests": 5, "interval_ms": 1000}]}}"#)
        .unwrap();
    let https = ("MCP_UPSTREAM_URL", "https://weather.example:8443/mcp");
    let proxied = [https, ("MCP_UPSTREAM_CA_FILE", ca_file), ("HTTPS_PROXY", "http://me:hunter2@[::1]:3128")];
    let cases: [&[_]; 19] = [
        &[],
        &[("MCP_UPSTREAM_URL", "http://127.0.0.1:8080")],
        &[("MCP_UPSTREAM_URL", "http://[::1]:8080/mcp"), ("HOST", "::"), ("PROBE_HOST", "::1")],
        &[https, ("MCP_UPSTREAM_CA_FILE", ca_file)],
        &[https, ("MCP_UPSTREAM_CA_FILE", ca_file), ("MCP_UPSTREAM_HOST_HEADER", "preserve")],
        &[("MCP_UPSTREAM_URL", "https://10.0.0.1/"), ("MCP_UPSTREAM_CA_FILE", ca_file)],
        &[
            https,
            ("MCP_UPSTREAM_CA_FILE", ca_file),
            ("MCP_UPSTREAM_CERT_FILE", certificate),
            ("MCP_UPSTREAM_KEY_FILE", key),
        ],
        &proxied,
        &[
            proxied[0],
            proxied[1],
            proxied[2],
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"),
            ("SSL_CERT_FILE", ca_file),
        ],
        &[("MCP_UPSTREAM_TIMEOUT_MS", "0"), ("MCP_UPSTREAM_HOST_HEADER", "upstream")],
        &[("MCP_UPSTREAM_NAME", "weather.v2"), ("MCP_UPSTREAM_TIMEOUT_MS", "4294967295")],
        &[("MCP_FILTER_CONFIG", config.to_str().unwrap())],
        &[("MCP_FILTER_CONFIG", limited.to_str().unwrap())],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/"), ("OTEL_SERVICE_NAME", "a \"b\" \\ %c")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"), ("SSL_CERT_FILE", ca_file)],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"), ("OTEL_TRACES_SAMPLER", "always_off")],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.000001"),
            ("MCP_AUDIT_LOG", "/dev/stdout"),
        ],
        &[("MCP_HASH_KEY", "0123456789abcdef"), ("MCP_AUDIT_LOG", "/dev/stdout")],
    ];
    let (envoy, module) = (envoy(), module());
    for (index, variables) in cases.iter().enumerate() {
        let mut environment = HashMap::from([
            ("MCP_UPSTREAM_URL", "http://weather/mcp"),
            ("LABEL_KEY", "0123456789abcdef"),
            ("ENVOY_BIN", &envoy),
            ("MCP_FILTER_WASM", &module),
        ]);
        environment.extend(variables.iter().copied());
        let settings = read(&environment);
        let rendered = bootstrap::render(&settings, MACHINE).to_string();
        for secret in ["0123456789abcdef", "hunter2", "bWU6"] {
            assert!(!rendered.contains(secret), "a secret of the environment is in the bootstrap");
        }
        let file = directory.path().join(format!("{index}.json"));
        fs::write(&file, rendered).unwrap();
        validate(&file);
    }
}

#[test]
fn bootstrap_of_a_program_is_accepted_and_has_no_address_in_spans() {
    let (envoy, module) = (envoy(), module());
    let environment = HashMap::from([
        ("ENVOY_BIN", envoy.as_str()),
        ("MCP_FILTER_WASM", &module),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
    ]);
    let command_line = CommandLine { program: vec!["/bin/sh".into()], ..CommandLine::default() };
    let rendered = bootstrap::render(&read_with(&environment, &command_line), MACHINE);
    assert!(!rendered.to_string().contains("server.address"));
    let check = rendered.pointer("/static_resources/clusters/0/health_checks/0/http_health_check").unwrap();
    assert_eq!(check["path"], json!(mcp_connector::HEALTH_PATH));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bootstrap.json");
    fs::write(&file, rendered.to_string()).unwrap();
    validate(&file);
}

#[test]
fn idle_timeout_of_each_cluster_is_below_that_of_servers() {
    let (envoy, module) = (envoy(), module());
    let options = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    for (value, expected) in [("", "1.500s"), ("1", "0.001s"), ("3600000", "3600.000s")] {
        let environment = HashMap::from([
            ("MCP_UPSTREAM_URL", "http://weather/mcp"),
            ("MCP_UPSTREAM_IDLE_MS", value),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("ENVOY_BIN", &envoy),
            ("MCP_FILTER_WASM", &module),
        ]);
        let settings = read(&environment);
        let rendered = bootstrap::render(&settings, MACHINE);
        let clusters = rendered.pointer("/static_resources/clusters").unwrap().as_array().unwrap();
        let idle = |name: &str| {
            let cluster = clusters.iter().find(|cluster| cluster["name"] == name).unwrap();
            cluster.pointer(options).unwrap()["common_http_protocol_options"]["idle_timeout"].clone()
        };
        assert_eq!(idle("upstream"), expected);
        assert_eq!(idle("sidecar/otlp"), "1.500s", "a receiver closes idle connections as well");
    }
}

#[test]
fn only_a_rate_limit_changes_the_listener() {
    let (envoy, module) = (envoy(), module());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("filter.json");
    let manager = |config: &serde_json::Value| {
        fs::write(&file, config.to_string()).unwrap();
        let environment = HashMap::from([
            ("MCP_UPSTREAM_URL", "http://weather/mcp"),
            ("MCP_FILTER_CONFIG", file.to_str().unwrap()),
            ("ENVOY_BIN", &envoy),
            ("MCP_FILTER_WASM", &module),
        ]);
        let settings = read(&environment);
        let bootstrap = bootstrap::render(&settings, MACHINE);
        let listener = bootstrap.pointer("/static_resources/listeners/0").unwrap();
        // Envoy's default is 1 MiB. A held body must fit.
        assert_eq!(listener.get("per_connection_buffer_limit_bytes"), None);
        listener.pointer("/filter_chains/0/filters/0/typed_config").unwrap().clone()
    };
    let (continues, allows) =
        ("/proxy_100_continue", "/http_filters/0/typed_config/config/allow_on_headers_stop_iteration");
    let fields = |config| [continues, allows].map(|field| manager(&config).pointer(field).cloned());
    let limit = |shadow: bool| json!({"rate_limit": {"shadow": shadow, "rules": [{"method": "tools/call", "requests": 5, "interval_ms": 1000}]}});
    let unlimited = [Some(json!(true)), None];
    assert_eq!(fields(json!({})), unlimited);
    assert_eq!(fields(limit(true)), unlimited, "a shadow holds no request");
    assert_eq!(fields(limit(false)), [Some(json!(false)), Some(json!(true))]);
}

#[test]
fn snippet_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snippet.yaml");
    fs::write(&file, snippet(&[("/etc/envoy/mcp_observability.wasm", module())])).unwrap();
    validate(&file);
}

struct Envoy(Child);

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn snippet_counts_calls() {
    let upstream = Upstream::start(|_, stream| say_json(stream, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#));
    let (port, admin_port) = (free_port(), free_port());
    let places = [
        ("/etc/envoy/mcp_observability.wasm", module()),
        ("port_value: 4000", format!("port_value: {port}")),
        ("port_value: 9901", format!("port_value: {admin_port}")),
        ("port_value: 8080", format!("port_value: {}", upstream.address.port())),
    ];
    let mut command = Command::new(envoy());
    command.args(["--disable-hot-restart", "--log-level", "error", "--config-yaml", &snippet(&places)]);
    let _envoy = Envoy(command.spawn().unwrap());
    until("envoy serves", || std::net::TcpStream::connect(("127.0.0.1", admin_port)).is_ok());
    until("envoy is ready", || get(admin_port, "/ready").status == 200);
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(post(port, "/mcp", call).status, 200);
    let series = r#"mcp_requests_total{method="tools/list",server_name="weather",status="ok",error_type=""} 1"#;
    let bucket = r#"mcp_request_duration_microseconds_bucket{method="tools/list",server_name="weather",status="ok",le="300000000"} 1"#;
    until("the call is counted and in its bucket", || {
        let scrape = get(admin_port, "/stats/prometheus").body;
        scrape.contains(series) && scrape.contains(bucket)
    });
}

#[test]
fn snippet_reaches_a_server_with_tls_1_3() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let only = json!({"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"});
    let server = TlsServer::start_with(&authority.certify("localhost"), &["http/1.1"], &[("tls_params", only)], None);
    let (port, admin_port) = (free_port(), free_port());
    let places = [
        ("/etc/envoy/mcp_observability.wasm", module()),
        ("port_value: 4000", format!("port_value: {port}")),
        ("port_value: 9901", format!("port_value: {admin_port}")),
        ("port_value: 8080", format!("port_value: {}", server.port)),
        ("/etc/ssl/certs/ca-certificates.crt", authority.ca_file.display().to_string()),
        ("sni: mcp.example.com", "sni: localhost".to_owned()),
        ("exact: mcp.example.com", "exact: localhost".to_owned()),
    ];
    // The block for https is a comment.
    let text = snippet(&places);
    let (before, rest) = text.split_once("      # transport_socket:").unwrap();
    let (block, after) = rest.split_once("\n\n").unwrap();
    let block = format!("      # transport_socket:{block}\n\n").replace("      # ", "      ");
    let mut command = Command::new(envoy());
    command.args(["--disable-hot-restart", "--log-level", "error", "--config-yaml"]);
    let _envoy = Envoy(command.arg(format!("{before}{block}{after}")).spawn().unwrap());
    until("envoy serves", || std::net::TcpStream::connect(("127.0.0.1", admin_port)).is_ok());
    until("envoy is ready", || get(admin_port, "/ready").status == 200);
    let answer = post(port, "/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert!(seen_in(&answer).is_ok_and(|seen| seen.starts_with("localhost ")), "{}", answer.head);
}

//! Environments, and the settings or problems that are read from them.

mod program;

use super::{CommandLine, HostHeader, OtlpProtocol, Sampler, Settings};
use std::collections::HashMap;

const ENVOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/envoy-1.40");
/// An empty module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/module.wasm");
/// Stands in for a certificate bundle, whose content is not read here.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

/// Reads the given variables, on top of the smallest valid environment.
fn read(variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let mut environment =
        HashMap::from([("MCP_UPSTREAM_URL", "http://weather/mcp"), ("ENVOY_BIN", ENVOY), ("MCP_FILTER_WASM", MODULE)]);
    environment.extend(variables.iter().copied());
    Settings::read(&|name| environment.get(name).map(|&value| value.to_owned()), &CommandLine::default())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn defaults_apply() {
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
    assert_eq!(settings.upstream.idle_ms, 1_500);
    assert!(settings.upstream.client_certificate.is_none() && settings.upstream.proxy.is_none());
    assert!(settings.otlp.is_none() && settings.remarks.is_empty());
}

#[test]
fn machine_limits_are_positive() {
    let machine = crate::Machine::prepare(&crate::Running::with(&read(&[]).unwrap()));
    assert!(machine.connections >= 16 && machine.heap_bytes > 0);
}

#[test]
fn empty_value_counts_as_missing() {
    let names = ["PORT", "HOST", "PROBE_PORT", "ADMIN_PORT", "CONCURRENCY", "LOG_LEVEL", "MCP_UPSTREAM_TIMEOUT_MS"];
    let names = names.into_iter().chain(["MCP_UPSTREAM_NAME", "MCP_UPSTREAM_HOST_HEADER", "MCP_UPSTREAM_CA_FILE"]);
    let names = names.chain(["MCP_FILTER_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENV", "SERVICE_VERSION"]);
    let names = names.chain(["MCP_UPSTREAM_CERT_FILE", "MCP_UPSTREAM_KEY_FILE", "MCP_UPSTREAM_IDLE_MS"]);
    let names = names.chain(["MCP_IDENTITY_HEADER", "MCP_IDENTITY_FORM", "MCP_HASH_KEY", "MCP_AUDIT_LOG"]);
    let names = names.chain(["OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"]);
    let names = names.chain(["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY"]);
    let empty: Vec<_> = names.map(|name| (name, "")).collect();
    assert_eq!(format!("{:?}", read(&empty).unwrap()), format!("{:?}", read(&[]).unwrap()));
}

#[test]
fn host_header_follows_the_scheme() {
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
fn otlp_protocol_follows_variable_or_port() {
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
fn problem_names_variable_value_and_what_is_allowed() {
    let cases = [
        ("MCP_UPSTREAM_URL", "", "missing; allowed: an http:// or https:// URL"),
        (
            "MCP_UPSTREAM_URL",
            "weather",
            "\"weather\" is not an http:// or https:// URL: write \"http://weather\", or https://; allowed:",
        ),
        ("MCP_UPSTREAM_URL", "http://weather:0", "port 0"),
        ("MCP_UPSTREAM_URL", "http://a\"b/", "\"http://a\\\"b/\" has an invalid host name"),
        ("MCP_UPSTREAM_URL", "http://localhost:4000", "the sidecar's own PORT"),
        ("MCP_UPSTREAM_URL", "http://[::1]:9901", "the sidecar's own ADMIN_PORT"),
        ("MCP_UPSTREAM_NAME", "a b", "\"a b\" is not allowed; allowed: 1 to 64 characters of A-Za-z0-9_.-"),
        ("MCP_UPSTREAM_TIMEOUT_MS", "30s", "\"30s\" is not allowed; allowed: a whole number of milliseconds"),
        ("MCP_UPSTREAM_TIMEOUT_MS", "-1", "\"-1\" is not allowed"),
        ("MCP_UPSTREAM_HOST_HEADER", "keep", "allowed: auto, preserve, upstream"),
        ("MCP_FILTER_WASM", FILE, "is not a WebAssembly module; allowed: the path of mcp_observability.wasm"),
        ("MCP_UPSTREAM_CA_FILE", "/absent.pem", "\"/absent.pem\" cannot be read (No such file or directory"),
        ("MCP_UPSTREAM_IDLE_MS", "0", "allowed: a whole number of milliseconds from 1 to 3600000"),
        ("MCP_UPSTREAM_IDLE_MS", "3600001", "allowed: a whole number of milliseconds from 1 to 3600000"),
        ("PORT", "0", "\"0\" is not allowed; allowed: a port from 1 to 65535"),
        ("PORT", "65536", "allowed: a port from 1 to 65535"),
        ("PORT", "+80", "allowed: a port from 1 to 65535"),
        ("HOST", "localhost", "allowed: an IP address"),
        ("PROBE_PORT", "4000", "allowed: a port other than PORT's (4000)"),
        ("PROBE_HOST", "any", "allowed: an IP address"),
        ("ADMIN_PORT", "4000", "allowed: a port other than PORT's (4000)"),
        ("ADMIN_PORT", "9902", "allowed: a port other than PROBE_PORT's (9902)"),
        ("CONCURRENCY", "0", "allowed: a number of workers from 1 to 1024"),
        ("LOG_LEVEL", "trace", "allowed: error, warning, info, debug"),
        ("MCP_FILTER_CONFIG", "/absent.json", "/absent.json: cannot be read"),
        ("ENVOY_BIN", "/absent/envoy", "\"/absent/envoy\" cannot be started"),
        ("MCP_FILTER_WASM", "/absent.wasm", "\"/absent.wasm\" cannot be read"),
        ("MCP_FILTER_WASM", "/", "\"/\" cannot be read (not a file); allowed: the path of mcp_observability.wasm"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "is not an http:// or https:// URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "allowed: http/protobuf, grpc"),
        (
            "OTEL_TRACES_SAMPLER",
            "on",
            "allowed: always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, parentbased_traceidratio",
        ),
        ("MCP_IDENTITY_FORM", "sha256", "\"sha256\" is not allowed; allowed: hash, plain"),
        ("MCP_HASH_KEY", "hunter2", "7 bytes are too short; allowed: at least 16 bytes"),
    ];
    for (variable, value, expected) in cases {
        let lines = read(&[(variable, value)]).unwrap_err();
        assert_eq!(lines.len(), 1, "{variable}={value}: {lines:?}");
        assert!(lines[0].starts_with(&format!("{variable}: ")), "{variable}={value}: {lines:?}");
        assert!(lines[0].contains(expected), "{variable}={value}: {lines:?}");
    }
}

#[test]
fn old_envoy_is_refused() {
    let old = ENVOY.replace("1.40", "1.35");
    let lines = read(&[("ENVOY_BIN", &old)]).unwrap_err();
    assert!(lines[0].contains("is Envoy 1.35.9, which is too old; allowed: an Envoy 1.36 or newer"), "{lines:?}");
}

#[test]
fn telemetry_with_envoy_1_36_is_refused() {
    let old = ENVOY.replace("1.40", "1.36");
    assert!(read(&[("ENVOY_BIN", &old)]).is_ok());
    let lines = read(&[("ENVOY_BIN", &old), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")]).unwrap_err();
    assert!(lines[0].contains("needs Envoy 1.37 or newer, and ENVOY_BIN is Envoy 1.36.4"), "{lines:?}");
}

#[test]
fn audit_log_with_envoy_1_36_is_refused() {
    let old = ENVOY.replace("1.40", "1.36");
    let lines = read(&[("ENVOY_BIN", &old), ("MCP_AUDIT_LOG", "/var/log/mcp.jsonl")]).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MCP_AUDIT_LOG: \"/var/log/mcp.jsonl\" needs Envoy 1.37 or newer"), "{lines:?}");
}

#[test]
fn audit_log_turns_filter_state_on() {
    let settings = read(&[("MCP_AUDIT_LOG", "/var/log/mcp.jsonl")]).unwrap();
    assert_eq!(settings.plugin.config.get("filter_state"), Some(&true.into()));
    assert_eq!(read(&[]).unwrap().plugin.config.get("filter_state"), None);
}

#[test]
fn sampler_follows_both_variables() {
    let cases = [
        ("", "", true, 1_000_000),
        ("always_on", "0.5", false, 1_000_000),
        ("always_off", "ignored", false, 0),
        ("", "ignored", true, 1_000_000),
        ("traceidratio", "0.25", false, 250_000),
        ("traceidratio", "", false, 1_000_000),
        ("parentbased_always_on", "", true, 1_000_000),
        ("parentbased_always_off", "1", true, 0),
        ("parentbased_traceidratio", "1e-6", true, 1),
        ("parentbased_traceidratio", "0", true, 0),
    ];
    for (sampler, argument, parent_based, millionths) in cases {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector"),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        let found = read(&variables).unwrap().otlp.unwrap().sampler;
        assert_eq!(found, Sampler { parent_based, millionths }, "{variables:?}");
    }
}

#[test]
fn ratio_that_cannot_be_sampled_is_refused() {
    for ratio in ["1.1", "-0.1", "NaN", "half", "0.0000009", "1e-9"] {
        let lines = read(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", ratio)]).unwrap_err();
        let expected = "is not allowed; allowed: 0, or a number from 0.000001 to 1, such as 0.25";
        assert_eq!(lines, [format!("OTEL_TRACES_SAMPLER_ARG: {ratio:?} {expected}")]);
    }
}

#[test]
fn hashed_identity_without_key_is_refused() {
    for variables in [
        &[("MCP_IDENTITY_HEADER", "x-forwarded-user")][..],
        &[("MCP_IDENTITY_HEADER", "x-user"), ("MCP_IDENTITY_FORM", "hash")],
    ] {
        let lines = read(variables).unwrap_err();
        assert_eq!(lines, ["MCP_IDENTITY_FORM: \"hash\" needs a key; allowed: plain, or a key in MCP_HASH_KEY"]);
    }
}

#[test]
fn identity_header_with_credentials_is_refused() {
    let lines = read(&[("MCP_IDENTITY_HEADER", "authorization"), ("MCP_IDENTITY_FORM", "plain")]).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MCP_IDENTITY_HEADER: \"authorization\" is not allowed"), "{lines:?}");
}

#[test]
fn identity_sets_the_plugin_configuration() {
    let variables = [("MCP_IDENTITY_HEADER", "x-user"), ("MCP_HASH_KEY", "0123456789abcdef")];
    let settings = read(&variables).unwrap();
    assert_eq!(settings.plugin.config["identity"], serde_json::json!({"header": "x-user"}));
    assert_eq!(settings.plugin.config["labels"], serde_json::json!({"hash_key": "${MCP_HASH_KEY}"}));
}

#[test]
fn hash_key_is_only_named_in_the_settings() {
    let settings = read(&[("MCP_HASH_KEY", "0123456789abcdef")]).unwrap();
    assert_eq!(settings.plugin.variables, ["MCP_HASH_KEY"]);
    assert!(!format!("{settings:?}").contains("0123456789abcdef"));
}

#[test]
fn all_problems_are_returned_in_documented_order() {
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
fn same_port_on_two_addresses_is_allowed() {
    assert!(read(&[("HOST", "127.0.0.1"), ("PROBE_HOST", "127.0.0.2"), ("PROBE_PORT", "4000")]).is_ok());
    let variables = [("HOST", "10.0.0.1"), ("MCP_UPSTREAM_URL", "http://localhost:4000")];
    assert!(read(&variables).is_ok());
}

const HTTPS: [(&str, &str); 2] = [("MCP_UPSTREAM_URL", "https://mcp.example.com/mcp"), ("MCP_UPSTREAM_CA_FILE", FILE)];

#[test]
fn client_certificate_and_key_are_read() {
    let [certificate, key] = [("MCP_UPSTREAM_CERT_FILE", FILE), ("MCP_UPSTREAM_KEY_FILE", MODULE)];
    let settings = read(&[&HTTPS[..], &[certificate, key]].concat()).unwrap();
    let pair = settings.upstream.client_certificate.unwrap();
    assert_eq!((pair.certificate.to_str(), pair.key.to_str()), (Some(FILE), Some(MODULE)));
}

#[test]
fn client_certificate_without_key_or_https_is_refused() {
    let certificate = ("MCP_UPSTREAM_CERT_FILE", FILE);
    let key = ("MCP_UPSTREAM_KEY_FILE", FILE);
    let cases: [(&[_], &[&str]); 5] = [
        (
            &[HTTPS[0], HTTPS[1], certificate],
            &["MCP_UPSTREAM_KEY_FILE: missing; allowed: the PEM file of the private key"],
        ),
        (&[HTTPS[0], HTTPS[1], key], &["MCP_UPSTREAM_CERT_FILE: missing; allowed: the PEM file of the certificate"]),
        (
            &[HTTPS[0], HTTPS[1], certificate, (key.0, "/absent.pem")],
            &["MCP_UPSTREAM_KEY_FILE: \"/absent.pem\" cannot be read"],
        ),
        (&[HTTPS[0], HTTPS[1], (certificate.0, "/"), key], &["MCP_UPSTREAM_CERT_FILE: \"/\" cannot be read"]),
        (&[certificate, key], &["MCP_UPSTREAM_CERT_FILE: ", "MCP_UPSTREAM_KEY_FILE: "]),
    ];
    for (variables, expected) in cases {
        let lines = read(variables).unwrap_err();
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, begin) in lines.iter().zip(expected) {
            assert!(line.starts_with(begin), "{lines:?}");
        }
    }
    let lines = read(&[certificate, key]).unwrap_err();
    assert!(lines[0].contains("is not used with http://weather/mcp; allowed: only with an https:// URL"), "{lines:?}");
}

#[test]
fn proxy_follows_scheme_case_and_no_proxy() {
    let proxy = |variables: &[(&str, &str)]| {
        let settings = read(&[&HTTPS[..], variables].concat()).unwrap();
        settings.upstream.proxy.map(|proxy| proxy.url())
    };
    let one = Some("http://one:3128".to_owned());
    assert_eq!(proxy(&[("HTTPS_PROXY", "one:3128")]), one);
    assert_eq!(proxy(&[("https_proxy", "http://one:3128"), ("HTTPS_PROXY", "two:3128")]), one);
    assert_eq!(proxy(&[("HTTPS_PROXY", "one:3128"), ("NO_PROXY", "example.org")]), one);
    assert_eq!(proxy(&[("HTTPS_PROXY", "one:3128"), ("NO_PROXY", "example.com")]), None);
    assert_eq!(proxy(&[("HTTPS_PROXY", "one:3128"), ("no_proxy", "a"), ("NO_PROXY", "example.com")]), one);
    assert_eq!(proxy(&[("HTTP_PROXY", "one:3128"), ("ALL_PROXY", "one:3128")]), None);
    assert!(read(&[("HTTPS_PROXY", "one:3128")]).unwrap().upstream.proxy.is_none(), "http:// is reached directly");
}

#[test]
fn unsupported_proxy_is_refused_without_its_password() {
    for value in ["socks5://me:hunter2@proxy:1080", "https://me:hunter2@proxy:443", "http://me:hunter2@proxy"] {
        for variable in ["HTTPS_PROXY", "https_proxy"] {
            let collector = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318");
            let lines = read(&[&HTTPS[..], &[(variable, value), collector]].concat()).unwrap_err();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(&format!("{variable}: ")) && !lines[0].contains("hunter2"), "{lines:?}");
        }
    }
    // The proxy is not needed here, so its value is not checked.
    assert!(read(&[("HTTPS_PROXY", "socks5://proxy:1080")]).is_ok());
}

#[test]
fn ignored_proxy_is_remarked() {
    let ignored = |variables: &[(&str, &str)]| -> Vec<String> {
        read(variables)
            .unwrap()
            .remarks
            .iter()
            .map(|remark| remark.to_string().split(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ignored(&[("HTTP_PROXY", "one:3128")]), ["HTTP_PROXY"]);
    assert_eq!(ignored(&[("http_proxy", "one:3128"), ("all_proxy", "socks5://one:1")]), ["http_proxy", "all_proxy"]);
    assert_eq!(ignored(&[("HTTP_PROXY", "one:3128"), ("NO_PROXY", "weather")]), Vec::<String>::new());
    assert_eq!(ignored(&[HTTPS[0], HTTPS[1], ("ALL_PROXY", "one:3128")]), ["ALL_PROXY"]);
    let both = [HTTPS[0], HTTPS[1], ("ALL_PROXY", "one:3128"), ("HTTPS_PROXY", "one:3128"), ("HTTP_PROXY", "one:3128")];
    assert_eq!(ignored(&both), Vec::<String>::new());
}

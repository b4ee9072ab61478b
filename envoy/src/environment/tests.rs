//! Environments, and the settings or problems that are read from them.

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

/// Reads the variables for a server that is a program.
fn read_program(variables: &[(&str, &str)], command_line: &CommandLine) -> Result<Settings, Vec<String>> {
    let mut environment = HashMap::from([("ENVOY_BIN", ENVOY), ("MCP_FILTER_WASM", MODULE)]);
    environment.extend(variables.iter().copied());
    Settings::read(&|name| environment.get(name).map(|&value| value.to_owned()), command_line)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The command line that names a program, with its environment.
fn program(command: &[&str], environment: &[(&str, &str)]) -> CommandLine {
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    CommandLine { program: command.iter().map(Into::into).collect(), environment, is_stdio: false }
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
        ("MCP_UPSTREAM_URL", "weather", "\"weather\" is not an http:// or https:// URL; allowed:"),
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

#[test]
fn program_has_its_limits() {
    let command_line = program(&["/bin/sh", "-c", "exit"], &[]);
    let limits = |variables: &[(&str, &str)]| {
        let settings = read_program(variables, &command_line).unwrap();
        let bridge = settings.upstream.program().unwrap().bridge.clone();
        (bridge.sessions, bridge.idle.as_millis(), bridge.line_bytes)
    };
    assert_eq!(limits(&[]), (32, 1_800_000, 67_108_864));
    let set = [("MCP_STDIO_SESSIONS", "1000"), ("MCP_STDIO_IDLE_MS", "1"), ("MCP_STDIO_LINE_BYTES", "1024")];
    assert_eq!(limits(&set), (1000, 1, 1024));
    assert_eq!(limits(&set.map(|(variable, _)| (variable, ""))), limits(&[]));
    for (variable, value, allowed) in [
        ("MCP_STDIO_SESSIONS", "0", "a number of sessions from 1 to 1000"),
        ("MCP_STDIO_SESSIONS", "1001", "a number of sessions from 1 to 1000"),
        ("MCP_STDIO_IDLE_MS", "0", "a whole number of milliseconds from 1 to 4294967295"),
        ("MCP_STDIO_LINE_BYTES", "1023", "a number of bytes from 1024 to 1073741824"),
        ("MCP_STDIO_LINE_BYTES", "1073741825", "a number of bytes from 1024 to 1073741824"),
    ] {
        let expected = [format!("{variable}: {value:?} is not allowed; allowed: {allowed}")];
        assert_eq!(read_program(&[(variable, value)], &command_line).unwrap_err(), expected);
        assert_eq!(read(&[(variable, value)]).unwrap_err(), expected);
    }
}

#[test]
fn neither_url_nor_program_and_both_are_refused() {
    let lines = read_program(&[], &CommandLine::default()).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MCP_UPSTREAM_URL: missing; allowed: an http:// or https:// URL"), "{lines:?}");
    assert!(lines[0].ends_with("or a program in its place: mcp-sidecar run -- COMMAND"), "{lines:?}");
    let url = ("MCP_UPSTREAM_URL", "http://me:hunter2@weather");
    let lines = read_program(&[url], &program(&["/bin/sh"], &[])).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("MCP_UPSTREAM_URL: is set, and the command line names a program too"), "{lines:?}");
    assert!(lines[0].ends_with("unset the variable, or leave out \"-- COMMAND\""), "{lines:?}");
}

#[test]
fn command_that_is_not_there_is_refused() {
    let lines = read_program(&[("PORT", "0")], &program(&["absent-program"], &[("PATH", "/bin")])).unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("COMMAND: absent-program: not found on the PATH"), "{lines:?}");
}

#[test]
fn settings_of_the_other_kind_of_server_are_remarked() {
    let ignored = |settings: Settings| {
        let remarks: Vec<_> = settings.remarks.iter().map(ToString::to_string).collect();
        remarks.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of_a_url = [
        ("MCP_UPSTREAM_HOST_HEADER", "upstream"),
        ("MCP_UPSTREAM_CA_FILE", "/absent.pem"),
        ("MCP_UPSTREAM_CERT_FILE", "/absent.pem"),
        ("MCP_UPSTREAM_KEY_FILE", "/absent.pem"),
        ("MCP_UPSTREAM_IDLE_MS", "5"),
    ];
    let settings = read_program(&of_a_url, &program(&["/bin/sh"], &[])).unwrap();
    assert_eq!(ignored(settings), of_a_url.map(|(variable, _)| variable));
    let of_a_program = [("MCP_STDIO_SESSIONS", "5"), ("MCP_STDIO_IDLE_MS", "5"), ("MCP_STDIO_LINE_BYTES", "5000")];
    assert_eq!(ignored(read(&of_a_program).unwrap()), of_a_program.map(|(variable, _)| variable));
}

#[test]
fn stdio_has_free_ports_on_loopback_unless_they_are_set() {
    let command_line = CommandLine { is_stdio: true, ..program(&["/bin/sh"], &[]) };
    let chosen = || read_program(&[], &command_line).unwrap().with_free_ports().unwrap();
    let settings = chosen();
    assert!(settings.listener.ip().is_loopback() && settings.probe.ip().is_loopback());
    let ports = [settings.listener.port(), settings.probe.port(), settings.admin_port];
    assert!(ports.iter().all(|&port| port > 0) && ports[0] != ports[1] && ports[1] != ports[2] && ports[0] != ports[2]);
    let set = [("HOST", "0.0.0.0"), ("PORT", "4000"), ("PROBE_PORT", "9902"), ("ADMIN_PORT", "9901")];
    let settings = read_program(&set, &command_line).unwrap();
    assert!(!settings.free_ports.any());
    assert_eq!(settings.with_free_ports().unwrap().listener.to_string(), "0.0.0.0:4000");
    let lines = read_program(&[("PORT", "9902"), ("PROBE_PORT", "9902")], &command_line).unwrap_err();
    assert!(lines[0].starts_with("PROBE_PORT: \"9902\" is not allowed"), "{lines:?}");
}

#[test]
fn drain_needs_no_server() {
    let running = |variables: &[(&str, &str)]| {
        let environment: HashMap<_, _> = variables.iter().copied().collect();
        crate::Running::read(&|name| environment.get(name).map(|&value| value.to_owned()))
    };
    let found = running(&[("ADMIN_PORT", "5000"), ("MCP_UPSTREAM_NAME", "weather")]).unwrap();
    assert_eq!((found.admin_port, found.server_name.as_str(), found.is_proxied), (5000, "weather", false));
    assert!(running(&[HTTPS[0], ("HTTPS_PROXY", "one:3128")]).unwrap().is_proxied);
    assert!(running(&[("ADMIN_PORT", "0")]).is_err());
}

//! An https upstream through a forward proxy.

use crate::support::{
    Authority, ConnectProxy, Sidecar, TlsServer, Upstream, free_port, get, post, say, say_json, seen, until,
    until_closed,
};
use std::path::Path;

const USER: &str = "me:hunter2%40home";
const AUTHORIZATION: &str = "Basic bWU6aHVudGVyMkBob21l";

/// A server whose name this machine cannot resolve, so that it is reachable only through the proxy.
struct Scene {
    _directory: tempfile::TempDir,
    authority: Authority,
    server: TlsServer,
    url: String,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path());
        let server = TlsServer::start(&authority.certify("mcp.invalid"), &["h2", "http/1.1"]);
        let url = format!("https://mcp.invalid:{}/mcp", server.port);
        Self { _directory: directory, authority, server, url }
    }

    fn sidecar(&self, variables: &[(&str, &str)]) -> Sidecar {
        let ca_file = ("MCP_UPSTREAM_CA_FILE", self.authority.ca_file.to_str().unwrap());
        Sidecar::start(&self.url, &[&[ca_file], variables].concat())
    }

    fn target(&self) -> String {
        format!("mcp.invalid:{}", self.server.port)
    }

    fn answer(&self) -> String {
        format!("mcp.invalid {} HTTP/2", self.target())
    }
}

#[test]
fn traffic_and_health_checks_use_the_proxy_with_the_servers_name() {
    let (scene, proxy) = (Scene::new(), ConnectProxy::start(None));
    let sidecar = scene.sidecar(&[("HTTPS_PROXY", &proxy.address())]);
    assert_eq!(seen(&sidecar), Ok(scene.answer()));
    until("the health check passes", || sidecar.probe("/health") == 200);
    assert_eq!(sidecar.stat("cluster.upstream.membership_healthy"), 1);
    for _ in 0..2 {
        assert_eq!(proxy.connect(), (scene.target(), None));
    }
}

#[test]
fn password_is_sent_to_the_proxy_only() {
    let (scene, proxy) = (Scene::new(), ConnectProxy::start(Some(AUTHORIZATION)));
    let url = format!("http://{USER}@{}", proxy.address());
    // The lower-case name takes precedence, as with curl.
    let variables = [("https_proxy", url.as_str()), ("HTTPS_PROXY", "socks5://elsewhere:1"), ("LOG_LEVEL", "debug")];
    let sidecar = scene.sidecar(&variables);
    assert_eq!(seen(&sidecar), Ok(scene.answer()));
    until("the health check passes", || sidecar.probe("/health") == 200);
    assert_eq!(proxy.connect(), (scene.target(), Some(AUTHORIZATION.to_owned())));
    let dump = get(sidecar.admin_port, "/config_dump").body;
    assert!(dump.contains(&scene.target()), "this is the configuration");
    for text in [dump, sidecar.errors()] {
        assert!(!text.contains("hunter2") && !text.contains("bWU6"), "{text}");
    }
}

#[test]
fn wrong_password_is_reported_once_and_not_shown() {
    let (scene, proxy) = (Scene::new(), ConnectProxy::start(Some(AUTHORIZATION)));
    let sidecar = scene.sidecar(&[("HTTPS_PROXY", &format!("http://me:hunter3@{}", proxy.address()))]);
    let answer = post(sidecar.port, "/", "{}");
    assert_eq!(answer.status, 503);
    let place = format!("through the proxy http://{} (HTTPS_PROXY)", proxy.address());
    assert!(
        answer.body.starts_with(&format!("cannot connect to {} (MCP_UPSTREAM_URL) {place}", scene.url)),
        "{answer:?}"
    );
    let report = format!("HTTPS_PROXY: no connection through http://{}: ", proxy.address());
    until("it is reported", || sidecar.errors().contains(&report));
    assert_eq!(sidecar.probe("/health"), 503);
    until("the checks were repeated", || sidecar.stat("cluster.upstream.health_check.failure") > 2);
    assert_eq!(sidecar.errors().matches(&report).count(), 1);
    assert!(!sidecar.errors().contains("hunter3") && !answer.body.contains("hunter3"));
}

#[test]
fn proxy_that_refuses_connections_is_reported() {
    let scene = Scene::new();
    let proxy = format!("http://127.0.0.1:{}", free_port());
    let sidecar = scene.sidecar(&[("HTTPS_PROXY", &proxy)]);
    let answer = post(sidecar.port, "/", "{}");
    assert_eq!((answer.status, answer.body.contains(&format!("through the proxy {proxy}"))), (503, true), "{answer:?}");
    until("it is reported", || sidecar.errors().contains(&format!("HTTPS_PROXY: no connection through {proxy}: ")));
    assert_eq!(sidecar.probe("/health"), 503);
}

#[test]
fn proxy_that_does_not_answer_is_reported() {
    let scene = Scene::new();
    let proxy = Upstream::start(|_, stream| until_closed(stream));
    let sidecar = scene.sidecar(&[("HTTPS_PROXY", &proxy.url())]);
    let answer = post(sidecar.port, "/", "{}");
    assert_eq!((answer.status, answer.body.contains(&format!("through the proxy {}", proxy.url()))), (503, true));
    let report =
        format!("HTTPS_PROXY: no connection through {}: neither the proxy nor {} answers", proxy.url(), scene.url);
    until("it is reported", || sidecar.errors().contains(&report));
    assert_eq!(sidecar.probe("/health"), 503);
}

#[test]
fn endpoint_in_no_proxy_is_reached_directly() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path());
    let server = TlsServer::start(&authority.certify("localhost"), &["h2"]);
    let proxy = ConnectProxy::start(None);
    let (url, address) = (format!("https://localhost:{}", server.port), proxy.address());
    let ca_file = ("MCP_UPSTREAM_CA_FILE", authority.ca_file.to_str().unwrap());
    for no_proxy in [("NO_PROXY", "example.com, localhost"), ("no_proxy", "*")] {
        let sidecar = Sidecar::start(&url, &[ca_file, ("HTTPS_PROXY", &address), no_proxy]);
        assert!(seen(&sidecar).is_ok());
        until("the health check passes", || sidecar.probe("/health") == 200);
    }
    assert!(proxy.is_idle());
}

#[test]
fn proxy_for_http_is_reported_and_ignored() {
    let upstream = Upstream::start(|_, stream| say(stream, "direct"));
    let proxy = ConnectProxy::start(None);
    let (sidecar, lines) = Sidecar::spawn(&upstream.url(), &[("HTTP_PROXY", &proxy.address())]);
    assert!(lines.iter().any(|line| line.starts_with("ready")));
    assert_eq!(get(sidecar.port, "/").body, "direct");
    let report = format!("HTTP_PROXY: is ignored; connections to {}/ are direct", upstream.url());
    until("it is reported", || sidecar.errors().contains(&report));
    assert!(proxy.is_idle());
}

#[test]
fn telemetry_to_https_uses_the_proxy() {
    let (scene, proxy) = (Scene::new(), ConnectProxy::start(None));
    let upstream = Upstream::start(|_, stream| say_json(stream, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#));
    let endpoint = format!("https://mcp.invalid:{}", scene.server.port);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("SSL_CERT_FILE", scene.authority.ca_file.to_str().unwrap()),
        ("HTTPS_PROXY", &proxy.address()),
    ];
    let sidecar = Sidecar::start(&upstream.url(), &variables);
    assert_eq!(post(sidecar.port, "/", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).status, 200);
    assert_eq!(proxy.connect(), (scene.target(), None));
    until("it is received", || sidecar.stat("cluster.sidecar/otlp.upstream_rq_200") > 0);
    assert!(Path::new("/proc/self/fd/0").exists(), "Envoy writes notices to this path");
}

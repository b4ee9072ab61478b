//! The report about a server that cannot be reached after the start, and why. Until a client calls, no other message points to a
//! wrong URL.
//!
//! Envoy's counters tell whether a health check has succeeded. `/health` does not: a server with a name counts as healthy until
//! two checks have failed. Envoy does not tell why a check fails. So if none has succeeded after some seconds, this process
//! resolves the name and connects once, as a health check does, and sends nothing.

use super::tls_failure::{ReportedTls, TlsFailure, TlsServer};
use crate::admin::{Admin, Checks};
use crate::console::{Console, print_error};
use crate::environment::{Endpoint, EndpointHost, Settings};
use crate::temporary::reason;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Time after the start during which an unreachable server is not reported. Envoy's first check of `localhost` may be a
/// second late.
const GRACE: Duration = Duration::from_secs(3);
/// Further time in which a check must succeed if this process can connect: twice the interval of 5 s.
const CHECKS: Duration = Duration::from_secs(10);
/// Interval at which Envoy is asked during that time.
const POLL: Duration = Duration::from_millis(100);
/// Timeout of the connection, as of a health check.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Files that Docker and Podman make in each container.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];
/// The host's name in a container of Docker. On Linux it has no address without an option.
const DOCKER_HOST: &str = "host.docker.internal";
const DOCKER_HOST_OPTION: &str = "--add-host=host.docker.internal:host-gateway";

/// Why the server cannot be reached.
#[derive(Debug, PartialEq, Eq)]
enum Cause {
    /// Its name has no address.
    Name,
    /// No address accepts a connection; the system's reason.
    Connection(String),
    /// A forward proxy is between. The notices have its reason.
    Proxy,
    /// This process can connect, and Envoy cannot.
    Envoy,
}

/// Reports a server that is unreachable after the start. It may start later. The bridge of a program reports its failures itself.
pub(crate) fn report_unreachable_server(settings: &Settings, admin: Admin, reported: ReportedTls) {
    let Some(endpoint) = settings.upstream.endpoint().cloned() else { return };
    let (console, tls) = (Console::with(settings), TlsServer::new(settings));
    let is_proxied = settings.upstream.proxy.is_some();
    thread::spawn(move || {
        let first = awaited(&admin, GRACE, Checks::has_succeeded);
        if first.has_succeeded() {
            return;
        }
        let mut cause = if is_proxied { Some(Cause::Proxy) } else { cause(&endpoint) };
        if cause.is_none() {
            let is_over =
                |now: &Checks| now.has_succeeded() || now.tls_failure().is_some() || now.failures() > first.failures();
            let checks = awaited(&admin, CHECKS, is_over);
            match tls {
                _ if checks.has_succeeded() => return,
                Some(tls) => {
                    let kind = checks.tls_failure().unwrap_or(TlsFailure::Other);
                    return reported.first(kind, || print_error(format_args!("{}", tls.message(kind))));
                }
                None => cause = Some(Cause::Envoy),
            }
        }
        if let Some(cause) = cause {
            console.print(format_args!("waiting  {}", message(&endpoint, &cause, is_in_container())));
        }
    });
}

/// Asks Envoy until the condition holds, at most for the given time.
fn awaited(admin: &Admin, longest: Duration, condition: impl Fn(&Checks) -> bool) -> Checks {
    let deadline = Instant::now() + longest;
    loop {
        let checks = admin.checks();
        if condition(&checks) || Instant::now() >= deadline {
            return checks;
        }
        thread::sleep(POLL);
    }
}

/// Connects to the addresses in turn. `None` if one accepts the connection.
fn cause(endpoint: &Endpoint) -> Option<Cause> {
    let addresses = (endpoint.host_text(), endpoint.port).to_socket_addrs();
    let addresses: Vec<_> = addresses.into_iter().flatten().collect();
    let mut cause = Cause::Name;
    for address in addresses {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(_) => return None,
            Err(error) => cause = Cause::Connection(reason(&error)),
        }
    }
    Some(cause)
}

/// The line: the failure, and what to do.
fn message(endpoint: &Endpoint, cause: &Cause, is_in_container: bool) -> String {
    let (url, host) = (endpoint.url(), endpoint.host_text());
    let (failure, mut advice) = match cause {
        Cause::Name => (format!("{url}: the name \"{host}\" has no address"), "Correct MCP_UPSTREAM_URL".to_owned()),
        Cause::Connection(reason) => (
            format!("{url} does not accept connections yet ({reason})"),
            format!("Start the server on port {}, or correct MCP_UPSTREAM_URL", endpoint.port),
        ),
        Cause::Proxy => (
            format!("{url} is not reached through the proxy yet"),
            "Check HTTPS_PROXY and MCP_UPSTREAM_URL, or set NO_PROXY".to_owned(),
        ),
        Cause::Envoy => (
            format!("{url} accepts connections, but not Envoy's"),
            "Write the server's address in MCP_UPSTREAM_URL in place of its name, or set LOG_LEVEL=debug".to_owned(),
        ),
    };
    if matches!(&endpoint.host, EndpointHost::Name(name) if name == DOCKER_HOST) && *cause == Cause::Name {
        advice = format!("On Linux start the sidecar's container with {DOCKER_HOST_OPTION}");
    }
    if endpoint.is_loopback() && is_in_container && matches!(cause, Cause::Connection(_)) {
        let there = endpoint.on_host(DOCKER_HOST);
        advice = format!(
            "{advice}. In a container with a network of its own, {host} is the container itself: for a server on the host write {there} (Docker on Linux: \
             {DOCKER_HOST_OPTION}), for one in another container that container's name"
        );
    }
    format!("{failure}. {advice}; /health returns 200 when the server is reached")
}

/// Whether this is a container that shares no loopback address with its server. In a pod the server does share it.
fn is_in_container() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // Podman and systemd set this variable.
    let is_container = is_set("container") || CONTAINER_FILES.iter().any(|file| Path::new(file).exists());
    is_container && !is_set("KUBERNETES_SERVICE_HOST")
}

#[cfg(test)]
mod tests {
    use super::{Cause, cause, message};
    use crate::Endpoint;
    use std::net::TcpListener;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::parse(url).unwrap()
    }

    #[test]
    fn connection_shows_the_cause() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = endpoint(&format!("http://{}/mcp", listener.local_addr().unwrap()));
        assert_eq!(cause(&url), None);
        drop(listener);
        assert_eq!(cause(&url), Some(Cause::Connection("Connection refused".to_owned())));
        assert_eq!(cause(&endpoint("http://mcp.invalid/")), Some(Cause::Name));
    }

    #[test]
    fn localhost_in_a_container_names_the_host() {
        let refused = Cause::Connection("Connection refused".to_owned());
        for (url, there) in [
            ("http://localhost:8080/mcp", "http://host.docker.internal:8080/mcp "),
            ("http://127.0.0.1/mcp", "http://host.docker.internal/mcp "),
            ("https://[::1]:8443/", "https://host.docker.internal:8443/ "),
        ] {
            let text = message(&endpoint(url), &refused, true);
            assert!(text.contains(there) && text.contains("--add-host"), "{text}");
            assert!(!message(&endpoint(url), &refused, false).contains("container"));
        }
        assert!(!message(&endpoint("http://weather:8080/"), &refused, true).contains("container"));
    }

    #[test]
    fn name_without_address_is_named() {
        let text = message(&endpoint("http://wether:8080/mcp"), &Cause::Name, true);
        assert!(text.starts_with("http://wether:8080/mcp: the name \"wether\" has no address. Correct MCP"), "{text}");
        let text = message(&endpoint("http://host.docker.internal:8080/mcp"), &Cause::Name, true);
        assert!(text.contains("--add-host=host.docker.internal:host-gateway"), "{text}");
    }
}

//! The HTTP server of the command `page`: the file at `/`, and the source's metrics at `/metrics`.
//!
//! A web page of another site cannot read them. Its own name in `Host` is refused, in case that name has this machine's address
//! (DNS rebinding), and no response allows another origin.

use super::file::{PAGE, headers};
use crate::top::Source;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

type Reply = Response<Full<Bytes>>;

/// Tells the page that its metrics are another Envoy's, and whose.
const SOURCE: &str = "mcp-metrics-source";
/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served, and where.
pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) source: Source,
}

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, site: Site) {
    let site = Rc::new(site);
    LocalSet::new().run_until(accept(listener, site)).await;
}

async fn accept(listener: TcpListener, site: Rc<Site>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            // Too many open files: some close again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let site = site.clone();
        let service = service_fn(move |request| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(answer(&request, &site).await) }
        });
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn answer(request: &Request<Incoming>, site: &Site) -> Reply {
    if !is_for_this_machine(request.headers()) {
        let address = site.address;
        return text(StatusCode::FORBIDDEN, format!("Forbidden: Host is not this machine; open http://{address}/\n"));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let refused = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed: use GET\n".to_owned());
        return with(refused, &[("allow", "GET, HEAD")]);
    }
    match request.uri().path() {
        "/" => {
            let headers = headers();
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            with(Response::new(Full::from(PAGE)), &headers)
        }
        "/metrics" => metrics(&site.source).await,
        _ => text(StatusCode::NOT_FOUND, "Not Found: the page is at /, its metrics at /metrics\n".to_owned()),
    }
}

/// The source's metrics. 502 with the reason if there are none: the page shows it.
async fn metrics(source: &Source) -> Reply {
    let fetched = {
        let source = source.clone();
        spawn_blocking(move || source.get()).await
    };
    let reply = match fetched.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(scrape) => with(Response::new(Full::from(scrape)), &[("content-type", TEXT_FORMAT)]),
        Err(problem) => text(StatusCode::BAD_GATEWAY, problem),
    };
    with(reply, &[(SOURCE, &source.shown()), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")])
}

fn text(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    with(reply, &[("content-type", "text/plain; charset=utf-8")])
}

/// The reply with these headers. No value has a control character.
fn with(mut reply: Reply, headers: &[(&'static str, &str)]) -> Reply {
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            reply.headers_mut().insert(*name, value);
        }
    }
    reply
}

/// Whether `Host` names this machine. Any port is right: `ssh -L` changes it.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(|host| is_loopback(without_port(host)))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_loopback, without_port};

    #[test]
    fn only_names_of_this_machine_are_served() {
        let is_served = |host| is_loopback(without_port(host));
        for host in ["localhost", "LocalHost:9903", "127.0.0.1:9903", "127.0.0.1", "[::1]:9903", "[::1]"] {
            assert!(is_served(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:9903", "127.0.0.1.evil.example", "10.0.0.1:9903", "0.0.0.0"]
        {
            assert!(!is_served(host), "{host}");
        }
    }
}

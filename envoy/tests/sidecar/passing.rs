//! Traffic passes unchanged except for the documented headers, to the right path, with the right timeouts.

use crate::support::{
    LONGEST, LOOPBACK, Request, Sidecar, Upstream, begin_events, free_port, get, open, post, read_until, say, send,
    until, until_closed,
};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc;

fn echo() -> Upstream {
    Upstream::start(|_, stream| say(stream, "hello"))
}

fn names_and_values(request: &Request) -> Vec<(&str, &str)> {
    request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn only_documented_request_headers_differ() {
    let upstream = echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let sent = [
        ("MCP-Protocol-Version", "2025-06-18"),
        ("X-Forwarded-For", "10.9.8.7"),
        ("Authorization", "Bearer secret"),
        ("X-Envoy-Upstream-Rq-Timeout-Ms", "1"),
        ("x-envoy-max-retries", "9"),
        ("x-envoy-anything", "else"),
        ("X-Two", "1"),
        ("X-Two", "2"),
    ];
    assert_eq!(send(sidecar.port, "POST", "/a//b/../c?x=%2f", &sent, "{}").status, 200);
    let request = upstream.request();
    assert_eq!(request.line, "POST /a//b/../c?x=%2f HTTP/1.1");
    let host = format!("client.example:{}", sidecar.port);
    let expected = [
        ("Host", host.as_str()),
        ("MCP-Protocol-Version", "2025-06-18"),
        ("X-Forwarded-For", "10.9.8.7"),
        ("Authorization", "Bearer secret"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("Content-Length", "2"),
        ("x-forwarded-proto", "http"),
    ];
    assert_eq!(names_and_values(&request), expected);
}

#[test]
fn response_differs_only_by_its_date() {
    let upstream = Upstream::start(|_, stream| {
        let head = "HTTP/1.1 418 Short And Stout\r\nServer: Kettle\r\nX-Envoy-Foo: kept\r\nContent-Length: 2\r\n\r\nhi";
        let _ = std::io::Write::write_all(stream, head.as_bytes());
    });
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let answer = get(sidecar.port, "/");
    let lines: Vec<_> = answer.head.lines().filter(|line| !line.starts_with("date: ")).collect();
    let expected = [
        "HTTP/1.1 418 Short And Stout",
        "Server: Kettle",
        "X-Envoy-Foo: kept",
        "Content-Length: 2",
        "connection: close",
    ];
    assert_eq!(lines, expected);
    assert!(answer.head.contains("date: "), "{answer:?}");
}

#[test]
fn root_path_is_replaced_by_the_urls_path() {
    let upstream = echo();
    let sidecar = Sidecar::start(&format!("{}/mcp/v1", upstream.url()), &[]);
    let cases = [
        ("/", "/mcp/v1"),
        ("/?a=/&b", "/mcp/v1?a=/&b"),
        ("/mcp/v1", "/mcp/v1"),
        ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource"),
        ("//", "//"),
    ];
    for (path, expected) in cases {
        for method in ["GET", "POST", "DELETE"] {
            assert_eq!(send(sidecar.port, method, path, &[], "").status, 200, "{method} {path}");
            assert_eq!(upstream.request().line, format!("{method} {expected} HTTP/1.1"));
        }
    }
}

#[test]
fn host_header_is_the_clients_or_the_urls() {
    let upstream = echo();
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_HOST_HEADER", "upstream")]);
    assert_eq!(post(sidecar.port, "/", "{}").status, 200);
    assert_eq!(upstream.request().header("host"), Some(upstream.address.to_string().as_str()));
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_HOST_HEADER", "preserve")]);
    assert_eq!(post(sidecar.port, "/", "{}").status, 200);
    assert_eq!(upstream.request().header("host"), Some(format!("client.example:{}", sidecar.port).as_str()));
}

#[test]
fn upgrade_to_h2c_is_ignored() {
    let upstream = echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let offer =
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")];
    let mut stream = open(sidecar.port, "POST", "/", &offer, "{}");
    assert!(read_until(&mut stream, "hello").starts_with("HTTP/1.1 200 "));
    assert_eq!(upstream.request().header("upgrade"), None);
}

#[test]
fn timeout_applies_to_posts_only() {
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let upstream = Upstream::start(move |request, stream| {
        if request.line.starts_with("GET") {
            let _ = gate.lock().unwrap().recv();
            say(stream, "late");
        } else if request.line.contains("/events") {
            begin_events(stream);
            until_closed(stream);
        } else {
            until_closed(stream);
        }
    });
    // Long enough that the events of a busy server begin before it.
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_TIMEOUT_MS", "3000")]);
    let stream = open(sidecar.port, "GET", "/", &[("Accept", "text/event-stream"), ("connection", "close")], "");
    let page = open(sidecar.port, "GET", "/", &[("connection", "close")], "");
    let mut events = open(sidecar.port, "POST", "/events", &[], "{}");
    read_until(&mut events, ": begin");
    // After two timeouts the other exchanges are older than the timeout.
    for _ in 0..2 {
        assert_eq!(post(sidecar.port, "/", "{}").status, 504);
    }
    assert_eq!(sidecar.stat("cluster.upstream.upstream_rq_retry"), 0);
    until("only the others are open", || sidecar.stat("http.mcp.downstream_rq_active") == 3);
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    for waiting in [stream, page] {
        assert_eq!(crate::support::read_answer(waiting).body, "late");
    }
}

#[test]
fn timeout_of_0_is_no_timeout() {
    let (go_on, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let upstream = Upstream::start(move |_, stream| {
        let _ = gate.lock().unwrap().recv();
        say(stream, "late");
    });
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_TIMEOUT_MS", "0")]);
    let waiting = open(sidecar.port, "POST", "/", &[("connection", "close")], "{}");
    until("it waits", || sidecar.stat("cluster.upstream.upstream_rq_active") == 1);
    go_on.send(()).unwrap();
    assert_eq!(crate::support::read_answer(waiting).body, "late");
}

#[test]
fn localhost_works_with_a_server_on_either_address() {
    let addresses: Vec<_> = [LOOPBACK, Ipv6Addr::LOCALHOST.into()]
        .into_iter()
        // A machine without IPv6 cannot bind to `::1`.
        .filter(|&address| TcpListener::bind((address, 0)).is_ok())
        .collect();
    for address in addresses {
        let upstream = Upstream::start_on(address, 0, |_, stream| say(stream, "hello"));
        let sidecar = Sidecar::start(&format!("http://localhost:{}", upstream.address.port()), &[]);
        for _ in 0..20 {
            assert_eq!(post(sidecar.port, "/", "{}").status, 200, "{address}");
        }
        until("its health is known", || sidecar.stat("cluster.upstream.membership_healthy") == 1);
        assert_eq!(sidecar.probe("/health"), 200, "{address}");
    }
}

#[test]
fn localhost_is_healthy_if_either_address_is() {
    let port = free_port();
    let sidecar = Sidecar::start(&format!("http://localhost:{port}"), &[]);
    assert_eq!(sidecar.probe("/health"), 503);
    assert_eq!(sidecar.stat("cluster.upstream.membership_healthy"), 0);
    let _upstream = Upstream::start_on(LOOPBACK, port, |_, stream| say(stream, "hello"));
    until("the server is known to be there", || sidecar.stat("cluster.upstream.membership_healthy") == 1);
    assert_eq!(sidecar.probe("/health"), 200);
}

#[test]
fn probe_listener_on_loopback_answers_loopback_names_only() {
    let upstream = echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let port = sidecar.probe_port;
    let status = |host: &str, path: &str| send(port, "GET", path, &[("Host", host)], "").status;
    for path in ["/", "/metrics", "/ready"] {
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(status(host, path), 200, "{host}{path}");
            assert_eq!(status(&format!("{host}:{port}"), path), 200, "{host}{path}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"] {
            assert_eq!(status(host, path), 403, "{host}{path}");
        }
    }
    let sidecar = Sidecar::start(&upstream.url(), &[("PROBE_HOST", "0.0.0.0")]);
    assert_eq!(send(sidecar.probe_port, "GET", "/metrics", &[("Host", "weather.mcp.svc")], "").status, 200);
}

#[test]
fn probe_listener_has_four_paths() {
    let upstream = echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    assert_eq!(sidecar.probe("/ready"), 200);
    until("the first health check", || sidecar.probe("/health") == 200);
    let metrics = get(sidecar.probe_port, "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.body.contains("envoy_cluster_membership_healthy{envoy_cluster_name=\"upstream\"} 1"),
        "{metrics:?}"
    );
    assert_eq!(sidecar.probe("/"), 200);
    for path in [
        "/metrics/",
        "/metrics/x",
        "/stats",
        "/stats/prometheus",
        "/ready/",
        "/config_dump",
        "/quitquitquit",
        "/page.html",
    ] {
        assert_eq!(sidecar.probe(path), 404, "{path}");
    }
    let told = format!("This port has /, /metrics, /ready and /health. MCP is on port {}.\n", sidecar.port);
    assert_eq!(get(sidecar.probe_port, "/mcp").body, told);
    // On the MCP port these paths belong to the server.
    assert_eq!(get(sidecar.port, "/ready").body, "hello");
    assert_eq!(upstream.request().line, "GET /ready HTTP/1.1");
    assert!(upstream.is_idle());
}

#[test]
fn health_follows_the_server_and_does_not_block_traffic() {
    let port = free_port();
    let sidecar = Sidecar::start(&format!("http://127.0.0.1:{port}"), &[("MCP_UPSTREAM_NAME", "weather.v2")]);
    assert_eq!(sidecar.probe("/ready"), 200);
    until("the server is known to be away", || sidecar.probe("/health") == 503);
    assert_eq!(post(sidecar.port, "/", "{}").status, 503);
    let upstream = Upstream::start_on(LOOPBACK, port, |_, stream| say(stream, "hello"));
    // Health checks have not seen it yet, and traffic passes.
    assert_eq!(post(sidecar.port, "/", "{}").status, 200);
    until("the server is known to be there", || sidecar.probe("/health") == 200);
    let healthy = "envoy_cluster_membership_healthy{envoy_cluster_name=\"weather_v2\"} 1";
    assert!(get(sidecar.probe_port, "/metrics").body.contains(healthy));
    assert_eq!(upstream.request().line, "POST / HTTP/1.1");
    assert!(upstream.is_idle(), "a health check sent a request");
}

#[test]
fn http2_without_tls_is_accepted() {
    let upstream = echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let mut stream = TcpStream::connect((LOOPBACK, sidecar.port)).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    // The preface and empty settings; the server's first frame is a settings frame.
    std::io::Write::write_all(&mut stream, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    std::io::Read::read_exact(&mut stream, &mut frame).unwrap();
    assert_eq!(frame[3], 4, "{frame:?}");
}

//! The command `page`: the live page for the metrics of another Envoy.

use crate::support::{Answer, LOOPBACK, Sidecar, Upstream, get, launcher, read_answer, say, signal, until};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SCRAPE: &str = "# TYPE mcp_filter_info gauge\nmcp_filter_info{filter_version=\"1\"} 1\n";
const FILE: &str = include_str!("../../../page/page.html");

/// A command that runs.
struct Page {
    child: Child,
    /// Kept open, so that later lines can be printed.
    _output: BufReader<ChildStdout>,
    lines: [String; 2],
    port: u16,
}

impl Page {
    fn start(metrics: &str) -> Self {
        let mut child = launcher(&HashMap::new()).args(["page", "--port", "0", "--metrics", metrics]).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = [String::new(), String::new()];
        for line in &mut lines {
            output.read_line(line).unwrap();
        }
        let port = lines[1].trim_end().strip_suffix('/').and_then(|url| url.rsplit(':').next()).unwrap();
        Self { port: port.parse().unwrap(), child, _output: output, lines }
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &["127.0.0.1"])
    }

    /// Sends a request with these `Host`s.
    fn send(&self, method: &str, path: &str, hosts: &[&str]) -> Answer {
        let mut stream = TcpStream::connect((LOOPBACK, self.port)).unwrap();
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        write!(stream, "{method} {path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n").unwrap();
        read_answer(stream)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and standard error of a command that ends. Nothing is on standard output.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = launcher(&HashMap::new()).arg("page").args(arguments).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn page_is_served_with_the_metrics_of_its_source() {
    let source = Upstream::start(|_, stream| say(stream, SCRAPE));
    let url = format!("{}/stats/prometheus", source.url());
    let page = Page::start(&url);
    assert_eq!(page.lines[0], format!("metrics  {url}\n"));
    assert_eq!(page.lines[1], format!("page     http://127.0.0.1:{}/\n", page.port));
    let file = page.get("/");
    assert_eq!((file.status, file.body.as_str()), (200, FILE));
    for header in
        ["content-type: text/html; charset=utf-8", "frame-ancestors 'none'", "x-content-type-options: nosniff"]
    {
        assert!(file.head.contains(header), "{}", file.head);
    }
    let metrics = page.get("/metrics");
    assert_eq!((metrics.status, metrics.body.as_str()), (200, SCRAPE));
    assert!(metrics.head.contains(&format!("mcp-metrics-source: {url}")), "{}", metrics.head);
    assert_eq!(page.get("/stats").status, 404);
    assert_eq!(page.send("POST", "/metrics", &["localhost"]).status, 405);
    for request in source.answered() {
        assert_eq!(request.line, "GET /stats/prometheus HTTP/1.1");
    }
}

#[test]
fn query_of_the_source_is_sent_and_not_shown() {
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = Arc::clone(&is_cut);
    let source = Upstream::start(move |_, stream| match cut.load(Ordering::SeqCst) {
        true => say(stream, SCRAPE.trim_end()),
        false => say(stream, SCRAPE),
    });
    let page = Page::start(&format!("{}/metrics?token=hunter2", source.url()));
    assert_eq!(page.lines[0], format!("metrics  {}/metrics?...\n", source.url()));
    let metrics = page.get("/metrics");
    let header = format!("mcp-metrics-source: {}/metrics?...\r\n", source.url());
    assert!(metrics.status == 200 && metrics.head.contains(&header), "{metrics:?}");
    is_cut.store(true, Ordering::SeqCst);
    let answer = page.get("/metrics");
    assert!(answer.status == 502 && answer.body.contains("/metrics?...: its answer was cut ("), "{answer:?}");
    assert!(!format!("{metrics:?}{answer:?}").contains("hunter2"), "{metrics:?}{answer:?}");
    for request in source.answered() {
        assert_eq!(request.line, "GET /metrics?token=hunter2 HTTP/1.1");
    }
}

#[test]
fn sidecar_shows_the_same_page() {
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let page = Page::start(&format!("127.0.0.1:{}", sidecar.probe_port));
    let own = get(sidecar.probe_port, "/");
    assert!(own.body.contains("<!doctype html>") && page.get("/").body == own.body, "the pages differ");
    let policy = |answer: &Answer| {
        answer.head.lines().find(|line| line.starts_with("content-security-policy")).unwrap().to_owned()
    };
    assert_eq!(policy(&page.get("/")), policy(&own));
    assert!(page.get("/metrics").body.contains("mcp_filter_info{"));
}

#[test]
fn host_that_is_not_this_machine_is_refused() {
    let source = Upstream::start(|_, stream| say(stream, SCRAPE));
    let page = Page::start(&source.url());
    let scrapes = || source.answered().len();
    until("the scrape of the start is answered", || scrapes() == 1);
    for hosts in [&["evil.example"][..], &["evil.example:80"], &["10.0.0.1"], &[], &["localhost", "evil.example"]] {
        for path in ["/", "/metrics"] {
            let answer = page.send("GET", path, hosts);
            // Without a Host the request may be refused before this check.
            assert!([400, 403].contains(&answer.status), "{hosts:?}: {answer:?}");
            assert!(!answer.body.contains("mcp_"), "{hosts:?}: {answer:?}");
        }
    }
    assert!(page.send("GET", "/", &["evil.example"]).body.contains(&format!("open http://127.0.0.1:{}/", page.port)));
    assert_eq!(scrapes(), 0);
    // A forwarded port differs from the page's.
    assert_eq!(page.send("GET", "/metrics", &["localhost:1"]).status, 200);
    assert_eq!(page.send("GET", "/metrics", &["[::1]:1"]).status, 200);
}

#[test]
fn source_that_is_gone_is_502_with_the_reason_until_it_is_back() {
    let is_gone = Arc::new(AtomicBool::new(false));
    let gone = Arc::clone(&is_gone);
    let source = Upstream::start(move |_, stream| match gone.load(Ordering::SeqCst) {
        true => drop(stream.shutdown(std::net::Shutdown::Both)),
        false => say(stream, SCRAPE),
    });
    let page = Page::start(&source.url());
    is_gone.store(true, Ordering::SeqCst);
    let answer = page.get("/metrics");
    assert_eq!(answer.status, 502);
    assert!(
        answer.body.starts_with(&format!("{}/metrics: closes the connection without an answer (", source.url())),
        "{answer:?}"
    );
    assert!(answer.head.contains("mcp-metrics-source: "), "{answer:?}");
    assert_eq!(page.get("/").status, 200);
    is_gone.store(false, Ordering::SeqCst);
    assert_eq!(page.get("/metrics").status, 200);
}

#[test]
fn source_that_cannot_be_read_ends_the_command_with_the_next_step() {
    let html = Upstream::start(|_, stream| say(stream, "<html></html>"));
    let error = Upstream::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    let taken = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let closed = "http://127.0.0.1:9/metrics";
    let cases = [
        (
            1,
            &["--metrics", closed, "--port", "0"][..],
            "http://127.0.0.1:9/metrics: does not answer (",
            "; start the sidecar",
        ),
        (
            1,
            &["--metrics", &html.url(), "--port", "0"],
            "is not a page of metrics; name the sidecar's probe port",
            "/stats/prometheus",
        ),
        (1, &["--metrics", &error.url(), "--port", "0"], "answers 404, not 200", "/stats/prometheus"),
        (
            2,
            &["--metrics", "https://mesh.example/metrics"],
            "--metrics: a URL has the scheme \"https\"",
            "kubectl port-forward",
        ),
        (
            2,
            &["--metrics", "http://user:hunter2@mesh.example"],
            "--metrics: a URL has a user or a password",
            "allowed: ",
        ),
        (
            2,
            &["--metrics", closed, "--port", &port],
            "--port: port ",
            "is in use, perhaps by another mcp-sidecar page; name another one",
        ),
        (2, &["--metrics", closed, "--port", "many"], "invalid value 'many' for '--port <PORT>'", "--help"),
        (2, &[], "--metrics <URL>", "--help"),
    ];
    for (status, arguments, problem, step) in cases {
        let (found, text) = refused(arguments);
        assert_eq!(found, Some(status), "{arguments:?}: {text}");
        assert!(text.contains(problem) && text.contains(step) && !text.contains("hunter2"), "{arguments:?}: {text}");
    }
}

#[test]
fn source_without_series_of_the_filter_is_told() {
    let source = Upstream::start(|_, stream| say(stream, "envoy_server_live{} 1\n"));
    let mut page = Page::start(&source.url());
    let mut line = String::new();
    BufReader::new(page.child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("/metrics: has no series of the filter (mcp_...) yet; "), "{line}");
    assert_eq!(page.get("/metrics").status, 200);
}

#[test]
fn sigint_and_sigterm_end_the_command() {
    let source = Upstream::start(|_, stream| say(stream, SCRAPE));
    for name in ["INT", "TERM"] {
        let mut page = Page::start(&source.url());
        signal(page.child.id(), name);
        assert_eq!(page.child.wait().unwrap().code(), Some(0));
    }
}

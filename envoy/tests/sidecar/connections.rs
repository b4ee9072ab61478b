//! Connections: upgrades, early responses, broken streams, invalid framing, and the text of Envoy's own responses.

use crate::support::{
    LONGEST, LOOPBACK, Sidecar, Upstream, begin_events, free_port, get, open, post, read_answer, read_until, say, send,
    until, until_closed,
};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");

/// A server that accepts WebSocket and echoes the bytes; it ignores other upgrades.
fn socket_echo() -> Upstream {
    Upstream::start(|request, stream| {
        if request.header("upgrade").is_none() {
            return say(stream, "not upgraded");
        }
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let mut answer = stream.try_clone().unwrap();
        let _ = std::io::copy(stream, &mut answer);
    })
}

#[test]
fn web_socket_passes_and_is_not_counted_as_mcp() {
    let upstream = socket_echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    for word in ["websocket", "WebSocket"] {
        let offer = [("Connection", "Upgrade"), ("Upgrade", word), KEY];
        let mut stream = open(sidecar.port, "GET", "/socket", &offer, "");
        let head = read_until(&mut stream, "\r\n\r\n");
        assert!(
            head.starts_with("HTTP/1.1 101 ") && head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "{head}"
        );
        // The bytes of a frame, which contain JSON-RPC.
        let frame = b"\x81\x85\x01\x02\x03\x04{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r\n\xff\xfe";
        for _ in 0..3 {
            stream.write_all(frame).unwrap();
            let mut echoed = vec![0; frame.len()];
            stream.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, frame);
        }
        drop(stream);
        let request = upstream.request();
        assert_eq!(request.header("upgrade"), Some(word));
        assert_eq!(request.header("connection"), Some("Upgrade"));
    }
    let seen = "mcp_filter_streams_total{server_name=\"upstream\"} 2";
    until("the streams are counted", || get(sidecar.probe_port, "/metrics").body.contains(seen));
    let metrics = get(sidecar.probe_port, "/metrics").body;
    let counted = metrics.lines().filter(|line| line.starts_with("mcp_") && !line.ends_with(" 0"));
    let unexpected: Vec<_> = counted.filter(|line| !line.contains("_filter_")).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn other_upgrades_are_ignored() {
    let upstream = socket_echo();
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    for word in
        ["h2c", "TLS/1.0", "foo", "websockets", "websocke", "aebsocket", "a-web-socket-and-more", "HTTP/2.0, h2c"]
    {
        for (method, body) in [("GET", ""), ("POST", "{}")] {
            let offer = [("Connection", "Upgrade"), ("Upgrade", word)];
            let mut stream = open(sidecar.port, method, "/", &offer, body);
            let answer = read_until(&mut stream, "not upgraded");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{word}: {answer}");
            assert_eq!(upstream.request().header("upgrade"), None, "{word}");
        }
    }
}

#[test]
fn refusal_of_a_web_socket_passes() {
    let head = "HTTP/1.1 426 Upgrade Required\r\nconnection: close\r\ncontent-length: 6\r\n\r\na page";
    let upstream = Upstream::start(move |_, stream| drop(stream.write_all(head.as_bytes())));
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let offer = [("Connection", "Upgrade"), ("Upgrade", "websocket"), KEY];
    let mut stream = open(sidecar.port, "GET", "/", &offer, "");
    assert!(read_until(&mut stream, "a page").starts_with("HTTP/1.1 426 "));
}

#[test]
fn stream_broken_by_the_server_ends_at_once() {
    for is_reset in [false, true] {
        assert_stream_ends_at_once(is_reset);
    }
}

/// The server closes its connection in the middle of a stream, by a FIN or by a reset.
fn assert_stream_ends_at_once(is_reset: bool) {
    let upstream = Upstream::start(move |_, stream| {
        begin_events(stream);
        if is_reset {
            // Without time to linger, the kernel sends a reset.
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    for method in ["GET", "POST"] {
        let mut stream = open(sidecar.port, method, "/", &[("Accept", "text/event-stream")], "");
        let mut all = String::new();
        // The end, or a reset.
        let _ = stream.read_to_string(&mut all);
        assert!(all.contains(": begin") && !all.ends_with("0\r\n\r\n"), "{all}");
    }
    // Envoy's counter of connections that it closes after a delay.
    until("both are gone", || sidecar.stat("http.mcp.downstream_cx_active") == 0);
    assert_eq!(sidecar.stat("http.mcp.downstream_cx_delayed_close_timeout"), 0);
}

/// Sends the head of a request, waits until Envoy has responded, and sends the body. Returns the response.
fn answer_to_a_slow_body(sidecar: &Sidecar, size: usize) -> (u16, String) {
    let mut stream = TcpStream::connect((LOOPBACK, sidecar.port)).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    write!(stream, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n")
        .unwrap();
    until("the request is answered", || sidecar.stat("http.mcp.downstream_rq_completed") > 0);
    let _ = stream.write_all(&vec![b' '; size]);
    let answer = read_answer(stream);
    (answer.status, answer.body)
}

#[test]
fn early_response_reaches_a_client_that_still_sends() {
    for size in [100, 1_000_000] {
        let sidecar = Sidecar::start(&format!("http://127.0.0.1:{}", free_port()), &[]);
        let (status, body) = answer_to_a_slow_body(&sidecar, size);
        assert!(status == 503 && body.starts_with("cannot connect to"), "{size}: {status} {body}");

        let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    let mut head = [0; 4096];
                    let _ = stream.read(&mut head);
                    let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 5\r\n\r\nlogin");
                    until_closed(&mut stream);
                });
            }
        });
        let sidecar = Sidecar::start(&url, &[]);
        assert_eq!(answer_to_a_slow_body(&sidecar, size), (401, "login".to_owned()), "{size}");
    }
}

/// The client's response when the server sends these bytes and closes the connection.
fn answer_of(bytes: &'static [u8]) -> (u16, String) {
    let upstream = Upstream::start(move |_, stream| drop(stream.write_all(bytes)));
    let sidecar = Sidecar::start(&upstream.url(), &[]);
    let answer = post(sidecar.port, "/", "{}");
    (answer.status, answer.body)
}

#[test]
fn invalid_framing_is_502_with_the_reason() {
    let odd: [&[u8]; 4] = [
        b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Odd : 1\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    ];
    for bytes in odd {
        let (status, body) = answer_of(bytes);
        assert_eq!(status, 502, "{}", String::from_utf8_lossy(bytes));
        assert!(body.contains("is not HTTP that Envoy accepts (docs/limits.md)"), "{body}");
    }
}

#[test]
fn envoys_own_responses_name_the_failure_and_the_variable() {
    let closed = free_port();
    let sidecar = Sidecar::start(&format!("http://127.0.0.1:{closed}/100%25mcp"), &[]);
    let answer = post(sidecar.port, "/", "{}");
    let expected = format!("cannot connect to http://127.0.0.1:{closed}/100%25mcp (MCP_UPSTREAM_URL): ");
    assert!(answer.status == 503 && answer.body.starts_with(&expected), "{answer:?}");
    assert!(answer.head.to_ascii_lowercase().contains("content-type: text/plain"), "{answer:?}");

    let sidecar = Sidecar::start("http://mcp.invalid/", &[]);
    let answer = post(sidecar.port, "/", "{}");
    let expected = "cannot connect to http://mcp.invalid/ (MCP_UPSTREAM_URL): its name has no address\n";
    assert_eq!((answer.status, answer.body.as_str()), (503, expected));

    let (status, body) = answer_of(b"");
    assert!(status == 503 && body.contains("(MCP_UPSTREAM_URL) closed the connection before it answered: "), "{body}");

    let upstream = Upstream::start(|_, stream| until_closed(stream));
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_TIMEOUT_MS", "50")]);
    let answer = post(sidecar.port, "/", "{}");
    assert_eq!((answer.status, answer.body.as_str()), (504, "no answer within MCP_UPSTREAM_TIMEOUT_MS=50\n"));
}

/// A server that redirects; the request's path selects the `Location`.
fn redirecting() -> Upstream {
    Upstream::start(|request, stream| {
        let host = request.header("host").unwrap_or_default();
        let location = match request.line.split(' ').nth(1) {
            Some("/absolute") => format!("http://{host}/absolute/?key=hunter2"),
            Some("/login") => "http://login.example/".to_owned(),
            _ => "/relative/".to_owned(),
        };
        let head = format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\n");
        let _ = write!(stream, "{head}connection: close\r\ncontent-length: 0\r\n\r\n");
    })
}

#[test]
fn redirect_past_the_sidecar_is_reported_once_and_passes_unchanged() {
    const REPORT: &str = "clients that follow the redirect bypass this sidecar";
    let upstream = redirecting();
    let sidecar = Sidecar::start(&upstream.url(), &[("MCP_UPSTREAM_HOST_HEADER", "upstream")]);
    for path in ["/relative", "/login"] {
        assert_eq!(send(sidecar.port, "POST", path, &[], "{}").status, 307);
    }
    assert!(!sidecar.errors().contains(REPORT));
    let location = format!("Location: {}/absolute/?key=hunter2", upstream.url());
    for _ in 0..2 {
        let answer = send(sidecar.port, "POST", "/absolute", &[], "{}");
        assert!(answer.head.contains(&location), "{answer:?}");
        until("it is reported", || sidecar.errors().contains(REPORT));
    }
    assert_eq!(sidecar.errors().matches(REPORT).count(), 1);
    assert!(!sidecar.errors().contains("hunter2"), "{}", sidecar.errors());
}

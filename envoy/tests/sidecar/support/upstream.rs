//! A server whose responses a test defines. It records the requests.

use super::client::read_chunks;
use super::{LONGEST, LOOPBACK};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

/// A request as an upstream received it.
pub(crate) struct Request {
    /// `POST /mcp HTTP/1.1`
    pub(crate) line: String,
    /// Names in their original case and order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut request = Self { line: line.trim_end().to_owned(), headers, body: Vec::new() };
        if let Some(length) = request.header("content-length") {
            request.body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut request.body).ok()?;
        } else if request.header("transfer-encoding").is_some() {
            request.body = read_chunks(&mut reader)?;
        }
        Some(request)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An upstream. `answer` receives each request and the connection; the connection closes when it returns.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Receiver<Request>,
}

impl Upstream {
    pub(crate) fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_on(LOOPBACK, 0, answer)
    }

    pub(crate) fn start_on(
        host: IpAddr,
        port: u16,
        answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, port)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                thread::spawn(move || {
                    // What was written has been sent when the connection is closed, even by a reset.
                    let _ = stream.set_nodelay(true);
                    // A connection without a request is a health check.
                    let Some(request) = Request::read(&stream) else { return };
                    answer(&request, &mut stream);
                    let _ = sender.send(request);
                });
            }
        });
        Self { address, requests }
    }

    /// The next request that was answered.
    pub(crate) fn request(&self) -> Request {
        self.requests.recv_timeout(LONGEST).unwrap()
    }

    /// The requests that were answered since the last call.
    pub(crate) fn answered(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }

    /// Whether no further request has arrived.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.try_recv().is_err()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Responds 200 with this body and `connection: close`, so that Envoy does not reuse the connection.
pub(crate) fn say(stream: &mut TcpStream, body: &str) {
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
}

/// Responds 200 with this JSON.
pub(crate) fn say_json(stream: &mut TcpStream, body: &str) {
    let head = format!("content-type: application/json\r\nconnection: close\r\ncontent-length: {}", body.len());
    let _ = write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
}

/// Begins a stream with 200.
pub(crate) fn begin_events(stream: &mut TcpStream) {
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    say_event(stream, ": begin\n\n");
}

pub(crate) fn say_event(stream: &mut TcpStream, event: &str) {
    let _ = write!(stream, "{:x}\r\n{event}\r\n", event.len());
}

pub(crate) fn end_events(stream: &mut TcpStream) {
    let _ = stream.write_all(b"0\r\n\r\n");
}

/// Blocks until the other side closes the connection.
pub(crate) fn until_closed(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0]);
}

//! Plain HTTP/1.1 over TCP, without a client library that adds or hides headers.

use super::{LONGEST, LOOPBACK};
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a request with `connection: close`, and reads the response to its end.
pub(crate) fn get(port: u16, path: &str) -> Answer {
    send(port, "GET", path, &[("Host", "localhost")], "")
}

pub(crate) fn post(port: u16, path: &str, body: &str) -> Answer {
    send(port, "POST", path, &[("content-type", "application/json")], body)
}

pub(crate) fn send(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([("connection", "close")]).collect();
    read_answer(open(port, method, path, &headers, body))
}

/// Sends a request and leaves the connection open.
pub(crate) fn open(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect((LOOPBACK, port)).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head.push_str(&format!("Host: client.example:{port}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    stream
}

/// Reads until the connection closes.
pub(crate) fn read_answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the response is ignored; a missing response shows in the status.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.get(end + 4..).unwrap_or_default().to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = read_chunks(&mut body.as_slice()).unwrap_or_default();
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() }
}

/// The body of a chunked message, if it is complete.
pub(crate) fn read_chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).ok()?;
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).ok()? + 2];
        reader.read_exact(&mut chunk).ok()?;
        if chunk.len() == 2 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..chunk.len() - 2]);
    }
}

/// Reads until the given text has arrived.
pub(crate) fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut found = String::new();
    let mut buffer = [0; 4096];
    while !found.contains(text) {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection closed before {text:?}: {found:?}");
        found.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    found
}

//! A client for the tests: one connection for each request.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::net::UnixStream;

/// Headers of a client.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) socket: PathBuf,
    pub(super) path: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// A response whose body may still come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    text: Vec<u8>,
    /// Without it the connection is closed.
    _connection: SendRequest<Full<Bytes>>,
}

/// An event of a stream.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) data: String,
}

// === impl Client ===

impl Client {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, path: "/mcp", headers: Vec::new() }
    }

    /// The same client with another header.
    pub(super) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(known, _)| *known != name);
        client.headers.push((name, value.to_owned()));
        client
    }

    pub(super) async fn send(&self, method: Method, body: impl Into<Bytes>) -> Answer {
        let connection = UnixStream::connect(&self.socket).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(connection)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(self.path).header("host", "localhost");
        if !self.headers.iter().any(|(name, _)| *name == "accept") {
            // In a session the response is an event stream then, however soon the program answers.
            request = request.header("accept", "text/event-stream, application/json;q=0.9");
        }
        if !self.headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body, text: Vec::new(), _connection: sender }
    }

    pub(super) async fn post(&self, message: &Value) -> Answer {
        self.send(Method::POST, message.to_string()).await
    }

    pub(super) async fn get(&self) -> Answer {
        self.send(Method::GET, "").await
    }

    /// Begins a session.
    pub(super) async fn initialize(&self, version: &str) -> Self {
        let params =
            json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        let answer = self.post(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await;
        assert_eq!(answer.status, StatusCode::OK);
        let id = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let result = answer.json().await;
        assert_eq!(result["result"]["protocolVersion"], version, "{result}");
        let client = self.with("mcp-session-id", &id).with("mcp-protocol-version", version);
        let answer = client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
        client
    }

    /// Begins a tool call.
    pub(super) async fn call(&self, id: impl Into<Value>, name: &str, arguments: Value) -> Answer {
        self.post(&call(id, name, arguments)).await
    }

    /// Calls a tool and returns its text, or the error's.
    pub(super) async fn text(&self, id: impl Into<Value>, name: &str, arguments: Value) -> String {
        text(&self.call(id, name, arguments).await.last().await)
    }
}

/// A tool call. Its progress token is its id.
pub(super) fn call(id: impl Into<Value>, name: &str, arguments: Value) -> Value {
    let id = id.into();
    let params = json!({"name": name, "arguments": arguments, "_meta": {"progressToken": id}});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

/// The text of a tool's result, or of an error.
pub(super) fn text(answer: &Value) -> String {
    let text = &answer["result"]["content"][0]["text"];
    text.as_str().or_else(|| answer["error"]["message"].as_str()).unwrap_or_else(|| panic!("{answer}")).to_owned()
}

// === impl Answer ===

impl Answer {
    /// The next event. `None` at the end of the stream.
    pub(super) async fn event(&mut self) -> Option<Event> {
        let mut seen = 0;
        loop {
            // Large events come in many frames.
            if let Some(end) = memchr::memmem::find(&self.text[seen..], b"\n\n") {
                let event: Vec<u8> = self.text.drain(..seen + end + 2).collect();
                return Some(read_event(&String::from_utf8(event).unwrap()));
            }
            seen = self.text.len().saturating_sub(1);
            let Ok(frame) = self.body.frame().await? else { return None };
            self.text.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// The next message of the stream.
    pub(super) async fn message(&mut self) -> Value {
        loop {
            let event = self.event().await.unwrap();
            if !event.data.is_empty() {
                return serde_json::from_str(&event.data).unwrap();
            }
        }
    }

    /// The last message of the stream, or the only one of a JSON response.
    pub(super) async fn last(mut self) -> Value {
        if self.headers["content-type"] != "text/event-stream" {
            return self.json().await;
        }
        let mut last = Value::Null;
        while let Some(event) = self.event().await {
            if !event.data.is_empty() {
                last = serde_json::from_str(&event.data).unwrap();
            }
        }
        last
    }

    pub(super) async fn json(self) -> Value {
        serde_json::from_slice(&self.body.collect().await.unwrap().to_bytes()).unwrap()
    }
}

fn read_event(text: &str) -> Event {
    let mut event = Event { id: None, name: "message".to_owned(), data: String::new() };
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
        match field {
            "id" => event.id = Some(value.to_owned()),
            "event" => event.name = value.to_owned(),
            "data" => event.data.push_str(value),
            _ => panic!("{line}"),
        }
    }
    event
}

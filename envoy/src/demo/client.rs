//! One session of a client over HTTP, in its protocol version: HTTP+SSE, Streamable HTTP with a session, or without sessions.
//!
//! A client sends one request at a time and waits for its answer. **What this does not do:** requests of the server, GET streams
//! beside those of HTTP+SSE, TLS.

use super::account::Account;
use super::server::STATELESS;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader, RequestBuilder};

/// The transport of older versions is HTTP+SSE.
const FIRST_STREAMABLE: &str = "2025-03-26";
/// Longest exchange. A stream of HTTP+SSE is one, and lasts as long as its session.
const TIMEOUT: Duration = Duration::from_secs(120);
const ACCEPTED: &str = "application/json, text/event-stream";
const SESSION: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// Who a client says it is, and its protocol version.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

/// A session.
pub(super) struct Client<'a> {
    agent: Agent,
    base: String,
    who: Who,
    account: &'a Account,
    last_id: u64,
    transport: Transport,
}

/// Where messages go, and where answers come from.
enum Transport {
    HttpSse { post: String, events: Events },
    Streamable { session: Option<String> },
}

/// The events of a stream.
struct Events(io::Lines<BufReader<BodyReader<'static>>>);

// === impl Client ===

impl<'a> Client<'a> {
    /// Connects to the sidecar, and begins a session if the protocol version has them.
    ///
    /// # Errors
    ///
    /// The sidecar does not answer as it must.
    pub(super) fn connect(address: SocketAddr, who: Who, account: &'a Account) -> Result<Self, String> {
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).max_redirects(0);
        // A connection that Envoy closes while it is idle would fail the next request.
        let agent: Agent = config.max_idle_connections(0).http_status_as_error(false).build().into();
        let base = format!("http://{address}");
        let transport = if who.version < FIRST_STREAMABLE {
            let stream = agent.get(format!("{base}/sse")).header("accept", "text/event-stream").call();
            let mut events = Events::of(stream.map_err(said)?);
            let path = events.next().ok_or("the stream ended before its endpoint")?;
            Transport::HttpSse { post: base.clone() + &path, events }
        } else {
            Transport::Streamable { session: None }
        };
        let mut client = Self { agent, base, who, account, last_id: 0, transport };
        if who.version == STATELESS {
            client.request("server/discover", json!({}))?;
            return Ok(client);
        }
        let info = json!({"name": who.name, "version": "1.0"});
        let params = json!({"protocolVersion": who.version, "capabilities": {}, "clientInfo": info});
        client.request("initialize", params)?;
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(client)
    }

    /// Calls a tool.
    pub(super) fn call(&mut self, tool: &str, arguments: &Value) -> Result<(), String> {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Sends a request, and notes its answer.
    pub(super) fn request(&mut self, method: &str, mut params: Value) -> Result<(), String> {
        self.last_id += 1;
        let id = self.last_id;
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".to_owned(), self.meta(id));
        }
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let response = self.post(&message)?;
        let answer = match &mut self.transport {
            Transport::HttpSse { events, .. } => events.answer(id),
            Transport::Streamable { session } => {
                let header = response.headers().get(SESSION).and_then(|value| value.to_str().ok());
                *session = header.map(str::to_owned).or_else(|| session.take());
                answer(response, id)
            }
        };
        let answer = answer.ok_or_else(|| format!("{method} has no answer"))?;
        let tool = message.pointer("/params/name").and_then(Value::as_str);
        self.account.note(tool.unwrap_or(method), &answer);
        Ok(())
    }

    /// What a request says about itself. 2026-07-28 says all that `initialize` said before.
    fn meta(&self, id: u64) -> Value {
        if self.who.version != STATELESS {
            return json!({"progressToken": id});
        }
        json!({
            "progressToken": id,
            "io.modelcontextprotocol/protocolVersion": STATELESS,
            "io.modelcontextprotocol/clientInfo": {"name": self.who.name, "version": "1.0"},
            "io.modelcontextprotocol/clientCapabilities": {},
        })
    }

    fn post(&self, message: &Value) -> Result<Response<Body>, String> {
        let url = match &self.transport {
            Transport::HttpSse { post, .. } => post.clone(),
            Transport::Streamable { .. } => format!("{}/mcp", self.base),
        };
        let mut request = self.agent.post(url).header("content-type", "application/json").header("accept", ACCEPTED);
        let text = |path| message.pointer(path).and_then(Value::as_str);
        if self.who.version == STATELESS {
            request = request.header(PROTOCOL_VERSION, STATELESS);
            for (name, path) in [("mcp-method", "/method"), ("mcp-name", "/params/name")] {
                if let Some(value) = text(path) {
                    request = request.header(name, value);
                }
            }
        }
        let response = self.in_session(request).send(message.to_string()).map_err(said)?;
        let status = response.status();
        let what = text("/method").unwrap_or_default();
        if status.is_success() { Ok(response) } else { Err(format!("{what}: HTTP status {status}")) }
    }

    /// A request with the headers of the session.
    fn in_session<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.transport {
            Transport::Streamable { session: Some(session) } => {
                request.header(SESSION, session).header(PROTOCOL_VERSION, self.who.version)
            }
            _ => request,
        }
    }

    /// Ends the session: with HTTP+SSE by the end of the stream.
    pub(super) fn end(self) -> Result<(), String> {
        if matches!(&self.transport, Transport::Streamable { session: Some(_) }) {
            self.in_session(self.agent.delete(format!("{}/mcp", self.base))).call().map_err(said)?;
        }
        Ok(())
    }
}

// === impl Events ===

impl Events {
    fn of(response: Response<Body>) -> Self {
        Self(BufReader::new(response.into_body().into_reader()).lines())
    }

    /// The data of the next event; `None` at the end. The server's events have one line of data.
    fn next(&mut self) -> Option<String> {
        self.0
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("data:").map(|data| data.trim().to_owned()))
    }

    /// The answer to a request. Notifications before it are skipped.
    fn answer(&mut self, id: u64) -> Option<Value> {
        loop {
            // The first event of a stream may have no data.
            let message = serde_json::from_str::<Value>(&self.next()?).unwrap_or_default();
            if message.get("id").and_then(Value::as_u64) == Some(id) {
                return Some(message);
            }
        }
    }
}

/// The answer in a response: an event, or the whole body.
fn answer(response: Response<Body>, id: u64) -> Option<Value> {
    let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        return Events::of(response).answer(id);
    }
    serde_json::from_reader(response.into_body().into_reader()).ok()
}

fn said(error: ureq::Error) -> String {
    error.to_string()
}

//! One MCP session: with the program itself by its pipes, or with a bridge over HTTP. One call at a time; each response is checked.

use super::forecast::FORECAST;
use crate::load;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

/// The latest version that every bridge knows.
const VERSION: &str = "2025-11-25";

pub(crate) struct Session {
    connection: Connection,
    /// Id of the last request.
    id: u64,
}

enum Connection {
    Pipe { input: ChildStdin, output: Lines<BufReader<ChildStdout>>, _program: Box<Child> },
    Http { endpoint: Endpoint, sender: SendRequest<Full<Bytes>>, session: Option<String> },
}

/// Where a bridge listens.
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

// === impl Session ===

impl Session {
    /// Starts the program, without a bridge. It ends when this is dropped.
    pub(crate) async fn by_pipe(mut program: Command) -> Result<Self> {
        let mut program =
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context("the program")?;
        let input = program.stdin.take().context("no pipe")?;
        let output = BufReader::new(program.stdout.take().context("no pipe")?).lines();
        Self::initialize(Connection::Pipe { input, output, _program: Box::new(program) }).await
    }

    pub(crate) async fn by_http(endpoint: Endpoint) -> Result<Self> {
        let sender = endpoint.connect().await?;
        Self::initialize(Connection::Http { endpoint, sender, session: None }).await
    }

    async fn initialize(connection: Connection) -> Result<Self> {
        let mut session = Self { connection, id: 0 };
        let client = json!({"name": "bench", "version": "1.0.0"});
        let params = json!({"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client});
        session.request("initialize", params).await?;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        session.connection.send(&initialized.to_string(), false).await?;
        Ok(session)
    }

    /// Connects again if the bridge has closed the connection, as Node.js does after five idle seconds.
    pub(crate) async fn reconnect(&mut self) -> Result<()> {
        if let Connection::Http { endpoint, sender, .. } = &mut self.connection
            && sender.ready().await.is_err()
        {
            *sender = endpoint.connect().await?;
        }
        Ok(())
    }

    /// Calls the tool once. Returns the time that it took.
    pub(crate) async fn call(&mut self) -> Result<Duration> {
        let arguments = json!({"city": "Lisbon", "days": 3, "units": "metric", "note": "a walk along the river"});
        let begin = Instant::now();
        let result = self.request("tools/call", json!({"name": "get_forecast", "arguments": arguments})).await?;
        let elapsed = begin.elapsed();
        ensure!(result.pointer("/content/0/text") == Some(&json!(FORECAST)), "another result: {result}");
        Ok(elapsed)
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value> {
        self.id += 1;
        let request = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        let response = self.connection.send(&request.to_string(), true).await?.context("no response")?;
        let mut response: Value = serde_json::from_str(&response)?;
        ensure!(response.get("id") == Some(&json!(self.id)), "another request's response: {response}");
        response.get_mut("result").map(Value::take).with_context(|| format!("no result: {response}"))
    }
}

// === impl Connection ===

impl Connection {
    /// Sends a message; returns the response to a request.
    async fn send(&mut self, message: &str, request: bool) -> Result<Option<String>> {
        match self {
            Self::Pipe { input, output, .. } => {
                input.write_all(format!("{message}\n").as_bytes()).await?;
                if request { Ok(output.next_line().await?) } else { Ok(None) }
            }
            Self::Http { sender, session, .. } => post(sender, session, message).await,
        }
    }
}

// === impl Endpoint ===

impl Endpoint {
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        match self {
            Self::Tcp(address) => load::connect(*address).await,
            Self::Unix(path) => load::connect_by(UnixStream::connect(path).await?).await,
        }
    }
}

/// One POST. The first response names the session.
async fn post(
    sender: &mut SendRequest<Full<Bytes>>,
    session: &mut Option<String>,
    message: &str,
) -> Result<Option<String>> {
    let mut request = Request::post("/mcp")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some(session) = session {
        request = request.header("mcp-session-id", &*session).header("mcp-protocol-version", VERSION);
    }
    sender.ready().await?;
    let response = sender.send_request(request.body(Full::from(message.to_owned()))?).await?;
    let status = response.status();
    if let Some(id) = response.headers().get("mcp-session-id") {
        *session = Some(id.to_str()?.to_owned());
    }
    let body = response.into_body().collect().await?.to_bytes();
    let body = String::from_utf8(body.into())?;
    match status {
        StatusCode::OK => Ok(Some(last_message(&body).to_owned())),
        StatusCode::ACCEPTED => Ok(None),
        _ => bail!("status {status}: {body}"),
    }
}

/// The JSON document, or the data of the last event.
fn last_message(body: &str) -> &str {
    body.lines().rev().find_map(|line| line.strip_prefix("data:")).unwrap_or(body).trim()
}

//! Sends the load: a few keep-alive connections, each with one request at a time. Every response is checked.

use crate::upstream::Stage;
use crate::workload::{Answer, Workload, check, session_id};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The open connections to one Envoy.
pub(crate) struct Load {
    stage: Arc<Stage>,
    connections: Vec<Connection>,
}

struct Connection {
    lane: usize,
    sender: SendRequest<Full<Bytes>>,
}

// === impl Load ===

impl Load {
    pub(crate) async fn connect(stage: Arc<Stage>, to: SocketAddr, count: usize) -> Result<Self> {
        let mut connections = Vec::new();
        for lane in 0..count {
            connections.push(Connection { lane, sender: connect(to).await? });
        }
        Ok(Self { stage, connections })
    }

    /// Sends at least `requests` requests of one scenario, divided evenly. Returns the number that was sent.
    pub(crate) async fn run(&mut self, scenario: usize, requests: usize) -> Result<usize> {
        let each = requests.div_ceil(self.connections.len());
        let sent = each * self.connections.len();
        let mut running = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let stage = self.stage.clone();
            running.spawn(async move {
                let workload = stage.workloads.get(scenario).context("no such scenario")?;
                let session = session_id(connection.lane);
                for _ in 0..each {
                    connection.exchange(&stage, workload, &session).await?;
                }
                anyhow::Ok(connection)
            });
        }
        while let Some(ended) = running.join_next().await {
            self.connections.push(ended??);
        }
        Ok(sent)
    }

    /// Sends one request of the first scenario in each of `count` further sessions.
    pub(crate) async fn open_sessions(&mut self, count: usize) -> Result<()> {
        let Self { stage, connections } = self;
        let workload = stage.workloads.first().context("no scenario")?;
        let connection = connections.first_mut().context("no connection")?;
        for number in 0..count {
            let session = format!("{number}-{}", session_id(connection.lane));
            connection.exchange(stage, workload, &session).await?;
        }
        Ok(())
    }
}

// === impl Connection ===

impl Connection {
    async fn exchange(&mut self, stage: &Stage, workload: &Workload, session: &str) -> Result<()> {
        let mut request = Request::post(workload.path()).header("host", "127.0.0.1:4000");
        for (name, value) in &workload.headers {
            request = request.header(*name, *value);
        }
        let request = request.header("mcp-session-id", session).body(Full::new(workload.request.clone()))?;
        self.sender.ready().await?;
        let mut response = self.sender.send_request(request).await?;
        let status = response.status();
        let streamed = matches!(workload.answer, Answer::Sse(_));
        let mut body = Vec::with_capacity(workload.expected.len());
        while let Some(frame) = response.frame().await {
            body.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
            // An event ends with its blank line. The server waits for this before it sends the next event.
            if streamed && body.len() < workload.expected.len() && body.ends_with(b"\n\n") {
                stage.received(self.lane)?.notify_one();
            }
        }
        ensure!(status.is_success(), "status {status}: {}", String::from_utf8_lossy(&body));
        check(&workload.name, &workload.expected, &body)
    }
}

pub(crate) async fn connect(to: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(to).await.with_context(|| format!("connecting to {to}"))?;
    stream.set_nodelay(true)?;
    connect_by(stream).await
}

pub(crate) async fn connect_by<S>(stream: S) -> Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends one request on a new connection, to Envoy's admin interface or for checks before the load.
pub(crate) async fn fetch(to: SocketAddr, request: Request<Full<Bytes>>) -> Result<(u16, String)> {
    let mut sender = connect(to).await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

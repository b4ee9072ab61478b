//! The MCP server behind every Envoy: checks each request and sends the response of its scenario.

use crate::workload::{Answer, Workload, check, lane_of};
use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Channel, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Maximum number of connections of the load.
pub(crate) const MAX_LANES: usize = 64;

type AnswerBody = Either<Full<Bytes>, Channel<Bytes>>;

/// State that load and upstream share.
pub(crate) struct Stage {
    pub(crate) workloads: Vec<Workload>,
    /// For each connection of the load: the client has received an event, so the next one may be sent.
    received: Vec<Notify>,
}

// === impl Stage ===

impl Stage {
    pub(crate) fn new(workloads: Vec<Workload>) -> Self {
        Self { workloads, received: (0..MAX_LANES).map(|_| Notify::new()).collect() }
    }

    pub(crate) fn received(&self, lane: usize) -> Result<&Notify> {
        self.received.get(lane).with_context(|| format!("connection {lane} of {MAX_LANES}"))
    }

    fn workload(&self, path: &str) -> Option<&Workload> {
        self.workloads.iter().find(|workload| path == workload.path())
    }
}

/// Starts the server, which runs until the process ends. Returns its address.
pub(crate) async fn start(stage: Arc<Stage>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stage = stage.clone();
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let service = service_fn(|request| respond(stage.clone(), request));
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?;
                anyhow::Ok(())
            });
        }
    });
    Ok(address)
}

/// A request that differs from the expected one gets 400 with the reason, which the load reports.
async fn respond(stage: Arc<Stage>, request: Request<Incoming>) -> Result<Response<AnswerBody>> {
    match answer(stage, request).await {
        Ok(response) => Ok(response),
        Err(error) => {
            let reason = Either::Left(Full::from(format!("{error:#}")));
            Ok(Response::builder().status(StatusCode::BAD_REQUEST).body(reason)?)
        }
    }
}

async fn answer(stage: Arc<Stage>, request: Request<Incoming>) -> Result<Response<AnswerBody>> {
    let path = request.uri().path().to_owned();
    let session = request.headers().get("mcp-session-id").context("no session id")?.clone();
    let body = request.into_body().collect().await?.to_bytes();
    let workload = stage.workload(&path).with_context(|| format!("no scenario at {path}"))?;
    check("the upstream's request", &workload.request, &body)?;
    let response = Response::builder().header("mcp-session-id", &session);
    let response = match &workload.answer {
        Answer::Json(answer) => {
            response.header("content-type", "application/json").body(Either::Left(Full::new(answer.clone())))
        }
        Answer::Sse(events) => response
            .header("content-type", "text/event-stream")
            .header("cache-control", "no-cache, no-transform")
            .body(Either::Right(stream(stage.clone(), lane_of(session.to_str()?)?, events.clone()))),
    };
    Ok(response?)
}

/// Sends the events one by one, each after the client has received the one before.
fn stream(stage: Arc<Stage>, lane: usize, events: Vec<Bytes>) -> Channel<Bytes> {
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(1);
    tokio::spawn(async move {
        for (position, event) in events.into_iter().enumerate() {
            if position > 0 {
                stage.received(lane)?.notified().await;
            }
            sender.send_data(event).await?;
        }
        anyhow::Ok(())
    });
    body
}

//! HTTP+SSE: `GET /sse` is a session and its only stream, `POST /message?sessionId=` takes the client's messages.
//!
//! Specification: MCP 2024-11-05, basic/transports. The session is over when the client closes the stream.

use crate::bridge::event;
use crate::bridge::reply::{self, Events, Refusal, Reply, code};
use crate::bridge::session::{Initialized, SessionEvents};
use crate::bridge::sessions::Sessions;
use crate::message::{Body, Kind};
use bytes::Bytes;
use hyper::StatusCode;
use std::rc::Rc;
use std::task::{Context, Poll};

/// `GET /sse`
pub(super) async fn open(sessions: &Rc<Sessions>) -> Reply {
    let Some(events) = sessions.open().await else { return sessions.too_many("null") };
    let endpoint = event::endpoint(&format!("/message?sessionId={}", events.session.id));
    reply::events(Stream { endpoint: Some(endpoint), events, sessions: sessions.clone() })
}

/// `POST /message?sessionId=`
pub(super) async fn post(query: Option<&str>, body: Body, sessions: &Rc<Sessions>) -> Result<Reply, Refusal> {
    let Some(id) = session_id(query) else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, code::SERVER, "Bad Request: sessionId is missing"));
    };
    let session = sessions.find(id).ok_or_else(Refusal::unknown_session)?;
    let messages = match body {
        Body::Single(message) => vec![message],
        Body::Batch(messages) => messages,
    };
    let initialize = messages.iter().find(|message| message.method() == Some("initialize"));
    match (session.has_program(), initialize.map(|message| message.kind())) {
        (true, None) => {}
        (false, Some(Kind::Request(_, id))) => {
            let started = sessions.start(&session, id, Initialized::Stream);
            started.map_err(|reason| Refusal::new(StatusCode::BAD_REQUEST, code::SERVER, reason).of(id.text()))?;
        }
        (true, Some(_)) => return Err(Refusal::invalid("Server already initialized")),
        (false, _) => return Err(Refusal::invalid("Server not initialized")),
    }
    session.post(messages, None).await
}

fn session_id(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("sessionId="))
}

/// The body of the stream. The session ends with it.
struct Stream {
    endpoint: Option<Bytes>,
    events: SessionEvents,
    sessions: Rc<Sessions>,
}

// === impl Stream ===

impl Events for Stream {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.endpoint.take() {
            Some(endpoint) => Poll::Ready(Some(endpoint)),
            None => self.events.poll_event(context),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.sessions.end(&self.events.session, "the client closed its stream");
    }
}

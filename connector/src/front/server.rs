//! The server as the front sees it: the session, the open requests, and what the server's messages change.

use super::LINE_BYTES;
use super::failure::{describe, transport_error, with_id};
use super::headers::{LAST_EVENT_ID, Session};
use super::http::{Client, Response};
use super::open::OpenRequests;
use super::output::{Closed, Output};
use crate::message::{Body, Id, Kind, Message, one_line};
use crate::program::Errors;
use crate::tools::Tools;
use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Method, StatusCode};
use std::cell::RefCell;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// What all exchanges share. Everything is on one thread.
pub(super) struct Server {
    pub(super) client: Client,
    pub(super) output: Output,
    pub(super) open: OpenRequests,
    pub(super) tools: RefCell<Tools>,
    pub(super) errors: Errors,
    session: RefCell<Session>,
    listener: RefCell<Option<AbortHandle>>,
    lost: RefCell<Option<oneshot::Sender<String>>>,
}

/// What became of a GET.
pub(super) enum Opened {
    /// An event stream.
    Stream(Response),
    /// The server has no such stream.
    Refused(String),
    /// It may work later.
    Unavailable(String),
    /// The server does not know the session.
    NotFound(String),
}

// === impl Server ===

impl Server {
    /// `lost` is sent the reason when the session is lost.
    pub(super) fn new(client: Client, output: Output, errors: Errors, lost: oneshot::Sender<String>) -> Self {
        Self {
            client,
            output,
            errors,
            open: OpenRequests::default(),
            tools: RefCell::default(),
            session: RefCell::default(),
            listener: RefCell::default(),
            lost: RefCell::new(Some(lost)),
        }
    }

    pub(super) fn session(&self) -> Session {
        self.session.borrow().clone()
    }

    /// Sets the session, and ends the listening for the one before.
    pub(super) fn set_session(&self, id: Option<HeaderValue>) {
        *self.session.borrow_mut() = Session { id, version: None };
        self.set_listener(None);
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listener.borrow().is_some()
    }

    pub(super) fn set_listener(&self, listener: Option<AbortHandle>) {
        if let Some(before) = self.listener.replace(listener) {
            before.abort();
        }
    }

    /// Passes a message, or a batch, of the server to the client. `text` is the text of `body`. `requests` are those of the
    /// exchange that it came on. Answers to requests that are not open are dropped: servers repeat them on resumed streams.
    pub(super) async fn deliver(&self, text: &Bytes, body: &Body, requests: &[Id]) -> Result<(), Closed> {
        let line = match body {
            Body::Single(message) => self.receive(message, requests),
            Body::Batch(messages) => {
                let kept = messages.iter().filter(|message| self.receive(message, &[]).is_some()).count();
                (kept > 0).then(|| one_line(text))
            }
        };
        match line {
            Some(line) => self.output.send(line).await,
            None => Ok(()),
        }
    }

    /// Notes what a message says. Returns its text, if the client is to have it.
    fn receive(&self, message: &Message, requests: &[Id]) -> Option<Bytes> {
        let (Kind::Result(_) | Kind::Error(_)) = message.kind() else { return Some(message.text().clone()) };
        if let Kind::Result(id) | Kind::Error(Some(id)) = message.kind()
            && self.open.contains(id)
        {
            self.answered(message, id);
            return Some(message.text().clone());
        }
        // A refusal without the id of its request belongs to the only request of its exchange.
        let (Kind::Error(_), [id]) = (message.kind(), requests) else {
            return matches!(message.kind(), Kind::Error(None)).then(|| message.text().clone());
        };
        let id_text = self.open.id_text(id)?;
        self.answered(message, id);
        Some(with_id(message, &id_text))
    }

    fn answered(&self, message: &Message, id: &Id) {
        let Some(request) = self.open.method(id) else { return };
        let is_result = matches!(message.kind(), Kind::Result(_));
        match request.as_str() {
            "initialize" if is_result => {
                let version = message.result_member("protocolVersion");
                self.session.borrow_mut().version = version.and_then(|version| HeaderValue::try_from(version).ok());
            }
            "initialize" => self.set_session(None),
            "tools/list" if is_result => self.tools.borrow_mut().learn(message.text()),
            _ => {}
        }
        self.open.end(id);
    }

    /// Answers these requests, if they are still open, with an error.
    pub(super) async fn fail(&self, requests: &[Id], reason: &str) {
        for id in self.open.end_these(requests) {
            // A client that does not read needs no errors.
            let _ = self.output.send(transport_error(&id, reason)).await;
        }
    }

    /// The server does not know this session any more.
    pub(super) async fn lose(&self, session: &Session, reason: &str) {
        if self.session.borrow().id != session.id {
            return;
        }
        let reason = format!("the session of the server is lost: {reason}");
        for id in self.open.end_all() {
            let _ = self.output.send(transport_error(&id, &reason)).await;
        }
        // There is nothing left to delete.
        *self.session.borrow_mut() = Session::default();
        if let Some(lost) = self.lost.take() {
            let _ = lost.send(reason);
        }
    }

    /// Opens a stream with GET, up to 2025-11-25.
    pub(super) async fn open_stream(&self, session: &Session, last_id: Option<&[u8]>) -> Opened {
        let mut headers = session.headers();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
            headers.insert(LAST_EVENT_ID, id);
        }
        let mut response = match self.client.send(Method::GET, headers, Bytes::new(), None).await {
            Ok(response) => response,
            Err(reason) => return Opened::Unavailable(reason),
        };
        if response.status.is_success() && response.is("text/event-stream") {
            return Opened::Stream(response);
        }
        let body = response.whole(LINE_BYTES).await.unwrap_or_default();
        let reason = describe(&response, &body);
        match response.status {
            StatusCode::NOT_FOUND => Opened::NotFound(reason),
            // A server that has not seen yet that the stream before broke off says 409.
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Opened::Unavailable(reason),
            status if status.is_server_error() => Opened::Unavailable(reason),
            _ => Opened::Refused(reason),
        }
    }

    /// Ends the session.
    pub(super) async fn delete_session(&self) {
        self.set_listener(None);
        let session = self.session();
        if session.id.is_some() {
            // Servers may refuse it.
            let _ = self.client.send(Method::DELETE, session.headers(), Bytes::new(), None).await;
        }
    }
}

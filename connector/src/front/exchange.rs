//! One line of the client: a POST, its response, and what the response means.

use super::LINE_BYTES;
use super::failure::{describe, invalid_request, transport_error, unreadable};
use super::headers::{SESSION, Session, modern};
use super::http::{Response, Turn};
use super::open::OpenRequest;
use super::server::Server;
use super::stream::{follow, listen};
use crate::message::{Body, Id, Kind, Message, Place, one_line};
use crate::metadata::encoded;
use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use std::collections::HashSet;
use std::rc::Rc;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

/// A POST and what belongs to it.
struct Exchange {
    server: Rc<Server>,
    session: Session,
    /// The ids of its requests.
    requests: Vec<Id>,
    /// The method, unless it is a batch or an answer.
    method: Option<String>,
    is_modern: bool,
    /// Streams may be opened as soon as there is a session.
    headers_at_once: bool,
}

/// What the next message of the session waits for.
enum Until {
    /// The request was written.
    Written,
    /// The headers of the response came.
    Headers,
    /// The request was answered.
    Answered,
}

/// Sends a line of the client. The next line may be sent when the returned receiver ends.
pub(super) async fn send(server: &Rc<Server>, line: &Bytes, headers_at_once: bool) -> oneshot::Receiver<()> {
    let (turn, next) = oneshot::channel();
    match Body::read(line) {
        Ok(Body::Single(message)) if is_cancelled_here(server, &message) => {}
        Ok(Body::Single(message)) => {
            let headers = headers_of(server, &message, headers_at_once);
            let until = until(&message, headers_at_once);
            let method = message.method().map(str::to_owned);
            let (messages, text) = (std::slice::from_ref(&message), message.text().clone());
            begin(server, messages, text, method, headers, headers_at_once, (until, turn)).await;
        }
        Ok(Body::Batch(messages)) => {
            let headers = server.session().post_headers(headers_at_once);
            let has_request = messages.iter().any(|message| matches!(message.kind(), Kind::Request(..)));
            let until = if has_request && !headers_at_once { Until::Written } else { Until::Headers };
            begin(server, &messages, one_line(line), None, headers, headers_at_once, (until, turn)).await;
        }
        Err(error) => {
            let _ = server.output.send(unreadable(&error)).await;
        }
    }
    next
}

/// Whether a message only cancels a request of 2026-07-28, or one that is not open while there is no session.
fn is_cancelled_here(server: &Server, message: &Message) -> bool {
    if message.method() != Some("notifications/cancelled") {
        return false;
    }
    let was_closed = message.value(Place::CancelledRequest).is_some_and(|id| server.open.cancel(&id));
    was_closed || server.session().version.is_none()
}

fn headers_of(server: &Server, message: &Message, headers_at_once: bool) -> HeaderMap {
    if let Some(version) = message.protocol_version() {
        let mut headers = modern(message, &version);
        // An argument that stands twice is the server's to refuse.
        for (name, value) in server.tools.borrow().headers(message).unwrap_or_default() {
            if let Some(value) = value.and_then(|value| encoded(&value)) {
                headers.insert(name.clone(), value);
            }
        }
        return headers;
    }
    let session = if message.method() == Some("initialize") { Session::default() } else { server.session() };
    session.post_headers(headers_at_once)
}

/// Messages of a session arrive in the order of the lines. Servers accept notifications and answers at once. A request is known
/// to have arrived when the headers of its response come, but many servers send these only with the answer, and a slow call must
/// not hold up others, or the answer that it waits for. So only a server with `headers_at_once` is waited for. Requests of
/// 2026-07-28 are independent.
fn until(message: &Message, headers_at_once: bool) -> Until {
    match message.kind() {
        Kind::Request(method, _) if method == "initialize" => Until::Answered,
        Kind::Request(..) if !headers_at_once || message.protocol_version().is_some() => Until::Written,
        _ => Until::Headers,
    }
}

async fn begin(
    server: &Rc<Server>,
    messages: &[Message],
    text: Bytes,
    method: Option<String>,
    headers: HeaderMap,
    headers_at_once: bool,
    (until, turn): (Until, Turn),
) {
    let mut requests: Vec<_> = messages.iter().filter_map(OpenRequest::of).collect();
    if !server.open.has_room(requests.len()) {
        for (_, request) in requests {
            let _ = server.output.send(transport_error(&request.id_text, "too many requests are open")).await;
        }
        return;
    }
    let mut new = HashSet::new();
    if !requests.iter().all(|(id, _)| new.insert(id) && !server.open.contains(id)) {
        for (_, request) in requests {
            let refusal = invalid_request(&request.id_text, "Invalid Request: a request with this id is open");
            let _ = server.output.send(refusal).await;
        }
        return;
    }
    let (mut written, mut headers_came) = (None, None);
    match (until, requests.first_mut()) {
        (Until::Answered, Some((_, request))) => request.hold(turn),
        (Until::Written, _) => written = Some(turn),
        _ => headers_came = Some(turn),
    }
    let is_modern = requests.iter().any(|(_, request)| request.is_modern);
    let session = if is_modern { Session::default() } else { server.session() };
    let ids: Vec<_> = requests.iter().map(|(id, _)| id.clone()).collect();
    for (id, request) in requests {
        server.open.begin(id, request);
    }
    let exchange =
        Exchange { server: Rc::clone(server), session, requests: ids.clone(), method, is_modern, headers_at_once };
    let task = spawn_local(exchange.run(headers, text, written, headers_came));
    for id in ids {
        server.open.set_exchange(&id, task.abort_handle());
    }
}

// === impl Exchange ===

impl Exchange {
    async fn run(mut self, headers: HeaderMap, text: Bytes, written: Option<Turn>, headers_came: Option<Turn>) {
        let sent = self.server.client.send(Method::POST, headers, text, written).await;
        drop(headers_came);
        let end = match sent {
            Ok(response) => self.respond(response).await,
            Err(reason) => Err(reason),
        };
        let Err(reason) = end else { return };
        if self.requests.is_empty() {
            let what = self.method.as_deref().unwrap_or("an answer");
            self.server.errors.say(&format!("{what} did not reach the server: {reason}"));
        }
        self.server.fail(&self.requests, &reason).await;
    }

    async fn respond(&mut self, mut response: Response) -> Result<(), String> {
        let is_initialize = self.method.as_deref() == Some("initialize");
        if response.status == StatusCode::NOT_FOUND && self.session.id.is_some() && !is_initialize {
            let body = response.whole(LINE_BYTES).await?;
            let reason = describe(&response, &body);
            self.server.lose(&self.session, &reason).await;
            return Err(reason);
        }
        if response.status.is_success() && is_initialize {
            self.begin_session(&response);
        }
        if response.status.is_success() && response.is("text/event-stream") {
            follow(&self.server, &self.session, response, &self.requests, !self.is_modern).await?;
            self.listen_if(is_initialize && self.has_stream());
            return Ok(());
        }
        let read = self.read_single(&mut response).await;
        let is_initialized = self.method.as_deref() == Some("notifications/initialized") && read.is_ok();
        self.listen_if(is_initialized || (is_initialize && self.has_stream()));
        read
    }

    fn has_stream(&self) -> bool {
        self.headers_at_once && self.server.session().id.is_some()
    }

    /// Opens the stream for what the server sends unasked. The bridge has it as soon as it has the session, and its end says that
    /// the program has ended, also to a client that never sends `notifications/initialized`.
    fn listen_if(&self, may_listen: bool) {
        let session = self.server.session();
        if may_listen && !(self.server.is_listening() && self.headers_at_once) {
            let server = Rc::clone(&self.server);
            let listener = spawn_local(async move { listen(&server, &session).await });
            self.server.set_listener(Some(listener.abort_handle()));
        }
    }

    /// Whether the client has no session and asks for none.
    fn is_before_initialize(&self) -> bool {
        let has_begun = self.session.version.is_some() || self.session.id.is_some();
        !has_begun && !self.is_modern && !self.requests.is_empty() && self.method.as_deref() != Some("initialize")
    }

    /// A client may begin a session anew. The one before is ended.
    fn begin_session(&mut self, response: &Response) {
        let before = self.server.session();
        if before.id.is_some() {
            let server = Rc::clone(&self.server);
            let headers = before.headers();
            spawn_local(async move { drop(server.client.send(Method::DELETE, headers, Bytes::new(), None).await) });
        }
        self.server.set_session(response.headers.get(SESSION).cloned());
        self.session = self.server.session();
    }

    /// A response that is not a stream: the answer, a refusal, or nothing if there was no request.
    async fn read_single(&self, response: &mut Response) -> Result<(), String> {
        let body = response.whole(LINE_BYTES).await?;
        let is_success = response.status.is_success();
        if response.status == StatusCode::BAD_REQUEST && self.is_before_initialize() {
            let reason = describe(response, &body);
            return Err(format!("no initialize yet: the first message must be initialize; {reason}"));
        }
        if self.requests.is_empty() {
            return if is_success { Ok(()) } else { Err(describe(response, &body)) };
        }
        if let Ok(read) = Body::read(&body) {
            self.server.deliver(&body, &read, &self.requests).await?;
        }
        // What was answered is not open any more, so this is only told to the rest.
        let reason = describe(response, &body);
        Err(if is_success { format!("no JSON-RPC answer, but {reason}") } else { reason })
    }
}

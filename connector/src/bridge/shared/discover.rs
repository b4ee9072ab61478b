//! `server/discover`, by which clients find out whether the program is of this revision.

use super::running::Running;
use super::{Shared, failed};
use crate::bridge::reply::{self, Reply, code};
use crate::message::{Message, Place};
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Some programs of older revisions do not answer what they do not know. Their clients wait for a refusal.
const DISCOVER: Duration = Duration::from_secs(20);

/// How long a refusal of `server/discover` is remembered. The program may be installed anew meanwhile.
const REMEMBERED: Duration = Duration::from_secs(600);

// === impl Shared ===

impl Shared {
    /// A program that refuses this is of an older revision. Its clients know by the status, and begin with `initialize`.
    pub(in crate::bridge) async fn discover(self: &Rc<Self>, request: &Message) -> Reply {
        let status = StatusCode::BAD_REQUEST;
        self.refusal.borrow_mut().take_if(|(_, since)| since.elapsed() >= REMEMBERED);
        if let Some((refusal, _)) = &*self.refusal.borrow() {
            let id = request.raw(Place::Id).unwrap_or("null");
            return reply::json(status, refusal.with(&[(Place::Id, id)]));
        }
        let running = match self.running() {
            Ok(running) => running,
            Err(reason) => return reply::json(status, failed(request, code::SERVER, &reason)),
        };
        let Some(answer) = running.answer_to_discover(request).await else {
            let reason = "Method not found: the MCP server did not answer `server/discover`";
            return reply::json(status, failed(request, code::METHOD_NOT_FOUND, reason));
        };
        if answer.error_code().is_none() {
            return reply::json(StatusCode::OK, answer.text().clone());
        }
        if is_refusal(&answer) && !self.is_making_sure.replace(true) {
            let shared = self.clone();
            self.programs.spawn(async move {
                tokio::select! {
                    () = shared.make_sure(&running) => {}
                    _ = shared.programs.ending() => {}
                }
                shared.is_making_sure.set(false);
            });
        }
        reply::json(status, answer.text().clone())
    }

    /// The refusal may be due to the client's request, or to what the program was sent before. So a request without faults is
    /// sent to the program, and if it is refused too, to a new one. If both refuse it, later clients are given the refusal
    /// without asking the program, which is ended. If the new one does not, the program is ended, and started again by the next
    /// request.
    async fn make_sure(&self, running: &Rc<Running>) {
        let request = discover_request();
        let Ok(message) = Message::read(&request) else { return };
        if !running.answer_to_discover(&message).await.is_some_and(|answer| is_refusal(&answer)) {
            return;
        }
        let Some(answer) = self.programs.ask(&request, DISCOVER).await else { return };
        if is_refusal(&answer) {
            self.refusal.replace(Some((answer, Instant::now())));
            if !running.calls.borrow().is_empty() {
                return;
            }
        }
        running.stop.notify_one();
    }
}

// === impl Running ===

impl Running {
    /// Asks the program for its revisions.
    async fn answer_to_discover(self: &Rc<Self>, request: &Message) -> Option<Message> {
        let mut call = self.open(request, None, false);
        timeout(DISCOVER, call.first()).await.ok()?;
        Message::read(&call.take_answer()?).ok()
    }
}

/// How programs of older revisions answer `server/discover`.
fn is_refusal(answer: &Message) -> bool {
    matches!(answer.error_code(), Some(code::METHOD_NOT_FOUND | code::INVALID_PARAMS))
}

fn discover_request() -> Bytes {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "mcp-sidecar", "version": env!("CARGO_PKG_VERSION")},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}).to_string().into()
}

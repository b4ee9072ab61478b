//! The client's requests that are not answered yet.

use super::http::Turn;
use crate::message::{Id, Kind, Message, Place};
use std::cell::RefCell;
use std::collections::HashMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Requests that may be open at once. Each has an HTTP exchange of its own.
const OPEN_REQUESTS: usize = 1024;

/// One request.
pub(super) struct OpenRequest {
    /// The id as it stands in the request.
    pub(super) id_text: String,
    pub(super) method: String,
    /// It names its protocol version itself (2026-07-28), so it belongs to no session.
    pub(super) is_modern: bool,
    is_cancelled: bool,
    /// What reads its response.
    exchange: Option<AbortHandle>,
    /// Ends with the request, where the next message has to wait for the answer.
    turn: Option<Turn>,
}

/// All of them, by id.
#[derive(Default)]
pub(super) struct OpenRequests {
    requests: RefCell<HashMap<Id, OpenRequest>>,
    ended: Notify,
}

// === impl OpenRequest ===

impl OpenRequest {
    /// `None` if the message is not a request.
    pub(super) fn of(message: &Message) -> Option<(Id, Self)> {
        let Kind::Request(method, id) = message.kind() else { return None };
        let request = Self {
            id_text: message.raw(Place::Id).unwrap_or_default().to_owned(),
            method: method.clone(),
            is_modern: message.protocol_version().is_some(),
            is_cancelled: false,
            exchange: None,
            turn: None,
        };
        Some((id.clone(), request))
    }

    /// The next message waits until this request has ended.
    pub(super) fn hold(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }
}

// === impl OpenRequests ===

impl OpenRequests {
    /// Whether so many more requests may be open.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.requests.borrow().len() + more <= OPEN_REQUESTS
    }

    pub(super) fn begin(&self, id: Id, request: OpenRequest) {
        self.requests.borrow_mut().insert(id, request);
    }

    pub(super) fn set_exchange(&self, id: &Id, exchange: AbortHandle) {
        if let Some(request) = self.requests.borrow_mut().get_mut(id) {
            request.exchange = Some(exchange);
        }
    }

    pub(super) fn contains(&self, id: &Id) -> bool {
        self.requests.borrow().contains_key(id)
    }

    /// The method of an open request.
    pub(super) fn method(&self, id: &Id) -> Option<String> {
        self.requests.borrow().get(id).map(|request| request.method.clone())
    }

    /// The id of an open request, as its text has it.
    pub(super) fn id_text(&self, id: &Id) -> Option<String> {
        self.requests.borrow().get(id).map(|request| request.id_text.clone())
    }

    /// The request was answered, or cannot be answered any more.
    pub(super) fn end(&self, id: &Id) -> Option<OpenRequest> {
        let ended = self.requests.borrow_mut().remove(id);
        self.ended.notify_waiters();
        ended
    }

    /// Ends all requests that are not cancelled and returns the texts of their ids.
    pub(super) fn end_all(&self) -> Vec<String> {
        let requests = std::mem::take(&mut *self.requests.borrow_mut());
        self.ended.notify_waiters();
        requests.into_values().filter(|request| !request.is_cancelled).map(|request| request.id_text).collect()
    }

    /// Ends these requests, and returns the texts of the ids of those that wait for an answer.
    pub(super) fn end_these(&self, ids: &[Id]) -> Vec<String> {
        let ended = ids.iter().filter_map(|id| self.end(id));
        ended.filter(|request| !request.is_cancelled).map(|request| request.id_text).collect()
    }

    /// The client cancelled a request. One of 2026-07-28 ends, and its response is closed, which tells the server. Returns
    /// whether that was all that is to be done.
    pub(super) fn cancel(&self, id: &Id) -> bool {
        let is_modern = match self.requests.borrow_mut().get_mut(id) {
            Some(request) => {
                request.is_cancelled = true;
                request.is_modern
            }
            None => return false,
        };
        if is_modern && let Some(exchange) = self.end(id).and_then(|request| request.exchange) {
            exchange.abort();
        }
        is_modern
    }

    /// Waits until no request waits for an answer. `subscriptions/listen` has none while it works.
    pub(super) async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            let is_awaited = |request: &OpenRequest| !request.is_cancelled && request.method != "subscriptions/listen";
            if !self.requests.borrow().values().any(is_awaited) {
                return;
            }
            ended.await;
        }
    }
}

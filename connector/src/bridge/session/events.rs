//! The body of a response with events of a session.

use super::Session;
use crate::bridge::reply::Events;
use crate::bridge::router::Reader;
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// A stream of a session.
pub(in crate::bridge) struct SessionEvents {
    pub(in crate::bridge) session: Rc<Session>,
    pub(super) reader: Reader,
}

// === impl SessionEvents ===

impl SessionEvents {
    /// Waits for the first message, or the end.
    pub(super) async fn first(&self) {
        poll_fn(|context| self.session.router.borrow_mut().poll_first(self.reader, context)).await;
    }

    /// The answer, if it is the only message and no other will come.
    pub(super) fn take_answer(&self) -> Option<Bytes> {
        self.session.router.borrow_mut().take_answer(self.reader)
    }
}

impl Events for SessionEvents {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.session.router.borrow_mut().poll_next(self.reader, context)
    }
}

impl Drop for SessionEvents {
    fn drop(&mut self) {
        self.session.router.borrow_mut().leave(self.reader);
        self.session.used.set(Instant::now());
    }
}

//! One request at the shared program, and the response to it.

use super::running::Running;
use crate::bridge::event::text_without_id;
use crate::bridge::reply::Events;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// The body of a response with events, and the guard of its request.
pub(super) struct Call {
    running: Rc<Running>,
    number: u64,
    /// A cancel notification before the first request but `server/discover` ends programs of rmcp 3.11.0.
    may_cancel: bool,
    /// What is left to do until the request will be written.
    queue: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

// === impl Call ===

impl Call {
    /// `queue` is what is to be done until the request will be written.
    pub(super) fn new(
        running: Rc<Running>,
        number: u64,
        may_cancel: bool,
        queue: impl Future<Output = ()> + 'static,
    ) -> Self {
        Self { running, number, may_cancel, queue: Some(Box::pin(queue)) }
    }

    /// Waits for the first message, or the end.
    pub(super) async fn first(&mut self) {
        poll_fn(|context| {
            self.poll_queue(context);
            self.running.calls.borrow_mut().poll_first(self.number, context)
        })
        .await;
    }

    fn poll_queue(&mut self, context: &mut Context<'_>) {
        self.queue.take_if(|queue| queue.as_mut().poll(context).is_ready());
    }

    /// The answer, if nothing comes before it.
    pub(super) fn take_answer(&mut self) -> Option<Bytes> {
        self.running.calls.borrow_mut().take_answer(self.number)
    }
}

impl Events for Call {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.poll_queue(context);
        let next = self.running.calls.borrow_mut().poll_next(self.number, context);
        next.map(|message| message.map(|text| text_without_id(&text)))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.queue.is_some() {
            // The program does not know of it.
            self.running.calls.borrow_mut().forget(self.number);
            return;
        }
        let is_open = self.running.calls.borrow_mut().leave(self.number);
        if is_open && self.may_cancel {
            self.running.cancel(self.number);
        } else if is_open {
            self.running.forget_later(self.number);
        }
    }
}

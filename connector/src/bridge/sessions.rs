//! The sessions of revisions up to 2025-11-25. Bound: `MCP_STDIO_SESSIONS`. A session counts until its program is gone.

use crate::bridge::Settings;
use crate::bridge::programs::Programs;
use crate::bridge::reply::{self, Refusal, Reply, SESSION_ID, code};
use crate::bridge::router::{ID_BYTES, NotOpened};
use crate::bridge::session::{Initialized, Session, SessionEvents};
use crate::message::{Id, Kind, Message, Place};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

/// The operator is told about refused sessions once in this time.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// All sessions.
pub(super) struct Sessions {
    pub(super) programs: Rc<Programs>,
    table: RefCell<HashMap<String, Rc<Session>>>,
    /// When the operator was told that a session was refused.
    told_full: Cell<Option<Instant>>,
    slots: Arc<Semaphore>,
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn new(programs: Rc<Programs>) -> Self {
        let slots = Arc::new(Semaphore::new(programs.settings.sessions));
        Self { programs, table: RefCell::default(), told_full: Cell::default(), slots }
    }

    pub(super) fn find(&self, id: &str) -> Option<Rc<Session>> {
        self.table.borrow().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.table.borrow_mut().remove(id);
    }

    /// Starts a program and a session, and waits for the program's answer. If it takes long, the response is an event stream.
    pub(super) async fn initialize(self: &Rc<Self>, message: &Message, id: &Id) -> Reply {
        if message.raw(Place::Id).is_some_and(|text| text.len() > ID_BYTES) {
            return Refusal::from(NotOpened::TooLong).into();
        }
        let Some(slot) = self.slot().await else { return self.too_many(id.text()) };
        let session = Rc::new(Session::new(slot, self.programs.times.cancelled));
        let (waiter, initialized) = oneshot::channel();
        if let Err(reason) = self.start(&session, id, Initialized::Waiter(waiter)) {
            return reply::json(StatusCode::OK, failed(id.text(), &reason));
        }
        let stop = StopUnlessAnswered(Some(session.clone()));
        // If the program is gone, `initialized` tells.
        let _ = session.send(std::slice::from_ref(message)).await;
        let mut answer = Box::pin(answer(initialized, stop, id.clone()));
        let mut reply = match timeout(self.programs.times.headers, &mut answer).await {
            Ok((text, false)) => return reply::json(StatusCode::OK, text),
            Ok((text, true)) => reply::json(StatusCode::OK, text),
            Err(_) => reply::one_event(Box::pin(async { answer.await.0 })),
        };
        if let Ok(id) = HeaderValue::from_str(&session.id) {
            reply.headers_mut().insert(SESSION_ID, id);
        }
        reply
    }

    /// A place for a session. `None`: all are in use. The place of a session that is over is waited for: its program ends.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        if self.table.borrow().len() >= self.programs.settings.sessions {
            return None;
        }
        timeout(self.programs.times.slot, self.slots.clone().acquire_owned()).await.ok()?.ok()
    }

    /// Opens a session of HTTP+SSE. Its program starts when its `initialize` comes. Without it the session is soon over.
    pub(super) async fn open(self: &Rc<Self>) -> Option<SessionEvents> {
        let slot = self.slot().await?;
        let (session, events) = Session::with_one_stream(slot, self.programs.times.cancelled);
        self.table.borrow_mut().insert(session.id.clone(), session.clone());
        let (sessions, session) = (self.clone(), Rc::downgrade(&session));
        spawn_local(async move {
            sleep(sessions.programs.times.unused_stream).await;
            if let Some(session) = session.upgrade()
                && !session.has_program()
            {
                sessions.end(&session, "the client sent no `initialize`");
            }
        });
        Some(events)
    }

    /// Ends a session.
    pub(super) fn end(&self, session: &Session, reason: &str) {
        self.remove(&session.id);
        session.stop(reason);
    }

    /// Refuses a session, and tells the operator.
    pub(super) fn too_many(&self, id: &str) -> Reply {
        let Settings { sessions, idle, .. } = &self.programs.settings;
        let reason = format!(
            "all {sessions} sessions are in use; end one with DELETE, set MCP_STDIO_SESSIONS (1 to 1000) higher, or \
             MCP_STDIO_IDLE_MS (now {}) lower",
            idle.as_millis()
        );
        if self.told_full.get().is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.told_full.set(Some(Instant::now()));
            self.programs.say(&format!("a client was refused: {reason}"));
        }
        let mut reply = reply::json(StatusCode::SERVICE_UNAVAILABLE, failed(id, &reason));
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
        reply
    }

    /// Starts the program of a session.
    pub(super) fn start(
        self: &Rc<Self>,
        session: &Rc<Session>,
        id: &Id,
        initialized: Initialized,
    ) -> Result<(), String> {
        let (program, input, output) = self.programs.start()?;
        session.set_input(input);
        let waiting = Rc::downgrade(session);
        let is_waiting =
            move || waiting.upgrade().is_some_and(|session| session.has_program() && !session.is_initialized());
        self.programs.tell_if_silent(&program, is_waiting);
        self.table.borrow_mut().insert(session.id.clone(), session.clone());
        self.programs.spawn(session.clone().run(self.clone(), program, output, id.clone(), initialized));
        Ok(())
    }
}

/// The answer to `initialize`, and whether there is a session.
async fn answer(
    initialized: oneshot::Receiver<Result<Message, String>>,
    mut stop: StopUnlessAnswered,
    id: Id,
) -> (Bytes, bool) {
    let answer = initialized.await;
    stop.0 = None;
    match answer {
        Ok(Ok(answer)) => (answer.text().clone(), matches!(answer.kind(), Kind::Result(_))),
        Ok(Err(reason)) => (failed(id.text(), &reason), false),
        Err(_) => (failed(id.text(), "the session ended"), false),
    }
}

pub(super) fn failed(id: &str, reason: &str) -> Bytes {
    reply::error_text(id, code::SERVER, reason).into()
}

/// Ends a session whose client went before `initialize` was answered.
struct StopUnlessAnswered(Option<Rc<Session>>);

// === impl StopUnlessAnswered ===

impl Drop for StopUnlessAnswered {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.stop("the client closed its connection");
        }
    }
}

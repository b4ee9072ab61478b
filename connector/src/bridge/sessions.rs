//! The sessions of revisions up to 2025-11-25. Bound: `MCP_STDIO_SESSIONS`.

use crate::bridge::Settings;
use crate::bridge::reply::{self, Reply, SESSION_ID, code};
use crate::bridge::session::Session;
use crate::message::{Id, Kind, Message};
use crate::program::{Errors, HowItEnded, Program};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;
use uuid::Uuid;

/// All sessions, and the programs that run.
pub(super) struct Sessions {
    pub(super) settings: Settings,
    pub(super) errors: Errors,
    table: RefCell<HashMap<String, Rc<Session>>>,
    running: Cell<usize>,
    one_ended: Notify,
}

// === impl Sessions ===

impl Sessions {
    pub(super) fn new(settings: Settings, errors: Errors) -> Self {
        let (table, running, one_ended) = Default::default();
        Self { settings, errors, table, running, one_ended }
    }

    pub(super) fn find(&self, id: &str) -> Option<Rc<Session>> {
        self.table.borrow().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.table.borrow_mut().remove(id);
    }

    /// How the program ended, as a client is told.
    pub(super) fn ended(&self, how: &HowItEnded) -> String {
        format!("the MCP server `{}` {how}", self.settings.command.text())
    }

    /// Starts a program and a session, and waits for the program's answer.
    pub(super) async fn initialize(self: &Rc<Self>, message: &Message, id: &Id) -> Reply {
        if self.table.borrow().len() >= self.settings.sessions {
            return too_many(id, self.settings.sessions);
        }
        let (session, initialized) = match self.start(id) {
            Ok(started) => started,
            Err(reason) => return reply::json(StatusCode::OK, reply::error_text(id.text(), code::SERVER, &reason).into()),
        };
        let mut stop = StopUnlessAnswered(Some(session.clone()));
        // If the program is gone, `initialized` tells.
        let _ = session.send(std::slice::from_ref(message)).await;
        let answer = initialized.await.unwrap_or_else(|_| Err("the session ended".to_owned()));
        stop.0 = None;
        match answer {
            Ok(answer) => {
                let mut reply = reply::json(StatusCode::OK, answer.text().clone());
                if let (Kind::Result(_), Ok(id)) = (answer.kind(), HeaderValue::from_str(&session.id)) {
                    reply.headers_mut().insert(SESSION_ID, id);
                }
                reply
            }
            Err(reason) => reply::json(StatusCode::OK, reply::error_text(id.text(), code::SERVER, &reason).into()),
        }
    }

    fn start(self: &Rc<Self>, id: &Id) -> Result<(Rc<Session>, oneshot::Receiver<Result<Message, String>>), String> {
        let command = &self.settings.command;
        let (program, input, output) = Program::start(command, self.settings.line_bytes, &self.errors)
            .map_err(|error| format!("the MCP server `{}` cannot be started: {error}", command.text()))?;
        let session = Rc::new(Session::new(Uuid::new_v4().to_string(), input));
        self.table.borrow_mut().insert(session.id.clone(), session.clone());
        let (answer, initialized) = oneshot::channel();
        let run = session.clone().run(self.clone(), program, output, id.clone(), answer);
        let sessions = self.clone();
        self.running.set(self.running.get() + 1);
        spawn_local(async move {
            run.await;
            sessions.running.set(sessions.running.get() - 1);
            sessions.one_ended.notify_one();
        });
        Ok((session, initialized))
    }

    /// Ends all sessions, and waits for their programs.
    pub(super) async fn end(&self) {
        let all: Vec<_> = self.table.borrow().values().cloned().collect();
        all.iter().for_each(|session| session.stop("the sidecar ends"));
        while self.running.get() > 0 {
            self.one_ended.notified().await;
        }
    }
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

fn too_many(id: &Id, limit: usize) -> Reply {
    let reason = format!("all {limit} sessions are in use (MCP_STDIO_SESSIONS)");
    let text = reply::error_text(id.text(), code::SERVER, &reason);
    let mut reply = reply::json(StatusCode::SERVICE_UNAVAILABLE, text.into());
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    reply
}

//! What ends without the exchange that it began on: with its session, after a time, or because nobody can follow it any more.

use super::Context;
use crate::correlation::Correlation;
use crate::correlation::links::{self, PendingOperation, ServerRequest};
use crate::correlation::sessions::ActiveSession;
use crate::host::Time;
use crate::label::{ServerRequestStatus, Status};
use crate::observation::{Ended, Observation};

impl Context<'_> {
    /// What had to make room in the store cannot be followed any more.
    #[inline(never)]
    pub(super) fn end_evicted(&mut self, ended: &links::EndedLinks) {
        give_up(ended, &mut |server, observation| self.observer.observe_of(server, observation));
    }

    #[inline(never)]
    pub(super) fn lost(&mut self, asked: &[ServerRequest]) {
        for asked in asked {
            self.observe(lost(asked));
        }
    }

    pub(super) fn end_pending(&mut self, pending: &PendingOperation) {
        self.observe(Observation::OperationEnded(without_answer(pending)));
    }

    pub(super) fn inactive(&mut self, sessions: &[ActiveSession]) {
        for ActiveSession { transport, server } in sessions {
            self.observer.observe_of(server.as_deref(), Observation::SessionInactive(*transport));
        }
    }
}

impl Correlation {
    /// To be called now and then, in every VM: tells the others what passed here, and ends what has waited or was idle for too
    /// long. `out` also gets the server's name, where it is not the plugin's.
    pub fn tick(&self, now: Time, out: &mut dyn FnMut(Option<&str>, Observation<'_>)) {
        self.renew_lease(now);
        self.save_event_ids();
        self.publish_activity(now, out);
        let ended = self.expire_links(now);
        for pending in &ended.operations {
            let observation = Observation::OperationEnded(without_answer(pending));
            out(pending.server.as_deref(), observation);
        }
        for asked in &ended.server_requests {
            out(asked.server.as_deref(), lost(asked));
        }
    }

    /// To be called when this VM stops following its links. If it is the last one, it ends what waits for none of its streams.
    pub fn end(&self, now: Time, out: &mut dyn FnMut(Option<&str>, Observation<'_>)) {
        if self.release_lease(now) {
            give_up(&self.take_unheld_links(now), out);
            self.deactivate_all(out);
        }
    }
}

/// Nobody can follow these any more.
fn give_up(ended: &links::EndedLinks, out: &mut dyn FnMut(Option<&str>, Observation<'_>)) {
    for pending in &ended.operations {
        let operation = &pending.operation;
        let (status, error_type) = (Status::Unknown, None);
        let ended = Ended { operation, status, error_type, error_code: None, duration: None, answer_bytes: None };
        out(pending.server.as_deref(), Observation::OperationEnded(ended));
    }
    for asked in &ended.server_requests {
        out(asked.server.as_deref(), lost(asked));
    }
}

fn lost(asked: &ServerRequest) -> Observation<'static> {
    Observation::ServerRequestEnded { method: asked.method, status: ServerRequestStatus::Lost, duration: None }
}

/// No answer can come any more.
fn without_answer(pending: &PendingOperation) -> Ended<'_> {
    let (status, error_type, duration) = pending.outcome_without_answer();
    Ended { operation: &pending.operation, status, error_type, error_code: None, duration, answer_bytes: None }
}

//! What ends without the exchange that it began on.

use super::Context;
use crate::correlation::links::{EndedLinks, PendingOperation, ServerRequest};
use crate::correlation::sessions::ActiveSession;

impl Context<'_> {
    /// What had to make room in the store cannot be followed any more.
    #[inline(never)]
    pub(super) fn end_evicted(&mut self, evicted: &EndedLinks) {
        evicted.report_unknown(&mut |server, observation| self.observer.observe_other(server, observation));
    }

    #[inline(never)]
    pub(super) fn end_unanswered_server_requests(&mut self, requests: &[ServerRequest]) {
        for request in requests {
            self.observe(request.lost());
        }
    }

    pub(super) fn end_unanswered_operation(&mut self, pending: &PendingOperation) {
        self.observe(pending.unanswered());
    }

    pub(super) fn deactivate_sessions(&mut self, sessions: &[ActiveSession]) {
        for session in sessions {
            self.observer.observe_other(session.server.as_deref(), session.became_inactive());
        }
    }
}

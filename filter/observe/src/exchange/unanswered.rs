//! What ends without the exchange that it began on.

use super::Context;
use crate::correlation::links::EndedLinks;
use crate::correlation::sessions::ActiveSession;

impl Context<'_> {
    /// What had to make room in the store cannot be followed any more.
    #[inline(never)]
    pub(super) fn end_evicted(&mut self, evicted: &EndedLinks) {
        evicted.report_unknown(&mut |server, observation| self.observer.observe_other(server, observation));
    }

    /// No answer can come any more.
    #[inline(never)]
    pub(super) fn end_without_answer(&mut self, ended: &EndedLinks) {
        ended.report(&mut |_, observation| self.observe(observation));
    }

    pub(super) fn deactivate_sessions(&mut self, sessions: &[ActiveSession]) {
        for session in sessions {
            self.observer.observe_other(session.server.as_deref(), session.became_inactive());
        }
    }
}

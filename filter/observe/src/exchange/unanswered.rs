//! Reports operations, server requests and sessions that the correlation store ended without a response. They may have started
//! on other exchanges.

use super::Context;
use crate::correlation::links::RemovedLinks;
use crate::correlation::sessions::ActiveSession;

impl Context<'_> {
    /// Reports links that were evicted from the store, which can no longer be matched.
    #[inline(never)]
    pub(super) fn end_evicted(&mut self, evicted: &RemovedLinks) {
        evicted.report_unknown(&mut |server, observation| self.observer.observe_other(server, observation));
    }

    /// Reports links to which no answer can come any more.
    #[inline(never)]
    pub(super) fn end_without_answer(&mut self, ended: &RemovedLinks) {
        ended.report(&mut |_, observation| self.observe(observation));
    }

    /// Reports sessions that became inactive.
    pub(super) fn report_inactive_sessions(&mut self, sessions: &[ActiveSession]) {
        for session in sessions {
            self.observer.observe_other(session.server.as_deref(), session.became_inactive());
        }
    }
}

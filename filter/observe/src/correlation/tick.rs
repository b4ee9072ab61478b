//! What a VM does at each tick and at its end, and the observations that it reports.
//!
//! The observations belong to exchanges that ended. Each is reported with the name of its server, if that is not the plugin's.
//!
//! **Cost:**
//!
//! | what | when |
//! |---|---|
//! | reads of eight slots of [`links`](super::links), and of the slots with early answers | each tick |
//! | read and write of a slot of links | for each open event stream whose operations are not saved yet |
//! | read and write of the leases | every 30 seconds |
//! | read of a slot of [`sessions`](super::sessions) | when one of its sessions may be idle, at least every 30 minutes |

use super::Correlation;
use super::links::{PendingOperation, RemovedLinks, ServerRequest};
use super::sessions::ActiveSession;
use crate::host::Time;
use crate::label::{ErrorType, ServerRequestStatus, Status};
use crate::observation::{Observation, OperationEnd};

/// Receives an observation, and the name of its server, if it is not the plugin's.
pub(crate) type Report<'a> = dyn FnMut(Option<&str>, Observation<'_>) + 'a;

// === impl Correlation ===

impl Correlation {
    /// To be called periodically in every VM. Renews the VM's lease, shares what the VM gathered, and ends the operations and
    /// server requests that expired and the sessions that were idle for too long.
    pub fn tick(&self, now: Time, report: &mut Report<'_>) {
        self.renew_lease(now);
        self.save_event_ids();
        self.save_all_kept_operations(now, report);
        self.publish_activity(now, report);
        self.expire_links(now).report(report);
    }

    /// To be called when this VM stops following the links of its server name. If it is the last one, all links and active
    /// sessions end, except what an open stream of this VM holds.
    pub fn end(&self, now: Time, report: &mut Report<'_>) {
        self.save_all_kept_operations(now, report);
        if self.release_lease(now) {
            self.take_unheld_links(now).report_unknown(report);
            self.deactivate_all(report);
        }
    }
}

// === impl RemovedLinks ===

impl RemovedLinks {
    /// Reports the ends of links to which no answer can come any more.
    #[inline(never)]
    pub(crate) fn report(&self, report: &mut Report<'_>) {
        for pending in self.operations() {
            report(pending.server.as_deref(), pending.unanswered());
        }
        self.report_others(report);
    }

    /// Reports the ends of links whose answer may come, but cannot be matched any more: each operation ends as `unknown`.
    #[inline(never)]
    pub(crate) fn report_unknown(&self, report: &mut Report<'_>) {
        for pending in self.operations() {
            report(pending.server.as_deref(), pending.ended(Status::Unknown, None, None));
        }
        self.report_others(report);
    }

    fn report_others(&self, report: &mut Report<'_>) {
        for request in self.server_requests() {
            report(request.server.as_deref(), request.lost());
        }
        for answer in self.early_answers() {
            if let Some(code) = answer.error {
                report(answer.server.as_deref(), Observation::ProtocolError { code, method: None });
            }
            if let Some(reason) = answer.unmatched {
                report(answer.server.as_deref(), Observation::Unmatched(reason));
            }
        }
    }
}

// === impl PendingOperation ===

impl PendingOperation {
    /// The end of an operation that no message answers.
    pub(crate) fn unanswered(&self) -> Observation<'_> {
        let (status, error_type, duration) = self.outcome_without_answer();
        self.ended(status, error_type, duration)
    }

    fn ended(&self, status: Status, error_type: Option<ErrorType>, duration: Option<u64>) -> Observation<'_> {
        let operation = &self.operation;
        Observation::OperationEnded(OperationEnd {
            operation,
            status,
            error_type,
            error_code: None,
            duration,
            answer_bytes: None,
            at: None,
        })
    }
}

// === impl ServerRequest ===

impl ServerRequest {
    /// The end of a server request that no message answers.
    pub(crate) fn lost(&self) -> Observation<'static> {
        Observation::ServerRequestEnded { method: self.method, status: ServerRequestStatus::Lost, duration: None }
    }
}

// === impl ActiveSession ===

impl ActiveSession {
    pub(crate) fn became_active(&self) -> Observation<'static> {
        Observation::SessionActive(self.transport)
    }

    pub(crate) fn became_inactive(&self) -> Observation<'static> {
        Observation::SessionInactive(self.transport)
    }
}

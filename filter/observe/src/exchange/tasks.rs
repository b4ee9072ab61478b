//! Tasks (2025-11-25, and the extension of 2026): one exchange starts a task, another one shows that it ended.

use super::Context;
use super::session::server_name;
use crate::label::KnownMethod::{TasksGet, TasksResult};
use crate::label::{Method, Status, TaskStatus};
use crate::observation::{Observation, Operation};
use crate::read::message::Outcome;
use crate::text::Text;

impl Context<'_> {
    /// A task ended, as shown by the response to `tasks/get` or `tasks/result`, or by a notification.
    #[inline(never)]
    pub(super) fn task_ended(&mut self, id: &Text, status: TaskStatus) {
        let server = server_name(self).unwrap_or_default();
        if let Some(tool) = self.correlation.end_task(server.as_bytes(), id) {
            self.observe(Observation::TaskEnded { tool: tool.as_deref(), status });
        }
    }

    /// Starts or ends the task of an operation that got a result.
    pub(super) fn update_task(&mut self, operation: &Operation, status: Status, result: &Outcome) {
        let begun = result.task_id.as_ref().or(result.announced_task.as_ref());
        match (operation.method, begun, &operation.task_id) {
            (_, Some(id), _) if status == Status::Accepted => {
                let server = server_name(self).unwrap_or_default();
                self.correlation.start_task(server.as_bytes(), id, operation.name.as_deref());
            }
            (Method::Known(TasksGet), _, Some(id)) => {
                if let Some(status) = task_status(result.status.as_deref(), result.inner_is_error) {
                    self.task_ended(id, status);
                }
            }
            (Method::Known(TasksResult), _, Some(id)) => {
                self.task_ended(id, if result.is_error { TaskStatus::ToolError } else { TaskStatus::Completed });
            }
            _ => {}
        }
    }
}

/// A task's end; `None` while it runs.
pub(super) fn task_status(status: Option<&Text>, is_error: bool) -> Option<TaskStatus> {
    match status?.whole()? {
        b"completed" if is_error => Some(TaskStatus::ToolError),
        b"completed" => Some(TaskStatus::Completed),
        b"failed" => Some(TaskStatus::Failed),
        b"cancelled" => Some(TaskStatus::Cancelled),
        _ => None,
    }
}

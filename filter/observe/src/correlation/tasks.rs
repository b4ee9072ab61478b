//! Tasks (MCP 2025-11-25, and the extension of 2026): which tool created a task, and whether its end was seen.
//!
//! A task may be requested in any session and may run for hours. So its key is its server and id, and it does not expire; when a
//! slot is full, the oldest task is evicted.

use super::{Correlation, Table};
use crate::text::Text;
use serde::{Deserialize, Serialize};

pub(super) const TABLE: Table = Table { letter: 't', slots: 64, max_bytes: 4096 };
/// Bytes of an entry beside the tool's name, at most.
const ENTRY_BYTES: usize = 16;

#[derive(Serialize, Deserialize)]
struct Task {
    id: u64,
    has_ended: bool,
    /// `None` if the call that created the task was not seen.
    tool: Option<Box<str>>,
}

impl Correlation {
    /// A call of `tool` created this task.
    pub(crate) fn start_task(&self, server: &[u8], id: &Text, tool: Option<&str>) {
        self.with_task(server, id, |task, is_new| {
            if is_new {
                task.tool = tool.map(Into::into);
            }
            (is_new, ())
        });
    }

    /// The task ended. Returns `None` if its end was seen before; otherwise the tool that created it, or `Some(None)` if that tool
    /// is not known.
    pub(crate) fn end_task(&self, server: &[u8], id: &Text) -> Option<Option<Box<str>>> {
        self.with_task(server, id, |task, _| {
            let is_first = !std::mem::replace(&mut task.has_ended, true);
            (is_first, is_first.then(|| task.tool.clone()))
        })?
    }

    /// Changes the entry of a task. `change` gets the entry and whether it is new, and returns whether to write it, and a result.
    fn with_task<T>(
        &self,
        server: &[u8],
        id: &Text,
        mut change: impl FnMut(&mut Task, bool) -> (bool, T),
    ) -> Option<T> {
        let id = self.hash(&[b"task", server, &id.length().to_le_bytes(), &id.digest().to_le_bytes()]);
        self.edit(&TABLE, id, |slot: &mut Vec<Task>| {
            if let Some(task) = slot.iter_mut().find(|task| task.id == id) {
                return change(task, false);
            }
            let mut task = Task { id, tool: None, has_ended: false };
            let result = change(&mut task, true);
            slot.push(task);
            make_room(slot);
            result
        })
    }
}

/// Evicts the oldest tasks until the slot is within its bound.
fn make_room(slot: &mut Vec<Task>) {
    let size = |task: &Task| ENTRY_BYTES + task.tool.as_ref().map_or(0, |tool| tool.len());
    let mut bytes: usize = slot.iter().map(size).sum();
    while bytes > TABLE.max_bytes && !slot.is_empty() {
        bytes -= size(&slot.remove(0));
    }
}

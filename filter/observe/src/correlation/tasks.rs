//! Tasks (2025-11-25, and the extension of 2026): which tool started one, and whether its end was seen.
//!
//! A task may be asked for in any session and run for hours, so it is known by its server and id alone and stays until younger ones push
//! it out.

use super::Correlation;
use crate::text::Text;
use serde::{Deserialize, Serialize};

const SLOTS: u64 = 64;
/// Bytes of a slot, names included.
const MAX_BYTES: usize = 4096;
/// Bytes of an entry beside its name.
const ENTRY_BYTES: usize = 16;

#[derive(Clone, Serialize, Deserialize)]
struct Task {
    id: u64,
    tool: Option<Box<str>>,
    ended: bool,
}

impl Correlation {
    /// A call of `tool` was answered by this task.
    pub(crate) fn start_task(&self, server: &[u8], id: &Text, tool: Option<&str>) {
        self.with_task(server, id, |task, is_new| {
            if is_new {
                task.tool = tool.map(Into::into);
            }
            (is_new, ())
        });
    }

    /// The task's end was seen; if for the first time, the tool that began it, where that was seen.
    pub(crate) fn end_task(&self, server: &[u8], id: &Text) -> Option<Option<Box<str>>> {
        self.with_task(server, id, |task, _| {
            let first = !std::mem::replace(&mut task.ended, true);
            (first, first.then(|| task.tool.clone()))
        })?
    }

    fn with_task<T>(
        &self,
        server: &[u8],
        id: &Text,
        mut change: impl FnMut(&mut Task, bool) -> (bool, T),
    ) -> Option<T> {
        let id = self.hash(&[b"task", server, &id.length().to_le_bytes(), &id.digest().to_le_bytes()]);
        self.edit(&self.key('t', id % SLOTS), |slot: &mut Vec<Task>| {
            if let Some(task) = slot.iter_mut().find(|task| task.id == id) {
                return change(task, false);
            }
            let mut task = Task { id, tool: None, ended: false };
            let (changed, found) = change(&mut task, true);
            slot.push(task);
            make_room(slot);
            (changed, found)
        })
    }
}

fn make_room(slot: &mut Vec<Task>) {
    let size = |task: &Task| ENTRY_BYTES + task.tool.as_ref().map_or(0, |tool| tool.len());
    let mut bytes: usize = slot.iter().map(size).sum();
    while bytes > MAX_BYTES && !slot.is_empty() {
        bytes -= size(&slot.remove(0));
    }
}

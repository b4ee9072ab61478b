//! One JSON-RPC message: which of its members are kept, and from where.
//!
//! Members come in any order (`id` may follow megabytes of `result`), so every member that some method needs is stored by
//! [`crate::read::reader`] and interpreted only when the message is complete.
//!
//! **Never kept:** arguments, contents, error messages and data.
//!
//! **Cost:** under 1 KiB per message, plus the items of a list result where they are kept (16 KiB).

use crate::id::{Id, RequestId};
use crate::label::ListKind;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::rc::Rc;

/// The value of `result.resultType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ResultType {
    /// `complete`, missing or unknown.
    #[default]
    Complete,
    InputRequired,
    Task,
}

/// An item of a list result: a tool, prompt, resource or resource template.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Name, URI or URI template.
    pub(crate) name: Box<[u8]>,
    /// Digest of the item's text without insignificant white space.
    pub(crate) digest: u64,
    /// Length of the item's text, white space included.
    pub(crate) bytes: u32,
}

/// A list in a result: the number of items, and the items themselves where they are kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List {
    pub(crate) kind: ListKind,
    pub(crate) items: u64,
    pub(crate) published: Vec<Item>,
    pub(crate) published_bytes: usize,
}

/// Members of `params`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Params {
    pub(crate) name: Option<Text>,
    pub(crate) uri: Option<Text>,
    pub(crate) task_id: Option<Text>,
    /// Digest of the cursor.
    pub(crate) cursor: Option<NonZeroU64>,
    /// `clientInfo.name`
    pub(crate) client_name: Option<Rc<Text>>,
    /// `_meta["io.modelcontextprotocol/clientInfo"].name`
    pub(crate) meta_client_name: Option<Rc<Text>>,
    /// `_meta["io.modelcontextprotocol/protocolVersion"]`
    pub(crate) meta_version: Option<Text>,
    /// `_meta.traceparent`, if it is valid.
    pub(crate) trace_parent: Option<Box<str>>,
    /// Of `notifications/cancelled`.
    pub(crate) request_id: Option<Box<RequestId>>,
    /// Of notifications about tasks; their result has `isError`.
    pub(crate) status: Option<Box<Text>>,
    pub(crate) is_error: bool,
}

/// Members of `result`. The correlation store keeps those that say how a `tools/call` ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) is_error: bool,
    pub(crate) result_type: ResultType,
    /// `result.task` is an object (2025-11-25).
    pub(crate) task: bool,
    /// Id of the task that the result is or contains.
    pub(crate) task_id: Option<Box<Text>>,
    /// Id of the task that FastMCP 2 announces in `result._meta`; a task that ran at once has no id.
    pub(crate) announced_task: Option<Box<Text>>,
    #[serde(skip)]
    pub(crate) status: Option<Box<Text>>,
    /// `result.result.isError`: the task's own (extension of 2026).
    #[serde(skip)]
    pub(crate) inner_is_error: bool,
    #[serde(skip)]
    pub(crate) protocol_version: Option<Box<Text>>,
    /// At most one of each kind.
    #[serde(skip)]
    pub(crate) lists: Vec<List>,
    /// Digest of `nextCursor`; `None` if it is missing or empty.
    #[serde(skip)]
    pub(crate) next_cursor: Option<NonZeroU64>,
}

/// `error.code` of a JSON-RPC error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RpcErrorCode {
    /// An integer, as JSON-RPC requires.
    Integer(i64),
    /// Missing, or not an integer.
    Invalid,
}

/// A message that was read to its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) id: Id,
    pub(crate) method: Option<Text>,
    /// `None` in responses, which keeps them small.
    pub(crate) params: Option<Box<Params>>,
    pub(crate) result: Option<Outcome>,
    /// The code of the error, if the message is one.
    pub(crate) error: Option<RpcErrorCode>,
    /// Length of the message's text.
    pub(crate) bytes: u64,
    /// `jsonrpc` is `"2.0"`.
    pub(crate) version: bool,
}

/// The kind of a message, by the members that JSON-RPC defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Request,
    Notification,
    Response,
    /// Not a JSON-RPC 2.0 message.
    Invalid,
}

// === impl RpcErrorCode ===

impl RpcErrorCode {
    /// The code, if it is an integer.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        if let Self::Integer(code) = self { Some(code) } else { None }
    }
}

// === impl Message ===

impl Default for Message {
    fn default() -> Self {
        Self { id: Id::Absent, method: None, params: None, result: None, error: None, bytes: 0, version: false }
    }
}

impl Message {
    /// Memory that the message takes, in bytes.
    pub(crate) fn retained(&self) -> usize {
        let lists = self.result.iter().flat_map(|result| &result.lists);
        let names: usize = lists.map(|list| size_of::<List>() + list.published_bytes).sum();
        let params = self.params.as_ref().map_or(0, |params| {
            let clients = [&params.client_name, &params.meta_client_name].into_iter().flatten();
            let names = [&params.name, &params.uri].into_iter().flatten();
            let texts = names.chain(clients.map(|client| &**client));
            size_of::<Params>() + texts.map(|text| text.start().len()).sum::<usize>()
        });
        size_of::<Self>() + names + params + self.method.as_ref().map_or(0, |method| method.start().len())
    }

    pub(crate) fn kind(&self) -> MessageKind {
        match (&self.method, &self.id) {
            _ if !self.version => MessageKind::Invalid,
            (Some(_), Id::Some(_)) => MessageKind::Request,
            (Some(_), _) => MessageKind::Notification,
            _ if self.result.is_some() || self.error.is_some() => MessageKind::Response,
            _ => MessageKind::Invalid,
        }
    }
}

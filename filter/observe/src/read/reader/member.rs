//! Every path in a message that is read, and how much of its text is kept.

use super::{NAME_BYTES, WORD_BYTES};
use crate::id::RequestId;
use crate::label::ListKind;

/// A container that is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside of any container.
    Document,
    Batch,
    Message,
    Params,
    Meta,
    /// `params.clientInfo`
    ClientInfo,
    /// `params._meta["io.modelcontextprotocol/clientInfo"]`
    MetaClientInfo,
    Result,
    /// `result.task` of 2025-11-25.
    Task,
    /// `result._meta["modelcontextprotocol.io/task"]`: how FastMCP 2 announces a task.
    Announced,
    /// A task's own result, in `result` or in `params`.
    TaskResult,
    List,
    Item,
    Error,
}

/// The member whose value comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A message: the document itself or an element of a batch.
    Message,
    Version,
    Id,
    Method,
    Params,
    Result,
    Error,
    Name,
    Uri,
    TaskId,
    TaskStatus,
    TaskResult,
    TaskIsError,
    RequestId,
    Cursor,
    ClientInfo,
    ClientName,
    Meta,
    MetaVersion,
    MetaClientInfo,
    MetaClientName,
    TraceParent,
    MetaTask,
    AnnouncedId,
    IsError,
    ResultType,
    Task,
    ProtocolVersion,
    NextCursor,
    List(ListKind),
    Item,
    ItemName,
    Code,
    None,
}

// === impl Member ===

impl Member {
    /// The member with this name in this container, and the number of bytes kept of its text.
    pub(super) fn named(name: &[u8], place: Place) -> (Self, usize) {
        match place {
            Place::Message => match name {
                b"jsonrpc" => (Self::Version, WORD_BYTES),
                b"id" => (Self::Id, RequestId::KEPT_BYTES),
                b"method" => (Self::Method, WORD_BYTES),
                b"params" => (Self::Params, 0),
                b"result" => (Self::Result, 0),
                b"error" => (Self::Error, 0),
                _ => (Self::None, 0),
            },
            Place::Params => member_of_params(name),
            Place::Result => member_of_result(name),
            Place::Task => match name {
                b"taskId" => (Self::TaskId, 0),
                b"status" => (Self::TaskStatus, WORD_BYTES),
                _ => (Self::None, 0),
            },
            Place::TaskResult if name == b"isError" => (Self::TaskIsError, 0),
            Place::ClientInfo if name == b"name" => (Self::ClientName, NAME_BYTES),
            Place::MetaClientInfo if name == b"name" => (Self::MetaClientName, NAME_BYTES),
            Place::Meta => match name {
                b"io.modelcontextprotocol/protocolVersion" => (Self::MetaVersion, WORD_BYTES),
                b"io.modelcontextprotocol/clientInfo" => (Self::MetaClientInfo, 0),
                b"modelcontextprotocol.io/task" => (Self::MetaTask, 0),
                _ => (Self::None, 0),
            },
            Place::Announced if name == b"taskId" => (Self::AnnouncedId, 0),
            Place::Error if name == b"code" => (Self::Code, WORD_BYTES),
            _ => (Self::None, 0),
        }
    }
}

fn member_of_params(name: &[u8]) -> (Member, usize) {
    match name {
        b"name" => (Member::Name, NAME_BYTES),
        b"uri" => (Member::Uri, NAME_BYTES),
        b"taskId" => (Member::TaskId, 0),
        b"status" => (Member::TaskStatus, WORD_BYTES),
        b"result" => (Member::TaskResult, 0),
        b"requestId" => (Member::RequestId, RequestId::KEPT_BYTES),
        b"cursor" => (Member::Cursor, 0),
        b"clientInfo" => (Member::ClientInfo, 0),
        b"_meta" => (Member::Meta, 0),
        _ => (Member::None, 0),
    }
}

fn member_of_result(name: &[u8]) -> (Member, usize) {
    match name {
        b"isError" => (Member::IsError, 0),
        b"resultType" => (Member::ResultType, WORD_BYTES),
        b"taskId" => (Member::TaskId, 0),
        b"status" => (Member::TaskStatus, WORD_BYTES),
        b"result" => (Member::TaskResult, 0),
        b"task" => (Member::Task, 0),
        b"protocolVersion" => (Member::ProtocolVersion, WORD_BYTES),
        b"nextCursor" => (Member::NextCursor, 0),
        b"_meta" => (Member::Meta, 0),
        b"tools" => (Member::List(ListKind::Tools), 0),
        b"prompts" => (Member::List(ListKind::Prompts), 0),
        b"resources" => (Member::List(ListKind::Resources), 0),
        b"resourceTemplates" => (Member::List(ListKind::ResourceTemplates), 0),
        _ => (Member::None, 0),
    }
}

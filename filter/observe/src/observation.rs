//! What an exchange reports. An observation has no metric family yet: [`Recorder`](crate::Recorder) selects the families that
//! count it.
//!
//! Names and URIs are label values already ([`crate::label`]), but no label budget was applied to them.

use crate::digest::combine;
use crate::host::Time;
use crate::id::RequestId;
use crate::label::{
    Direction, ErrorType, Method, MirrorHeader, ProtocolVersion, RateLimitOutcome, ServerRequestStatus, SkipReason,
    Status, StreamOpen, TaskStatus, Transport, UnmatchedReason,
};
use crate::read::message::{Item, RpcErrorCode};
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::rc::Rc;

/// A JSON-RPC request from client to server that was not answered yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    pub(crate) id: RequestId,
    pub(crate) method: Method,
    /// The tool of `tools/call`, the prompt of `prompts/get` or the URI of `resources/read`, as a label value.
    pub(crate) name: Option<Box<str>>,
    /// Digest of the whole name of the tool of `tools/call`, as the client wrote it.
    pub(crate) tool: Option<NonZeroU64>,
    /// Digest of `params.cursor`.
    pub(crate) cursor: Option<NonZeroU64>,
    /// The first event of the response passed.
    pub(crate) had_event: bool,
    /// From the body or the header; `None` if it was not read.
    pub(crate) protocol_version: Option<ProtocolVersion>,
    /// The name of the client, as a label value; `None` if it is not known or not used.
    pub(crate) client_name: Option<Rc<str>>,
    pub(crate) transport: Transport,
    /// `params.taskId`.
    pub(crate) task_id: Option<Box<Text>>,
    /// Bytes of the JSON-RPC request; 0 if only the headers showed the operation.
    pub(crate) request_bytes: u64,
}

// === impl Operation ===

impl Operation {
    /// Whether only its own exchange can bring the response: a `subscriptions/listen` of Streamable HTTP. On HTTP+SSE the
    /// stream of the session brings all responses.
    pub(crate) fn is_tied_to_exchange(&self) -> bool {
        self.method.is_listen() && self.transport == Transport::StreamableHttp
    }

    /// The JSON-RPC method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The tool, the prompt or the resource URI, as a label value.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug)]
pub struct OperationEnd<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) status: Status,
    pub(crate) error_type: Option<ErrorType>,
    /// The code of the JSON-RPC error that ended it.
    pub(crate) error_code: Option<RpcErrorCode>,
    /// Microseconds from start to end; `None` if one of them is not known.
    pub(crate) duration: Option<u64>,
    /// Bytes of the JSON-RPC response.
    pub(crate) answer_bytes: Option<u64>,
    /// When it ended; `None` if a tick ended it.
    pub(crate) at: Option<Time>,
}

// === impl OperationEnd ===

impl OperationEnd<'_> {
    /// The operation that ended.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        self.operation
    }

    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The kind of error, with [`Status::Error`].
    #[must_use]
    pub fn error_type(&self) -> Option<ErrorType> {
        self.error_type
    }

    /// The code of the JSON-RPC error, if it is an integer.
    #[must_use]
    pub(crate) fn error_code(&self) -> Option<i64> {
        self.error_code.and_then(RpcErrorCode::integer)
    }
}

/// One observation of an exchange.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// An HTTP stream started, whether it is MCP or not.
    StreamSeen,
    /// An exchange was recognised as MCP.
    ExchangeOpened,
    /// An MCP exchange ended.
    ExchangeClosed,
    /// The response of an MCP exchange is an event stream.
    EventStreamOpened,
    /// The exchange of an event stream ended.
    EventStreamClosed,
    /// A GET that is MCP got a response.
    StreamOpened(StreamOpen),
    /// The request that [`OperationStarted`](Self::OperationStarted) reports next has this `params._meta.traceparent`. Only
    /// with `filter_state`, and only if it is valid.
    TraceParent(&'a str),
    /// A request from client to server passed.
    OperationStarted(&'a Operation),
    /// Operations are about to be added to the correlation store. After that, another VM may end them.
    SavingOperations,
    /// An operation ended.
    OperationEnded(OperationEnd<'a>),
    /// The first event with data of an operation's response passed.
    FirstEvent {
        /// The method of the operation.
        method: Method,
        /// From the request's last byte to the event.
        microseconds: u64,
    },
    /// A notification passed.
    Notification {
        /// The method of the notification.
        method: Method,
        /// The side that sent it.
        direction: Direction,
    },
    /// The server sent a JSON-RPC error.
    ProtocolError {
        /// The code of the error.
        code: RpcErrorCode,
        /// The method of the operation that the error answers.
        method: Option<Method>,
    },
    /// Body bytes passed on an MCP exchange.
    Bytes {
        /// The body that they belong to.
        direction: Direction,
        /// The number of bytes.
        bytes: u64,
    },
    /// `initialize` succeeded.
    SessionStarted(&'a Session),
    /// A session becomes active: it started, or was used again. This is reported before the store shows the session as active to
    /// other VMs.
    SessionActive(Transport),
    /// A session becomes inactive.
    SessionInactive(Transport),
    /// A session ended whose start was seen.
    SessionEnded {
        /// From its start to its end.
        microseconds: u64,
    },
    /// A request from server to client ended.
    ServerRequestEnded {
        /// The method of the request.
        method: Method,
        /// How it ended.
        status: ServerRequestStatus,
        /// From the request to the client's answer, in microseconds.
        duration: Option<u64>,
    },
    /// The end of a task was seen for the first time.
    TaskEnded {
        /// The tool that created the task, as a label value; `None` if the call was not seen.
        tool: Option<&'a str>,
        /// How it ended.
        status: TaskStatus,
    },
    /// A response belongs to no open request.
    Unmatched(UnmatchedReason),
    /// A header contradicts the body.
    HeaderMismatch(MirrorHeader),
    /// The filter did not read a message.
    Skipped {
        /// The side that sent it.
        direction: Direction,
        /// Why it was not read.
        reason: SkipReason,
    },
    /// The size of a list result that was requested without a cursor, for `mcp_listed_items` and `mcp_listed_bytes`.
    ListSize {
        /// The method of the list.
        method: Method,
        /// The number of items.
        items: u64,
        /// Bytes of the message.
        bytes: u64,
    },
    /// The items of any list result, for label values, changes and the tools that are listed.
    ListPage {
        /// The method of the list.
        method: Method,
        /// The protocol version of the operation, if it is known.
        protocol_version: Option<ProtocolVersion>,
        /// The items and cursors of the result.
        page: Page<'a>,
    },
    /// What a rule of `rate_limit` did with requests of a body, or that it could not be applied to a body.
    RateLimited {
        /// The place of the rule in the configuration, from 0.
        rule: u8,
        /// What it did.
        outcome: RateLimitOutcome,
        /// The number of requests; with [`RateLimitOutcome::Unread`], of bodies.
        requests: u64,
    },
    /// The traffic shows that the server can be reached, or that it cannot.
    Reachable(bool),
}

/// A session that started.
#[derive(Clone, Debug)]
pub struct Session {
    /// From the result of `initialize`.
    pub(crate) protocol_version: ProtocolVersion,
    pub(crate) client_name: Option<Rc<str>>,
    pub(crate) transport: Transport,
}

// === impl Session ===

impl Session {
    /// The negotiated protocol version.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.protocol_version
    }
}

/// Receives observations as they are made.
pub trait Observer: PublishedLabels {
    /// Receives an observation of this exchange.
    fn observe(&mut self, observation: Observation<'_>);

    /// Receives an observation of what started on another exchange, perhaps of another session. `server` is the name of its
    /// server if each exchange has the name of its cluster; otherwise `None`.
    fn observe_other(&mut self, server: Option<&str>, observation: Observation<'_>) {
        let _ = server;
        self.observe(observation);
    }
}

/// Label values that depend on earlier observations: the label of a resource depends on the lists of the server.
pub trait PublishedLabels {
    /// The label of a resource that the server listed, or that matches a URI template it listed; `None` if it is not known.
    fn published_label(&mut self, uri: &[u8]) -> Option<Box<str>> {
        let _ = uri;
        None
    }
}

/// One list result.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub(crate) items: &'a [Item],
    /// Every item of the result is in `items`.
    pub(crate) is_whole: bool,
    /// Digest of the cursor in the request.
    pub(crate) cursor: Option<NonZeroU64>,
    /// Digest of `nextCursor`.
    pub(crate) next_cursor: Option<NonZeroU64>,
    /// When it passed.
    pub(crate) at: Time,
}

// === impl Page ===

impl Page<'_> {
    /// The items that were kept; a long list is cut.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        self.items
    }

    /// Digest of the items in their order.
    pub(crate) fn digest(&self) -> u64 {
        self.items.iter().fold(self.items.len() as u64, |digest, item| combine(digest, item.digest))
    }

    /// Digest of the items in their order, and of both cursors.
    pub(crate) fn digest_with_cursors(&self) -> u64 {
        let cursors = [self.cursor, self.next_cursor].map(|cursor| cursor.map_or(0, NonZeroU64::get));
        cursors.into_iter().fold(self.digest(), combine)
    }
}

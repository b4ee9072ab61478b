//! What an exchange has to say: facts without labels, names still as they were sent.

use crate::digest::combine;
use crate::id::RequestId;
use crate::label::Method;
use crate::label::{
    Direction, ErrorType, KnownMethod, MirrorHeader, ProtocolVersion, ServerRequestStatus, SkipReason, Status,
    StreamOpen, TaskStatus, Transport, UnmatchedReason,
};
use crate::read::message::{Item, RpcErrorCode};
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// A JSON-RPC request from client to server that was not answered yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    pub(crate) id: RequestId,
    pub(crate) method: Method,
    /// Of `tools/call` and `prompts/get` the name, of `resources/read` the URI; in label form.
    pub(crate) name: Option<Box<str>>,
    /// Digest of the cursor that it asks with.
    pub(crate) cursor: Option<NonZeroU64>,
    /// The first event of its answer was seen.
    pub(crate) had_event: bool,
    /// From the body or the header, where it had to be read.
    pub(crate) protocol_version: Option<ProtocolVersion>,
    /// `clientInfo.name` of an `initialize`.
    pub(crate) client_name: Option<Box<str>>,
    pub(crate) transport: Transport,
    /// `params.taskId`: the task that it asks for.
    pub(crate) task_id: Option<Box<Text>>,
}

// === impl Operation ===

impl Operation {
    /// Only its own exchange answers it. Over HTTP+SSE the stream of the session answers everything.
    pub(crate) fn is_bound(&self) -> bool {
        self.method.is_listen() && self.transport == Transport::StreamableHttp
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The tool, prompt or resource it names, in label form.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The filter state key under which [`Operation::name`] goes.
    #[must_use]
    pub fn name_key(&self) -> Option<&'static str> {
        match self.method {
            Method::Known(KnownMethod::ToolsCall) => Some("mcp.tool"),
            Method::Known(KnownMethod::PromptsGet) => Some("mcp.prompt"),
            Method::Known(KnownMethod::ResourcesRead) => Some("mcp.resource"),
            _ => None,
        }
    }

    /// The protocol version it belongs to, where that had to be looked at.
    #[must_use]
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.protocol_version
    }

    /// What carries it.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Its id, if it may leave: an integer or 1 to 64 of `A-Za-z0-9_.-`.
    #[must_use]
    pub fn shown_id(&self) -> Option<&str> {
        self.id.shown()
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug)]
pub struct OperationEnd<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) status: Status,
    pub(crate) error_type: Option<ErrorType>,
    /// Of a JSON-RPC error.
    pub(crate) error_code: Option<RpcErrorCode>,
    /// Microseconds; absent where the operation's end or beginning is not known.
    pub(crate) duration: Option<u64>,
    /// Size of the message that answered.
    pub(crate) answer_bytes: Option<u64>,
}

// === impl OperationEnd ===

impl OperationEnd<'_> {
    /// The request that it was.
    #[must_use]
    pub fn operation(&self) -> &Operation {
        self.operation
    }

    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// With [`Status::Error`]: why.
    #[must_use]
    pub fn error_type(&self) -> Option<ErrorType> {
        self.error_type
    }

    /// Of a JSON-RPC error, where it is a whole number.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        self.error_code.and_then(RpcErrorCode::integer)
    }
}

/// One fact.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// The filter saw an HTTP stream.
    StreamSeen,
    /// An exchange was recognised as MCP.
    ExchangeOpened,
    /// Such an exchange ended.
    ExchangeClosed,
    /// An event stream began on an MCP exchange.
    EventStreamOpened,
    /// It ended.
    EventStreamClosed,
    /// A GET that is MCP was answered.
    StreamOpened(StreamOpen),
    /// A request passed.
    OperationStarted(&'a Operation),
    /// From now on another VM may see how operations that began here end.
    OperationsShared,
    /// It ended.
    OperationEnded(OperationEnd<'a>),
    /// The first event with data of an operation's answer came after so many microseconds.
    FirstEvent {
        /// Of the operation.
        method: Method,
        /// Since the request's last byte.
        microseconds: u64,
    },
    /// A notification passed.
    Notification {
        /// Its method.
        method: Method,
        /// Its way.
        direction: Direction,
    },
    /// The server sent a JSON-RPC error.
    ProtocolError {
        /// Its code.
        code: RpcErrorCode,
        /// Of the operation that it answers.
        method: Option<Method>,
    },
    /// Body bytes passed on an MCP exchange.
    Bytes {
        /// Their way.
        direction: Direction,
        /// How many.
        bytes: u64,
    },
    /// `initialize` succeeded.
    SessionStarted(&'a Session),
    /// A session counts as active from now on, in all VMs: it began, or was used again. Comes before others can see it.
    SessionActive(Transport),
    /// It does no longer.
    SessionInactive(Transport),
    /// A session whose beginning was seen ended.
    SessionEnded {
        /// How long it lasted.
        microseconds: u64,
    },
    /// A request from server to client ended.
    ServerRequestEnded {
        /// Its method.
        method: Method,
        /// How.
        status: ServerRequestStatus,
        /// From the request to the client's answer, in microseconds.
        duration: Option<u64>,
    },
    /// The end of a task was seen for the first time.
    TaskEnded {
        /// The tool that started it, in label form, where that was seen.
        tool: Option<&'a str>,
        /// How it ended.
        status: TaskStatus,
    },
    /// A response answers nothing.
    Unmatched(UnmatchedReason),
    /// A header contradicts the body.
    HeaderMismatch(MirrorHeader),
    /// A message was passed on unread.
    Skipped {
        /// Its way.
        direction: Direction,
        /// Why.
        reason: SkipReason,
    },
    /// A list asked for without a cursor came.
    Listed {
        /// Which list.
        method: Method,
        /// How many items.
        items: u64,
        /// Size of the message.
        bytes: u64,
    },
    /// The server published what it offers in a list.
    Published {
        /// Which list.
        method: Method,
        /// Of the protocol version that the operation belongs to, where that is known.
        protocol_version: Option<ProtocolVersion>,
        /// What stood in it.
        page: Page<'a>,
    },
    /// The traffic shows whether the server can be reached.
    Reachable(bool),
}

/// A session that began.
#[derive(Clone, Debug)]
pub struct Session {
    /// Negotiated, from the result.
    pub(crate) protocol_version: ProtocolVersion,
    pub(crate) client_name: Option<Box<str>>,
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
    /// One more fact about this exchange.
    fn observe(&mut self, observation: Observation<'_>);

    /// One more fact about something that began on an exchange of another session. `server` is the name of its server, if each
    /// exchange has its own.
    fn observe_other(&mut self, server: Option<&str>, observation: Observation<'_>) {
        let _ = server;
        self.observe(observation);
    }
}

/// The one question that an exchange asks of what was observed before: the label of a resource depends on the server's lists.
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
    /// Digest of the cursor it was asked for with.
    pub(crate) cursor: Option<NonZeroU64>,
    /// Digest of the cursor that leads to the next page.
    pub(crate) next_cursor: Option<NonZeroU64>,
}

// === impl Page ===

impl Page<'_> {
    /// What it published, as far as it was kept.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        self.items
    }

    /// The same for the same items in the same order.
    pub(crate) fn digest(&self) -> u64 {
        self.items.iter().fold(self.items.len() as u64, |digest, item| combine(digest, item.digest))
    }

    /// The same for the same items and cursors.
    pub(crate) fn place_digest(&self) -> u64 {
        let cursors = [self.cursor, self.next_cursor].map(|cursor| cursor.map_or(0, NonZeroU64::get));
        cursors.into_iter().fold(self.digest(), combine)
    }
}

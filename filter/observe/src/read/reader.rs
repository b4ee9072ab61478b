//! Collects [`Message`]s from the parts of JSON documents that the scanner reports.
//!
//! Only the paths listed in [`member`] are read: a `"method"` inside arguments or an `"isError"` inside content
//! is ignored. The last of duplicate members counts, as it does for the peers.

mod member;
mod values;

use crate::digest::{Digest, DigestKey};
use crate::label::ListKind;
use crate::read::json::{Container, Interest, Scalar, Visitor};
use crate::read::message::{Item, List, Message, RpcErrorCode};
use crate::read::trace_parent::TRACE_PARENT_BYTES;
use crate::text::Text;
use member::{Member, Place};
use std::rc::Rc;

/// Bytes kept of a name or URI; the digest of a longer one still covers all of it.
pub(crate) const NAME_BYTES: usize = 1024;
/// Bytes of all items of one list result that are kept.
const MAX_PUBLISHED_BYTES: usize = 16 * 1024;
/// Bytes kept of method names, protocol versions and keywords.
pub(crate) const WORD_BYTES: usize = 64;
/// Depth of the deepest path: document, message, result, list, item.
const PLACES: usize = 6;

/// Receives the messages of a document.
pub(crate) trait Messages {
    /// A JSON object that is, or is not, a JSON-RPC message.
    fn message(&mut self, message: &mut Message);
    /// A value that cannot be a message: a scalar, an empty batch, an array in a batch.
    fn no_message(&mut self);
}

/// The state of the current document.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    message: Message,
    /// Position at which the message began.
    begun: u64,
    member: Member,
    places: [Place; PLACES],
    depth: usize,
    /// Number of elements of the current batch so far.
    elements: u64,
    /// An array is where a message should be. It is reported when it ends, because too deep nesting has its own reason.
    nested_array: bool,
    /// Key of the digests of list items; `None` if items are not kept.
    pub(crate) list_key: Option<DigestKey>,
    /// Name of the current item.
    item_name: Option<Box<[u8]>>,
    /// Digest of the current item.
    item_digest: u64,
    /// Position at which the current item began.
    item_begun: u64,
    /// The name of the client that was read last. Most messages are from the same client as the one before, and share it.
    latest_client: Option<Rc<Text>>,
    /// Whether the members are kept that only access logs and spans show: the text of ids, and `_meta.traceparent`.
    pub(crate) wants_attributes: bool,
    /// Bytes kept of the items of list results.
    pub(crate) max_published_bytes: usize,
}

/// The scanner's visitor: collects messages with a [`Reader`] and passes them on to [`Messages`].
pub(crate) struct MessageVisitor<'a, M> {
    pub(crate) reader: &'a mut Reader,
    pub(crate) messages: &'a mut M,
}

// === impl Reader ===

impl Default for Reader {
    fn default() -> Self {
        Self {
            message: Message::default(),
            begun: 0,
            member: Member::None,
            places: [Place::Document; PLACES],
            depth: 0,
            elements: 0,
            nested_array: false,
            list_key: None,
            item_name: None,
            item_digest: 0,
            item_begun: 0,
            latest_client: None,
            wants_attributes: false,
            max_published_bytes: MAX_PUBLISHED_BYTES,
        }
    }
}

impl Reader {
    /// Drops an unfinished document.
    pub(crate) fn reset(&mut self) {
        self.depth = 0;
        self.nested_array = false;
    }

    /// As [`reset`](Self::reset), and drops the message and the settings too. The name of the latest client remains.
    pub(crate) fn clear(&mut self) {
        self.reset();
        // The compiler names a new field here. What is not changed is set before it is read.
        let Self {
            message: Message { method, params, result, id: _, error: _, bytes: _, version: _ },
            list_key,
            item_name,
            item_digest: _,
            item_begun: _,
            wants_attributes,
            max_published_bytes,
            latest_client: _,
            begun: _,
            member: _,
            places: _,
            depth: _,
            elements: _,
            nested_array: _,
        } = self;
        (*method, *params, *result) = (None, None, None);
        (*list_key, *item_name, *wants_attributes) = (None, None, false);
        *max_published_bytes = MAX_PUBLISHED_BYTES;
    }

    fn place(&self) -> Place {
        self.depth.checked_sub(1).and_then(|top| self.places.get(top)).copied().unwrap_or(Place::Document)
    }

    fn enter(&mut self, place: Place) -> bool {
        let Some(slot) = self.places.get_mut(self.depth) else { return false };
        *slot = place;
        self.depth += 1;
        true
    }

    fn member(&self, name: &[u8]) -> (Member, usize) {
        match self.place() {
            Place::Item if name == self.item_name() => (Member::ItemName, NAME_BYTES),
            Place::Meta if self.wants_attributes && name == b"traceparent" => (Member::TraceParent, TRACE_PARENT_BYTES),
            place => Member::named(name, place),
        }
    }

    /// The member that is the name of an item in the current list.
    fn item_name(&self) -> &'static [u8] {
        match self.message.result.as_ref().and_then(|result| result.lists.last()).map(|list| list.kind) {
            Some(ListKind::Tools | ListKind::Prompts) => b"name",
            Some(ListKind::Resources) => b"uri",
            Some(ListKind::ResourceTemplates) => b"uriTemplate",
            None => b"",
        }
    }

    /// A container of the current member begins. Returns whether it is entered.
    fn begin(&mut self, container: Container, at: u64) -> bool {
        match (self.member, container) {
            (Member::Message, Container::Object) => {
                self.message = Message::default();
                self.begun = at;
                self.enter(Place::Message)
            }
            (Member::Message, Container::Array) if self.depth == 0 => {
                self.elements = 0;
                self.enter(Place::Batch)
            }
            (Member::Params, Container::Object) => self.enter(Place::Params),
            (Member::Meta, Container::Object) => self.enter(Place::Meta),
            (Member::ClientInfo, Container::Object) => self.enter(Place::ClientInfo),
            (Member::MetaClientInfo, Container::Object) => self.enter(Place::MetaClientInfo),
            (Member::MetaTask, Container::Object) => self.enter(Place::Announced),
            (Member::Result, Container::Object) => self.enter(Place::Result),
            (Member::Error, _) => {
                self.message.error = Some(RpcErrorCode::Invalid);
                container == Container::Object && self.enter(Place::Error)
            }
            (Member::Task, Container::Object) => {
                if let Some(result) = &mut self.message.result {
                    result.task = true;
                }
                self.enter(Place::Task)
            }
            (Member::TaskResult, Container::Object) => self.enter(Place::TaskResult),
            (Member::List(kind), Container::Array) => {
                if let Some(result) = &mut self.message.result {
                    result.lists.push(List { kind, items: 0, published: Vec::new(), published_bytes: 0 });
                }
                self.enter(Place::List)
            }
            (Member::Item, Container::Object) => {
                self.item_name = None;
                self.item_begun = at;
                self.list_key.is_some() && self.enter(Place::Item)
            }
            _ => false,
        }
    }

    /// An item of a list ended before position `at`. An item without a name is ignored.
    fn end_item(&mut self, at: u64) {
        let digest = self.item_digest;
        let length = u32::try_from(at - self.item_begun).unwrap_or(u32::MAX);
        let Some(name) = self.item_name.take() else { return };
        let Some(result) = &mut self.message.result else { return };
        let kept: usize = result.lists.iter().map(|list| list.published_bytes).sum();
        let bytes = size_of::<Item>() + name.len();
        if let Some(list) = result.lists.last_mut().filter(|_| kept + bytes <= self.max_published_bytes) {
            list.published_bytes += bytes;
            list.published.push(Item { name, digest, bytes: length });
        }
    }
}

// === impl MessageVisitor ===

impl<M: Messages> MessageVisitor<'_, M> {
    fn end_nested_array(&mut self) {
        if std::mem::take(&mut self.reader.nested_array) {
            self.messages.no_message();
        }
    }
}

impl<M: Messages> Visitor for MessageVisitor<'_, M> {
    fn key(&mut self, name: &[u8]) -> Interest {
        let (member, kept) = self.reader.member(name);
        self.reader.member = member;
        if member == Member::None {
            return Interest::Skip;
        }
        self.reader.begin_member(member);
        Interest::Keep(kept)
    }

    fn element(&mut self) -> Interest {
        self.reader.member = match self.reader.place() {
            Place::Document => Member::Message,
            Place::Batch => {
                self.end_nested_array();
                self.reader.elements += 1;
                Member::Message
            }
            Place::List => {
                if let Some(list) = self.reader.message.result.as_mut().and_then(|result| result.lists.last_mut()) {
                    list.items += 1;
                }
                Member::Item
            }
            _ => Member::None,
        };
        match self.reader.member {
            Member::None => Interest::Skip,
            Member::Item => Interest::Digest,
            _ => Interest::Keep(0),
        }
    }

    fn begin(&mut self, container: Container, at: u64) -> bool {
        let entered = self.reader.begin(container, at);
        self.reader.nested_array = !entered && self.reader.member == Member::Message;
        entered
    }

    fn begin_digest(&mut self) -> Digest {
        self.reader.list_key.unwrap_or_default().begin()
    }

    fn end_digest(&mut self, digest: u64) {
        self.reader.item_digest = digest;
    }

    fn end(&mut self, at: u64) {
        let place = self.reader.place();
        self.reader.depth = self.reader.depth.saturating_sub(1);
        match place {
            Place::Message => {
                let message = &mut self.reader.message;
                message.bytes = at - self.reader.begun;
                // An error that is not null takes precedence: some servers always write both members.
                if message.error.is_some() {
                    message.result = None;
                }
                self.messages.message(message);
            }
            Place::Item => self.reader.end_item(at),
            Place::Batch if self.reader.elements == 0 => self.messages.no_message(),
            Place::Batch => self.end_nested_array(),
            _ => {}
        }
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        match scalar {
            _ if self.reader.member == Member::Message => self.messages.no_message(),
            Scalar::String(text) => self.reader.string(text),
            Scalar::Number(text) => self.reader.number(text),
            Scalar::Bool(value) => self.reader.bool(value),
            Scalar::Null => {}
        }
    }
}

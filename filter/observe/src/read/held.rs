//! Reads the whole body of a held request: its requests, and whether a server could read something else in it.
//!
//! A rate limit must know every request that a server may find. So a body is *unread* unless it is JSON to its end, and each of its
//! values is a JSON-RPC message or a batch of them. A member whose name differs from one of JSON-RPC only in case makes a body
//! unread too: servers in Go accept it.
//!
//! **Cost:** one pass of the scanner, and 200 bytes for each of at most [`MAX_REQUESTS`] requests.

use crate::read::json::{Ending, Progress, Scanner};
use crate::read::message::{Message, MessageKind};
use crate::read::reader::{MessageVisitor, Messages, Reader};
use crate::text::Text;
use std::rc::Rc;

/// Most requests and notifications of a body that are read. SDKs refuse larger batches.
pub(crate) const MAX_REQUESTS: usize = 100;

/// A message with a method: a request, or a notification.
#[derive(Debug)]
pub(crate) struct HeldRequest {
    /// Its place among the objects that can be messages, see [`ids`](super::ids::ids).
    pub(crate) place: usize,
    pub(crate) method: Text,
    /// `params.name`
    pub(crate) name: Option<Text>,
    /// `params._meta["io.modelcontextprotocol/clientInfo"].name`
    pub(crate) client: Option<Rc<Text>>,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct HeldBody {
    pub(crate) requests: Vec<HeldRequest>,
    /// The requests may not be all that a server finds.
    pub(crate) is_unread: bool,
    /// It is not JSON to its end.
    pub(crate) is_broken: bool,
    /// It has a member with the name `jsonrpc`, perhaps in another case.
    pub(crate) shows_json_rpc: bool,
    /// The number of objects that can be messages.
    objects: usize,
}

// === impl HeldBody ===

impl HeldBody {
    /// Reads a whole body.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let (mut scanner, mut reader, mut held) = (Scanner::default(), Reader::default(), Self::default());
        let mut rest = bytes;
        while !rest.is_empty() && !held.is_broken {
            let mut visitor = MessageVisitor { reader: &mut reader, messages: &mut held };
            match scanner.scan(rest, &mut visitor) {
                Progress::Partial => break,
                Progress::Complete(used) => rest = rest.get(used..).unwrap_or_default(),
                Progress::Broken(_) => held.is_broken = true,
            }
        }
        let ending = scanner.finish(&mut MessageVisitor { reader: &mut reader, messages: &mut held });
        held.is_broken |= matches!(ending, Ending::Truncated | Ending::Broken);
        held.is_unread |= held.is_broken || held.objects == 0;
        held
    }
}

impl Messages for HeldBody {
    fn message(&mut self, message: &mut Message) {
        let place = self.objects;
        self.objects += 1;
        self.is_unread |= message.kind() == MessageKind::Invalid;
        let Some(method) = message.method.take() else { return };
        if self.requests.len() >= MAX_REQUESTS {
            self.is_unread = true;
            return;
        }
        let params = message.params.take().unwrap_or_default();
        self.requests.push(HeldRequest { place, method, name: params.name, client: params.meta_client_name });
    }

    fn no_message(&mut self) {
        self.is_unread = true;
    }

    fn member(&mut self, name: &[u8], of_message: bool, is_known: bool) {
        let names: &[&[u8]] = if of_message { &[b"jsonrpc", b"id", b"method", b"params"] } else { &[b"name"] };
        if let Some(index) = names.iter().position(|known| is_fold(name, known)) {
            self.is_unread |= !is_known;
            self.shows_json_rpc |= of_message && index == 0;
        }
    }
}

/// Whether a name equals a known one under Unicode's simple case folding. Beside the two cases of ASCII, only `ſ` folds to a letter
/// of the known names.
fn is_fold(name: &[u8], known: &[u8]) -> bool {
    let mut rest = name;
    for &letter in known {
        rest = match rest {
            [first, tail @ ..] if first.eq_ignore_ascii_case(&letter) => tail,
            [0xc5, 0xbf, tail @ ..] if letter == b's' => tail,
            _ => return false,
        };
    }
    rest.is_empty()
}

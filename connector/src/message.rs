//! JSON-RPC messages as text: what a message is, and the few places that the connector changes.
//!
//! A message keeps its text. Only the named members are looked for; all others pass unread, known or not. [`Message::with`]
//! replaces single values and leaves every other byte. Specifications: JSON-RPC 2.0; MCP 2024-11-05 to 2026-07-28.
//!
//! **What this does not do:** validate params or results. Cost: one pass to recognise a message, one over `params`, and one over
//! its `_meta`. A result is passed over when one of its members is asked for.

mod body;
mod id;
mod kind;
mod members;
mod paths;

pub use body::Body;
use bytes::{Bytes, BytesMut};
pub use id::Id;
use kind::kind;
pub use kind::{Kind, Unreadable};
use members::{Members, members};
pub(crate) use paths::StandsTwice;
use serde_json::value::RawValue;
use std::ops::Range;

/// `_meta` member with the protocol version of a request, since 2026-07-28.
pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// `_meta` member of a notification that belongs to a `subscriptions/listen`.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// `_meta` member with what the client can do, since 2026-07-28.
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// `_meta` member of a request that asks for log messages.
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// The members of `params` that are looked for.
const PARAMS: [&str; 7] = ["_meta", "progressToken", "requestId", "name", "uri", "taskId", "arguments"];
/// The members of `params._meta` that are looked for.
const META: [&str; 5] = [PROTOCOL_VERSION, CLIENT_CAPABILITIES, LOG_LEVEL, "progressToken", SUBSCRIPTION_ID];

/// One JSON-RPC message. Its text is one line of UTF-8.
#[derive(Clone, Debug)]
pub struct Message {
    text: Bytes,
    kind: Kind,
    has_version: bool,
    id: Option<Range<usize>>,
    params: Option<Box<Params>>,
    outcome: Option<Range<usize>>,
}

/// What stands in `params`.
#[derive(Clone, Debug)]
struct Params {
    members: [Option<Range<usize>>; PARAMS.len()],
    meta: [Option<Range<usize>>; META.len()],
    twice: Option<&'static str>,
}

/// A value that the connector may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `id`
    Id,
    /// `params._meta.progressToken` of a request.
    RequestToken,
    /// `params.progressToken` of a progress notification.
    ProgressToken,
    /// `params.requestId` of a cancel notification.
    CancelledRequest,
    /// `params._meta["io.modelcontextprotocol/subscriptionId"]` of a notification.
    Subscription,
    /// The same member in a result's `_meta`.
    ResultSubscription,
}

// === impl Params ===

impl Params {
    fn find(whole: &str, params: Range<usize>) -> Self {
        let inside_of = |range: Range<usize>| (whole.get(range.clone()).unwrap_or_default(), range.start);
        let (text, start) = inside_of(params);
        let params = inside(text, start, PARAMS);
        let meta = params.found.first().cloned().flatten().map(inside_of);
        let meta = meta.map(|(text, start)| inside(text, start, META)).unwrap_or_default();
        Self { members: params.found, meta: meta.found, twice: params.twice.or(meta.twice) }
    }
}

// === impl Message ===

impl Message {
    /// Reads one message. Line breaks in its text, which JSON allows between tokens, become spaces.
    ///
    /// # Errors
    ///
    /// The text is not JSON, or not a JSON-RPC message, or has one of the members that are read here twice.
    pub fn read(text: &Bytes) -> Result<Self, Unreadable> {
        let text = one_line(text);
        let whole = utf8(&text)?;
        let names = ["jsonrpc", "method", "id", "params", "result", "error"];
        let found = match members(whole, names) {
            Ok(Members { found, twice: None }) => found,
            Err(error) if serde_json::from_str::<&RawValue>(whole).is_err() => {
                return Err(Unreadable::Json(error.to_string()));
            }
            Ok(_) | Err(_) => return Err(Unreadable::Message("not an object with each of its members once")),
        };
        let [version, method, id, params, result, error] = found;
        let kind = kind(whole, [&method, &id, &result, &error])?;
        Ok(Self {
            kind,
            has_version: version.and_then(|range| whole.get(range)) == Some("\"2.0\""),
            id,
            params: params.map(|params| Box::new(Params::find(whole, params))),
            outcome: result.or(error),
            text,
        })
    }

    /// The message's text, without a line break.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// What kind of message it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The method of a request or notification.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.kind {
            Kind::Request(method, _) | Kind::Notification(method) => Some(method),
            Kind::Result(_) | Kind::Error(_) => None,
        }
    }

    /// Whether it has `"jsonrpc":"2.0"`.
    #[must_use]
    pub fn has_version(&self) -> bool {
        self.has_version
    }

    /// A member of `params` or of its `_meta` that is looked for here, and stands there twice. Programs differ in which of the two
    /// they read. It counts as missing.
    #[must_use]
    pub fn twice(&self) -> Option<&'static str> {
        self.params.as_ref()?.twice
    }

    /// The value at a place, as it stands in the text.
    #[must_use]
    pub fn raw(&self, place: Place) -> Option<&str> {
        Some(self.part(&self.range(place)?))
    }

    /// The value at a place, if it is a string or a number.
    #[must_use]
    pub fn value(&self, place: Place) -> Option<Id> {
        self.raw(place).and_then(Id::read)
    }

    /// The protocol version that a request's `_meta` names, since 2026-07-28.
    #[must_use]
    pub fn protocol_version(&self) -> Option<String> {
        self.string(&self.range_in_meta(PROTOCOL_VERSION)?)
    }

    /// A member of `params._meta`, as it stands in the text. It must be one of `META`.
    #[must_use]
    pub fn meta(&self, name: &str) -> Option<&str> {
        Some(self.part(&self.range_in_meta(name)?))
    }

    /// A member of `params`, if it is a string. It must be one of `PARAMS`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        self.string(&self.range_in_params(name)?)
    }

    /// The values of `params.arguments` at the ends of paths of names, as they stand in the text.
    ///
    /// # Errors
    ///
    /// A name on a path stands twice.
    pub(crate) fn arguments(&self, paths: &[&[String]]) -> Result<Vec<Option<&str>>, StandsTwice> {
        let arguments = self.range_in_params("arguments").map(|range| self.part(&range));
        paths::values(arguments.unwrap_or_default(), paths)
    }

    /// A member of `result`, if it is a string.
    #[must_use]
    pub fn result_member(&self, name: &'static str) -> Option<String> {
        self.string(&self.in_outcome(&[name])?)
    }

    /// The code of an error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        let Kind::Error(_) = self.kind else { return None };
        let code = self.in_outcome(&["code"])?;
        self.part(&code).parse().ok()
    }

    /// The text with other values at the given places. Every other byte stays. A place that the message lacks is left out.
    #[must_use]
    pub fn with(&self, values: &[(Place, &str)]) -> Bytes {
        let mut changes: Vec<_> =
            values.iter().filter_map(|(place, value)| Some((self.range(*place)?, *value))).collect();
        changes.sort_by_key(|(range, _)| range.start);
        let mut text =
            BytesMut::with_capacity(self.text.len() + changes.iter().map(|(_, value)| value.len()).sum::<usize>());
        let mut done = 0;
        for (range, value) in changes {
            text.extend_from_slice(self.text.get(done..range.start).unwrap_or_default());
            text.extend_from_slice(value.as_bytes());
            done = range.end;
        }
        text.extend_from_slice(self.text.get(done..).unwrap_or_default());
        text.freeze()
    }

    fn range(&self, place: Place) -> Option<Range<usize>> {
        match place {
            Place::Id => self.id.clone(),
            Place::RequestToken => self.range_in_meta("progressToken"),
            Place::ProgressToken => self.range_in_params("progressToken"),
            Place::CancelledRequest => self.range_in_params("requestId"),
            Place::Subscription => self.range_in_meta(SUBSCRIPTION_ID),
            Place::ResultSubscription => self.in_outcome(&["_meta", SUBSCRIPTION_ID]),
        }
    }

    fn range_in_params(&self, name: &str) -> Option<Range<usize>> {
        self.params.as_ref()?.members.get(PARAMS.iter().position(|known| *known == name)?)?.clone()
    }

    fn range_in_meta(&self, name: &str) -> Option<Range<usize>> {
        self.params.as_ref()?.meta.get(META.iter().position(|known| *known == name)?)?.clone()
    }

    /// The range of a member of a member of the result or error.
    fn in_outcome(&self, names: &[&'static str]) -> Option<Range<usize>> {
        names.iter().try_fold(self.outcome.clone()?, |outer, name| {
            let [found] = inside(self.part(&outer), outer.start, [name]).found;
            found
        })
    }

    fn string(&self, range: &Range<usize>) -> Option<String> {
        serde_json::from_str(self.part(range)).ok()
    }

    /// A value of the text.
    fn part(&self, range: &Range<usize>) -> &str {
        // `read` checked the whole text, and a value begins and ends between characters.
        self.text.get(range.clone()).and_then(|part| str::from_utf8(part).ok()).unwrap_or_default()
    }
}

/// Members of a value that begins at `start`. If it is no object, it has none.
fn inside<const N: usize>(value: &str, start: usize, names: [&'static str; N]) -> Members<N> {
    let mut members = members(value, names).unwrap_or_default();
    for range in members.found.iter_mut().flatten() {
        *range = start + range.start..start + range.end;
    }
    members
}

fn utf8(text: &[u8]) -> Result<&str, Unreadable> {
    str::from_utf8(text).map_err(|_| Unreadable::Json("not UTF-8".to_owned()))
}

/// The text with line breaks replaced by spaces. In JSON they stand only between tokens.
pub(crate) fn one_line(text: &Bytes) -> Bytes {
    if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return text.clone();
    }
    text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests;

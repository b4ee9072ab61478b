//! What a message is, by the members it has.

use super::Id;
use std::fmt;
use std::ops::Range;

/// The kinds of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a method and an id.
    Request(String, Id),
    /// It has a method and no id.
    Notification(String),
    /// It has a result and the id of its request.
    Result(Id),
    /// It has an error. The id is missing where the request could not be read.
    Error(Option<Id>),
}

/// Why a text is not a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Not JSON, or not UTF-8. JSON-RPC's code is -32700.
    Json(String),
    /// JSON, but not a message. JSON-RPC's code is -32600.
    Message(&'static str),
}

/// Decides what a message is by the members it has.
pub(super) fn kind(whole: &str, found: [&Option<Range<usize>>; 4]) -> Result<Kind, Unreadable> {
    let [method, id, result, error] = found.map(|range| whole.get(range.clone()?));
    let known = id.and_then(Id::read);
    if id.is_some_and(|id| id != "null") && known.is_none() {
        return Err(Unreadable::Message("`id` is not a string or a number"));
    }
    if let Some(method) = method {
        let method = serde_json::from_str(method).map_err(|_| Unreadable::Message("`method` is not a string"))?;
        return Ok(match known {
            Some(id) => Kind::Request(method, id),
            None => Kind::Notification(method),
        });
    }
    match (known, result, error) {
        (Some(id), Some(_), None) => Ok(Kind::Result(id)),
        (id, None, Some(_)) => Ok(Kind::Error(id)),
        (None, Some(_), None) => Err(Unreadable::Message("a result without an id")),
        (_, Some(_), Some(_)) => Err(Unreadable::Message("both `result` and `error`")),
        (_, None, None) => Err(Unreadable::Message("neither `method` nor `result` nor `error`")),
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(reason) => write!(formatter, "not JSON: {reason}"),
            Self::Message(reason) => write!(formatter, "not a JSON-RPC message: {reason}"),
        }
    }
}

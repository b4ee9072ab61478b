//! Failures of HTTP as JSON-RPC errors.

use super::http::Response;
use crate::message::{Kind, Message, Place};
use bytes::Bytes;
use hyper::header::{HeaderName, LOCATION, WWW_AUTHENTICATE};
use std::error::Error;

/// JSON-RPC code of SDKs for failures of the transport.
const TRANSPORT_ERROR: i64 = -32000;
/// JSON-RPC code for what is not JSON.
const PARSE_ERROR: i64 = -32700;
/// JSON-RPC code for JSON that is not a message.
const INVALID_REQUEST: i64 = -32600;

/// Most of a body or header that a reason quotes.
const QUOTED_CHARACTERS: usize = 300;

/// A JSON-RPC error for the request whose id has this JSON text.
pub(super) fn transport_error(id: &str, reason: &str) -> Bytes {
    error(id, TRANSPORT_ERROR, reason)
}

/// The answer to a request that is not valid.
pub(super) fn invalid_request(id: &str, reason: &str) -> Bytes {
    error(id, INVALID_REQUEST, reason)
}

/// The answer to a line that is not a message.
pub(super) fn unreadable(error_of_line: &crate::message::Unreadable) -> Bytes {
    let code = match error_of_line {
        crate::message::Unreadable::Json(_) => PARSE_ERROR,
        crate::message::Unreadable::Message(_) => INVALID_REQUEST,
    };
    error("null", code, &error_of_line.to_string())
}

fn error(id: &str, code: i64, reason: &str) -> Bytes {
    let reason = serde_json::Value::from(reason);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":{reason}}}}}"#).into()
}

/// An error message with the id of the request that it answers. Servers leave it out, or write null or a made-up id, where they
/// refuse a request before they have read it.
pub(super) fn with_id(message: &Message, id: &str) -> Bytes {
    if message.raw(Place::Id).is_some() {
        return message.with(&[(Place::Id, id)]);
    }
    let text = message.text();
    let after_brace = text.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
    let (start, rest) = text.split_at(after_brace);
    [start, b"\"id\":", id.as_bytes(), b",", rest].concat().into()
}

/// What an HTTP response says, in one line: status, reason, and the beginning of a body of text.
pub(super) fn describe(response: &Response, body: &Bytes) -> String {
    let status = response.status;
    let mut text = format!("HTTP {}", status.as_str());
    let reason = status.canonical_reason().unwrap_or_default();
    let detail = error_message(body).or_else(|| plain_text(response, body)).unwrap_or_default();
    let header =
        |name: HeaderName| response.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (location, challenge) = (header(LOCATION), header(WWW_AUTHENTICATE));
    let parts =
        [(" ", reason), (": ", detail.as_str()), ("; location: ", location), ("; www-authenticate: ", challenge)];
    for (separator, part) in parts {
        if !part.is_empty() {
            text.push_str(separator);
            text.extend(part.chars().take(QUOTED_CHARACTERS));
        }
    }
    text
}

/// The message of a JSON-RPC error.
fn error_message(body: &Bytes) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Failed {
        error: Described,
    }
    #[derive(serde::Deserialize)]
    struct Described {
        message: String,
    }
    let message = Message::read(body).ok()?;
    matches!(message.kind(), Kind::Error(_)).then_some(())?;
    serde_json::from_slice::<Failed>(body).ok().map(|failed| failed.error.message)
}

/// A body of text as one line. Pages of HTML are of no use to the reader.
fn plain_text(response: &Response, body: &Bytes) -> Option<String> {
    let text = str::from_utf8(body).ok()?;
    let is_page = response.is("text/html") || text.trim_start().starts_with('<');
    (!is_page).then(|| text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// An error and its causes.
pub(super) fn reason_of(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

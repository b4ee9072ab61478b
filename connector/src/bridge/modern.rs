//! What a POST of 2026-07-28 must have before it reaches the shared program: headers that say what the body says, and the
//! `_meta` of this revision.
//!
//! Specification: MCP 2026-07-28, basic/transports/streamable-http, "Request Metadata". **What this does not do:** ask the
//! program for the schemas of its tools, which `Mcp-Param-*` needs: those that clients asked for are used.

use crate::bridge::reply::{Refusal, code};
use crate::message::{CLIENT_CAPABILITIES, Id, Kind, Message, Place};
use crate::metadata::{METHOD, NAME, PROTOCOL_VERSION, decoded, name_of};
use crate::tools::Tools;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};

/// The first revision without sessions.
const FIRST: &str = "2026-07-28";
/// Longest id or progress token. They are kept while the request is open, and a while after its client left.
const ID_BYTES: usize = 4096;

/// Whether the headers name a revision without sessions.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    headers.get(PROTOCOL_VERSION).is_some_and(|version| {
        let is_date = version.as_bytes().iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        version.len() == FIRST.len() && is_date && version.as_bytes() >= FIRST.as_bytes()
    })
}

/// Refuses a message that must not reach the program. `Ok(true)`: it is a request that may.
/// `Ok(false)`: a notification, which ends here, because it cannot be known whose request it is about.
pub(super) fn check(headers: &HeaderMap, message: &Message) -> Result<bool, Refusal> {
    let method = match message.kind() {
        Kind::Request(method, _) => method,
        Kind::Notification(_) => return Ok(false),
        Kind::Result(_) | Kind::Error(_) => return Err(Refusal::invalid("a client sends no answers")),
    };
    let checked = check_text(message)
        .and_then(|()| check_meta(message))
        .and_then(|()| check_headers(headers, message, method))
        .and_then(|()| {
            let reason = "Method not found: initialize";
            let is_initialize = method == "initialize";
            if is_initialize {
                Err(Refusal::new(StatusCode::NOT_FOUND, code::METHOD_NOT_FOUND, reason))
            } else {
                Ok(true)
            }
        });
    checked.map_err(|refusal| refusal.of(id_of(message)))
}

/// The id for a refusal.
fn id_of(message: &Message) -> &str {
    message.raw(Place::Id).filter(|id| id.len() <= ID_BYTES).unwrap_or("null")
}

/// Refuses what programs read in different ways: one client's message would decide what the program is for all others, or would
/// get what belongs to another request.
fn check_text(message: &Message) -> Result<(), Refusal> {
    if !message.has_version() {
        return Err(Refusal::invalid("`jsonrpc` is not \"2.0\""));
    }
    if let Some(name) = message.twice() {
        return Err(Refusal::invalid(&format!("`{name}` stands twice")));
    }
    if message.raw(Place::RequestToken).is_some() && message.value(Place::RequestToken).is_none() {
        return Err(Refusal::invalid("`progressToken` is not a string or a number"));
    }
    let is_long = |place| message.raw(place).is_some_and(|value| value.len() > ID_BYTES);
    if is_long(Place::Id) || is_long(Place::RequestToken) {
        return Err(Refusal::invalid(&format!("`id` or `progressToken` has more than {ID_BYTES} bytes")));
    }
    Ok(())
}

fn check_meta(message: &Message) -> Result<(), Refusal> {
    let missing = |name| {
        let reason = format!("Invalid params: `_meta` lacks io.modelcontextprotocol/{name}");
        Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, reason)
    };
    if message.protocol_version().is_none() {
        return Err(missing("protocolVersion"));
    }
    if !message.meta(CLIENT_CAPABILITIES).is_some_and(|value| value.starts_with('{')) {
        return Err(missing("clientCapabilities"));
    }
    Ok(())
}

fn check_headers(headers: &HeaderMap, message: &Message, method: &str) -> Result<(), Refusal> {
    compare(headers, &PROTOCOL_VERSION, message.protocol_version())?;
    compare(headers, &METHOD, Some(method.to_owned()))?;
    compare(headers, &NAME, name_of(message))
}

/// Checks the headers that repeat arguments of a tool call.
pub(super) fn check_parameters(headers: &HeaderMap, call: &Message, tools: &Tools) -> Result<(), Refusal> {
    let expected = tools.headers(call).map_err(|twice| Refusal::invalid(&twice.to_string()));
    let compared = expected.and_then(|expected| {
        expected.into_iter().try_for_each(|(name, value)| match value {
            // Who chose a way by this header would be deceived.
            None if headers.contains_key(name) => Err(mismatch(name, "is there, but the body has no such value")),
            value => compare(headers, name, value),
        })
    });
    compared.map_err(|refusal| refusal.of(id_of(call)))
}

/// A header must be there once and have the value of the body. Where the body has none, the program says what is wrong.
fn compare(headers: &HeaderMap, name: &HeaderName, body: Option<String>) -> Result<(), Refusal> {
    let Some(body) = body else { return Ok(()) };
    let mut values = headers.get_all(name).iter();
    let reason = match (values.next().map(|value| decoded(value.as_bytes())), values.next()) {
        (None, _) => "is missing",
        (Some(_), Some(_)) => "is there twice",
        (Some(None), None) => "cannot be decoded",
        (Some(Some(value)), None) if !is_same(&value, &body) => "is not what the body says",
        (Some(Some(_)), None) => return Ok(()),
    };
    Err(mismatch(name, reason))
}

fn mismatch(name: &HeaderName, reason: &str) -> Refusal {
    let reason = format!("Header mismatch: {name} {reason}");
    Refusal::new(StatusCode::BAD_REQUEST, code::HEADER_MISMATCH, reason)
}

/// Numbers are compared as such: `42.0` is `42`.
fn is_same(header: &[u8], body: &str) -> bool {
    let number = |text: &str| Id::read(text).filter(|id| !id.text().starts_with('"'));
    let is_same_number = || number(str::from_utf8(header).ok()?).zip(number(body)).map(|(one, other)| one == other);
    header == body.as_bytes() || is_same_number() == Some(true)
}

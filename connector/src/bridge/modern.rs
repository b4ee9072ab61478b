//! What a POST of 2026-07-28 must have before it reaches the shared program: headers that say what the body says, and the
//! `_meta` of this revision.
//!
//! Specification: MCP 2026-07-28, basic/transports/streamable-http, "Request Metadata". **What this does not do:** ask the
//! program for the schemas of its tools, which `Mcp-Param-*` needs: those that clients asked for are used.

use crate::bridge::reply::{Refusal, code};
use crate::front::tools::Tools;
use crate::message::{CLIENT_CAPABILITIES, Id, Kind, Message, Place};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName};

/// The first revision without sessions.
const FIRST: &str = "2026-07-28";
/// Longest id or progress token. They are kept while the request is open, and a while after its client left.
const ID_BYTES: usize = 4096;
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

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
    let name = match method {
        "tools/call" | "prompts/get" => message.param("name"),
        "resources/read" => message.param("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => message.param("taskId"),
        _ => return Ok(()),
    };
    compare(headers, &NAME, name)
}

/// Checks the headers that repeat arguments of a tool call.
pub(super) fn check_parameters(headers: &HeaderMap, call: &Message, tools: &Tools) -> Result<(), Refusal> {
    let mut expected = HeaderMap::new();
    tools.add_headers(call, &mut expected);
    let compared = expected.iter().try_for_each(|(name, value)| {
        // It was encoded just now.
        let value = decode(value.as_bytes()).and_then(|value| String::from_utf8(value).ok());
        compare(headers, name, value)
    });
    compared.map_err(|refusal| refusal.of(id_of(call)))
}

/// A header must be there once and have the value of the body. Where the body has none, the program says what is wrong.
fn compare(headers: &HeaderMap, name: &HeaderName, body: Option<String>) -> Result<(), Refusal> {
    let Some(body) = body else { return Ok(()) };
    let mut values = headers.get_all(name).iter();
    let reason = match (values.next().map(|value| decode(value.as_bytes())), values.next()) {
        (None, _) => "is missing",
        (Some(_), Some(_)) => "is there twice",
        (Some(None), None) => "cannot be decoded",
        (Some(Some(value)), None) if !is_same(&value, &body) => "is not what the body says",
        (Some(Some(_)), None) => return Ok(()),
    };
    let reason = format!("Header mismatch: {name} {reason}");
    Err(Refusal::new(StatusCode::BAD_REQUEST, code::HEADER_MISMATCH, reason))
}

/// Numbers are compared as such: `42.0` is `42`.
fn is_same(header: &[u8], body: &str) -> bool {
    let number = |text: &str| Id::read(text).filter(|id| !id.text().starts_with('"'));
    let is_same_number = || number(str::from_utf8(header).ok()?).zip(number(body)).map(|(one, other)| one == other);
    header == body.as_bytes() || is_same_number() == Some(true)
}

/// A value as it stands, or base64 between markers.
fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    match value.strip_prefix(b"=?base64?").and_then(|value| value.strip_suffix(b"?=")) {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(value.to_vec()),
    }
}

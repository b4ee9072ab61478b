//! The requests and responses: one MCP call per scenario, with the headers that the TypeScript client sends.
//!
//! All requests of a scenario are equal except for the session id, so both sides can compare each message with the expected bytes.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde_json::{Value, json};

/// Every scenario, and whether it belongs to the default run.
pub(crate) const SCENARIOS: &[(&str, bool)] = &[
    ("small_json", true),
    ("small_json_modern", true),
    ("small_sse", true),
    ("answer_1mb", true),
    ("request_1mb", true),
    ("answer_1mb_base64", false),
    ("answer_1mb_dense", false),
];

/// Length of the large text, before JSON's escapes.
const MEGABYTE: usize = 1 << 20;

const SSE_EVENTS: usize = 20;

/// The request and the response of one scenario.
pub(crate) struct Workload {
    pub(crate) name: String,
    /// Requests to one Envoy in one round: about a quarter of a second of processor time.
    pub(crate) requests: usize,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) request: Bytes,
    pub(crate) answer: Answer,
    /// The response body that the client must receive.
    pub(crate) expected: Bytes,
}

/// The form of the response.
pub(crate) enum Answer {
    /// One JSON document with a content length.
    Json(Bytes),
    /// An event stream. Each event is one chunk, and is sent after the client has received the one before.
    Sse(Vec<Bytes>),
}

// === impl Workload ===

impl Workload {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let legacy = [("mcp-protocol-version", "2025-11-25")];
        let modern =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "get_forecast")];
        let small = || Answer::Json(answer(&text_result(WEATHER)));
        let (requests, protocol_version, request, answer): (_, &[_], _, _) = match name {
            "small_json" => (4_000, &legacy, small_request(json!({})), small()),
            "small_json_modern" => (4_000, &modern, small_request(modern_meta()), small()),
            "small_sse" => (500, &legacy, small_request(json!({})), Answer::Sse(events())),
            "answer_1mb" => (100, &legacy, small_request(json!({})), large(&text_result(&prose()))),
            "answer_1mb_base64" => (100, &legacy, small_request(json!({})), large(&image_result())),
            "answer_1mb_dense" => (100, &legacy, small_request(json!({})), large(&dense_result())),
            "request_1mb" => (100, &legacy, request(json!({}), &prose()), small()),
            _ => bail!("unknown scenario '{name}'; allowed: {}", names().join(", ")),
        };
        let headers = COMMON_HEADERS.iter().chain(protocol_version).copied().collect();
        let expected = match &answer {
            Answer::Json(body) => body.clone(),
            Answer::Sse(events) => events.concat().into(),
        };
        Ok(Self { name: name.to_owned(), requests, headers, request, answer, expected })
    }

    /// The path. It identifies the scenario for the upstream.
    pub(crate) fn path(&self) -> String {
        format!("/mcp/{}", self.name)
    }
}

/// The session id of one connection: a UUID whose end is the number of the connection.
pub(crate) fn session_id(lane: usize) -> String {
    format!("6f1d2c3b-0a1b-4c5d-8e9f-{lane:012}")
}

/// The number of the connection in a session id.
pub(crate) fn lane_of(session_id: &str) -> Result<usize> {
    let (_, lane) = session_id.rsplit_once('-').context("a session id without '-'")?;
    lane.parse().with_context(|| format!("session id '{session_id}'"))
}

pub(crate) fn names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|(name, _)| *name).collect()
}

/// Fails if a body is not the expected one. The error shows the first difference.
pub(crate) fn check(what: &str, expected: &[u8], actual: &[u8]) -> Result<()> {
    ensure!(
        expected == actual,
        "{what}: {} bytes arrived that are not the {} expected ones",
        actual.len(),
        expected.len()
    );
    Ok(())
}

// === contents ===

const COMMON_HEADERS: [(&str, &str); 8] = [
    ("connection", "keep-alive"),
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("authorization", "Bearer 7f9c2ba4e88f827d616045507605853ed73b8093"),
    ("accept-language", "*"),
    ("sec-fetch-mode", "cors"),
    ("user-agent", "node"),
    ("accept-encoding", "gzip, deflate"),
];

const WEATHER: &str = "Lisbon: sunny, 9 degrees, wind 12 km/h from the west, no rain expected until Sunday night.";

fn small_request(meta: Value) -> Bytes {
    request(meta, "a walk along the river in the morning, lunch behind the cathedral")
}

fn request(mut meta: Value, note: &str) -> Bytes {
    if let Some(meta) = meta.as_object_mut() {
        meta.insert("progressToken".to_owned(), json!(17));
    }
    let arguments = json!({"city": "Lisbon", "days": 3, "units": "metric", "note": note});
    let params = json!({"name": "get_forecast", "arguments": arguments, "_meta": meta});
    // The order of members in the TypeScript SDK.
    format!(r#"{{"method":"tools/call","params":{params},"jsonrpc":"2.0","id":17}}"#).into()
}

fn modern_meta() -> Value {
    json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"})
}

fn answer(result: &Value) -> Bytes {
    format!(r#"{{"result":{result},"jsonrpc":"2.0","id":17}}"#).into()
}

fn large(result: &Value) -> Answer {
    Answer::Json(answer(result))
}

fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

fn events() -> Vec<Bytes> {
    let mut events: Vec<Bytes> = (1..SSE_EVENTS)
        .map(|step| {
            let params = json!({"progressToken": 17, "progress": step, "total": SSE_EVENTS, "message": "looking at the next station"});
            let message = json!({"method": "notifications/progress", "params": params, "jsonrpc": "2.0"});
            event(step, &message.to_string())
        })
        .collect();
    let last = answer(&text_result(WEATHER));
    events.push(event(SSE_EVENTS, &String::from_utf8_lossy(&last)));
    events
}

fn event(number: usize, data: &str) -> Bytes {
    format!("event: message\nid: 717f98a3::{number}\ndata: {data}\n\n").into()
}

/// Text with quotes and line breaks, at which the scanner stops.
fn prose() -> String {
    let line = "The \"late\" boat from Cacilhas was full, so we walked along the river to the next pier.\n";
    line.chars().cycle().take(MEGABYTE).collect()
}

fn image_result() -> Value {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let data: String = alphabet.chars().cycle().step_by(23).take(MEGABYTE).collect();
    json!({"content": [{"type": "image", "mimeType": "image/png", "data": data}], "isError": false})
}

/// Rows of small numbers and booleans: as many tokens per byte as a real tool may return.
fn dense_result() -> Value {
    let rows: Vec<Value> = (0..MEGABYTE / 52)
        .map(|row| json!({"id": row % 97, "t": 18.5, "ok": true, "wind": [3, 7], "note": null}))
        .collect();
    json!({"content": [], "structuredContent": {"rows": rows}, "isError": false})
}

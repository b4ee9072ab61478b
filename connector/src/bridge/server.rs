//! The HTTP server on the Unix socket: paths, methods, headers, statuses.

use crate::bridge::reply::{self, EVENT_STREAM, Reply, SESSION_ID, code};
use crate::bridge::session::{Session, unknown_session};
use crate::bridge::sessions::Sessions;
use crate::bridge::HEALTH_PATH;
use crate::message::{Body, Kind, Message, Unreadable};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::net::UnixListener;
use tokio::task::spawn_local;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The revisions with sessions.
const VERSIONS: [&str; 5] = ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Accepts connections until the future is dropped.
pub(super) async fn serve(listener: UnixListener, sessions: Rc<Sessions>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            // Too many open files: some close again.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let sessions = sessions.clone();
        let service = service_fn(move |request| {
            let sessions = sessions.clone();
            async move { Ok::<_, Infallible>(handle(request, &sessions).await) }
        });
        // A connection that breaks ends what it carried.
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn handle(request: Request<Incoming>, sessions: &Rc<Sessions>) -> Reply {
    if let Some(refused) = refuse_origin(request.headers()) {
        return refused;
    }
    match request.uri().path() {
        HEALTH_PATH => reply::text(StatusCode::OK, "ok\n"),
        "/" | "/mcp" => endpoint(request, sessions).await,
        _ => reply::text(StatusCode::NOT_FOUND, "Not Found\n"),
    }
}

async fn endpoint(request: Request<Incoming>, sessions: &Rc<Sessions>) -> Reply {
    match *request.method() {
        Method::POST => post(request, sessions).await,
        Method::GET => get(request.headers(), sessions),
        Method::DELETE => match session(request.headers(), sessions) {
            Ok(session) => {
                sessions.remove(&session.id);
                session.stop("the client ended the session");
                reply::empty(StatusCode::OK)
            }
            Err(refused) => refused,
        },
        _ => reply::method_not_allowed("GET, POST, DELETE"),
    }
}

fn get(headers: &HeaderMap, sessions: &Rc<Sessions>) -> Reply {
    if !accepts(headers, &[EVENT_STREAM]) {
        return not_acceptable("Not Acceptable: Client must accept text/event-stream");
    }
    match session(headers, sessions) {
        Ok(session) => session.get(header(headers, &LAST_EVENT_ID)),
        Err(refused) => refused,
    }
}

async fn post(request: Request<Incoming>, sessions: &Rc<Sessions>) -> Reply {
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    if !accepts(headers, &["application/json", EVENT_STREAM]) {
        return not_acceptable("Not Acceptable: Client must accept both application/json and text/event-stream");
    }
    if !is_json(headers) {
        let reason = "Unsupported Media Type: Content-Type must be application/json";
        return reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::SERVER, reason);
    }
    let body = match read(body, sessions.settings.line_bytes).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    if let Body::Single(message) = &body
        && let Kind::Request(method, id) = message.kind()
        && method == "initialize"
        && !headers.contains_key(SESSION_ID)
    {
        return sessions.initialize(message, id).await;
    }
    let session = match session(headers, sessions) {
        Ok(session) => session,
        Err(refused) => return refused,
    };
    let messages = match body {
        Body::Single(message) => vec![message],
        Body::Batch(messages) => messages,
    };
    if messages.is_empty() {
        return invalid("Invalid Request: an empty batch");
    }
    if messages.iter().any(|message| message.method() == Some("initialize")) {
        return invalid("Invalid Request: Server already initialized");
    }
    session.post(messages).await
}

/// The session that the headers name.
fn session(headers: &HeaderMap, sessions: &Sessions) -> Result<Rc<Session>, Reply> {
    let Some(id) = headers.get(SESSION_ID) else {
        let reason = "Bad Request: Mcp-Session-Id header is required";
        return Err(reply::error(StatusCode::BAD_REQUEST, code::SERVER, reason));
    };
    let session = id.to_str().ok().and_then(|id| sessions.find(id)).ok_or_else(unknown_session)?;
    if let Some(version) = headers.get(PROTOCOL_VERSION)
        && !VERSIONS.iter().any(|known| version == known)
    {
        let known = VERSIONS.join(", ");
        let reason = format!("Bad Request: Unsupported protocol version (supported versions: {known})");
        return Err(reply::error(StatusCode::BAD_REQUEST, code::SERVER, &reason));
    }
    Ok(session)
}

async fn read(body: Incoming, limit: usize) -> Result<Body, Reply> {
    let text = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let reason = format!("Payload Too Large: more than {limit} bytes (MCP_STDIO_LINE_BYTES)");
            return Err(reply::error(StatusCode::PAYLOAD_TOO_LARGE, code::SERVER, &reason));
        }
        Err(_) => return Err(invalid("the body is not complete")),
    };
    parse(&text)
}

fn parse(text: &Bytes) -> Result<Body, Reply> {
    Body::read(text).map_err(|unreadable| match &unreadable {
        Unreadable::Json(_) => {
            reply::error(StatusCode::BAD_REQUEST, code::PARSE_ERROR, &format!("Parse error: {unreadable}"))
        }
        Unreadable::Message(_) => invalid(&format!("Invalid Request: {unreadable}")),
    })
}

fn invalid(reason: &str) -> Reply {
    reply::error(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, reason)
}

fn not_acceptable(reason: &str) -> Reply {
    reply::error(StatusCode::NOT_ACCEPTABLE, code::SERVER, reason)
}

/// A page of another origin may make a browser send requests to this host (DNS rebinding).
fn refuse_origin(headers: &HeaderMap) -> Option<Reply> {
    let origin = headers.get(ORIGIN)?;
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| without_port(host));
    let is_local = host.is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    (!is_local).then(|| reply::error(StatusCode::FORBIDDEN, code::SERVER, "Forbidden: Origin is not local"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether the client takes all of the types. A request without the header takes any.
fn accepts(headers: &HeaderMap, types: &[&str]) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if values.peek().is_none() {
        return true;
    }
    let ranges: Vec<_> = values.flat_map(|value| value.split(',')).map(media_type).collect();
    types.iter().all(|wanted| {
        let group = wanted.split_once('/').map_or("", |(group, _)| group);
        ranges.iter().any(|range| range == "*/*" || range == wanted || *range == format!("{group}/*"))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    header(headers, &CONTENT_TYPE).is_some_and(|value| media_type(value) == "application/json")
}

/// A media type without its parameters.
fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

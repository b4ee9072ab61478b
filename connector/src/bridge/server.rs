//! The HTTP server on the Unix socket: paths, methods, headers, statuses.

use crate::bridge::HEALTH_PATH;
use crate::bridge::accept::Accept;
use crate::bridge::body::{Bodies, Held};
use crate::bridge::programs::Programs;
use crate::bridge::reply::{self, EVENT_STREAM, JSON, Refusal, Reply, SESSION_ID, code};
use crate::bridge::session::Session;
use crate::bridge::sessions::Sessions;
use crate::bridge::shared::Shared;
use crate::bridge::{http_sse, modern};
use crate::message::{Body, Kind, Message};
use crate::metadata::PROTOCOL_VERSION;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::task::spawn_local;

const NO_SESSION: &str =
    "Mcp-Session-Id header is required: send initialize first, and repeat the Mcp-Session-Id of its response";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The revisions with sessions.
const VERSIONS: [&str; 5] = ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// What serves requests.
pub(super) struct Server {
    programs: Rc<Programs>,
    sessions: Rc<Sessions>,
    shared: Rc<Shared>,
    bodies: Bodies,
}

// === impl Server ===

impl Server {
    pub(super) fn new(programs: Rc<Programs>) -> Self {
        let sessions = Rc::new(Sessions::new(programs.clone()));
        let bodies = Bodies::new(programs.settings.line_bytes);
        Self { sessions, shared: Rc::new(Shared::new(programs.clone())), bodies, programs }
    }
}

/// Accepts connections until the future is dropped.
pub(super) async fn serve(listener: UnixListener, server: Rc<Server>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            // Too many open files: some close again.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let server = server.clone();
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(handle(request, &server).await) }
        });
        // A connection that breaks ends what it carried.
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(connection), service));
    }
}

async fn handle(request: Request<Incoming>, server: &Server) -> Reply {
    let (head, mut body) = request.into_parts();
    let answered = match check_origin(&head.headers) {
        Ok(()) => by_path(&head, &mut body, server).await,
        Err(refusal) => Err(refusal),
    };
    server.bodies.drain(&head.headers, &mut body).await;
    answered.unwrap_or_else(Reply::from)
}

async fn by_path(head: &Parts, body: &mut Incoming, server: &Server) -> Result<Reply, Refusal> {
    let (path, method) = (head.uri.path(), &head.method);
    Ok(match (path, method) {
        (HEALTH_PATH, _) if server.programs.is_healthy() => reply::text(StatusCode::OK, "ok\n"),
        (HEALTH_PATH, _) => reply::text(StatusCode::SERVICE_UNAVAILABLE, "the last start of the MCP server failed\n"),
        ("/" | "/mcp", _) => return endpoint(head, body, server).await,
        ("/sse", &Method::GET) => http_sse::open(&server.sessions).await,
        ("/sse", _) => reply::method_not_allowed("GET"),
        ("/message", &Method::POST) => {
            let (body, _held) = server.bodies.read(&head.headers, body, |_| Ok(())).await?;
            return http_sse::post(head.uri.query(), body, &server.sessions).await;
        }
        ("/message", _) => reply::method_not_allowed("POST"),
        _ => reply::text(StatusCode::NOT_FOUND, "Not Found: MCP is at /mcp, / and /sse\n"),
    })
}

async fn endpoint(head: &Parts, body: &mut Incoming, server: &Server) -> Result<Reply, Refusal> {
    let headers = &head.headers;
    let is_modern = modern::is_named(headers);
    match head.method {
        Method::POST => post(headers, body, server).await,
        Method::GET | Method::DELETE if is_modern => Ok(reply::method_not_allowed("POST")),
        Method::GET => get(headers, &server.sessions),
        Method::DELETE => {
            let session = session(headers, &server.sessions)?;
            server.sessions.end(&session, "the client ended the session");
            Ok(reply::empty(StatusCode::OK))
        }
        _ => Ok(reply::method_not_allowed("GET, POST, DELETE")),
    }
}

fn get(headers: &HeaderMap, sessions: &Rc<Sessions>) -> Result<Reply, Refusal> {
    if !Accept::of(headers).has(EVENT_STREAM) {
        let reason = "Not Acceptable: Client must accept text/event-stream";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, code::SERVER, reason));
    }
    Ok(session(headers, sessions)?.get(header(headers, &LAST_EVENT_ID)))
}

async fn post(headers: &HeaderMap, body: &mut Incoming, server: &Server) -> Result<Reply, Refusal> {
    let accept = Accept::of(headers);
    if !accept.has(JSON) || !accept.has(EVENT_STREAM) {
        let reason = "Not Acceptable: Client must accept both application/json and text/event-stream";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, code::SERVER, reason));
    }
    let first = (!accept.prefers(EVENT_STREAM, JSON)).then_some(server.programs.times.first);
    // What the headers tell is checked before a large body is read.
    let is_modern = modern::is_named(headers);
    if !is_modern && headers.contains_key(SESSION_ID) {
        session(headers, &server.sessions)?;
    }
    let check = |text: &[u8]| match Body::is_batch(text) {
        true if is_modern => Err(Refusal::invalid("this revision has no batches")),
        true => session(headers, &server.sessions).map(drop),
        false => Ok(()),
    };
    let (body, held) = server.bodies.read(headers, body, check).await?;
    match body {
        Body::Single(message) => post_single(headers, message, held, server, first).await,
        Body::Batch(messages) if messages.is_empty() => Err(Refusal::invalid("an empty batch")),
        Body::Batch(messages) => post_to_session(headers, messages, &server.sessions, None).await,
    }
}

/// The revision is decided here: `initialize` begins a session, the `_meta` or the header of 2026-07-28 needs none.
async fn post_single(
    headers: &HeaderMap,
    message: Message,
    held: Held,
    server: &Server,
    first: Option<Duration>,
) -> Result<Reply, Refusal> {
    let has_version = message.protocol_version().is_some();
    if let Kind::Request(method, id) = message.kind()
        && method == "initialize"
        && !has_version
        && !headers.contains_key(SESSION_ID)
    {
        return Ok(server.sessions.initialize(&message, id).await);
    }
    if !has_version && !modern::is_named(headers) {
        return post_to_session(headers, vec![message], &server.sessions, first).await;
    }
    if modern::check(headers, &message)? {
        return server.shared.request(headers, &message, held).await;
    }
    Ok(reply::empty(StatusCode::ACCEPTED))
}

async fn post_to_session(
    headers: &HeaderMap,
    messages: Vec<Message>,
    sessions: &Sessions,
    first: Option<Duration>,
) -> Result<Reply, Refusal> {
    let session = session(headers, sessions)?;
    if messages.iter().any(|message| message.method() == Some("initialize")) {
        return Err(Refusal::invalid("Server already initialized"));
    }
    session.post(messages, first).await
}

/// The session that the headers name.
fn session(headers: &HeaderMap, sessions: &Sessions) -> Result<Rc<Session>, Refusal> {
    let bad = |reason: &str| Refusal::new(StatusCode::BAD_REQUEST, code::SERVER, format!("Bad Request: {reason}"));
    let id = headers.get(SESSION_ID).ok_or_else(|| bad(NO_SESSION))?;
    let session = id.to_str().ok().and_then(|id| sessions.find(id)).ok_or_else(Refusal::unknown_session)?;
    match headers.get(PROTOCOL_VERSION) {
        Some(version) if !VERSIONS.iter().any(|known| version == known) => {
            let known = VERSIONS.join(", ");
            Err(bad(&format!("Unsupported protocol version (supported versions: {known})")))
        }
        _ => Ok(session),
    }
}

/// A page of another origin may make a browser send requests to this host (DNS rebinding). Browsers leave `Origin` out of simple
/// requests, which have `Sec-Fetch-Site`.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else {
        return match headers.get(SEC_FETCH_SITE) {
            Some(site) if site == "cross-site" => Err(Refusal::new(
                StatusCode::FORBIDDEN,
                code::SERVER,
                "Forbidden: the request of a page of another site",
            )),
            _ => Ok(()),
        };
    };
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| without_port(host));
    let is_local = host.is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    });
    if is_local {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, code::SERVER, "Forbidden: Origin is not local"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

//! The body of a POST: takes it up, within bounds, and reads it.
//!
//! Bounds: `MCP_STDIO_LINE_BYTES` for each body, [`BODIES`] times as much for all of more than [`SMALL`] bytes, until they are
//! written to a program; [`MESSAGES`] in a batch; [`PAUSE`] without a byte, and [`DRAIN_PAUSE`] once the request is refused. Cost: a
//! body of more than [`SMALL`] bytes is read on another thread, so that other clients do not wait.

use crate::bridge::accept::media_type;
use crate::bridge::reply::{JSON, Refusal, code};
use crate::message::{Body, Unreadable};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// All bodies together may have as many times the bytes of the longest.
const BODIES: usize = 4;
/// Bodies up to this many bytes are not counted, and are read at once.
const SMALL: usize = 256 << 10;
/// Most messages in a batch, as in the SDK for TypeScript.
const MESSAGES: usize = 100;
/// A client that sends no part of its body for this long is refused.
const PAUSE: Duration = Duration::from_secs(30);
/// A client that sends no part of a refused body for this long gets the response at once.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);

/// The bodies that are in memory.
pub(super) struct Bodies {
    longest: usize,
    bytes: Rc<Cell<usize>>,
}

/// The place of one body. It is free when this is dropped.
pub(super) struct Held {
    all: Rc<Cell<usize>>,
    own: usize,
}

// === impl Bodies ===

impl Bodies {
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, bytes: Rc::default() }
    }

    /// Takes up and reads a body. `check` sees its text before it is read.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: &mut Incoming,
        check: impl FnOnce(&[u8]) -> Result<(), Refusal>,
    ) -> Result<(Body, Held), Refusal> {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_none_or(|value| media_type(value) != JSON) {
            let reason = "Unsupported Media Type: Content-Type must be application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::SERVER, reason));
        }
        let (text, held) = self.take_up(body).await?;
        check(&text)?;
        Ok((parse(text).await?, held))
    }

    async fn take_up(&self, body: &mut Incoming) -> Result<(Bytes, Held), Refusal> {
        let limit = self.longest;
        let mut text = BytesMut::new();
        let mut held = Held { all: self.bytes.clone(), own: 0 };
        let slow = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, code::SERVER, "Request Timeout: the body stopped");
        while let Some(frame) = timeout(PAUSE, body.frame()).await.map_err(slow)? {
            let frame = frame.map_err(|_| Refusal::invalid("the body is not complete"))?;
            let Ok(part) = frame.into_data() else { continue };
            if text.len() + part.len() > limit {
                let reason = format!("Payload Too Large: more than {limit} bytes (MCP_STDIO_LINE_BYTES)");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, code::SERVER, reason));
            }
            text.extend_from_slice(&part);
            held.grow(text.len(), limit.saturating_mul(BODIES))?;
        }
        Ok((text.freeze(), held))
    }

    /// Reads what is left of a body that was refused, and drops it: at most as many bytes as the longest body has. Otherwise the
    /// connection would be closed after the response, and Envoy loses the response if it is still writing then.
    pub(super) async fn drain(&self, headers: &HeaderMap, body: &mut Incoming) {
        // Such a client sends its body only when it is asked for it.
        if headers.contains_key(EXPECT) {
            return;
        }
        let mut left = self.longest;
        while let Ok(Some(Ok(frame))) = timeout(DRAIN_PAUSE, body.frame()).await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = rest;
        }
    }
}

// === impl Held ===

impl Held {
    fn grow(&mut self, own: usize, limit: usize) -> Result<(), Refusal> {
        if own <= SMALL {
            return Ok(());
        }
        let all = self.all.get() - self.own + own;
        if all > limit {
            let reason = "Service Unavailable: other requests with large bodies are read";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code::SERVER, reason));
        }
        self.all.set(all);
        self.own = own;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.set(self.all.get() - self.own);
    }
}

async fn parse(text: Bytes) -> Result<Body, Refusal> {
    let is_large = text.len() > SMALL;
    let parse = move || Body::read_at_most(&text, MESSAGES);
    let body = if is_large {
        spawn_blocking(parse).await.map_err(|_| Refusal::invalid("the body cannot be read"))?
    } else {
        parse()
    };
    body.map_err(|unreadable| match &unreadable {
        Unreadable::Json(_) => {
            Refusal::new(StatusCode::BAD_REQUEST, code::PARSE_ERROR, format!("Parse error: {unreadable}"))
        }
        Unreadable::Message(_) => Refusal::invalid(&unreadable.to_string()),
    })
}

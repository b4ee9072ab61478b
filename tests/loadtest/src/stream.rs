//! The stream of HTTP+SSE (2024-11-05): its first event has the address for POSTs, the others have the server's messages.

use crate::connection::Connection;
use crate::events::{Event, Events};
use crate::outcome::ErrorType;
use crate::world::World;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Uri};
use std::collections::VecDeque;
use tokio::time::timeout;

/// A session of HTTP+SSE; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    body: Incoming,
    events: Events,
    waiting: VecDeque<Event>,
    /// Keeps the connection open.
    _connection: Connection,
}

// === impl Stream ===

impl Stream {
    /// Opens a stream and waits for its first event. Returns the path for POSTs.
    ///
    /// # Errors
    ///
    /// What the server did instead, as text.
    pub(crate) async fn open(world: &World) -> Result<(PathAndQuery, Self), String> {
        let opening = async {
            let mut stream = Self::request(world).await?;
            let first = stream.event().await.map_err(|_| "the stream ended before its first event".to_owned())?;
            let address = String::from_utf8_lossy(&first.data).into_owned();
            if first.name != "endpoint" {
                return Err(format!("the stream's first event is {:?}, not \"endpoint\"", first.name));
            }
            let path =
                resolve(&world.url.path, &address).ok_or_else(|| format!("endpoint {address:?} is no address"))?;
            Ok((path, stream))
        };
        timeout(world.timeout, opening).await.unwrap_or_else(|_| Err("no first event in time".to_owned()))
    }

    async fn request(world: &World) -> Result<Self, String> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = Uri::from(world.url.path.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let mut connection = Connection::new(world.url.clone());
        let response = connection.send(request).await.map_err(|failure| failure.to_string())?;
        if response.status() != 200 {
            return Err(format!("GET was answered {}", response.status()));
        }
        let (body, events) = (response.into_body(), Events::default());
        Ok(Self { body, events, waiting: VecDeque::new(), _connection: connection })
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// How the stream ended, as text.
    pub(crate) async fn next(&mut self) -> Result<Vec<u8>, ErrorType> {
        self.event().await.map(|event| event.data)
    }

    async fn event(&mut self) -> Result<Event, ErrorType> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let frame = self.body.frame().await.ok_or(ErrorType::NoResponse)?.map_err(|_| ErrorType::Reset)?;
            self.waiting.extend(self.events.push(frame.data_ref().map_or(&[][..], |data| data)));
        }
    }
}

/// The path of an address that is absolute or relative to `base`.
fn resolve(base: &PathAndQuery, address: &str) -> Option<PathAndQuery> {
    let path = if let Some((_, after)) = address.split_once("://") {
        format!("/{}", after.split_once('/').map_or("", |(_, path)| path))
    } else if address.starts_with('/') {
        address.to_owned()
    } else if address.starts_with('?') {
        format!("{}{address}", base.path())
    } else {
        format!("{}/{address}", base.path().rsplit_once('/').map_or("", |(folder, _)| folder))
    };
    path.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn endpoint_addresses_are_resolved() {
        let base = "/mcp/sse?a=1".parse().unwrap();
        for (address, expected) in [
            ("/message?sessionId=1", "/message?sessionId=1"),
            ("http://localhost:8080/message?session_id=2", "/message?session_id=2"),
            ("?sessionid=3", "/mcp/sse?sessionid=3"),
            ("messages/?session_id=4", "/mcp/messages/?session_id=4"),
        ] {
            assert_eq!(resolve(&base, address).unwrap(), expected);
        }
    }
}

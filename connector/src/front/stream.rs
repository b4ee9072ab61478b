//! Event streams: reads their messages, and opens them again where they break off (2025-11-25, "Resumability and Redelivery").
//!
//! The wait before a stream is opened again is what the server asked for with `retry`, else a second. It doubles up to 30 s while
//! attempts bring nothing.

use super::LINE_BYTES;
use super::headers::Session;
use super::http::Response;
use super::server::{Opened, Server};
use super::sse::Decoder;
use crate::message::{Body, Id};
use std::time::Duration;
use tokio::time::sleep;

/// The wait before a stream is opened again, unless the server said how long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, unless the server asked for more.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Attempts in succession that bring nothing, after which the requests of a POST's stream fail.
const ATTEMPTS: u32 = 5;

/// A stream over its connections.
#[derive(Default)]
pub(super) struct Stream {
    last_id: Option<Vec<u8>>,
    retry: Option<Duration>,
    /// Attempts since the last event.
    attempts: u32,
    /// An event that is no message was told.
    has_skipped: bool,
}

// === impl Stream ===

impl Stream {
    /// Passes the stream's messages to the client until it ends. `requests` are those that it answers.
    async fn read(&mut self, server: &Server, response: &mut Response, requests: &[Id]) -> Result<(), String> {
        let mut decoder = Decoder::new(LINE_BYTES);
        while let Some(mut chunk) = response.chunk().await? {
            let too_long = |_| format!("an event of more than {LINE_BYTES} bytes");
            loop {
                let event = decoder.next(&mut chunk).map_err(too_long)?;
                if let Some(id) = decoder.last_id() {
                    self.attempts = 0;
                    self.last_id = Some(id.to_vec());
                }
                self.retry = decoder.retry().or(self.retry);
                let Some(event) = event else { break };
                self.attempts = 0;
                if !event.is_message {
                    continue;
                }
                match Body::read(&event.data) {
                    Ok(body) => server.deliver(&event.data, &body, requests).await?,
                    Err(error) if !self.has_skipped => {
                        self.has_skipped = true;
                        server.errors.say(&format!("an event of the server was skipped, as others will be: {error}"));
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Waits, and opens the stream again.
    async fn reopen(&mut self, server: &Server, session: &Session) -> Opened {
        sleep(self.wait()).await;
        self.attempts = self.attempts.saturating_add(1);
        server.open_stream(session, self.last_id.as_deref()).await
    }

    fn wait(&self) -> Duration {
        let first = self.retry.unwrap_or(FIRST_WAIT);
        first.saturating_mul(1 << self.attempts.min(16)).min(first.max(LONGEST_WAIT))
    }
}

/// Reads the response to a POST. If it ends without the answers, but its events have ids, it is opened again with GET.
///
/// # Errors
///
/// The reason why the requests cannot be answered any more.
pub(super) async fn follow(
    server: &Server,
    session: &Session,
    mut response: Response,
    requests: &[Id],
    may_resume: bool,
) -> Result<(), String> {
    let mut stream = Stream::default();
    let mut end = stream.read(server, &mut response, requests).await;
    drop(response);
    while requests.iter().any(|id| server.open.contains(id)) {
        let reason = end.err().unwrap_or_else(|| "the response ended without an answer".to_owned());
        if !may_resume || stream.last_id.is_none() || stream.attempts >= ATTEMPTS {
            return Err(reason);
        }
        end = match stream.reopen(server, session).await {
            Opened::Stream(mut response) => stream.read(server, &mut response, requests).await,
            Opened::Unavailable(reason) => Err(reason),
            Opened::Refused(refusal) => return Err(format!("{reason}; it cannot be resumed: {refusal}")),
            Opened::NotFound(reason) => {
                server.lose(session, &reason).await;
                return Err(reason);
            }
        };
    }
    Ok(())
}

/// Reads the stream that GET opens, for as long as the session lasts. A server may have none (405).
pub(super) async fn listen(server: &Server, session: &Session) {
    let mut stream = Stream::default();
    let mut opened = server.open_stream(session, None).await;
    let mut was_open = false;
    loop {
        match opened {
            Opened::Stream(mut response) => {
                was_open = true;
                // How it ended makes no difference: it is opened again.
                let _ = stream.read(server, &mut response, &[]).await;
            }
            Opened::Unavailable(_) => {}
            Opened::NotFound(reason) if was_open && session.id.is_some() => {
                return server.lose(session, &reason).await;
            }
            Opened::Refused(reason) | Opened::NotFound(reason) => {
                if !reason.starts_with("HTTP 405") {
                    server
                        .errors
                        .say(&format!("no messages of the server outside of calls: GET was refused: {reason}"));
                }
                return;
            }
        }
        opened = stream.reopen(server, session).await;
    }
}

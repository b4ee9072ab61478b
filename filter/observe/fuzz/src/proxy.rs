//! Runs scripts as Envoy would: callbacks in their order, and headers available only during their callback.

use crate::chunks::{Chunking, cut};
use crate::script::{End, Script, Side};
use mcp_observe::{
    BodyPool, Config, Context, Correlation, Exchange, Failure, Host, Observation, Observer, PublishedLabels, Time,
};
use std::cell::Cell;
use std::fmt::Write as _;

/// A summary of observations: sums, and a digest of all in order. It does not allocate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    digest: u64,
    /// Sum of message bytes, which are observed once per chunk.
    bytes: u64,
    pub observations: usize,
    pub operations_started: usize,
    pub operations_ended: usize,
    pub exchanges: [usize; 2],
    pub streams: [usize; 2],
    /// Number of active sessions of all workers.
    pub active_sessions: usize,
}

/// Writes to a digest.
struct Digest<'a>(&'a mut u64);

/// A running exchange.
pub struct Playing<'a> {
    script: &'a Script<'a>,
    /// Chunks of request and response, and whether each is the last.
    chunks: [Vec<(&'a [u8], bool)>; 2],
    config: &'a Config,
    correlation: &'a Correlation,
    bodies: BodyPool,
    now: &'a Cell<u64>,
    exchange: Exchange,
    has_request_headers: bool,
    has_response_headers: bool,
}

/// The headers that the exchange can read in the current callback.
struct Questions<'a> {
    script: &'a Script<'a>,
    now: u64,
    has_request_headers: bool,
    has_response_headers: bool,
}

impl<'a> Playing<'a> {
    pub fn new(
        script: &'a Script<'a>,
        chunking: Chunking,
        config: &'a Config,
        correlation: &'a Correlation,
        now: &'a Cell<u64>,
    ) -> Self {
        let sides = [Some(&script.request), script.response.as_ref()];
        Self {
            script,
            chunks: sides.map(|side| side.map(|side| chunks(side, chunking)).unwrap_or_default()),
            config,
            correlation,
            bodies: BodyPool::default(),
            now,
            exchange: Exchange::default(),
            has_request_headers: false,
            has_response_headers: false,
        }
    }

    pub fn request(&mut self, tally: &mut Tally) {
        let side = &self.script.request;
        self.has_request_headers = true;
        self.call(tally, |exchange, context| exchange.handle_request_headers(context, side.end == End::Headers));
        self.has_request_headers = false;
        for (chunk, is_last) in std::mem::take(&mut self.chunks[0]) {
            let wanted = if self.exchange.wants_request_body() { chunk } else { b"" };
            self.call(tally, |exchange, context| exchange.handle_request_body(context, chunk.len(), wanted, is_last));
        }
        if side.end == End::Trailers {
            self.call(tally, |exchange, context| exchange.handle_request_trailers(context));
        }
    }

    pub fn response(&mut self, tally: &mut Tally) {
        let Some(side) = &self.script.response else { return };
        self.has_response_headers = true;
        self.call(tally, |exchange, context| exchange.handle_response_headers(context, side.end == End::Headers));
        self.has_response_headers = false;
        for (chunk, is_last) in std::mem::take(&mut self.chunks[1]) {
            let wanted = if self.exchange.wants_response_body() { chunk } else { b"" };
            self.call(tally, |exchange, context| exchange.handle_response_body(context, chunk.len(), wanted, is_last));
        }
        if side.end == End::Trailers {
            self.call(tally, |exchange, context| exchange.handle_response_trailers(context));
        }
    }

    pub fn end(&mut self, tally: &mut Tally) {
        self.has_request_headers = true;
        self.has_response_headers = self.script.response.is_some();
        self.call(tally, |exchange, context| exchange.handle_log(context));
    }

    fn call(&mut self, tally: &mut Tally, callback: impl FnOnce(&mut Exchange, &mut Context<'_>)) {
        let questions = Questions {
            script: self.script,
            now: self.now.get(),
            has_request_headers: self.has_request_headers,
            has_response_headers: self.has_response_headers,
        };
        callback(&mut self.exchange, &mut Context::new(self.config, &questions, self.correlation, &self.bodies, tally));
    }
}

fn chunks<'a>(side: &Side<'a>, chunking: Chunking) -> Vec<(&'a [u8], bool)> {
    let mut chunks: Vec<_> = cut(side.body, chunking).into_iter().map(|chunk| (chunk, false)).collect();
    match (side.end, chunks.last_mut()) {
        (End::LastChunk, Some((_, is_last))) => *is_last = true,
        (End::EmptyChunk, _) => chunks.push((b"", true)),
        _ => {}
    }
    chunks
}

impl Host for Questions<'_> {
    fn now(&self) -> Time {
        Time(self.now)
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        assert!(self.has_request_headers, "request header {name} is not at hand");
        Some(self.script.request.header(name)?.to_vec())
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        assert!(self.has_response_headers, "response header {name} is not at hand");
        Some(self.script.response.as_ref()?.header(name)?.to_vec())
    }

    fn cluster_name(&self) -> Option<Vec<u8>> {
        Some(b"cluster".to_vec())
    }

    fn response_status(&self) -> Option<u16> {
        self.script.response.as_ref()?.number(":status")?.try_into().ok()
    }

    /// Any number names one of the reasons, 0 none.
    fn failure(&self) -> Option<Failure> {
        const ALL: [Failure; 7] = [
            Failure::Other,
            Failure::Timeout,
            Failure::Overload,
            Failure::Unavailable,
            Failure::UpstreamReset,
            Failure::ClientReset,
            Failure::RateLimited,
        ];
        let number =
            self.script.response.as_ref().and_then(|side| side.number(":failure")).filter(|&number| number > 0)?;
        ALL.get((number % 7) as usize).copied()
    }

    fn is_from_upstream(&self) -> bool {
        let given = self.script.response.as_ref().and_then(|side| side.header(":details"));
        given.is_none_or(|details| details == b"via_upstream")
    }
}

impl PublishedLabels for Tally {}

impl Observer for Tally {
    fn observe(&mut self, observation: Observation<'_>) {
        match observation {
            Observation::Bytes { bytes, .. } => {
                self.bytes += bytes;
                return;
            }
            Observation::OperationStarted(_) => self.operations_started += 1,
            Observation::OperationEnded(_) => self.operations_ended += 1,
            Observation::ExchangeOpened => self.exchanges[0] += 1,
            Observation::ExchangeClosed => self.exchanges[1] += 1,
            Observation::EventStreamOpened => self.streams[0] += 1,
            Observation::EventStreamClosed => self.streams[1] += 1,
            Observation::SessionActive(_) => self.active_sessions += 1,
            // Panics below zero.
            Observation::SessionInactive(_) => self.active_sessions -= 1,
            _ => {}
        }
        self.observations += 1;
        // Writing to the digest cannot fail.
        let _ = write!(Digest(&mut self.digest), "{observation:?}");
    }
}

impl std::fmt::Write for Digest<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(1);
        }
        Ok(())
    }
}

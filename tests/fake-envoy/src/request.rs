//! A request on its way to the upstream: what the filter holds of it, and what the upstream got.

use crate::vm::Pause;

/// What the upstream got of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upstream {
    /// The headers.
    pub has_headers: bool,
    /// The body so far.
    pub body: Vec<u8>,
}

/// An event of the request that comes while everything is held.
#[derive(Debug)]
pub(crate) enum Waiting {
    Body(Vec<u8>, bool),
    Trailers(Vec<(String, Vec<u8>)>),
}

/// The request of one stream.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) upstream: Upstream,
    /// The filter paused in the callback of the body, so this much is held.
    held: Option<Vec<u8>>,
    /// Events that wait until the request is resumed.
    waiting: Option<Vec<Waiting>>,
}

// === impl Request ===

impl Request {
    pub(crate) fn headers_done(&mut self, is_paused: bool, pause: Pause) {
        self.upstream.has_headers = !is_paused;
        self.waiting = (is_paused && pause == Pause::HoldsAll).then(Vec::new);
    }

    /// Whether events wait; keeps this one if they do.
    pub(crate) fn waits(&mut self, event: impl FnOnce() -> Waiting) -> bool {
        self.waiting.as_mut().map(|waiting| waiting.push(event())).is_some()
    }

    /// The module resumed the request: the headers pass, and these events follow.
    pub(crate) fn resume(&mut self) -> Vec<Waiting> {
        self.pass(&[]);
        self.waiting.take().unwrap_or_default()
    }

    /// What the callback of the body can read: the chunk after what is held.
    pub(crate) fn readable(&self, chunk: &[u8]) -> Vec<u8> {
        [self.held.as_deref().unwrap_or_default(), chunk].concat()
    }

    pub(crate) fn body_done(&mut self, is_paused: bool, readable: Vec<u8>) {
        if is_paused {
            self.held = Some(readable);
        } else {
            self.held = None;
            self.pass(&readable);
        }
    }

    pub(crate) fn trailers_done(&mut self, is_paused: bool) {
        if !is_paused {
            self.pass(&[]);
        }
    }

    /// What is held and these bytes go to the upstream.
    fn pass(&mut self, bytes: &[u8]) {
        self.upstream.has_headers = true;
        self.upstream.body.extend(self.held.take().unwrap_or_default());
        self.upstream.body.extend(bytes);
    }
}

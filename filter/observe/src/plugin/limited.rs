//! One HTTP stream of a plugin with the block `rate_limit`: an [`HttpStream`] whose request is held until its body is complete, and
//! then passes or is refused.
//!
//! The body of a held request stays in the proxy. It is read when it is complete: first for the rate limit, then as the body of any
//! request. With `shadow` nothing is held, and a copy of the body is kept instead.
//!
//! **What it does not do:** hold a response, or a request that is not a POST.
//!
//! **Memory:** a body of at most [`MAX_BODY_BYTES`] while it is decided; with `shadow` from its first byte.

use super::answer::{Answer, answer};
use super::held::{FirstPart, Hold};
use super::{HttpStream, Plugin};
use crate::config::rate_limit::{Per, RateLimit};
use crate::exchange::limit::{Limited, Refusal};
use crate::host::Shell;
use crate::read::held::HeldBody;
use std::rc::Rc;

/// Longest body that is held. A longer one is not read for the rate limit.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the shell does with the request.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Lets pass what was held and what follows.
    Pass,
    /// Holds headers and body.
    Hold,
    /// Answers the request, and sends nothing to the upstream.
    Refuse(Answer),
}

/// One HTTP stream. Its methods are called as those of [`HttpStream`]; they say what happens to the request.
#[derive(Debug)]
pub struct LimitedStream<S> {
    stream: HttpStream<S>,
    plugin: Rc<Plugin<S>>,
    /// The id of the stream in this VM.
    id: u32,
    state: State,
    /// Digest of the identity header.
    identity: Option<u64>,
}

/// What happens to the request.
#[derive(Debug)]
enum State {
    /// It passes, or its headers did not come yet.
    Passing,
    /// Its headers are held, and nothing of its body came.
    Waiting,
    /// This much of its body is held too.
    Holding(usize),
    /// It passes; this is its body so far.
    Shadowing(Vec<u8>),
    Refused,
}

// === impl LimitedStream ===

impl<S: Shell> LimitedStream<S> {
    /// A stream that begins.
    #[must_use]
    pub fn new(plugin: Rc<Plugin<S>>, id: u32) -> Self {
        let stream = HttpStream::new(Rc::clone(&plugin));
        Self { stream, plugin, id, state: State::Passing, identity: None }
    }

    /// The request's headers are there.
    pub fn request_headers(&mut self, end_of_stream: bool) -> Action {
        let mut limited = Limited::No;
        self.stream.call(true, |exchange, context| {
            exchange.handle_request_headers(context, end_of_stream);
            limited = exchange.limited_by_headers(context);
        });
        match limited {
            Limited::No => Action::Pass,
            Limited::Unread => self.unread(0),
            Limited::ByBody if self.is_announced_too_long() => self.unread(0),
            Limited::ByBody => self.hold(),
        }
    }

    /// Whether `content-length` says that the body is not held. If Envoy buffers the first part of a body and then reads more than
    /// the listener's buffer limit at once (1 MiB by default), it answers 413, although the filter lets the body pass.
    fn is_announced_too_long(&self) -> bool {
        let length = self.plugin.shell.request_header("content-length");
        let length = length.as_deref().and_then(|length| std::str::from_utf8(length).ok()?.parse::<u64>().ok());
        length.is_some_and(|length| length > MAX_BODY_BYTES as u64)
    }

    fn hold(&mut self) -> Action {
        let plugin = &self.plugin;
        let Some(RateLimit { shadow, rules, .. }) = &plugin.config.rate_limit else { return Action::Pass };
        if rules.iter().any(|rule| rule.per == Per::Identity) {
            let value = plugin.config.identity.header.as_ref().and_then(|name| plugin.shell.request_header(name));
            self.identity =
                value.filter(|value| !value.is_empty()).map(|value| plugin.config.digest_key.digest(&value));
        }
        let now = plugin.shell.now();
        // The client waits for the server's 100, so the server has to see the headers.
        let holds_headers = !shadow && plugin.shell.request_header("expect").is_none();
        let hold = if holds_headers {
            plugin.held.hold(self.id, now, || plugin.shell.received_bytes())
        } else {
            plugin.held.hold_body(self.id, now, false)
        };
        match hold {
            Hold::Held => {
                self.state = if *shadow { State::Shadowing(Vec::new()) } else { State::Waiting };
                if holds_headers { Action::Hold } else { Action::Pass }
            }
            Hold::Full => self.unread(0),
            Hold::NoBodies => self.count_unread(),
        }
    }

    /// Counts a body that is not read, and lets it pass whatever the configuration says.
    fn count_unread(&mut self) -> Action {
        self.stream.call(false, |exchange, context| _ = exchange.charge_unread(context));
        Action::Pass
    }

    /// A part of the request's body is there. `size` is the length of all of it that is held, or else of this part; `fetch` returns
    /// it.
    pub fn request_body(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) -> Action {
        if let Some(action) = self.body_came() {
            if action == Action::Pass {
                self.stream.request_body(size, end_of_stream, fetch);
            }
            return action;
        }
        match &mut self.state {
            State::Waiting | State::Holding(_) if size > MAX_BODY_BYTES => {
                self.end_hold();
                let action = self.unread(size);
                if action == Action::Pass {
                    self.stream.request_body(size, end_of_stream, fetch);
                }
                action
            }
            State::Waiting | State::Holding(_) if !end_of_stream => {
                self.state = State::Holding(size);
                Action::Hold
            }
            State::Waiting | State::Holding(_) => self.decide(size, true, fetch),
            State::Shadowing(_) => {
                let bytes = fetch();
                self.stream.request_body(size, end_of_stream, || bytes.clone());
                self.shadow(&bytes, end_of_stream);
                Action::Pass
            }
            State::Passing | State::Refused => {
                self.stream.request_body(size, end_of_stream, fetch);
                Action::Pass
            }
        }
    }

    /// The request's trailers are there. `fetch` returns the first bytes of the body that is held.
    pub fn request_trailers(&mut self, fetch: impl FnOnce(usize) -> Vec<u8>) -> Action {
        let action = self.body_came().unwrap_or_else(|| match self.state {
            State::Holding(size) => self.decide(size, false, || fetch(size)),
            State::Waiting => {
                self.end_hold();
                Action::Pass
            }
            State::Shadowing(_) => {
                self.shadow(&[], true);
                Action::Pass
            }
            State::Passing | State::Refused => Action::Pass,
        });
        if action == Action::Pass {
            self.stream.request_trailers();
        }
        action
    }

    /// The response's headers pass. Those of a refusal are not observed.
    pub fn response_headers(&mut self, end_of_stream: bool) {
        if !matches!(self.state, State::Refused) {
            self.stream.response_headers(end_of_stream);
        }
    }

    /// `size` bytes of the response's body pass. Those of a refusal are counted, and not read.
    pub fn response_body(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) {
        self.stream.response_body(size, end_of_stream, fetch);
    }

    /// The response's trailers pass.
    pub fn response_trailers(&mut self) {
        self.stream.response_trailers();
    }

    /// The stream is over.
    pub fn log(&mut self) {
        let is_cut = matches!(self.state, State::Holding(1..));
        if !matches!(self.state, State::Passing | State::Refused) {
            self.end_hold();
        }
        if is_cut {
            self.stream.call(false, |exchange, context| exchange.held_request_cut(context));
        }
        self.stream.log();
    }

    /// A part of the body comes. Returns what happens to the request if it was released before and does not wait any more.
    fn body_came(&mut self) -> Option<Action> {
        let Self { plugin, id, state, .. } = self;
        match state {
            State::Waiting => match plugin.held.body_came(*id) {
                FirstPart::Held => None,
                FirstPart::KeptBack => {
                    self.end_hold();
                    Some(self.count_unread())
                }
                FirstPart::Late if plugin.held.hold_body(*id, plugin.shell.now(), true) == Hold::Held => None,
                FirstPart::Late => {
                    self.end_hold();
                    Some(self.unread(0))
                }
            },
            State::Holding(_) if !plugin.held.is_held(*id) => {
                self.end_hold();
                self.stream.call(false, |exchange, context| exchange.held_request_cut(context));
                Some(self.unread(0))
            }
            State::Shadowing(_) if !plugin.held.is_held(*id) => {
                self.end_hold();
                Some(self.count_unread())
            }
            State::Holding(_) | State::Shadowing(_) | State::Passing | State::Refused => None,
        }
    }

    fn end_hold(&mut self) {
        self.plugin.held.end(self.id);
        self.state = State::Passing;
    }

    /// The body is complete.
    fn decide(&mut self, size: usize, end_of_stream: bool, fetch: impl FnOnce() -> Vec<u8>) -> Action {
        self.end_hold();
        let bytes = if size > 0 { fetch() } else { Vec::new() };
        let held = HeldBody::read(&bytes, &self.plugin.bodies);
        match self.charge(&held, size) {
            Some(refusal) => self.refuse(&refusal, size, &bytes, &held),
            None => {
                self.stream.request_body(size, end_of_stream, || bytes);
                Action::Pass
            }
        }
    }

    /// Charges a whole body. An empty one has nothing to charge.
    fn charge(&mut self, held: &HeldBody<'_>, size: usize) -> Option<Refusal> {
        if size == 0 {
            return None;
        }
        let Self { stream, plugin, identity, .. } = self;
        let limiter = plugin.limiter.as_ref()?;
        let mut refusal = None;
        stream.call(false, |exchange, context| {
            refusal = exchange.charge_body(held, *identity, limiter, &*plugin.shell, context);
        });
        refusal
    }

    /// With `shadow`: keeps a part of the body, or charges all of it at its end.
    fn shadow(&mut self, bytes: &[u8], is_last: bool) {
        let State::Shadowing(body) = &mut self.state else { return };
        body.extend_from_slice(bytes);
        if body.len() > MAX_BODY_BYTES {
            self.end_hold();
            self.count_unread();
        } else if is_last {
            let body = std::mem::take(body);
            self.end_hold();
            let held = HeldBody::read(&body, &self.plugin.bodies);
            let _ = self.charge(&held, body.len());
        }
    }

    /// The body is not read; `size` bytes of it came.
    fn unread(&mut self, size: usize) -> Action {
        let mut refusal = None;
        self.stream.call(false, |exchange, context| refusal = exchange.charge_unread(context));
        refusal.map_or(Action::Pass, |refusal| self.refuse(&refusal, size, &[], &HeldBody::default()))
    }

    fn refuse(&mut self, refusal: &Refusal, size: usize, bytes: &[u8], held: &HeldBody<'_>) -> Action {
        self.state = State::Refused;
        self.stream.call(false, |exchange, context| exchange.refuse_request(context, size, bytes));
        let rules = self.plugin.config.rate_limit.iter().flat_map(|limit| &limit.rules);
        let rule = rules.map(|rule| rule.name.as_str()).nth(refusal.rule.into()).unwrap_or_default();
        Action::Refuse(answer(held, rule, refusal))
    }
}

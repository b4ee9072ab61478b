//! The rate limit of one exchange: which requests are held, what is charged, and the end of the operations that are refused.

use super::headers::{is_utf8, names_json};
use super::session::server_name;
use super::state::{Clock, Evidence, RequestKind};
use super::{Context, Exchange};
use crate::config::rate_limit::{RateLimit, Unread};
use crate::host::SharedData;
use crate::label::{Direction, ErrorType, Method, RateLimitOutcome, SkipReason, Status};
use crate::limit::{Caller, LimitedRequest, RateLimiter};
use crate::observation::{Observation, OperationEnd};
use crate::read::body::{Format, Part};
use crate::read::held::{HeldBody, HeldRequest};
use crate::read::message::{MessageKind, RpcErrorCode};

/// The code of the JSON-RPC error that answers a refused request.
pub(crate) const REFUSED_CODE: i64 = -32000;

/// Longest `retryAfterMs` of a body that was not read. Time does not help it, so a client must not wait for a day.
const MAX_UNREAD_RETRY_MS: u64 = 60_000;

/// What the rate limit does with a request, by its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// It passes.
    No,
    /// Its body decides.
    ByBody,
    /// Its body cannot be read.
    Unread,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The first rule that was over its limit; of a body that was not read, the first rule.
    pub(crate) rule: u8,
    /// Of a body that was not read, the interval of the rule, at most [`MAX_UNREAD_RETRY_MS`].
    pub(crate) retry_after_ms: u64,
    /// The request is refused because its body was not read.
    pub(crate) is_unread: bool,
}

impl Exchange {
    /// What the rate limit does with the request. To be called after [`handle_request_headers`](Self::handle_request_headers), in
    /// the same callback. A content type that only resembles JSON's is read as JSON from here on, because servers read it too.
    pub(crate) fn limited_by_headers(&mut self, context: &mut Context<'_>) -> Limited {
        match &self.request.kind {
            _ if self.request.has_ended => Limited::No,
            RequestKind::Post(headers) if headers.is_encoded => Limited::Unread,
            RequestKind::Post(_) => {
                let content_type = context.host.request_header("content-type").unwrap_or_default();
                if is_utf8(&content_type) { Limited::ByBody } else { Limited::Unread }
            }
            RequestKind::Other => self.limited_by_other_headers(context),
            RequestKind::Unseen | RequestKind::Get { .. } | RequestKind::Delete => Limited::No,
        }
    }

    fn limited_by_other_headers(&mut self, context: &mut Context<'_>) -> Limited {
        // Over HTTP/2 a method comes in any case, and some servers ignore it.
        let method = context.host.request_header(":method").unwrap_or_default();
        if !method.eq_ignore_ascii_case(b"POST") {
            return Limited::No;
        }
        let content_type = context.host.request_header("content-type").unwrap_or_default();
        let headers = self.read_post_headers(context);
        let (is_json, is_encoded) = (names_json(&content_type), headers.is_encoded);
        if !is_json {
            return if headers.is_mcp { Limited::Unread } else { Limited::No };
        }
        self.request.kind = RequestKind::Post(headers);
        if is_encoded || !is_utf8(&content_type) {
            return Limited::Unread;
        }
        let mut body = context.bodies.take(Format::Json);
        body.set_attributes(context.config.filter_state());
        self.request.body = Some(body);
        Limited::ByBody
    }

    /// Charges the requests of a whole body. Returns why it is refused; `None` if it passes.
    pub(crate) fn charge_body(
        &mut self,
        held: &HeldBody<'_>,
        identity: Option<u64>,
        limiter: &RateLimiter,
        shared: &dyn SharedData,
        context: &mut Context<'_>,
    ) -> Option<Refusal> {
        let method = |request: &HeldRequest<'_>| Method::of(request.method.start(), &context.config.extra_methods);
        let requests: Vec<LimitedRequest> = held
            .requests
            .iter()
            .map(|request| (method(request), request.name.as_ref()))
            .map(|(method, name)| LimitedRequest {
                method,
                tool: name.and_then(|name| super::request::tool_digest(method, name)),
            })
            .collect();
        let shows_mcp = |request: &LimitedRequest| request.method.proves_mcp() || limiter.covers(request);
        let is_mcp = self.headers_show_mcp() || requests.iter().any(shows_mcp);
        let is_refused_unread = held.is_ambiguous && (refuses_unread(context) || requests.is_empty());
        if held.is_unread || is_refused_unread {
            let may_be_mcp = is_mcp || held.is_broken || held.shows_json_rpc;
            return if may_be_mcp { self.charge_unread(context) } else { None };
        }
        if !is_mcp {
            return None;
        }
        self.recognise(context);
        let caller = self.caller(held, identity, context);
        let server = server_name(context);
        let decision = limiter.charge(server.as_deref(), &caller, &requests, context.now(), shared);
        for count in decision.counts {
            context.observe(Observation::RateLimited {
                rule: count.rule,
                outcome: count.outcome,
                requests: count.requests,
            });
        }
        match decision.refused {
            Some(refused) => {
                Some(Refusal { rule: refused.rule, retry_after_ms: refused.retry_after_ms, is_unread: false })
            }
            None if held.is_ambiguous => self.charge_unread(context),
            None => None,
        }
    }

    /// Counts a body that is not read, once for each rule. Returns why it is refused, if the configuration says so.
    pub(crate) fn charge_unread(&mut self, context: &mut Context<'_>) -> Option<Refusal> {
        let rules = &context.config.rate_limit.as_ref()?.rules;
        for (rule, _) in (0_u8..).zip(rules) {
            context.observe(Observation::RateLimited { rule, outcome: RateLimitOutcome::Unread, requests: 1 });
        }
        let retry_after_ms = u64::from(rules.first()?.interval_ms).min(MAX_UNREAD_RETRY_MS);
        refuses_unread(context).then_some(Refusal { rule: 0, retry_after_ms, is_unread: true })
    }

    /// Whether headers or path show MCP, or what was read before.
    fn headers_show_mcp(&self) -> bool {
        self.is_recognised() || self.request.kind.post().is_some_and(|headers| headers.is_mcp)
    }

    fn caller(&mut self, held: &HeldBody<'_>, identity: Option<u64>, context: &Context<'_>) -> Caller {
        let key = context.config.digest_key;
        // Over HTTP/2 a header's value comes with blanks around it, which servers trim.
        let session = self.session.id.as_ref().and_then(|id| match id.whole().map(<[u8]>::trim_ascii) {
            Some([]) => None,
            Some(whole) => Some(key.digest(whole)),
            None => Some(key.digest(&id.digest().to_le_bytes())),
        });
        let is_per_client = context.config.rate_limit.as_ref().is_some_and(RateLimit::is_per_client);
        let given = held.requests.iter().rev().find_map(|request| request.client.as_ref());
        let client = match given {
            _ if !is_per_client => None,
            Some(name) => context.correlation.client_label(name, context.config.limits.label_bytes),
            None => self.client_of_session(context),
        };
        Caller { session, client: client.map(|name| key.digest(name.as_bytes())), identity }
    }

    /// The request is refused: its operations begin and end. Nothing of it reaches the server, so its notifications and its
    /// responses to the server are not observed. `bytes` is the whole body of `size` bytes, or empty if it was not read.
    pub(crate) fn refuse_request(&mut self, context: &mut Context<'_>, size: usize, bytes: &[u8]) {
        self.request.bytes += size as u64;
        if bytes.is_empty() {
            self.begin_by_headers(context);
        }
        if let Some(mut body) = self.request.body.take() {
            body.push(bytes, &mut |part| self.refused_part(part, context));
            body.finish(&mut |part| self.refused_part(part, context));
            context.bodies.put(body);
        }
        self.request.has_ended = true;
        if self.request.evidence == Evidence::Nothing && self.request.kind.post().is_some() {
            let is_encoded = self.request.kind.post().is_some_and(|headers| headers.is_encoded);
            context.skipped(Direction::In, if is_encoded { SkipReason::ContentEncoding } else { SkipReason::TooLong });
        }
        let now = context.now();
        self.operations.clock = Clock::Started(now);
        for operation in std::mem::take(&mut self.operations.open) {
            context.observe(Observation::OperationEnded(OperationEnd {
                operation: &operation,
                status: Status::Error,
                error_type: Some(ErrorType::RateLimited),
                error_code: Some(RpcErrorCode::Integer(REFUSED_CODE)),
                duration: Some(0),
                answer_bytes: None,
                at: Some(now),
            }));
        }
        self.report_bytes(context);
    }

    fn refused_part(&mut self, part: Part<'_>, context: &mut Context<'_>) {
        let is_observed = match &part {
            Part::Message(message) => matches!(message.kind(), MessageKind::Request | MessageKind::Invalid),
            Part::Skipped(_) => true,
            Part::Event { .. } | Part::Endpoint(_) => false,
        };
        self.request.evidence = Evidence::Body;
        if is_observed {
            self.request_part(part, context);
        }
    }

    /// The exchange is over before the body of the held request was complete. If the proxy answered, its answer was observed.
    pub(crate) fn held_request_cut(&mut self, context: &mut Context<'_>) {
        if self.request.evidence == Evidence::Nothing && !self.request.has_ended {
            self.request.has_ended = true;
            self.request.body = None;
            context.skipped(Direction::In, SkipReason::Truncated);
        }
    }
}

/// Whether a body that was not read is refused.
fn refuses_unread(context: &Context<'_>) -> bool {
    let limit = context.config.rate_limit.as_ref();
    limit.is_some_and(|RateLimit { shadow, unread, .. }| *unread == Unread::Refuse && !shadow)
}

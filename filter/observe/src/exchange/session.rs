//! The session of an exchange: its start and end, whether it is in use, and which of its events repeat others. Most functions
//! are not inlined, so that exchanges which do not need them run less code.

use super::state::{Content, RequestKind};
use super::verdict::Verdict;
use super::{Context, Exchange, SESSION_ID_BYTES};
use crate::config::ServerNameFrom;
use crate::correlation::SessionKey;
use crate::correlation::activity::SessionClient;
use crate::correlation::coverage::Traffic;
use crate::correlation::links::Fallback;
use crate::correlation::sessions::NewSession;
use crate::label::Transport;
use crate::observation::{Observation, Session};
use crate::text::Text;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher as _;
use std::num::NonZeroU64;
use std::rc::Rc;

impl Exchange {
    /// The session that the exchange belongs to. Its id is hashed when it is first needed.
    pub(super) fn session(&mut self, context: &Context<'_>) -> Option<SessionKey> {
        if self.session.key.is_none()
            && let Some(id) = &self.session.id
        {
            let server = server_name(context);
            self.session.key = Some(context.correlation.session(server.as_deref().unwrap_or_default().as_bytes(), id));
        }
        self.session.key
    }

    /// An event starts. On a resumed stream it may have passed before.
    pub(super) fn event_started(&mut self, id: Option<u64>, context: &mut Context<'_>) {
        self.response.is_replay = false;
        let Some(digest) = id else { return };
        let Some(session) = self.session(context) else { return };
        let event = context.correlation.event_key(session, digest);
        let is_resumed = matches!(self.request.kind, RequestKind::Get { resumes: true });
        self.response.is_replay = is_resumed && context.correlation.has_event(event);
        if !self.response.is_replay {
            context.correlation.remember_event(event);
        }
    }

    /// The first event of an HTTP+SSE stream has the address for POSTs.
    #[inline(never)]
    pub(super) fn endpoint(&mut self, address: &Text, context: &mut Context<'_>) {
        if let Some(path) = &self.request.path {
            let server = server_name(context);
            context.correlation.remember_stream_path(server.as_deref().unwrap_or_default().as_bytes(), path);
        }
        let Some(address) = address.whole().and_then(super::headers::endpoint) else { return };
        if !address.is_query {
            context.correlation.remember_endpoint(&address.session_id);
        }
        self.unregister_open_stream(context);
        self.session.set_id(Text::start_of(address.session_id, SESSION_ID_BYTES));
        self.session.transport = Transport::HttpSse;
        if let Some(session) = self.session(context) {
            self.register_open_stream(session.stream_id(), context);
            context.correlation.remember_traffic(session, Traffic::Streams);
            self.end_activity(context);
            self.start_activity(context);
        }
    }

    /// The GET stream of a session opens.
    #[inline(never)]
    pub(super) fn remember_stream(&mut self, context: &Context<'_>) {
        if let (Some(digest), Some(session)) = (self.session.activity_digest, self.session(context)) {
            context.correlation.remember_traffic_once(digest.get(), session, Traffic::Streams);
        }
    }

    /// Counts this exchange as an open one of its session, until [`end_activity`](Self::end_activity).
    pub(super) fn start_activity(&mut self, context: &Context<'_>) {
        let Some(digest) = self.activity_digest(context) else { return };
        let is_request = self.request.kind.post().is_some();
        match context.correlation.exchange_started(digest.get(), is_request) {
            Some(client) => self.session.client = client,
            None => {
                let Some(session) = self.session(context) else { return };
                context.correlation.first_exchange_started(digest.get(), session, is_request);
            }
        }
        self.session.activity_digest = Some(digest);
    }

    /// Identifies the session in this VM; `None` without a session id, or for the one id in 2^64 whose digest is 0. If the
    /// server's name is that of the cluster, the digest covers the name too, because two servers may use the same session id.
    fn activity_digest(&mut self, context: &Context<'_>) -> Option<NonZeroU64> {
        if context.config.server_name_from() == ServerNameFrom::Cluster {
            return self.session(context).and_then(|session| NonZeroU64::new(session.digest()));
        }
        self.session.id.as_ref().and_then(|id| NonZeroU64::new(quick_digest(id)))
    }

    /// The name of the session's client; `None` if it is unknown. The store is read at most once per exchange.
    pub(super) fn client_of_session(&mut self, context: &Context<'_>) -> Option<Rc<str>> {
        match &self.session.client {
            SessionClient::Read(name) => name.clone(),
            SessionClient::NotRead => self.read_client(context),
        }
    }

    /// [`client_of_session`](Self::client_of_session) of an exchange that is MCP and has no request.
    pub(crate) fn client_without_request(&mut self, context: &Context<'_>) -> Option<Rc<str>> {
        let wants = self.is_recognised() && self.operations.begun == 0 && context.config.wants_client_name();
        if wants { self.client_of_session(context) } else { None }
    }

    #[inline(never)]
    fn read_client(&mut self, context: &Context<'_>) -> Option<Rc<str>> {
        let (digest, session) = (self.session.activity_digest?, self.session(context)?);
        let name = context.correlation.client_of_session(digest.get(), session, self.session.transport);
        self.session.client = SessionClient::Read(name.clone());
        name
    }

    /// This exchange is no longer an open one of its session.
    pub(super) fn end_activity(&mut self, context: &Context<'_>) {
        if let Some(digest) = self.session.activity_digest.take() {
            context.correlation.exchange_ended(digest.get());
        }
    }

    /// Ends the session if the exchange shows that it ended: the stream of HTTP+SSE closed, a DELETE was accepted, or the
    /// server no longer knows the session.
    pub(super) fn end_session(&mut self, context: &mut Context<'_>) {
        if self.is_session_stream() || self.session.id.is_some() && self.is_session_gone(context) {
            self.session_ended(context);
        }
    }

    fn is_session_gone(&self, context: &Context<'_>) -> bool {
        let status = || context.host.response_status();
        match self.request.kind {
            RequestKind::Delete => status().is_some_and(|status| (200..300).contains(&status) || status == 404),
            // An HTML page with 404 shows that the route is missing, not the session.
            RequestKind::Get { .. } => self.response.content != Content::Html && status() == Some(404),
            RequestKind::Post(_) => self.response.has_error && status() == Some(404),
            RequestKind::Unseen | RequestKind::Other => false,
        }
    }

    #[inline(never)]
    fn session_ended(&mut self, context: &mut Context<'_>) {
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        let fallback = if self.is_session_stream() {
            Verdict::of_stream(&self.response, now, context.host)
        } else {
            Fallback::NoResponse
        };
        self.save_kept_operations(session, context);
        let ended = context.correlation.end_session_links(session, fallback, now);
        context.end_without_answer(&ended);
        let is_delete = matches!(self.request.kind, RequestKind::Delete);
        let deleted = (is_delete && context.host.response_status() != Some(404)).then_some(now);
        let change = context.correlation.end_session(session, deleted);
        if let Some(begun) = change.other_end {
            context.observe(Observation::SessionEnded { microseconds: now.microseconds_since(begun) });
        }
        context.report_inactive_sessions(&change.inactive);
    }

    /// `initialize` was answered.
    #[inline(never)]
    pub(super) fn begin_session(&mut self, started: &Session, context: &mut Context<'_>) {
        let Some(session) = self.session(context) else { return };
        let now = context.now();
        let requested_at = self.operations.clock.started().unwrap_or(now);
        let Session { protocol_version, transport, ref client_name } = *started;
        context.observe(Observation::SessionActive(transport));
        let (server, client_name) = (server_name(context), client_name.clone());
        let beginning = NewSession { protocol_version, transport, server, client_name, requested_at };
        let change = context.correlation.start_session(session, &beginning, now);
        if let Some(ended) = change.other_end {
            context.observe(Observation::SessionEnded { microseconds: ended.microseconds_since(requested_at) });
        }
        context.report_inactive_sessions(&change.inactive);
    }
}

/// A digest for use inside this VM only. It is cheaper than [`Text::digest`].
fn quick_digest(id: &Text) -> u64 {
    id.whole().map_or_else(|| id.digest(), |whole| FxBuildHasher.hash_one(whole))
}

/// The name of the server, if it is the name of the exchange's cluster.
pub(super) fn server_name(context: &Context<'_>) -> Option<Box<str>> {
    let by_cluster = context.config.server_name_from() == ServerNameFrom::Cluster;
    by_cluster.then(|| crate::config::clean_server_name(&context.host.cluster_name().unwrap_or_default()).into())
}

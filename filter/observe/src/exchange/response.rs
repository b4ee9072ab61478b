//! The response's body: each JSON-RPC response ends the operation with its id. Operations without a response end when the HTTP
//! response ends (`verdict`).

use super::early_answers::Unmatched;
use super::links::Answered;
use super::session::server_name;
use super::state::{Clock, Content, End, Evidence, ResponseBody};
use super::tasks::task_status;
use super::verdict::{Verdict, status_of_response};
use super::{Context, Exchange, MAX_OPERATIONS};
use crate::id::{Id, RequestId};
use crate::label::{
    Direction, ErrorType, KnownMethod, Method, ProtocolVersion, SkipReason, StreamOpen, Transport, UnmatchedReason,
};
use crate::observation::{Observation, Operation, OperationEnd, Page, Session};
use crate::read::body::Part;
use crate::read::message::{Message, MessageKind, Outcome, RpcErrorCode};

impl Exchange {
    /// Whether the next chunk of the response's body is read.
    #[must_use]
    pub fn wants_response_body(&self) -> bool {
        matches!(&self.response.body, ResponseBody::Reading(body) if !body.is_done())
    }

    /// A chunk of `size` bytes passed. `bytes` is the chunk, or empty if [`Self::wants_response_body`] is false.
    pub fn handle_response_body(&mut self, context: &mut Context<'_>, size: usize, bytes: &[u8], end_of_stream: bool) {
        self.response.bytes += size as u64;
        if let Some(mut body) = self.response.take_body() {
            body.push(bytes, &mut |part| self.response_part(part, context));
            self.response.has_event_ids = body.has_event_ids();
            self.response.put_back(body);
        }
        if end_of_stream {
            self.end_response(context);
        }
        self.report_bytes(context);
    }

    /// The response's trailers passed: its body ended before them.
    pub fn handle_response_trailers(&mut self, context: &mut Context<'_>) {
        self.end_response(context);
    }

    /// The response is complete.
    pub(super) fn end_response(&mut self, context: &mut Context<'_>) {
        if self.response.end != End::Open {
            return;
        }
        self.response.end = End::Complete;
        if self.can_have_operations() {
            self.end_open_operations(context);
        }
    }

    /// No more messages come on this exchange: ends each operation that is still open by its [`Verdict`].
    pub(super) fn end_open_operations(&mut self, context: &mut Context<'_>) {
        if let Some(mut body) = self.response.take_body() {
            body.finish(&mut |part| self.response_part(part, context));
            context.bodies.put(body);
        }
        self.begin_by_headers(context);
        if let Some(session) = self.session.key.filter(|_| self.response.has_event_ids) {
            // The client may resume at once, on another worker.
            context.correlation.save_event_ids_of(session);
        }
        if !self.operations.open.is_empty() {
            let verdict = self.verdict(context);
            if let Some(reachable) = verdict.shows_reachable() {
                context.observe(Observation::Reachable(reachable));
            }
            self.response.has_error |= matches!(verdict, Verdict::HttpError(_) | Verdict::HttpErrorOfProbe);
            self.end_unanswered(verdict, context);
        }
        self.report_bytes(context);
    }

    fn verdict(&self, context: &mut Context<'_>) -> Verdict {
        let verdict = Verdict::of(&self.response, self.can_be_resumed(), context.now(), context.host);
        let is_probe = verdict == Verdict::HttpError(ErrorType::HttpError) && self.is_probe(context);
        if is_probe { Verdict::HttpErrorOfProbe } else { verdict }
    }

    /// Whether another stream can bring the responses. If the response came before the request's body, no other stream can.
    fn can_be_resumed(&self) -> bool {
        let has_event_ids = self.response.has_event_ids && !self.is_modern();
        self.request.evidence != Evidence::Headers && (has_event_ids || self.session.transport == Transport::HttpSse)
    }

    /// Whether the client probes for the transport: it sends an `initialize`, and a server of HTTP+SSE refuses it with 405, or
    /// with 400 or 404 at the path of its stream. If the server refuses before the body passed, a request without session and
    /// without protocol version counts as an `initialize`.
    #[inline(never)]
    fn is_probe(&self, context: &Context<'_>) -> bool {
        let has_version = self.request.mirrored().is_some_and(|headers| headers.version.is_some());
        let may_be_initialize = self.session.id.is_none() && !has_version;
        let has_initialize = self.operations.open.iter().any(|operation| match operation.method {
            Method::Unseen => may_be_initialize,
            method => method == Method::Known(KnownMethod::Initialize),
        });
        match self.response.status.or_else(|| context.host.response_status()).filter(|_| has_initialize) {
            Some(405) => true,
            Some(400 | 404) => self.request.path.as_deref().is_some_and(|path| {
                let server = server_name(context);
                context.correlation.is_stream_path(server.as_deref().unwrap_or_default().as_bytes(), path)
            }),
            _ => false,
        }
    }

    /// Microseconds since the request's last byte, if that is known.
    pub(super) fn duration(&self, context: &mut Context<'_>) -> Option<u64> {
        let started = self.operations.clock.started()?;
        Some(context.now().microseconds_since(started))
    }

    /// A part of the response is not JSON-RPC, or cannot be read. With an HTTP status of 300 or more this is expected, so it
    /// does not count as skipped.
    #[inline(never)]
    pub(super) fn skip_response_part(&mut self, reason: SkipReason, context: &mut Context<'_>) {
        self.response.status = self.response.status.or_else(|| context.host.response_status());
        if self.response.status.is_some_and(|status| status >= 300) {
            return;
        }
        // JSON that is not JSON-RPC was read completely, and has no response in it.
        self.response.is_unread |= reason != SkipReason::NotJsonRpc;
        context.skipped(Direction::Out, reason);
    }

    fn response_part(&mut self, part: Part<'_>, context: &mut Context<'_>) {
        if !self.is_recognised() && !self.recognise_by(&part, context) {
            return;
        }
        match part {
            Part::Message(message) => self.response_message(message, context),
            Part::Event { id } => {
                self.event_started(id, context);
                self.first_event(context);
            }
            Part::Skipped(_) if self.response.is_replay => {}
            Part::Skipped(reason) => self.skip_response_part(reason, context),
            Part::Endpoint(address) => self.endpoint(address, context),
        }
    }

    /// Whether a part of the response shows MCP. A GET stream is MCP if its first event is `endpoint` or JSON-RPC; otherwise
    /// its body is dropped. A POST whose response came before its body is MCP if its headers show MCP and the part is a
    /// JSON-RPC response.
    fn recognise_by(&mut self, part: &Part<'_>, context: &mut Context<'_>) -> bool {
        if matches!(self.response.body, ResponseBody::Dropped) {
            return false;
        }
        let kind = if let Part::Message(message) = part { message.kind() } else { MessageKind::Invalid };
        if !self.request.kind.is_get() {
            if kind == MessageKind::Response {
                self.begin_by_headers(context);
            }
            return self.is_recognised();
        }
        match part {
            Part::Event { .. } => {}
            Part::Endpoint(_) => self.recognise_stream(context),
            _ if kind != MessageKind::Invalid => self.recognise_stream(context),
            _ => self.response.body = ResponseBody::Dropped,
        }
        self.is_recognised()
    }

    fn recognise_stream(&mut self, context: &mut Context<'_>) {
        self.recognise(context);
        context.observe(Observation::StreamOpened(StreamOpen::Ok));
    }

    fn first_event(&mut self, context: &mut Context<'_>) {
        let Clock::Started(started) = self.operations.clock else { return };
        for operation in &mut self.operations.open {
            if !std::mem::replace(&mut operation.had_event, true) && !operation.method.is_listen() {
                let microseconds = context.now().microseconds_since(started);
                context.observe(Observation::FirstEvent { method: operation.method, microseconds });
            }
        }
    }

    fn response_message(&mut self, message: &Message, context: &mut Context<'_>) {
        match message.kind() {
            MessageKind::Response => self.match_response(message, context),
            _ if self.response.is_replay => {}
            MessageKind::Notification => self.server_notification(message, context),
            MessageKind::Request => self.server_request(message, context),
            // Some servers begin a stream with an empty object.
            MessageKind::Invalid if self.response.content == Content::EventStream && message.bytes <= 2 => {}
            MessageKind::Invalid => self.skip_response_part(SkipReason::NotJsonRpc, context),
        }
    }

    #[inline(never)]
    fn server_notification(&mut self, message: &Message, context: &mut Context<'_>) {
        let method = message
            .method
            .as_ref()
            .map_or(Method::Other, |text| Method::of(text.start(), &context.config.extra_methods));
        context.observe(Observation::Notification { method, direction: Direction::Out });
        match (method, message.params.as_deref()) {
            (Method::Known(KnownMethod::Cancelled), _) => self.cancelled(message, Direction::Out, context),
            (Method::Known(KnownMethod::TaskStatusChanged | KnownMethod::TaskChanged), Some(params)) => {
                let status = task_status(params.status.as_deref(), params.is_error);
                if let (Some(id), Some(status)) = (&params.task_id, status) {
                    context.task_ended(id, status);
                }
            }
            _ => {}
        }
    }

    /// Ends the operations that a JSON-RPC response answers.
    fn match_response(&mut self, message: &Message, context: &mut Context<'_>) {
        if let Id::Some(id) = &message.id
            && let Some(index) = self.own_operation(id)
        {
            let operation = self.operations.open.swap_remove(index);
            self.remember_answered(id);
            let (mut answered, unmatched) = match self.take_unless_answered(operation, context) {
                Ok(answered) => (Some(answered), None),
                Err(reason) => (None, Some(reason)),
            };
            return self.end_answered(answered.as_mut_slice(), unmatched, message, context);
        }
        let Some((mut answered, unmatched)) = self.match_other_operations(message, context) else { return };
        self.end_answered(&mut answered, unmatched, message, context);
    }

    /// The operations that a response answers, if its id is not that of an open operation of this exchange:
    ///
    /// | response | answers |
    /// |---|---|
    /// | error without a usable id | all open operations of the exchange |
    /// | error with an unknown id | the operation of the exchange, if it is the only one |
    /// | any other | the operation of another exchange of the session with this id |
    ///
    /// Returns `None` if it is decided later whether the response answers an operation.
    #[inline(never)]
    fn match_other_operations(
        &mut self,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Option<(Vec<Answered>, Option<UnmatchedReason>)> {
        let Id::Some(id) = &message.id else { return Some((self.answered_by_error(message, true, context), None)) };
        let answered = self.answered_by_error(message, false, context);
        if !answered.is_empty() {
            return Some((answered, None));
        }
        match self.answered_elsewhere(id, message, context) {
            Ok(answered) => Some((vec![answered], None)),
            Err(Unmatched::Undecided) => None,
            // The exchange had no request, so the error refuses the exchange, not an operation.
            Err(_) if message.error.is_some() && self.operations.begun == 0 => Some((Vec::new(), None)),
            Err(Unmatched::Reported(reason)) => Some((Vec::new(), Some(reason))),
            Err(Unmatched::Unreported) => Some((Vec::new(), None)),
        }
    }

    /// Reports a response and ends the operations that it answers.
    #[inline(never)]
    pub(super) fn end_answered(
        &mut self,
        answered: &mut [Answered],
        unmatched: Option<UnmatchedReason>,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        if self.response.is_replay && answered.is_empty() {
            return;
        }
        if let Some(code) = message.error {
            let method = answered.first().map(|answered| answered.operation.method);
            context.observe(Observation::ProtocolError { code, method });
            // With -32601 the method is unknown, not the session.
            self.response.has_error |= code != RpcErrorCode::Integer(-32601);
        }
        if let Some(reason) = unmatched {
            context.observe(Observation::Unmatched(reason));
        }
        if !answered.is_empty() {
            context.observe(Observation::Reachable(true));
        }
        for answered in answered {
            self.end_operation(answered, message, context);
        }
    }

    /// Takes the operations that an error answers although it does not have their id: with `all` all open ones, otherwise the
    /// only operation of the exchange.
    fn answered_by_error(&mut self, message: &Message, all: bool, context: &mut Context<'_>) -> Vec<Answered> {
        let is_error = message.error.is_some() && message.result.is_none();
        if !is_error || !(all || self.operations.begun == 1) {
            return Vec::new();
        }
        std::mem::take(&mut self.operations.open)
            .into_iter()
            .filter_map(|one| self.take_unless_answered(one, context).ok())
            .collect()
    }

    /// Notes that an id was answered on an event stream. A second response to the id on this stream is then a duplicate.
    fn remember_answered(&mut self, id: &RequestId) {
        if self.response.content == Content::EventStream && self.operations.answered.len() < MAX_OPERATIONS {
            self.operations.answered.push(id.key());
        }
    }

    fn end_operation(&mut self, answered: &mut Answered, message: &Message, context: &mut Context<'_>) {
        let Answered { operation, duration } = answered;
        let is_initialize = operation.method == Method::Known(KnownMethod::Initialize);
        if is_initialize && let Some(result) = &message.result {
            let version = result.protocol_version.as_ref();
            operation.protocol_version =
                Some(version.map_or(ProtocolVersion::Other, |version| ProtocolVersion::of(version.start())));
        } else if context.config.wants_protocol_version() && operation.protocol_version.is_none() {
            operation.protocol_version =
                self.session(context).and_then(|session| context.correlation.protocol_version(session));
        }
        let operation = &*operation;
        let (status, error_type) = status_of_response(operation, message);
        let ended = OperationEnd {
            operation,
            status,
            error_type,
            error_code: message.error,
            duration: *duration,
            answer_bytes: Some(message.bytes),
            at: Some(context.now()),
        };
        context.observe(Observation::OperationEnded(ended));
        let Some(result) = &message.result else { return };
        if let Some(protocol_version) = operation.protocol_version.filter(|_| is_initialize) {
            let (client_name, transport) = (operation.client_name.clone(), operation.transport);
            let session = Session { protocol_version, client_name, transport };
            context.observe(Observation::SessionStarted(&session));
            self.begin_session(&session, context);
        }
        context.update_task(operation, status, result);
        self.observe_list(operation, result, message.bytes, context);
    }

    /// Reports the list in a result.
    fn observe_list(&mut self, operation: &Operation, result: &Outcome, bytes: u64, context: &mut Context<'_>) {
        let wanted = operation.method.list_kind();
        let Some(list) = result.lists.iter().find(|list| Some(list.kind) == wanted) else { return };
        let method = operation.method;
        let page = Page {
            items: &list.published,
            is_whole: list.published.len() as u64 == list.items,
            cursor: operation.cursor,
            next_cursor: result.next_cursor,
            at: context.now(),
        };
        // The requests of a session need not repeat the protocol version of its `initialize`. Only lists need it here.
        let protocol_version =
            operation.protocol_version.or_else(|| context.correlation.protocol_version(self.session(context)?));
        context.observe(Observation::ListPage { method, protocol_version, page });
        if operation.cursor.is_none() {
            context.observe(Observation::ListSize { method, items: list.items, bytes });
        }
    }
}

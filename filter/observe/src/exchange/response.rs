//! The response side: answers find their operation, what is left over is judged at the end.

use super::session::{Answered, server_name};
use super::tasks::task_status;
use super::verdict::{Verdict, judge};
use super::{Context, Exchange, Kind, MAX_OPERATIONS};
use crate::id::{Id, RequestId};
use crate::label::Method;
use crate::label::{
    Direction, ErrorType, KnownMethod, ProtocolVersion, SkipReason, StreamOpen, Transport, UnmatchedReason,
};
use crate::observation::Page;
use crate::observation::{Ended, Observation, Session};
use crate::read::body::Part;
use crate::read::message::{Message, MessageKind};

impl Exchange {
    /// Whether the bytes of the response's body are worth fetching.
    #[must_use]
    pub fn wants_response_body(&self) -> bool {
        self.response.as_ref().is_some_and(|body| !body.is_done())
    }

    /// A chunk of `size` bytes passed; `bytes` is empty where they were not wanted.
    pub fn handle_response_body(&mut self, context: &mut Context<'_>, size: usize, bytes: &[u8], end_of_stream: bool) {
        self.bytes_out += size as u64;
        if let Some(mut body) = self.response.take() {
            body.push(bytes, &mut |part| self.response_part(part, context));
            self.had_event_ids = body.has_event_ids();
            // A part may have shown that the rest is of no interest.
            if self.kind != Kind::Other {
                self.response = Some(body);
            }
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

    /// No more answers come here: each operation still open gets the verdict of the evidence.
    pub(super) fn end_response(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.response_ended, true) {
            return;
        }
        if let Some(mut body) = self.response.take() {
            body.finish(&mut |part| self.response_part(part, context));
        }
        self.begin_unseen(context);
        if let Some(session) = self.session.filter(|_| self.had_event_ids) {
            // The client may resume at once, on another worker.
            context.correlation.save_event_ids_of(session);
        }
        if !self.operations.is_empty() {
            let verdict = self.verdict(context);
            if let Some(reachable) = verdict.shows_server() {
                context.observe(Observation::Reachable(reachable));
            }
            self.is_refused |= matches!(verdict, Verdict::Refused(_) | Verdict::Probed);
            self.end_unanswered(verdict, context);
        }
        self.report_bytes(context);
    }

    fn verdict(&self, context: &mut Context<'_>) -> Verdict {
        let now = context.now();
        // A request that the server did not get whole is answered nowhere else.
        let resumable =
            !self.is_unseen && (self.had_event_ids && !self.is_modern() || self.transport == Transport::HttpSse);
        let verdict = Verdict::of(context.host, now, self.status, self.was_cut, self.unread, resumable);
        let is_probe = verdict == Verdict::Refused(ErrorType::HttpError) && self.is_probe(context);
        if is_probe { Verdict::Probed } else { verdict }
    }

    /// Clients are told to find out the transport by an `initialize` that a server of HTTP+SSE refuses: by 405, or by another
    /// status where its stream is. It may refuse before the body came: outside of a session, and without the version that
    /// follows it, that is an `initialize` too.
    #[inline(never)]
    fn is_probe(&self, context: &Context<'_>) -> bool {
        let has_version = self.headers.mirrored.as_deref().is_some_and(|mirrored| mirrored.version.is_some());
        let may_begin = self.session_id.is_none() && !has_version;
        let begins = self.operations.iter().any(|operation| match operation.method {
            Method::Unseen => may_begin,
            method => method == Method::Known(KnownMethod::Initialize),
        });
        match self.status.or_else(|| context.host.response_status()).filter(|_| begins) {
            Some(405) => true,
            Some(400 | 404) => self.path.as_deref().is_some_and(|path| {
                let server = server_name(context);
                context.correlation.is_stream_path(server.as_deref().unwrap_or_default().as_bytes(), path)
            }),
            _ => false,
        }
    }

    pub(super) fn duration(&self, context: &mut Context<'_>) -> Option<u64> {
        let started = self.started?;
        Some(context.now().microseconds_since(started))
    }

    /// Something in the answer is no JSON-RPC, or cannot be read. Of an error page or a redirect nothing else was expected: its
    /// status tells.
    #[inline(never)]
    pub(super) fn skipped_out(&mut self, reason: SkipReason, context: &mut Context<'_>) {
        self.status = self.status.or_else(|| context.host.response_status());
        if self.status.is_some_and(|status| status >= 300) {
            return;
        }
        // JSON that is no JSON-RPC was read: there is just no answer in it.
        self.unread |= reason != SkipReason::NotJsonRpc;
        context.skipped(Direction::Out, reason);
    }

    fn response_part(&mut self, part: Part<'_>, context: &mut Context<'_>) {
        if !self.recognised && !self.recognise_by(&part, context) {
            return;
        }
        match part {
            Part::Message(message) => self.response_message(message, context),
            Part::Event { id } => {
                self.event(id, context);
                self.first_event(context);
            }
            Part::Skipped(_) if self.is_replay => {}
            Part::Skipped(reason) => self.skipped_out(reason, context),
            Part::Endpoint(address) => self.endpoint(address, context),
        }
    }

    /// A stream whose first event is `endpoint` or JSON-RPC is MCP; one that begins otherwise is not looked at again. A POST
    /// that is answered before its body came will bring no other evidence.
    fn recognise_by(&mut self, part: &Part<'_>, context: &mut Context<'_>) -> bool {
        let kind = if let Part::Message(message) = part { message.kind() } else { MessageKind::Invalid };
        match part {
            _ if self.kind == Kind::Post && kind == MessageKind::Response => self.begin_unseen(context),
            _ if self.kind != Kind::Get => {}
            Part::Event { .. } => {}
            Part::Endpoint(_) => self.recognise_stream(context),
            _ if kind != MessageKind::Invalid => self.recognise_stream(context),
            _ => self.kind = Kind::Other,
        }
        self.recognised
    }

    fn recognise_stream(&mut self, context: &mut Context<'_>) {
        self.recognise(context);
        context.observe(Observation::StreamOpened(StreamOpen::Ok));
    }

    fn first_event(&mut self, context: &mut Context<'_>) {
        let Some(started) = self.started else { return };
        for operation in &mut self.operations {
            if !std::mem::replace(&mut operation.had_event, true) && !operation.method.is_listen() {
                let microseconds = context.now().microseconds_since(started);
                context.observe(Observation::FirstEvent { method: operation.method, microseconds });
            }
        }
    }

    fn response_message(&mut self, message: &Message, context: &mut Context<'_>) {
        match message.kind() {
            MessageKind::Response => self.answer(message, context),
            _ if self.is_replay => {}
            MessageKind::Notification => self.server_notification(message, context),
            MessageKind::Request => self.server_request(message, context),
            // Some servers prime a stream with an empty object.
            MessageKind::Invalid if self.is_event_stream && message.bytes <= 2 => {}
            MessageKind::Invalid => self.skipped_out(SkipReason::NotJsonRpc, context),
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

    fn answer(&mut self, message: &Message, context: &mut Context<'_>) {
        if let Id::Some(id) = &message.id
            && let Some(index) = self.own_operation(id)
        {
            let operation = self.operations.swap_remove(index);
            self.note_answered(id);
            let (mut answered, unmatched) = match self.claim(operation, context) {
                Ok(answered) => (Some(answered), None),
                Err(reason) => (None, Some(reason)),
            };
            return self.conclude(answered.as_mut_slice(), unmatched, message, context);
        }
        let (mut answered, unmatched) = self.answered_otherwise(message, context);
        self.conclude(&mut answered, unmatched, message, context);
    }

    /// What a response answers whose id names no operation of this exchange. A result needs its id. An error whose id names
    /// nothing answers the only request of its exchange; one without a usable id answers all that is open.
    #[inline(never)]
    fn answered_otherwise(
        &mut self,
        message: &Message,
        context: &mut Context<'_>,
    ) -> (Vec<Answered>, Option<UnmatchedReason>) {
        let Id::Some(id) = &message.id else { return (self.refused(message, true, context), None) };
        let refused = self.refused(message, false, context);
        if !refused.is_empty() {
            return (refused, None);
        }
        match self.answered_elsewhere(id, context) {
            Ok(answered) => (vec![answered], None),
            // The exchange itself is refused, whatever stands there for an id.
            Err(_) if message.error.is_some() && self.requests == 0 => (Vec::new(), None),
            Err(reason) => (Vec::new(), reason),
        }
    }

    /// Counts a response and ends what it answers.
    #[inline(never)]
    fn conclude(
        &mut self,
        answered: &mut [Answered],
        unmatched: Option<UnmatchedReason>,
        message: &Message,
        context: &mut Context<'_>,
    ) {
        if self.is_replay && answered.is_empty() {
            return;
        }
        if let Some(code) = message.error {
            let method = answered.first().map(|answered| answered.operation.method);
            context.observe(Observation::ProtocolError { code, method });
            // On a POST it may also be the method that is not found.
            self.is_refused |= code != Some(-32601);
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

    /// What an error answers without naming it.
    fn refused(&mut self, message: &Message, all: bool, context: &mut Context<'_>) -> Vec<Answered> {
        let is_error = message.error.is_some() && message.result.is_none();
        if !is_error || !(all || self.requests == 1) {
            return Vec::new();
        }
        std::mem::take(&mut self.operations).into_iter().filter_map(|one| self.claim(one, context).ok()).collect()
    }

    /// Only a stream can bring an answer twice.
    fn note_answered(&mut self, id: &RequestId) {
        if self.is_event_stream && self.answered.len() < MAX_OPERATIONS {
            self.answered.push(id.key());
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
        let (status, error_type) = judge(operation, message);
        let ended = Ended {
            operation,
            status,
            error_type,
            error_code: if message.result.is_some() { None } else { message.error },
            duration: *duration,
            answer_bytes: Some(message.bytes),
        };
        context.observe(Observation::OperationEnded(ended));
        let Some(result) = &message.result else { return };
        if let Some(protocol_version) = operation.protocol_version.filter(|_| is_initialize) {
            let (client_name, transport) = (operation.client_name.clone(), operation.transport);
            context.observe(Observation::SessionStarted(&Session { protocol_version, client_name, transport }));
            self.begin_session(protocol_version, operation.transport, context);
        }
        context.task(operation, status, result);
        let wanted = operation.method.list_kind();
        let Some(list) = result.lists.iter().find(|list| Some(list.kind) == wanted) else { return };
        let method = operation.method;
        let page = Page {
            items: &list.published,
            is_whole: list.published.len() as u64 == list.items,
            cursor: operation.cursor,
            next_cursor: result.next_cursor,
        };
        // In a session only its beginning tells, and nothing but lists depends on it.
        let protocol_version =
            operation.protocol_version.or_else(|| context.correlation.protocol_version(self.session(context)?));
        context.observe(Observation::Published { method, protocol_version, page });
        if operation.cursor.is_none() {
            context.observe(Observation::Listed { method, items: list.items, bytes: message.bytes });
        }
    }
}

//! The response side: answers find their operation, what is left over is judged at the end.

use super::session::{Answered, server_name};
use super::task::task_status;
use super::verdict::{Verdict, judge};
use super::{Around, Exchange, Kind, MOST_OPERATIONS};
use crate::body::Part;
use crate::closed::{Direction, ErrorType, KnownMethod, Revision, SkipReason, StreamOpen, Transport, UnmatchedReason};
use crate::id::{Id, RequestId};
use crate::message::{Message, MessageKind};
use crate::method::Method;
use crate::observation::{Ended, Observation, Session};
use crate::page::Page;

impl Exchange {
    /// Whether the bytes of the response's body are worth fetching.
    #[must_use]
    pub fn wants_response_body(&self) -> bool {
        self.response.as_ref().is_some_and(|body| !body.is_done())
    }

    /// A chunk of `size` bytes passed; `bytes` is empty where they were not wanted.
    pub fn handle_response_body(&mut self, around: &mut Around<'_>, size: usize, bytes: &[u8], end_of_stream: bool) {
        self.bytes_out += size as u64;
        if let Some(mut body) = self.response.take() {
            body.push(bytes, &mut |part| self.response_part(part, around));
            self.had_event_ids = body.has_event_ids();
            // A part may have shown that the rest is of no interest.
            if self.kind != Kind::Other {
                self.response = Some(body);
            }
        }
        if end_of_stream {
            self.end_response(around);
        }
        self.report_bytes(around);
    }

    /// The response's trailers passed: its body ended before them.
    pub fn handle_response_trailers(&mut self, around: &mut Around<'_>) {
        self.end_response(around);
    }

    /// No more answers come here: each operation still open gets the verdict of the evidence.
    pub(super) fn end_response(&mut self, around: &mut Around<'_>) {
        if std::mem::replace(&mut self.response_ended, true) {
            return;
        }
        if let Some(mut body) = self.response.take() {
            body.finish(&mut |part| self.response_part(part, around));
        }
        self.begin_unseen(around);
        if let Some(session) = self.session.filter(|_| self.had_event_ids) {
            // The client may resume at once, on another worker.
            around.correlation.save_events_of(session);
        }
        if !self.operations.is_empty() {
            let verdict = self.verdict(around);
            if let Some(reachable) = verdict.shows_server() {
                around.observe(Observation::Reachable(reachable));
            }
            self.is_refused |= matches!(verdict, Verdict::Refused(_) | Verdict::Probed);
            self.end_unanswered(verdict, around);
        }
        self.report_bytes(around);
    }

    fn verdict(&self, around: &mut Around<'_>) -> Verdict {
        let now = around.now();
        // A request that the server did not get whole is answered nowhere else.
        let resumable =
            !self.is_unseen && (self.had_event_ids && !self.is_modern() || self.transport == Transport::HttpSse);
        let verdict = Verdict::of(around.host, now, self.status, self.was_cut, self.unread, resumable);
        let is_probe = verdict == Verdict::Refused(ErrorType::HttpError) && self.is_probe(around);
        if is_probe { Verdict::Probed } else { verdict }
    }

    /// Clients are told to find out the transport by an `initialize` that a server of HTTP+SSE refuses: by 405, or by another
    /// status where its stream is. It may refuse before the body came: outside of a session, and without the version that
    /// follows it, that is an `initialize` too.
    #[inline(never)]
    fn is_probe(&self, around: &Around<'_>) -> bool {
        let has_version = self.headers.mirrored.as_deref().is_some_and(|mirrored| mirrored.version.is_some());
        let may_begin = self.session_id.is_none() && !has_version;
        let begins = self.operations.iter().any(|operation| match operation.method {
            Method::Unseen => may_begin,
            method => method == Method::Known(KnownMethod::Initialize),
        });
        match self.status.or_else(|| around.host.response_status()).filter(|_| begins) {
            Some(405) => true,
            Some(400 | 404) => self.path.as_deref().is_some_and(|path| {
                let server = server_name(around);
                around.correlation.is_stream_path(server.as_deref().unwrap_or_default().as_bytes(), path)
            }),
            _ => false,
        }
    }

    pub(super) fn duration(&self, around: &mut Around<'_>) -> Option<u64> {
        let started = self.started?;
        Some(around.now().microseconds_since(started))
    }

    /// Something in the answer is no JSON-RPC, or cannot be read. Of an error page or a redirect nothing else was expected: its
    /// status tells.
    #[inline(never)]
    pub(super) fn skipped_out(&mut self, reason: SkipReason, around: &mut Around<'_>) {
        self.status = self.status.or_else(|| around.host.response_status());
        if self.status.is_some_and(|status| status >= 300) {
            return;
        }
        // JSON that is no JSON-RPC was read: there is just no answer in it.
        self.unread |= reason != SkipReason::NotJsonRpc;
        around.skipped(Direction::Out, reason);
    }

    fn response_part(&mut self, part: Part<'_>, around: &mut Around<'_>) {
        if !self.recognised && !self.recognise_by(&part, around) {
            return;
        }
        match part {
            Part::Message(message) => self.response_message(message, around),
            Part::Event { id } => {
                self.event(id, around);
                self.first_event(around);
            }
            Part::Skipped(_) if self.is_replay => {}
            Part::Skipped(reason) => self.skipped_out(reason, around),
            Part::Endpoint(address) => self.endpoint(address, around),
        }
    }

    /// A stream whose first event is `endpoint` or JSON-RPC is MCP; one that begins otherwise is not looked at again. A POST
    /// that is answered before its body came will bring no other evidence.
    fn recognise_by(&mut self, part: &Part<'_>, around: &mut Around<'_>) -> bool {
        let kind = if let Part::Message(message) = part { message.kind() } else { MessageKind::Invalid };
        match part {
            _ if self.kind == Kind::Post && kind == MessageKind::Response => self.begin_unseen(around),
            _ if self.kind != Kind::Get => {}
            Part::Event { .. } => {}
            Part::Endpoint(_) => self.recognise_stream(around),
            _ if kind != MessageKind::Invalid => self.recognise_stream(around),
            _ => self.kind = Kind::Other,
        }
        self.recognised
    }

    fn recognise_stream(&mut self, around: &mut Around<'_>) {
        self.recognise(around);
        around.observe(Observation::StreamOpened(StreamOpen::Ok));
    }

    fn first_event(&mut self, around: &mut Around<'_>) {
        let Some(started) = self.started else { return };
        for operation in &mut self.operations {
            if !std::mem::replace(&mut operation.had_event, true) && !operation.method.is_listen() {
                let microseconds = around.now().microseconds_since(started);
                around.observe(Observation::FirstEvent { method: operation.method, microseconds });
            }
        }
    }

    fn response_message(&mut self, message: &Message, around: &mut Around<'_>) {
        match message.kind() {
            MessageKind::Response => self.answer(message, around),
            _ if self.is_replay => {}
            MessageKind::Notification => self.server_notification(message, around),
            MessageKind::Request => self.server_request(message, around),
            // Some servers prime a stream with an empty object.
            MessageKind::Invalid if self.is_event_stream && message.bytes <= 2 => {}
            MessageKind::Invalid => self.skipped_out(SkipReason::NotJsonRpc, around),
        }
    }

    #[inline(never)]
    fn server_notification(&mut self, message: &Message, around: &mut Around<'_>) {
        let method = message.method.as_ref().map_or(Method::Other, |text| Method::of(text.start(), around.config));
        around.observe(Observation::Notification { method, direction: Direction::Out });
        match (method, message.params.as_deref()) {
            (Method::Known(KnownMethod::Cancelled), _) => self.cancelled(message, Direction::Out, around),
            (Method::Known(KnownMethod::TaskStatusChanged | KnownMethod::TaskChanged), Some(params)) => {
                let status = task_status(params.status.as_deref(), params.is_error);
                if let (Some(id), Some(status)) = (&params.task_id, status) {
                    around.task_ended(id, status);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, message: &Message, around: &mut Around<'_>) {
        if let Id::Some(id) = &message.id
            && let Some(index) = self.own_operation(id)
        {
            let operation = self.operations.swap_remove(index);
            self.note_answered(id);
            let (mut answered, unmatched) = match self.claim(operation, around) {
                Ok(answered) => (Some(answered), None),
                Err(reason) => (None, Some(reason)),
            };
            return self.conclude(answered.as_mut_slice(), unmatched, message, around);
        }
        let (mut answered, unmatched) = self.answered_otherwise(message, around);
        self.conclude(&mut answered, unmatched, message, around);
    }

    /// What a response answers whose id names no operation of this exchange. A result needs its id. An error whose id names
    /// nothing answers the only request of its exchange; one without a usable id answers all that is open.
    #[inline(never)]
    fn answered_otherwise(
        &mut self,
        message: &Message,
        around: &mut Around<'_>,
    ) -> (Vec<Answered>, Option<UnmatchedReason>) {
        let Id::Some(id) = &message.id else { return (self.refused(message, true, around), None) };
        let refused = self.refused(message, false, around);
        if !refused.is_empty() {
            return (refused, None);
        }
        match self.answered_elsewhere(id, around) {
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
        around: &mut Around<'_>,
    ) {
        if self.is_replay && answered.is_empty() {
            return;
        }
        if let Some(code) = message.error {
            let method = answered.first().map(|answered| answered.operation.method);
            around.observe(Observation::ProtocolError { code, method });
            // On a POST it may also be the method that is not found.
            self.is_refused |= code != Some(-32601);
        }
        if let Some(reason) = unmatched {
            around.observe(Observation::Unmatched(reason));
        }
        if !answered.is_empty() {
            around.observe(Observation::Reachable(true));
        }
        for answered in answered {
            self.end_operation(answered, message, around);
        }
    }

    /// What an error answers without naming it.
    fn refused(&mut self, message: &Message, all: bool, around: &mut Around<'_>) -> Vec<Answered> {
        let is_error = message.error.is_some() && message.result.is_none();
        if !is_error || !(all || self.requests == 1) {
            return Vec::new();
        }
        std::mem::take(&mut self.operations).into_iter().filter_map(|one| self.claim(one, around).ok()).collect()
    }

    /// Only a stream can bring an answer twice.
    fn note_answered(&mut self, id: &RequestId) {
        if self.is_event_stream && self.answered.len() < MOST_OPERATIONS {
            self.answered.push(id.key());
        }
    }

    fn end_operation(&mut self, answered: &mut Answered, message: &Message, around: &mut Around<'_>) {
        let Answered { operation, duration } = answered;
        let is_initialize = operation.method == Method::Known(KnownMethod::Initialize);
        if is_initialize && let Some(result) = &message.result {
            let version = result.protocol_version.as_ref();
            operation.revision = Some(version.map_or(Revision::Other, |version| Revision::of(version.start())));
        } else if around.config.wants_revision() && operation.revision.is_none() {
            operation.revision = self.session(around).and_then(|session| around.correlation.revision(session));
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
        around.observe(Observation::OperationEnded(ended));
        let Some(result) = &message.result else { return };
        if let Some(revision) = operation.revision.filter(|_| is_initialize) {
            let (client_name, transport) = (operation.client_name.clone(), operation.transport);
            around.observe(Observation::SessionStarted(&Session { revision, client_name, transport }));
            self.begin_session(revision, operation.transport, around);
        }
        around.task(operation, status, result);
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
        let revision = operation.revision.or_else(|| around.correlation.revision(self.session(around)?));
        around.observe(Observation::Published { method, revision, page });
        if operation.cursor.is_none() {
            around.observe(Observation::Listed { method, items: list.items, bytes: message.bytes });
        }
    }
}

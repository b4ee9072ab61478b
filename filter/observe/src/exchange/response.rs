//! The response side: answers find their operation, what is left over is judged at the end.

use super::verdict::{Verdict, judge};
use super::{Around, Exchange, Kind};
use crate::body::{Body, Format, Part};
use crate::closed::{Direction, KnownMethod, Revision, SkipReason};
use crate::headers::{is_encoded, is_event_stream, is_json};
use crate::id::Id;
use crate::message::{Message, MessageKind};
use crate::method::Method;
use crate::observation::{Ended, Observation, Operation, Session};

impl Exchange {
    /// The response's headers passed.
    pub fn handle_response_headers(&mut self, around: &mut Around<'_>, end_of_stream: bool) {
        if end_of_stream {
            let status = around.host.response_header(":status").filter(|_| !self.operations.is_empty());
            self.status = status.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
            return self.end_response(around);
        }
        if self.kind == Kind::Post && !self.request_ended {
            self.begin_by_headers(around);
        }
        // A GET is recognised by its stream; anything else not known by now is none of ours.
        if !self.recognised && self.kind != Kind::Get {
            return;
        }
        let content_type = around.host.response_header("content-type").unwrap_or_default();
        let format = if is_event_stream(&content_type) {
            self.is_event_stream = true;
            if self.recognised {
                self.open_event_stream(around);
            }
            Format::Sse
        } else if self.recognised && is_json(&content_type) {
            Format::Json
        } else {
            return;
        };
        if around.host.response_header("content-encoding").is_some_and(|value| is_encoded(&value)) {
            return self.leave_unread(around);
        }
        let wants_names = self.operations.iter().any(|operation| operation.method.list_kind().is_some());
        self.response = Some(Box::new(Body::new(format, wants_names)));
    }

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
        if !self.operations.is_empty() {
            let verdict = self.verdict(around);
            if let Some(reachable) = verdict.shows_server() {
                around.observe(Observation::Reachable(reachable));
            }
            for operation in std::mem::take(&mut self.operations) {
                let (status, error_type) = verdict.of_operation(&operation);
                let duration = if verdict == Verdict::Elsewhere { None } else { self.duration(around) };
                let ended =
                    Ended { operation: &operation, status, error_type, error_code: None, duration, answer_bytes: None };
                around.observe(Observation::OperationEnded(ended));
            }
        }
        self.report_bytes(around);
    }

    fn verdict(&self, around: &Around<'_>) -> Verdict {
        Verdict::of(around.host, self.status, self.unread, self.had_event_ids && !self.is_modern())
    }

    fn duration(&self, around: &mut Around<'_>) -> Option<u64> {
        let started = self.started?;
        Some(around.now().microseconds_since(started))
    }

    /// Compressed: nothing in it can be told apart.
    fn leave_unread(&mut self, around: &mut Around<'_>) {
        self.unread = true;
        if self.recognised {
            around.skipped(Direction::Out, SkipReason::ContentEncoding);
        }
    }

    fn response_part(&mut self, part: Part<'_>, around: &mut Around<'_>) {
        if !self.recognised && !self.recognise_stream(&part, around) {
            return;
        }
        match part {
            Part::Message(message) => self.response_message(message, around),
            Part::Event => self.first_event(around),
            Part::Skipped(reason) => {
                // JSON that is no JSON-RPC was read: there is just no answer in it.
                self.unread |= reason != SkipReason::NotJsonRpc;
                around.skipped(Direction::Out, reason);
            }
            Part::Endpoint => {}
        }
    }

    /// A stream whose first event is `endpoint` or JSON-RPC is MCP; one that begins otherwise is not looked at again.
    fn recognise_stream(&mut self, part: &Part<'_>, around: &mut Around<'_>) -> bool {
        match part {
            _ if self.kind == Kind::Other => return false,
            Part::Event => return false,
            Part::Endpoint => self.recognise(around),
            Part::Message(message) if message.kind() != MessageKind::Invalid => self.recognise(around),
            _ => self.kind = Kind::Other,
        }
        self.recognised
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
            MessageKind::Notification => {
                let method =
                    message.method.as_ref().map_or(Method::Other, |text| Method::of(text.start(), around.config));
                around.observe(Observation::Notification { method, direction: Direction::Out });
            }
            // Requests of the server are answered by another exchange.
            MessageKind::Request => {}
            // Some servers prime a stream with an empty object.
            MessageKind::Invalid if self.is_event_stream && message.bytes <= 2 => {}
            MessageKind::Invalid => around.skipped(Direction::Out, SkipReason::NotJsonRpc),
        }
    }

    fn answer(&mut self, message: &Message, around: &mut Around<'_>) {
        let answered = self.answered_by(message);
        if let Some(code) = message.error {
            let method = answered.first().map(|operation| operation.method);
            around.observe(Observation::ProtocolError { code, method });
        }
        if !answered.is_empty() {
            around.observe(Observation::Reachable(true));
        }
        for operation in answered {
            self.end_operation(&operation, message, around);
        }
    }

    /// Takes the operations that a response answers. A result needs its id. An error whose id names nothing answers the
    /// only request of its exchange; one without a usable id answers all that is open.
    fn answered_by(&mut self, message: &Message) -> Vec<Operation> {
        let found = match &message.id {
            Id::Some(id) => self.operations.iter().position(|operation| operation.id == *id),
            Id::Absent | Id::Odd => None,
        };
        if let Some(index) = found {
            return vec![self.operations.swap_remove(index)];
        }
        let names_nothing = !matches!(message.id, Id::Some(_));
        if message.error.is_some() && message.result.is_none() && (self.requests == 1 || names_nothing) {
            return std::mem::take(&mut self.operations);
        }
        Vec::new()
    }

    fn end_operation(&mut self, operation: &Operation, message: &Message, around: &mut Around<'_>) {
        let (status, error_type) = judge(operation, message);
        let ended = Ended {
            operation,
            status,
            error_type,
            error_code: if message.result.is_some() { None } else { message.error },
            duration: self.duration(around),
            answer_bytes: Some(message.bytes),
        };
        around.observe(Observation::OperationEnded(ended));
        let Some(result) = &message.result else { return };
        if operation.method == Method::Known(KnownMethod::Initialize) {
            let version = result.protocol_version.as_ref();
            let revision = version.map_or(Revision::Other, |version| Revision::of(version.start()));
            let session = Session { revision, client_name: operation.client_name.clone() };
            around.observe(Observation::SessionStarted(&session));
        }
        let wanted = operation.method.list_kind();
        let Some(list) = result.lists.iter().find(|list| Some(list.kind) == wanted) else { return };
        let method = operation.method;
        around.observe(Observation::Published { method, names: &list.names });
        if operation.is_first_page {
            around.observe(Observation::Listed { method, items: list.items, bytes: message.bytes });
        }
    }
}

//! The store as two VMs of one process see it.

use super::links::{EarlyAnswer, Fallback, PendingOperation, ServerRequest};
use super::{Correlation, HASH_KEY_BYTES, SessionKey, StreamId};
use crate::host::Time;
use crate::id::{IdKey, RequestId};
use crate::label::Method;
use crate::label::{KnownMethod, Transport, UnmatchedReason};
use crate::observation::Operation;
use crate::read::message::Outcome;
use crate::shared_data::InMemory;
use crate::test;
use crate::text::Text;
use std::rc::Rc;

mod bounds;
mod expiry;
mod kept;
mod links;
mod sessions;

/// Two VMs of one process.
pub(super) fn pair() -> (Correlation, Correlation, Rc<InMemory>) {
    let shared = Rc::new(InMemory::default());
    let vm = |seed| Correlation::new(shared.clone(), "test", [7; HASH_KEY_BYTES], seed);
    (vm(1), vm(2), shared)
}

fn id(text: &str) -> RequestId {
    RequestId::string(&Text::of(text.as_bytes()))
}

fn open(number: u64) -> StreamId {
    StreamId::of_hash(number)
}

fn stream(number: u64) -> Option<StreamId> {
    Some(open(number))
}

fn pending(text: &str, stream: Option<StreamId>) -> PendingOperation {
    let operation = Operation {
        id: id(text),
        method: Method::Known(KnownMethod::ToolsCall),
        name: Some("add".into()),
        cursor: None,
        had_event: false,
        protocol_version: None,
        client_name: None,
        transport: Transport::StreamableHttp,
        task_id: None,
        request_bytes: 3,
    };
    let started = Time(1_000_000);
    PendingOperation {
        operation,
        server: None,
        started,
        stream,
        fallback: Fallback::NoResponse,
        has_session_ended: false,
        cancelled_at: None,
        client_wait: Some(0),
    }
}

fn early_answer(text: &str, at: Time) -> EarlyAnswer {
    EarlyAnswer {
        id: id(text).key(),
        at,
        unmatched: Some(UnmatchedReason::UnknownId),
        is_refusal: false,
        bytes: 100,
        error: None,
        result: Some(Outcome::default()),
        server: None,
    }
}

fn server_request(key: IdKey, stream: Option<StreamId>) -> ServerRequest {
    let method = Method::Known(KnownMethod::SamplingCreateMessage);
    ServerRequest { id: key, method, server: None, sent_at: Time(5_000), stream, answered_at: None }
}

impl Correlation {
    /// The next tick checks the links of this session.
    pub(crate) fn check_next(&self, session: SessionKey) {
        self.next_expiry_slot.set(super::links::TABLE.slot_of(session.digest()));
    }
}

#[test]
fn second_end_of_task_returns_none() {
    let (one, other, _) = pair();
    let task = Text::of(b"task-1");
    one.start_task(b"", &task, Some("report"));
    assert_eq!(other.end_task(b"", &task), Some(Some("report".into())));
    assert_eq!(one.end_task(b"", &task), None);
    assert_eq!(one.end_task(b"", &Text::of(b"never begun")), Some(None));
}

#[test]
fn noted_endpoint_is_known_to_all_vms() {
    let (one, other, _) = pair();
    assert!(!one.is_endpoint(b"/m/7"));
    other.remember_endpoint(b"/m/7");
    assert!(one.is_endpoint(b"/m/7") && !one.is_endpoint(b"/m/8"));
}

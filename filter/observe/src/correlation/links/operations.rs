//! Operations, from their start to their answer, and their cancellations.

use super::slot::{answered_or_unknown, extract, make_room, push_limited, remember_answered, take, take_cancelled};
use super::{Fallback, Link, LinkKind, LinkSlot, Lookup, MAX_OPEN_BYTES, PendingOperation, RemovedLinks};
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;

/// Cancellations without an operation, per slot.
const MAX_CANCELLED: usize = 32;

impl Correlation {
    /// Adds operations that may be answered on another exchange; a cancellation that came before its operation is applied.
    /// Returns the evicted links, and the operations that no stream can answer, because the session ended before. Returns `None`,
    /// and adds nothing, if there is no room for more open operations or all attempts to write failed.
    pub(crate) fn save_operations(
        &self,
        session: SessionKey,
        operations: &[PendingOperation],
        now: Time,
    ) -> Option<(RemovedLinks, RemovedLinks)> {
        self.with_links(session, |slot| {
            if !push_operations(slot, session, operations.to_vec(), now) {
                return (false, None);
            }
            let over = take_over(slot, session);
            (true, Some((make_room(slot), over)))
        })?
    }

    /// Takes the oldest operation that a message with this id answers, whatever stream it waits for.
    pub(crate) fn take_operation(&self, session: SessionKey, id: IdKey) -> Lookup<Box<PendingOperation>> {
        self.look_up(session, |slot| take_matching(slot, session, id))
    }

    /// Takes the oldest operation with this id and this stream, unless it was answered on another stream.
    pub(crate) fn take_own_operation(
        &self,
        session: SessionKey,
        id: IdKey,
        stream: Option<StreamId>,
    ) -> Lookup<Box<PendingOperation>> {
        self.look_up(session, |slot| take_pending(slot, session, id, &|pending| pending.stream == stream))
    }

    /// A stream ended without the answers to its operations, which now wait for another stream. `client_wait` is how many
    /// microseconds the server waited for the client on this stream, if that is known. Takes the operations whose session
    /// ended before, because no stream can bring their answer.
    pub(crate) fn detach_stream(
        &self,
        session: SessionKey,
        stream: StreamId,
        fallback: Fallback,
        client_wait: Option<u64>,
        now: Time,
    ) -> RemovedLinks {
        let ended = self.with_links(session, |slot| {
            let mut is_changed = false;
            for link in slot.iter_mut().filter(|link| link.session == session && link.stream() == Some(stream)) {
                is_changed = true;
                match &mut link.kind {
                    LinkKind::Operation { pending, since } => {
                        // `NoResponse` does not replace the fallback of a session that ended before.
                        if !pending.has_session_ended || fallback != Fallback::NoResponse {
                            pending.fallback = fallback;
                        }
                        (pending.stream, pending.client_wait) = (None, pending.client_wait.and(client_wait));
                        *since = now;
                    }
                    LinkKind::ServerRequest { request, since } => (request.stream, *since) = (None, now),
                    _ => {}
                }
            }
            (is_changed, take_over(slot, session))
        });
        ended.unwrap_or_default()
    }

    /// A stream ended and will not be resumed. Takes its operations and server requests that were not answered.
    pub(crate) fn end_stream_links(&self, session: SessionKey, stream: StreamId) -> RemovedLinks {
        let ended = self.with_links(session, |slot| {
            let ended = take(slot, session, &|link| link.stream() == Some(stream));
            (!ended.0.is_empty(), ended)
        });
        ended.unwrap_or_default()
    }

    /// The client cancelled an operation. If the store does not have the operation yet, it keeps the cancellation. Returns the
    /// evicted links.
    pub(crate) fn cancel_operation(&self, session: SessionKey, id: IdKey, now: Time) -> RemovedLinks {
        let evicted = self.with_links(session, |slot| {
            let is_running = |link: &Link, id| {
                let running = link.pending().filter(|pending| pending.cancelled_at.is_none());
                link.session == session && running.is_some_and(|pending| pending.operation.id.key() == id)
            };
            let index = id.forms().find_map(|id| slot.iter().position(|link| is_running(link, id)));
            match index.and_then(|index| slot.get_mut(index)).and_then(Link::pending_mut) {
                Some(pending) => pending.cancelled_at = Some(now),
                None => {
                    let mark = Link { session, kind: LinkKind::Cancelled { id, at: now } };
                    push_limited(slot, mark, MAX_CANCELLED, |kind| matches!(kind, LinkKind::Cancelled { .. }));
                }
            }
            (true, make_room(slot))
        });
        evicted.unwrap_or_default()
    }

    /// Takes the cancellation of an operation that the store does not have, and returns its time.
    pub(crate) fn take_cancellation(&self, session: SessionKey, id: IdKey) -> Option<Time> {
        self.with_links(session, |slot| {
            let found = take_cancelled(slot, session, id);
            (found.is_some(), found)
        })?
    }
}

/// Adds operations to a slot; a cancellation or an end of the session that came before them is applied. It may have passed another
/// VM before this one saw the response's headers. Returns `false` if there is no room for more open operations.
#[inline(never)]
pub(super) fn push_operations(
    slot: &mut LinkSlot,
    session: SessionKey,
    operations: Vec<PendingOperation>,
    now: Time,
) -> bool {
    let mut is_open = false;
    for mut pending in operations {
        if pending.cancelled_at.is_none() {
            pending.cancelled_at = take_cancelled(slot, session, pending.operation.id.key());
        }
        pending.has_session_ended |= has_session_ended(slot, session, pending.started);
        is_open |= pending.stream.is_some();
        slot.push(Link::operation(session, pending, now));
    }
    let open: usize = slot.iter().filter(|link| link.is_open()).map(Link::size).sum();
    !is_open || open <= MAX_OPEN_BYTES
}

/// Takes the operations of the session that no stream can answer.
fn take_over(slot: &mut LinkSlot, session: SessionKey) -> RemovedLinks {
    let is_over = |link: &Link| link.pending().is_some_and(PendingOperation::is_over);
    extract(slot, &|link| link.session == session && is_over(link))
}

/// Whether the session ended after `since`.
fn has_session_ended(slot: &LinkSlot, session: SessionKey, since: Time) -> bool {
    let is_end = |kind: &LinkKind| matches!(kind, LinkKind::SessionEnded { at } if *at >= since);
    slot.iter().any(|link| link.session == session && is_end(&link.kind))
}

/// Takes the oldest operation that a message with this id answers, whatever stream it waits for.
pub(super) fn take_matching(slot: &mut LinkSlot, session: SessionKey, id: IdKey) -> Lookup<Box<PendingOperation>> {
    match take_pending(slot, session, id, &|_| true) {
        Lookup::Unknown => id.other_form().map_or(Lookup::Unknown, |id| take_pending(slot, session, id, &|_| true)),
        found => found,
    }
}

/// Takes the oldest operation with this id for which `predicate` returns `true`.
#[inline(never)]
fn take_pending(
    slot: &mut LinkSlot,
    session: SessionKey,
    id: IdKey,
    predicate: &dyn Fn(&PendingOperation) -> bool,
) -> Lookup<Box<PendingOperation>> {
    let is_found = |pending: &PendingOperation| pending.operation.id.key() == id && predicate(pending);
    let index = slot.iter().position(|link| link.session == session && link.pending().is_some_and(is_found));
    let Some(index) = index else { return answered_or_unknown(slot, session, id) };
    let LinkKind::Operation { pending, .. } = slot.remove(index).kind else { return Lookup::Unknown };
    remember_answered(slot, session, id);
    Lookup::Found(pending)
}

//! Operations, from where they began to where they are answered, and their cancellations.

use super::slot::{answered_or_nothing, in_either_form, make_room, note_answered, push_of_few, take, take_cancelled};
use super::{EndedLinks, Fallback, Link, LinkKind, Lookup, MAX_OPEN_BYTES, PendingOperation, Slot};
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;

/// Cancellations of a slot that met nothing yet.
const MAX_CANCELLED: usize = 16;

impl Correlation {
    /// Operations that may be answered elsewhere; those that a cancellation was waiting for get it. Returns what had to give
    /// way; `None` if there is no room for more open streams, or other VMs were always faster, so that none is here.
    pub(crate) fn add_operations(
        &self,
        session: SessionKey,
        pending: &[PendingOperation],
        now: Time,
    ) -> Option<EndedLinks> {
        self.with_links(session, |slot| {
            for one in pending {
                let mut one = one.clone();
                let id = one.operation.id.key();
                if one.cancelled_at.is_none() {
                    one.cancelled_at = take_cancelled(slot, session, id);
                }
                slot.push(Link { session: session.0, since: now.0, what: LinkKind::Operation(Box::new(one)) });
            }
            let open: usize = slot.iter().filter(|link| link.is_open()).map(Link::size).sum();
            if open > MAX_OPEN_BYTES && pending.iter().any(|one| one.stream.is_some()) {
                return (false, None);
            }
            (true, Some(make_room(slot)))
        })?
    }

    /// The operation that a message with this id answers, on whatever stream it waits: the oldest with the id.
    pub(crate) fn take_operation(&self, session: SessionKey, id: IdKey) -> Lookup<PendingOperation> {
        let found = self.with_links(session, |slot| {
            let found = in_either_form(slot, id, |slot, id| take_pending(slot, session, id, &|_| true));
            (matches!(found, Lookup::Found(_)), found)
        });
        found.unwrap_or(Lookup::Unknown)
    }

    /// The operation with this id that began on the exchange whose stream this is, unless it was answered elsewhere.
    pub(crate) fn take_own_operation(
        &self,
        session: SessionKey,
        id: IdKey,
        stream: Option<StreamId>,
    ) -> Lookup<PendingOperation> {
        let found = self.with_links(session, |slot| {
            let found = take_pending(slot, session, id, &|pending| pending.stream == stream);
            (matches!(found, Lookup::Found(_)), found)
        });
        found.unwrap_or(Lookup::Unknown)
    }

    /// A stream ended without the answers to its operations: they go on waiting for one elsewhere.
    /// `paused` is for how long the server waited for the client on it, where that is known. Returns those whose session
    /// ended before, so that nothing is left to wait for.
    pub(crate) fn detach_stream(
        &self,
        session: SessionKey,
        stream: StreamId,
        fallback: Fallback,
        client_wait: Option<u64>,
        now: Time,
    ) -> Vec<PendingOperation> {
        let abandoned = self.with_links(session, |slot| {
            let mut changed = false;
            for link in slot.iter_mut().filter(|link| link.is(session)) {
                match &mut link.what {
                    LinkKind::Operation(pending) if pending.stream == Some(stream) => {
                        // Where the stream of the session ended first, that explains more.
                        if !pending.has_session_ended || fallback != Fallback::NoResponse {
                            pending.fallback = fallback;
                        }
                        (pending.stream, pending.client_wait) = (None, pending.client_wait.and(client_wait));
                        link.since = now.0;
                    }
                    LinkKind::ServerRequest(asked) if asked.stream == Some(stream) => {
                        asked.stream = None;
                        link.since = now.0;
                    }
                    _ => continue,
                }
                changed = true;
            }
            let is_over = |link: &mut Link| link.is(session) && link.pending().is_some_and(PendingOperation::is_over);
            let over: Slot = slot.extract_if(.., is_over).collect();
            (changed, EndedLinks::of(over).operations)
        });
        abandoned.unwrap_or_default()
    }

    /// A stream ended for good: takes its operations that were not answered elsewhere, and what the server asked on it and
    /// got no answer to.
    pub(crate) fn end_stream_links(&self, session: SessionKey, stream: StreamId) -> EndedLinks {
        let is_of_stream = |what: &LinkKind| match what {
            LinkKind::Operation(pending) => pending.stream == Some(stream),
            LinkKind::ServerRequest(asked) => asked.stream == Some(stream),
            LinkKind::Cancelled(..) | LinkKind::Answered(_) => false,
        };
        let finished = self.with_links(session, |slot| {
            let gone = take(slot, session, is_of_stream);
            (!gone.is_empty(), EndedLinks::of(gone))
        });
        finished.unwrap_or_default()
    }

    /// The client gave up an operation. If it is not here, the cancellation waits for it.
    pub(crate) fn cancel_operation(&self, session: SessionKey, id: IdKey, now: Time) -> EndedLinks {
        let cancelled = self.with_links(session, |slot| {
            let is_meant = |link: &Link, id| {
                let pending = link.pending().filter(|one| link.is(session) && one.cancelled_at.is_none());
                pending.is_some_and(|one| one.operation.id.key() == id)
            };
            let index = id.forms().find_map(|id| slot.iter().position(|link| is_meant(link, id)));
            match index.and_then(|index| slot.get_mut(index)).and_then(Link::pending_mut) {
                Some(pending) => pending.cancelled_at = Some(now),
                None => {
                    let cancelled = Link { session: session.0, since: now.0, what: LinkKind::Cancelled(id, now) };
                    push_of_few(slot, cancelled, MAX_CANCELLED, |what| matches!(what, LinkKind::Cancelled(..)));
                }
            }
            (true, make_room(slot))
        });
        cancelled.unwrap_or_default()
    }

    /// When the client gave up an operation that ended without an answer.
    pub(crate) fn take_cancellation(&self, session: SessionKey, id: IdKey) -> Option<Time> {
        self.with_links(session, |slot| {
            let found = take_cancelled(slot, session, id);
            (found.is_some(), found)
        })?
    }
}

/// Takes the oldest operation with this id out, of those that `is_meant` accepts.
fn take_pending(
    slot: &mut Slot,
    session: SessionKey,
    id: IdKey,
    is_meant: &dyn Fn(&PendingOperation) -> bool,
) -> Lookup<PendingOperation> {
    let is_meant = |pending: &PendingOperation| pending.operation.id.key() == id && is_meant(pending);
    let index = slot.iter().position(|link| link.is(session) && link.pending().is_some_and(is_meant));
    let Some(index) = index else { return answered_or_nothing(slot, session, id) };
    let LinkKind::Operation(pending) = slot.remove(index).what else { return Lookup::Unknown };
    note_answered(slot, session, id);
    Lookup::Found(*pending)
}

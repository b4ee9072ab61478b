//! How links end that nothing answers: with their session, after a time, or with the last VM that could follow them.

use super::slot::take;
use super::{EXPIRY, EndedLinks, Fallback, Link, LinkKind, PendingOperation, SLOTS, Slot};
use crate::correlation::coverage::Traffic;
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::label::Transport;

/// Slots looked through at each tick: all of them every sixteen seconds.
const SWEPT_AT_ONCE: u64 = 8;

impl Correlation {
    /// A stream is open in this VM: what waits for it does not expire. Links know it by this name.
    pub(crate) fn stream_opened(&self, stream: StreamId) {
        let mut open = self.open.borrow_mut();
        let place = open.partition_point(|&other| other < stream);
        open.insert(place, stream);
    }

    /// It is open no longer.
    #[inline(never)]
    pub(crate) fn stream_closed(&self, stream: StreamId) {
        let mut open = self.open.borrow_mut();
        if let Ok(place) = open.binary_search(&stream) {
            open.remove(place);
        }
    }

    /// The session ended, with its stream where that is how `fallback` says it ended: takes all that waits for another of
    /// its exchanges. What an open exchange holds ends with that exchange, at the latest. All in one change: one that ends at
    /// the same moment either left its operations before, and they are here, or finds them abandoned.
    pub(crate) fn end_session_links(&self, session: SessionKey, fallback: Fallback) -> EndedLinks {
        let is_waiting = |what: &LinkKind| match what {
            LinkKind::Operation(pending) => pending.stream.is_none(),
            // The operations of its stream need to know how long they waited.
            LinkKind::ServerRequest(asked) => asked.answered_at.is_none(),
            LinkKind::Cancelled(..) | LinkKind::Answered(_) => false,
        };
        let ended = self.with_links(session, |slot| {
            let mut gone = take(slot, session, is_waiting);
            let mut changed = !gone.is_empty();
            for pending in gone.iter_mut().filter_map(Link::pending_mut) {
                self.session_ended(session, pending, fallback);
            }
            let ended = EndedLinks::of(gone);
            for pending in slot.iter_mut().filter(|link| link.is(session)).filter_map(Link::pending_mut) {
                (pending.has_session_ended, changed) = (true, true);
                self.session_ended(session, pending, fallback);
                if ended.server_requests.iter().any(|asked| asked.stream == pending.stream) {
                    pending.client_wait = None;
                }
            }
            (changed, ended)
        });
        ended.unwrap_or_default()
    }

    /// Takes what has waited for too long out of a few slots; the next call looks at the next ones.
    pub(crate) fn expire_links(&self, now: Time) -> EndedLinks {
        let mut ended = EndedLinks::default();
        for _ in 0..SWEPT_AT_ONCE {
            let slot = self.swept.get() % SLOTS;
            self.swept.set(slot + 1);
            self.sweep_slot(slot, now, EXPIRY.as_nanos() as u64, &mut ended);
        }
        ended
    }

    /// Takes everything but what a stream in this VM holds.
    pub(crate) fn take_unheld_links(&self, now: Time) -> EndedLinks {
        let mut ended = EndedLinks::default();
        for slot in 0..SLOTS {
            self.sweep_slot(slot, now, 0, &mut ended);
        }
        ended
    }

    /// Takes what has waited for `expiry` nanoseconds. What a stream in this VM holds begins anew when half of that has passed:
    /// the other VMs, which cannot know, come by several times before it is over.
    fn sweep_slot(&self, slot: u64, now: Time, expiry: u64, ended: &mut EndedLinks) {
        let key = self.key('l', slot);
        let open = self.open.borrow();
        let is_held = |link: &Link| link.holder().is_some_and(|stream| open.binary_search(&stream).is_ok());
        let waited = |link: &Link| if link.since == 0 { 0 } else { now.0.saturating_sub(link.since) };
        let has_expired = |link: &Link| waited(link) >= expiry && !is_held(link);
        let is_renewed = |link: &Link| waited(link) >= expiry / 2 && is_held(link);
        // Looked at before it is changed: most slots have nothing to give.
        if !self.read::<Slot>(&key).iter().any(|link| has_expired(link) || is_renewed(link)) {
            return;
        }
        let found = self.edit(&key, |slot: &mut Slot| {
            let gone: Slot = slot.extract_if(.., |link| has_expired(link)).collect();
            slot.iter_mut().filter(|link| is_renewed(link)).for_each(|link| link.since = now.0);
            (true, gone)
        });
        let mut gone = found.unwrap_or_default();
        for link in &mut gone {
            let session = SessionKey(link.session);
            if let Some(pending) = link.pending_mut() {
                self.doubt(session, pending);
            }
        }
        let found = EndedLinks::of(gone);
        ended.operations.extend(found.operations);
        ended.server_requests.extend(found.server_requests);
    }

    /// On HTTP+SSE a session always has a stream, so where none was seen it is elsewhere.
    fn session_ended(&self, session: SessionKey, pending: &mut PendingOperation, fallback: Fallback) {
        pending.stream_ended(fallback);
        if pending.operation.transport == Transport::HttpSse {
            self.doubt(session, pending);
        }
    }

    /// The answer may have passed through another process, where this one never saw a stream of the session.
    fn doubt(&self, session: SessionKey, pending: &mut PendingOperation) {
        if pending.fallback == Fallback::NoResponse && !self.saw_traffic(session, Traffic::Streams) {
            pending.fallback = Fallback::Unknown;
        }
    }
}

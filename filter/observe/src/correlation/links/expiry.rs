//! How links end if no message answers them: with their session, after [`EXPIRY`], or with the last VM.

use super::early_answers::EARLY_WAIT;
use super::slot::{extract, remember_session_ended, take};
use super::{EXPIRY, Fallback, Link, LinkKind, LinkSlot, PendingOperation, RemovedLinks, TABLE};
use crate::correlation::coverage::Traffic;
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::label::Transport;
use std::time::Duration;

/// Slots that each tick checks: all of them every 16 seconds.
const SLOTS_PER_TICK: u64 = 8;

// === impl Correlation ===

impl Correlation {
    /// A stream opened in this VM. Links that it holds do not expire.
    pub(crate) fn stream_opened(&self, stream: StreamId) {
        let mut open = self.open_streams.borrow_mut();
        let index = open.partition_point(|&other| other < stream);
        open.insert(index, stream);
    }

    /// A stream closed in this VM. All streams of a session of HTTP+SSE have one id. It is open until the last of them closes.
    #[inline(never)]
    pub(crate) fn stream_closed(&self, stream: StreamId) {
        let mut open = self.open_streams.borrow_mut();
        if let Ok(index) = open.binary_search(&stream) {
            open.remove(index);
        }
    }

    /// The session ended. `fallback` is how its stream ended, or [`Fallback::NoResponse`]. Takes the links that wait for
    /// another exchange of the session. An operation whose own stream is open is marked, and ends with that stream at the
    /// latest. For operations that another VM has not saved yet, a mark of the session is added.
    ///
    /// All of this is one write of the slot, because the stream of an operation may end in another VM at the same time. If
    /// that VM detached the operation before this write, the operation is taken here. If it detaches the operation later, it
    /// finds the operation marked.
    pub(crate) fn end_session_links(&self, session: SessionKey, fallback: Fallback, now: Time) -> RemovedLinks {
        let ended = self.with_links(session, |slot| {
            let mut ended = take(slot, session, &is_waiting);
            for pending in ended.0.iter_mut().filter_map(Link::pending_mut) {
                self.set_fallback(session, pending, fallback);
            }
            let requests_ended = |stream| ended.server_requests().any(|request| request.stream == stream);
            for pending in slot.iter_mut().filter(|link| link.session == session).filter_map(Link::pending_mut) {
                pending.has_session_ended = true;
                self.set_fallback(session, pending, fallback);
                if requests_ended(pending.stream) {
                    pending.client_wait = None;
                }
            }
            remember_session_ended(slot, session, now);
            (true, ended)
        });
        ended.unwrap_or_default()
    }

    /// Takes the expired links of a few slots; the next call checks the next slots. Each call also checks all slots with early
    /// answers.
    pub(crate) fn expire_links(&self, now: Time) -> RemovedLinks {
        let mut ended = RemovedLinks::default();
        for slot in self.listed_slots(now) {
            self.expire_slot(slot, now, EXPIRY, &mut ended);
        }
        for _ in 0..SLOTS_PER_TICK {
            let slot = self.next_expiry_slot.get() % TABLE.slots;
            self.next_expiry_slot.set(slot + 1);
            self.expire_slot(slot, now, EXPIRY, &mut ended);
        }
        ended
    }

    /// Takes all links that no open stream of this VM holds.
    pub(crate) fn take_unheld_links(&self, now: Time) -> RemovedLinks {
        let mut ended = RemovedLinks::default();
        for slot in 0..TABLE.slots {
            self.expire_slot(slot, now, Duration::ZERO, &mut ended);
        }
        ended
    }

    /// Takes the links that waited for `expiry`. Other VMs do not know the streams of this VM. So this VM renews a link that
    /// one of its streams holds, once the link has waited for half of `expiry`. In the other half, it checks the slot several
    /// times.
    fn expire_slot(&self, slot: u64, now: Time, expiry: Duration, ended: &mut RemovedLinks) {
        let open = self.open_streams.borrow();
        let is_held = |link: &Link| link.holder().is_some_and(|stream| open.binary_search(&stream).is_ok());
        let has_waited = |link: &Link, wait| link.since().is_some_and(|since| since.plus(wait) <= now);
        let renewal = expiry / 2;
        let is_over = |link: &Link| expiry.is_zero() || has_waited(link, link.expiry(expiry));
        let is_expired = |link: &Link| is_over(link) && !is_held(link) || self.is_duplicate(link);
        let is_renewed = |link: &Link| has_waited(link, renewal) && is_held(link);
        // Most slots have nothing to change, and a read alone costs less.
        if !self.read::<LinkSlot>(&TABLE, slot).iter().any(|link| is_expired(link) || is_renewed(link)) {
            return;
        }
        let expired = self.edit(&TABLE, slot, |slot: &mut LinkSlot| {
            let expired = extract(slot, &is_expired);
            slot.iter_mut().filter(|link| is_renewed(link)).for_each(|link| link.renew(now));
            (true, expired)
        });
        for mut link in expired.unwrap_or_default().0 {
            if self.is_duplicate(&link) {
                link.set_duplicate();
            }
            let session = link.session;
            if let Some(pending) = link.pending_mut() {
                self.set_unknown_if_unseen(session, pending);
            }
            ended.0.push(link);
        }
    }

    /// Sets how an operation ends after its session ended. An operation of HTTP+SSE is answered on the stream of its session.
    /// If this process saw no such stream, the stream passed another process.
    fn set_fallback(&self, session: SessionKey, pending: &mut PendingOperation, fallback: Fallback) {
        if fallback != Fallback::NoResponse {
            pending.fallback = fallback;
        }
        if pending.operation.transport == Transport::HttpSse {
            self.set_unknown_if_unseen(session, pending);
        }
    }

    /// Replaces `NoResponse` by `Unknown` if this process saw no stream of the session: the answer may have passed another
    /// process.
    fn set_unknown_if_unseen(&self, session: SessionKey, pending: &mut PendingOperation) {
        if pending.fallback == Fallback::NoResponse && !self.saw_traffic(session, Traffic::Streams) {
            pending.fallback = Fallback::Unknown;
        }
    }
}

// === impl Link ===

impl Link {
    /// The time since which the link waits. Marks of answered ids and ended sessions do not expire.
    fn since(&self) -> Option<Time> {
        match self.kind {
            LinkKind::Operation { since, .. } | LinkKind::ServerRequest { since, .. } => Some(since),
            LinkKind::Cancelled { at, .. } => Some(at),
            LinkKind::EarlyAnswer(ref answer) => Some(answer.at),
            LinkKind::Answered(_) | LinkKind::SessionEnded { .. } => None,
        }
    }

    /// How long the link waits, if others wait for `expiry`.
    fn expiry(&self, expiry: Duration) -> Duration {
        if matches!(self.kind, LinkKind::EarlyAnswer(_)) { EARLY_WAIT.min(expiry) } else { expiry }
    }

    fn renew(&mut self, now: Time) {
        if let LinkKind::Operation { since, .. } | LinkKind::ServerRequest { since, .. } = &mut self.kind {
            *since = now;
        }
    }
}

/// Whether a link waits for another exchange of its session. An answered server request does not wait. It is kept while its
/// stream is open, because the durations of the stream's operations depend on it.
fn is_waiting(link: &Link) -> bool {
    match &link.kind {
        LinkKind::Operation { pending, .. } => pending.stream.is_none(),
        LinkKind::ServerRequest { request, .. } => request.answered_at.is_none(),
        _ => false,
    }
}

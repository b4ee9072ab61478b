//! Server requests, from the server's message to the client's response.

use super::slot::{answered_or_unknown, make_room, remember_answered};
use super::{Link, LinkKind, LinkSlot, Lookup, RemovedLinks, ServerRequest, TABLE};
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::Transport;

impl Correlation {
    /// The server sent a request. On HTTP+SSE the stream does not show which operation the request belongs to, so the
    /// durations of all running operations of the session become unknown. Returns the evicted links.
    pub(crate) fn add_server_request(
        &self,
        session: SessionKey,
        request: &ServerRequest,
        transport: Transport,
    ) -> RemovedLinks {
        let evicted = self.with_links(session, |slot| {
            if transport == Transport::HttpSse {
                let pending = slot.iter_mut().filter(|link| link.session == session).filter_map(Link::pending_mut);
                // A cancelled operation ended before this request.
                let running = pending.filter(|pending| pending.cancelled_at.is_none());
                running.for_each(|pending| pending.client_wait = None);
            }
            let kind = LinkKind::ServerRequest { request: request.clone(), since: request.sent_at };
            slot.push(Link { session, kind });
            (true, make_room(slot))
        });
        evicted.unwrap_or_default()
    }

    /// Ends the server request with this id: the client answered it, or the server cancelled it.
    pub(crate) fn end_server_request(&self, session: SessionKey, id: IdKey, now: Time) -> Lookup<ServerRequest> {
        self.look_up(session, |slot| match end(slot, session, id, now) {
            Lookup::Unknown => id.other_form().map_or(Lookup::Unknown, |id| end(slot, session, id, now)),
            found => found,
        })
    }

    /// Microseconds up to `end` for which the server waited for responses to its requests on a stream; `None` if one is still
    /// missing.
    #[inline(never)]
    pub(crate) fn client_wait(&self, session: SessionKey, stream: StreamId, end: Time) -> Option<u64> {
        let slot: LinkSlot = self.read(&TABLE, session.0);
        let links = slot.iter().filter(|link| link.session == session && link.stream() == Some(stream));
        let requests = links.filter_map(Link::server_request).filter(|request| request.sent_at < end);
        let waits = requests.map(|request| Some((request.sent_at, request.answered_at?.min(end))));
        waits.collect::<Option<Vec<(Time, Time)>>>().map(covered)
    }
}

/// Ends the server request with exactly this id.
fn end(slot: &mut LinkSlot, session: SessionKey, id: IdKey, now: Time) -> Lookup<ServerRequest> {
    let has_id = |link: &&mut Link| link.session == session && link.server_request().is_some_and(|one| one.id == id);
    let mut is_answered = false;
    for (index, link) in slot.iter_mut().enumerate().filter(|(_, link)| has_id(link)) {
        let LinkKind::ServerRequest { request, .. } = &mut link.kind else { continue };
        if request.answered_at.is_some() {
            is_answered = true;
            continue;
        }
        let found = request.clone();
        request.answered_at = Some(now);
        // Open operations of its stream need this wait for their durations, which do not include it.
        let is_needed = |link: &Link| link.session == session && link.is_open() && link.stream() == found.stream;
        if !slot.iter().any(is_needed) {
            slot.remove(index);
            remember_answered(slot, session, id.of_server());
        }
        return Lookup::Found(found);
    }
    if is_answered { Lookup::Answered } else { answered_or_unknown(slot, session, id.of_server()) }
}

/// Microseconds covered by intervals that may overlap.
fn covered(mut waits: Vec<(Time, Time)>) -> u64 {
    let (mut covered, mut end) = (0, Time(0));
    while let Some((first, _)) = waits.iter().enumerate().min_by_key(|(_, (from, _))| *from) {
        let (from, to) = waits.swap_remove(first);
        covered += to.microseconds_since(from.max(end));
        end = end.max(to);
    }
    covered
}

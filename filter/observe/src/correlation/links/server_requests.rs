//! Requests of the server, from where it asked to where the client answers.

use super::slot::{answered_or_nothing, in_either_form, make_room, note_answered};
use super::{EndedLinks, Link, LinkKind, Lookup, SLOTS, ServerRequest, Slot};
use crate::correlation::{Correlation, SessionKey, StreamId};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::Transport;

impl Correlation {
    /// The server asks the client. On a stream of HTTP+SSE nobody can tell for which operation: the clocks of all stop being
    /// known.
    pub(crate) fn add_server_request(
        &self,
        session: SessionKey,
        asked: &ServerRequest,
        transport: Transport,
    ) -> EndedLinks {
        let ended = self.with_links(session, |slot| {
            if transport == Transport::HttpSse {
                let links = slot.iter_mut().filter(|link| link.is(session)).filter_map(Link::pending_mut);
                // Of one that was cancelled, the time up to then is known.
                let running = links.filter(|pending| pending.cancelled_at.is_none());
                running.for_each(|pending| pending.client_wait = None);
            }
            slot.push(Link {
                session: session.0,
                since: asked.sent_at.0,
                what: LinkKind::ServerRequest(asked.clone()),
            });
            (true, make_room(slot))
        });
        ended.unwrap_or_default()
    }

    /// The request that the client's answer, or the server's cancellation, with this id ends.
    pub(crate) fn end_server_request(&self, session: SessionKey, id: IdKey, now: Time) -> Lookup<ServerRequest> {
        let found = self.with_links(session, |slot| {
            let found = in_either_form(slot, id, |slot, id| take_asked(slot, session, id, now));
            (matches!(found, Lookup::Found(_)), found)
        });
        found.unwrap_or(Lookup::Unknown)
    }

    /// What the server asked on a stream so far, with the times of the answers.
    pub(crate) fn server_requests_on(&self, session: SessionKey, stream: StreamId) -> Vec<ServerRequest> {
        let slot: Slot = self.read(&self.key('l', session.0 % SLOTS));
        let links = slot.into_iter().filter(|link| link.is(session));
        let asked =
            links.filter_map(|link| if let LinkKind::ServerRequest(asked) = link.what { Some(asked) } else { None });
        asked.filter(|asked| asked.stream == Some(stream)).collect()
    }
}

fn take_asked(slot: &mut Slot, session: SessionKey, id: IdKey, now: Time) -> Lookup<ServerRequest> {
    let of_id = |link: &Link| match &link.what {
        LinkKind::ServerRequest(asked) if link.is(session) && asked.id == id => Some(asked.answered_at.is_some()),
        _ => None,
    };
    let Some(index) = slot.iter().position(|link| of_id(link) == Some(false)) else {
        let is_answered = slot.iter().any(|link| of_id(link) == Some(true));
        let known = answered_or_nothing(slot, session, id.of_server());
        return if is_answered { Lookup::Answered } else { known };
    };
    let Some(asked) = slot.get_mut(index).and_then(Link::asked_mut) else { return Lookup::Unknown };
    asked.answered_at = Some(now);
    let found = ServerRequest { answered_at: None, ..asked.clone() };
    let waits = |link: &Link| link.pending().is_some_and(|one| one.stream.is_some() && one.stream == found.stream);
    // The operations of its stream need to know how long they waited.
    if !slot.iter().any(|link| link.is(session) && waits(link)) {
        slot.remove(index);
        note_answered(slot, session, id.of_server());
    }
    Lookup::Found(found)
}

//! Requests of the server, from where it asked to where the client answers.

use super::slot::{answered_or_nothing, in_either_form, make_room, note_answered};
use super::{Asked, Ended, Found, Link, SLOTS, Slot, What};
use crate::correlation::{Correlation, SessionKey};
use crate::host::Time;
use crate::id::IdKey;
use crate::label::Transport;

impl Correlation {
    /// The server asks the client. On a stream of HTTP+SSE nobody can tell for which operation: the clocks of all stop being
    /// known.
    pub(crate) fn ask(&self, session: SessionKey, asked: &Asked, transport: Transport) -> Ended {
        let ended = self.with_links(session, |slot| {
            if transport == Transport::HttpSse {
                let links = slot.iter_mut().filter(|link| link.is(session)).filter_map(Link::pending_mut);
                // Of one that was cancelled, the time up to then is known.
                let running = links.filter(|pending| pending.cancelled_at.is_none());
                running.for_each(|pending| pending.paused = None);
            }
            slot.push(Link { session: session.0, since: asked.at.0, what: What::Asked(asked.clone()) });
            (true, make_room(slot))
        });
        ended.unwrap_or_default()
    }

    /// The request that the client's answer, or the server's cancellation, with this id ends.
    pub(crate) fn reply(&self, session: SessionKey, id: IdKey, now: Time) -> Found<Asked> {
        let found = self.with_links(session, |slot| {
            let found = in_either_form(slot, id, |slot, id| take_asked(slot, session, id, now));
            (matches!(found, Found::Some(_)), found)
        });
        found.unwrap_or(Found::Nothing)
    }

    /// What the server asked on a stream so far, with the times of the answers.
    pub(crate) fn asked_on(&self, session: SessionKey, stream: u64) -> Vec<Asked> {
        let slot: Slot = self.read(&self.key('l', session.0 % SLOTS));
        let links = slot.into_iter().filter(|link| link.is(session));
        let asked = links.filter_map(|link| if let What::Asked(asked) = link.what { Some(asked) } else { None });
        asked.filter(|asked| asked.stream == stream).collect()
    }
}

fn take_asked(slot: &mut Slot, session: SessionKey, id: IdKey, now: Time) -> Found<Asked> {
    let of_id = |link: &Link| match &link.what {
        What::Asked(asked) if link.is(session) && asked.id == id => Some(asked.answered_at.is_some()),
        _ => None,
    };
    let Some(index) = slot.iter().position(|link| of_id(link) == Some(false)) else {
        let is_answered = slot.iter().any(|link| of_id(link) == Some(true));
        let known = answered_or_nothing(slot, session, id.of_server());
        return if is_answered { Found::Answered } else { known };
    };
    let Some(asked) = slot.get_mut(index).and_then(Link::asked_mut) else { return Found::Nothing };
    asked.answered_at = Some(now);
    let found = Asked { answered_at: None, ..asked.clone() };
    let waits = |link: &Link| link.pending().is_some_and(|one| one.stream == found.stream && one.stream != 0);
    // The operations of its stream need to know how long they waited.
    if !slot.iter().any(|link| link.is(session) && waits(link)) {
        slot.remove(index);
        note_answered(slot, session, id.of_server());
    }
    Found::Some(found)
}

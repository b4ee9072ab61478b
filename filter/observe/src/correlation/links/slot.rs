//! Functions on a slot of links that several files use.

use super::{Link, LinkKind, LinkSlot, Lookup, RemovedLinks, TABLE};
use crate::correlation::{Correlation, SessionKey};
use crate::host::Time;
use crate::id::IdKey;

/// Marks of answered ids, per slot.
const MAX_ANSWERED: usize = 8;
/// Marks of sessions that ended, per slot.
const MAX_ENDED: usize = 8;

impl Correlation {
    /// Changes the slot of a session. `change` returns whether it changed the slot, and a result.
    pub(super) fn with_links<T>(
        &self,
        session: SessionKey,
        change: impl FnMut(&mut LinkSlot) -> (bool, T),
    ) -> Option<T> {
        self.edit(&TABLE, session.0, change)
    }

    /// [`with_links`](Self::with_links) for a look-up: it changes the slot only if it finds something.
    pub(super) fn look_up<T>(
        &self,
        session: SessionKey,
        mut find: impl FnMut(&mut LinkSlot) -> Lookup<T>,
    ) -> Lookup<T> {
        let found = self.with_links(session, |slot| {
            let found = find(slot);
            (matches!(found, Lookup::Found(_)), found)
        });
        found.unwrap_or(Lookup::Unknown)
    }
}

/// The result for an id that no link waits for: answered before, or unknown.
pub(super) fn answered_or_unknown<T>(slot: &LinkSlot, session: SessionKey, id: IdKey) -> Lookup<T> {
    let is_mark = |link: &Link| matches!(link.kind, LinkKind::Answered(known) if known == id);
    let is_answered = slot.iter().any(|link| link.session == session && is_mark(link));
    if is_answered { Lookup::Answered } else { Lookup::Unknown }
}

/// Adds a mark that an id was answered.
pub(super) fn remember_answered(slot: &mut LinkSlot, session: SessionKey, id: IdKey) {
    let mark = Link { session, kind: LinkKind::Answered(id) };
    push_limited(slot, mark, MAX_ANSWERED, |kind| matches!(kind, LinkKind::Answered(_)));
}

/// Adds a mark that a session ended.
pub(super) fn remember_session_ended(slot: &mut LinkSlot, session: SessionKey, at: Time) {
    let mark = Link { session, kind: LinkKind::SessionEnded { at } };
    push_limited(slot, mark, MAX_ENDED, |kind| matches!(kind, LinkKind::SessionEnded { .. }));
}

/// Adds a link of a kind of which a slot has at most `max`. If the slot is full of them, evicts and returns the oldest.
pub(super) fn push_limited(
    slot: &mut LinkSlot,
    mark: Link,
    max: usize,
    is_of_kind: fn(&LinkKind) -> bool,
) -> Option<Link> {
    let is_full = slot.iter().filter(|link| is_of_kind(&link.kind)).count() >= max;
    let oldest = if is_full { slot.iter().position(|link| is_of_kind(&link.kind)) } else { None };
    let evicted = oldest.map(|oldest| slot.remove(oldest));
    slot.push(mark);
    evicted
}

/// Removes the cancellation of an operation, and returns its time.
pub(super) fn take_cancelled(slot: &mut LinkSlot, session: SessionKey, id: IdKey) -> Option<Time> {
    let cancelled = |link: &Link, id| match link.kind {
        LinkKind::Cancelled { id: known, at } if link.session == session && known == id => Some(at),
        _ => None,
    };
    let find = |id| slot.iter().enumerate().find_map(|(index, link)| Some((index, cancelled(link, id)?)));
    let (index, at) = id.forms().find_map(find)?;
    slot.remove(index);
    Some(at)
}

/// Removes the links for which `predicate` returns `true`.
#[inline(never)]
pub(super) fn extract(slot: &mut LinkSlot, predicate: &dyn Fn(&Link) -> bool) -> RemovedLinks {
    RemovedLinks(slot.extract_if(.., |link| predicate(link)).collect())
}

/// Removes the links of a session for which `is_ending` returns `true`. Adds marks for the ids of operations and of answered
/// server requests, because a further answer may come.
#[inline(never)]
pub(super) fn take(slot: &mut LinkSlot, session: SessionKey, is_ending: &dyn Fn(&Link) -> bool) -> RemovedLinks {
    let ended = extract(slot, &|link| link.session == session && is_ending(link));
    for link in &ended.0 {
        match &link.kind {
            LinkKind::Operation { pending, .. } => remember_answered(slot, session, pending.operation.id.key()),
            LinkKind::ServerRequest { request, .. } if request.answered_at.is_some() => {
                remember_answered(slot, session, request.id.of_server());
            }
            _ => {}
        }
    }
    ended
}

/// Evicts the oldest links until the slot is within its bound. Operations whose own stream is open are not evicted, because an
/// answer to an evicted operation cannot be matched. They take at most [`super::MAX_OPEN_BYTES`], so other links have room.
#[inline(never)]
pub(super) fn make_room(slot: &mut LinkSlot) -> RemovedLinks {
    let mut bytes: usize = slot.iter().map(Link::size).sum();
    let mut evicted = RemovedLinks::default();
    while bytes > TABLE.max_bytes
        && let Some(oldest) = slot.iter().position(|link| !link.is_open())
    {
        let link = slot.remove(oldest);
        bytes -= link.size();
        evicted.0.push(link);
    }
    evicted
}

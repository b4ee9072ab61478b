//! What is done to a slot in more than one place.

use super::{EndedLinks, Link, LinkKind, Lookup, MAX_BYTES, Slot};
use crate::correlation::SessionKey;
use crate::host::Time;
use crate::id::IdKey;

/// Answered operations of a slot that are remembered, to tell a second answer from one that answers nothing.
const MAX_ANSWERED: usize = 8;

pub(super) fn answered_or_nothing<T>(slot: &Slot, session: SessionKey, id: IdKey) -> Lookup<T> {
    let answered =
        slot.iter().any(|link| link.is(session) && matches!(link.what, LinkKind::Answered(known) if known == id));
    if answered { Lookup::Answered } else { Lookup::Unknown }
}

pub(super) fn note_answered(slot: &mut Slot, session: SessionKey, id: IdKey) {
    let answered = Link { session: session.0, since: 0, what: LinkKind::Answered(id) };
    push_of_few(slot, answered, MAX_ANSWERED, |what| matches!(what, LinkKind::Answered(_)));
}

/// The oldest of its kind gives way.
pub(super) fn push_of_few(slot: &mut Slot, link: Link, most: usize, is_of_kind: impl Fn(&LinkKind) -> bool) {
    if slot.iter().filter(|link| is_of_kind(&link.what)).count() >= most
        && let Some(oldest) = slot.iter().position(|link| is_of_kind(&link.what))
    {
        slot.remove(oldest);
    }
    slot.push(link);
}

/// The first form of an id in which something is found.
pub(super) fn in_either_form<T>(slot: &mut Slot, id: IdKey, find: impl Fn(&mut Slot, IdKey) -> Lookup<T>) -> Lookup<T> {
    for id in id.forms() {
        let found = find(slot, id);
        if !matches!(found, Lookup::Unknown) {
            return found;
        }
    }
    Lookup::Unknown
}

pub(super) fn take_cancelled(slot: &mut Slot, session: SessionKey, id: IdKey) -> Option<Time> {
    let cancelled = |link: &Link, id| match link.what {
        LinkKind::Cancelled(known, at) if link.is(session) && known == id => Some(at),
        _ => None,
    };
    let find = |id| slot.iter().enumerate().find_map(|(index, link)| Some((index, cancelled(link, id)?)));
    let (index, at) = id.forms().find_map(find)?;
    slot.remove(index);
    Some(at)
}

/// Takes what is wanted of a session out of its slot.
pub(super) fn take(slot: &mut Slot, session: SessionKey, wanted: impl Fn(&LinkKind) -> bool) -> Slot {
    let gone: Slot = slot.extract_if(.., |link| link.is(session) && wanted(&link.what)).collect();
    for link in &gone {
        match &link.what {
            LinkKind::Operation(pending) => note_answered(slot, session, pending.operation.id.key()),
            LinkKind::ServerRequest(asked) if asked.answered_at.is_some() => {
                note_answered(slot, session, asked.id.of_server())
            }
            _ => {}
        }
    }
    gone
}

/// The oldest links give way until the slot is within its bound. Operations whose own stream is open stay: their answer would
/// find nothing there, and [`super::MAX_OPEN_BYTES`] leaves room beside them.
pub(super) fn make_room(slot: &mut Slot) -> EndedLinks {
    let mut bytes: usize = slot.iter().map(Link::size).sum();
    let mut gone = Slot::new();
    while bytes > MAX_BYTES
        && let Some(oldest) = slot.iter().position(|link| !link.is_open())
    {
        let link = slot.remove(oldest);
        bytes -= link.size();
        gone.push(link);
    }
    EndedLinks::of(gone)
}

//! What waits for another exchange of its session: operations, requests of the server, cancellations.
//!
//! All links of a session are in one slot, so that its end finds them. Who takes a link out counts it, so each is counted once
//! whichever worker is first.

use super::{Correlation, SessionKey};
use crate::closed::{ErrorType, Status, Transport};
use crate::id::IdKey;
use crate::method::Method;
use crate::observation::{Operation, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a link waits once no open stream holds it.
pub(crate) const EXPIRY: Duration = Duration::from_secs(300);
const SLOTS: u64 = 256;
/// Slots looked through at each tick: all of them every sixteen seconds.
const SWEPT_AT_ONCE: u64 = 8;
/// Bytes of a slot as written.
const MOST_BYTES: usize = 8192;
/// Bytes of a link beside its texts and what is rare in it, at most.
const OPERATION_BYTES: usize = 104;
const ASKED_BYTES: usize = 80;
const MARK_BYTES: usize = 48;
/// Of a cursor and of the task that is asked for.
const CURSOR_BYTES: usize = 10;
const TASK_BYTES: usize = 18;
/// Answered operations of a slot that are remembered, to tell a second answer from one that answers nothing.
const MOST_ANSWERED: usize = 8;
/// Cancellations of a slot that met nothing yet.
const MOST_CANCELLED: usize = 16;

/// An operation that may be answered on another stream than its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) operation: Operation,
    /// The server's name, where it is not the plugin's.
    pub(crate) server: Option<Box<str>>,
    pub(crate) started: Time,
    /// The open stream that may bring the answer; 0 once there is none.
    pub(crate) stream: u64,
    /// How it ends if no answer comes: as this, at this time.
    pub(crate) otherwise: Otherwise,
    /// Its session ended: no other stream will bring the answer.
    pub(crate) is_abandoned: bool,
    pub(crate) cancelled_at: Option<Time>,
    /// For so many microseconds the server waited for the client; `None` where that cannot be known.
    pub(crate) paused: Option<u64>,
}

/// What becomes of an operation that no message answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Otherwise {
    NoResponse,
    /// The client's side ended.
    ClientLeft(Time),
}

/// A request from server to client that was not answered yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) id: IdKey,
    pub(crate) method: Method,
    pub(crate) server: Option<Box<str>>,
    pub(crate) at: Time,
    /// The open stream that it was asked on; 0 for none that tells when it ended.
    pub(crate) stream: u64,
    /// Kept while that stream needs to know how long its operations waited.
    pub(crate) answered_at: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum What {
    Operation(Box<Pending>),
    Asked(Asked),
    Cancelled(IdKey, Time),
    Answered(IdKey),
}

/// One link of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link {
    session: u64,
    /// When its waiting began; 0 while an open stream holds it.
    since: u64,
    what: What,
}

type Slot = Vec<Link>;

/// What a message with an id belongs to.
#[derive(Debug)]
pub(crate) enum Found<T> {
    Some(T),
    /// It was answered before.
    Answered,
    Nothing,
}

/// Links that ended without their other half.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) operations: Vec<Pending>,
    pub(crate) asked: Vec<Asked>,
}

// === impl Pending ===

impl Pending {
    /// Nobody is left to answer it.
    fn is_over(&self) -> bool {
        self.is_abandoned && self.stream == 0
    }

    /// How it ends without an answer, and after how many microseconds where that is known.
    pub(crate) fn without_answer(&self) -> (Status, Option<ErrorType>, Option<u64>) {
        let left = match self.otherwise {
            Otherwise::ClientLeft(at) => Some(at),
            Otherwise::NoResponse => None,
        };
        match self.cancelled_at.or(left) {
            Some(at) => (Status::Cancelled, None, self.duration(at)),
            None => (Status::Error, Some(ErrorType::NoResponse), None),
        }
    }

    /// Microseconds up to `end`, without those that the server waited.
    pub(crate) fn duration(&self, end: Time) -> Option<u64> {
        self.paused.map(|paused| end.microseconds_since(self.started).saturating_sub(paused))
    }
}

// === impl Link ===

impl Link {
    fn is(&self, session: SessionKey) -> bool {
        self.session == session.0
    }

    fn pending(&self) -> Option<&Pending> {
        match &self.what {
            What::Operation(pending) => Some(pending),
            _ => None,
        }
    }

    fn pending_mut(&mut self) -> Option<&mut Pending> {
        match &mut self.what {
            What::Operation(pending) => Some(pending),
            _ => None,
        }
    }

    fn asked_mut(&mut self) -> Option<&mut Asked> {
        match &mut self.what {
            What::Asked(asked) => Some(asked),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        match &self.what {
            What::Operation(pending) => {
                let operation = &pending.operation;
                let rare = [(operation.cursor.is_some(), CURSOR_BYTES), (operation.task_id.is_some(), TASK_BYTES)];
                let rare: usize = rare.into_iter().filter_map(|(is_some, bytes)| is_some.then_some(bytes)).sum();
                OPERATION_BYTES
                    + rare
                    + length(&operation.name)
                    + length(&operation.client_name)
                    + length(&pending.server)
            }
            What::Asked(asked) => ASKED_BYTES + length(&asked.server),
            What::Cancelled(..) | What::Answered(_) => MARK_BYTES,
        }
    }
}

// === impl Correlation ===

impl Correlation {
    fn with_links<T>(&self, session: SessionKey, change: impl FnMut(&mut Slot) -> (bool, T)) -> Option<T> {
        self.edit(&self.key('l', session.0 % SLOTS), change)
    }

    /// Operations that may be answered elsewhere; those that a cancellation was waiting for get it. Returns what had to give
    /// way; `None` if other VMs were always faster, so that none is here.
    pub(crate) fn register(&self, session: SessionKey, pending: &[Pending], now: Time) -> Option<Ended> {
        self.with_links(session, |slot| {
            for one in pending {
                let mut one = one.clone();
                let id = one.operation.id.key();
                if one.cancelled_at.is_none() {
                    one.cancelled_at = take_cancelled(slot, session, id);
                }
                let since = if one.stream == 0 { now.0 } else { 0 };
                slot.push(Link { session: session.0, since, what: What::Operation(Box::new(one)) });
            }
            (true, make_room(slot))
        })
    }

    /// The operation that a message with this id answers: that of `stream`; with 0, the oldest with the id.
    pub(crate) fn answer(&self, session: SessionKey, id: IdKey, stream: u64) -> Found<Pending> {
        let found = self.with_links(session, |slot| {
            let is_meant = |one: &Pending| one.operation.id.key() == id && (stream == 0 || one.stream == stream);
            let index = slot.iter().position(|link| link.is(session) && link.pending().is_some_and(is_meant));
            let Some(index) = index else { return (false, answered_or_nothing(slot, session, id)) };
            let What::Operation(pending) = slot.remove(index).what else { return (false, Found::Nothing) };
            note_answered(slot, session, id);
            (true, Found::Some(*pending))
        });
        found.unwrap_or(Found::Nothing)
    }

    /// A stream ended without the answers to its operations: they go on waiting for one elsewhere.
    /// `paused` is for how long the server waited for the client on it, where that is known. Returns those whose session
    /// ended before, so that nothing is left to wait for.
    pub(crate) fn leave(
        &self,
        session: SessionKey,
        stream: u64,
        otherwise: Otherwise,
        paused: Option<u64>,
        now: Time,
    ) -> Vec<Pending> {
        let abandoned = self.with_links(session, |slot| {
            let mut changed = false;
            for link in slot.iter_mut().filter(|link| link.is(session)) {
                match &mut link.what {
                    What::Operation(pending) if pending.stream == stream => {
                        (pending.stream, pending.otherwise, pending.paused) = (0, otherwise, paused);
                        link.since = now.0;
                    }
                    What::Asked(asked) if asked.stream == stream => {
                        asked.stream = 0;
                        link.since = now.0;
                    }
                    _ => continue,
                }
                changed = true;
            }
            let is_over = |link: &mut Link| link.is(session) && link.pending().is_some_and(Pending::is_over);
            let over: Slot = slot.extract_if(.., is_over).collect();
            (changed, Ended::of(over).operations)
        });
        abandoned.unwrap_or_default()
    }

    /// A stream ended for good: takes its operations that were not answered elsewhere, and what the server asked on it and
    /// got no answer to.
    pub(crate) fn finish(&self, session: SessionKey, stream: u64) -> Ended {
        let is_of_stream = |what: &What| match what {
            What::Operation(pending) => pending.stream == stream,
            What::Asked(asked) => asked.stream == stream,
            What::Cancelled(..) | What::Answered(_) => false,
        };
        self.take(session, is_of_stream)
    }

    /// The client gave up an operation. If it is not here, the cancellation waits for it.
    pub(crate) fn cancel(&self, session: SessionKey, id: IdKey, now: Time) -> Ended {
        let cancelled = self.with_links(session, |slot| {
            let links = slot.iter_mut().filter(|link| link.is(session)).filter_map(Link::pending_mut);
            match links.into_iter().find(|one| one.operation.id.key() == id && one.cancelled_at.is_none()) {
                Some(pending) => pending.cancelled_at = Some(now),
                None => {
                    let cancelled = Link { session: session.0, since: now.0, what: What::Cancelled(id, now) };
                    push_of_few(slot, cancelled, MOST_CANCELLED, |what| matches!(what, What::Cancelled(..)));
                }
            }
            (true, make_room(slot))
        });
        cancelled.unwrap_or_default()
    }

    /// When the client gave up an operation that ended without an answer.
    pub(crate) fn cancelled_at(&self, session: SessionKey, id: IdKey) -> Option<Time> {
        self.with_links(session, |slot| {
            let found = take_cancelled(slot, session, id);
            (found.is_some(), found)
        })?
    }

    /// The server asks the client. On a stream of HTTP+SSE nobody can tell for which operation: the clocks of all stop being
    /// known. `is_held` if the operations of its stream need to know when it is answered.
    pub(crate) fn ask(&self, session: SessionKey, asked: &Asked, is_held: bool, transport: Transport) -> Ended {
        let ended = self.with_links(session, |slot| {
            if transport == Transport::HttpSse {
                let links = slot.iter_mut().filter(|link| link.is(session)).filter_map(Link::pending_mut);
                // Of one that was cancelled, the time up to then is known.
                let running = links.filter(|pending| pending.cancelled_at.is_none());
                running.for_each(|pending| pending.paused = None);
            }
            let since = if is_held { 0 } else { asked.at.0 };
            slot.push(Link { session: session.0, since, what: What::Asked(asked.clone()) });
            (true, make_room(slot))
        });
        ended.unwrap_or_default()
    }

    /// The request that the client's answer, or the server's cancellation, with this id ends.
    pub(crate) fn reply(&self, session: SessionKey, id: IdKey, now: Time) -> Found<Asked> {
        let found = self.with_links(session, |slot| {
            let of_id = |link: &Link| match &link.what {
                What::Asked(asked) if link.is(session) && asked.id == id => Some(asked.answered_at.is_some()),
                _ => None,
            };
            let Some(index) = slot.iter().position(|link| of_id(link) == Some(false)) else {
                let is_answered = slot.iter().any(|link| of_id(link) == Some(true));
                let known = answered_or_nothing(slot, session, id.of_server());
                return (false, if is_answered { Found::Answered } else { known });
            };
            let holds = slot.get(index).is_some_and(|link| link.since == 0);
            let Some(asked) = slot.get_mut(index).and_then(Link::asked_mut) else { return (false, Found::Nothing) };
            let found = asked.clone();
            asked.answered_at = Some(now);
            if !holds {
                slot.remove(index);
                note_answered(slot, session, id.of_server());
            }
            (true, Found::Some(found))
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

    /// The session ended: takes all that waits for another of its exchanges. What an open stream holds ends with that stream,
    /// at the latest.
    pub(crate) fn end_links(&self, session: SessionKey) -> Ended {
        let ended = self.take(session, |what| match what {
            What::Operation(pending) => pending.stream == 0,
            // The operations of its stream need to know how long they waited.
            What::Asked(asked) => asked.answered_at.is_none(),
            What::Cancelled(..) | What::Answered(_) => false,
        });
        self.with_links(session, |slot| {
            let mut changed = false;
            for pending in slot.iter_mut().filter(|link| link.is(session)).filter_map(Link::pending_mut) {
                (pending.is_abandoned, changed) = (true, true);
                if ended.asked.iter().any(|asked| asked.stream == pending.stream) {
                    pending.paused = None;
                }
            }
            (changed, ())
        });
        ended
    }

    /// Takes what has waited for too long out of a few slots; the next call looks at the next ones.
    pub(crate) fn sweep(&self, now: Time) -> Ended {
        let mut ended = Ended::default();
        for _ in 0..SWEPT_AT_ONCE {
            let slot = self.swept.get() % SLOTS;
            self.swept.set(slot + 1);
            let key = self.key('l', slot);
            let expired = |link: &Link| link.since != 0 && now.0.saturating_sub(link.since) > EXPIRY.as_nanos() as u64;
            // Looked at before it is changed: most slots have nothing to give.
            if !self.read::<Slot>(&key).iter().any(expired) {
                continue;
            }
            let found = self.edit(&key, |slot: &mut Slot| {
                let (gone, kept) = std::mem::take(slot).into_iter().partition(expired);
                *slot = kept;
                (true, Ended::of(gone))
            });
            let found = found.unwrap_or_default();
            ended.operations.extend(found.operations);
            ended.asked.extend(found.asked);
        }
        ended
    }

    fn take(&self, session: SessionKey, wanted: impl Fn(&What) -> bool) -> Ended {
        let taken = self.with_links(session, |slot| {
            let (gone, kept): (Slot, Slot) =
                std::mem::take(slot).into_iter().partition(|link| link.is(session) && wanted(&link.what));
            *slot = kept;
            for link in &gone {
                match &link.what {
                    What::Operation(pending) => note_answered(slot, session, pending.operation.id.key()),
                    What::Asked(asked) if asked.answered_at.is_some() => {
                        note_answered(slot, session, asked.id.of_server());
                    }
                    _ => {}
                }
            }
            (!gone.is_empty(), Ended::of(gone))
        });
        taken.unwrap_or_default()
    }
}

// === impl Ended ===

impl Ended {
    fn of(links: Slot) -> Self {
        let mut ended = Self::default();
        for link in links {
            match link.what {
                What::Operation(pending) => ended.operations.push(*pending),
                // An answered one was counted then.
                What::Asked(asked) if asked.answered_at.is_none() => ended.asked.push(asked),
                What::Asked(_) | What::Cancelled(..) | What::Answered(_) => {}
            }
        }
        ended
    }
}

fn answered_or_nothing<T>(slot: &Slot, session: SessionKey, id: IdKey) -> Found<T> {
    let answered =
        slot.iter().any(|link| link.is(session) && matches!(link.what, What::Answered(known) if known == id));
    if answered { Found::Answered } else { Found::Nothing }
}

fn note_answered(slot: &mut Slot, session: SessionKey, id: IdKey) {
    let answered = Link { session: session.0, since: 0, what: What::Answered(id) };
    push_of_few(slot, answered, MOST_ANSWERED, |what| matches!(what, What::Answered(_)));
}

/// The oldest of its kind gives way.
fn push_of_few(slot: &mut Slot, link: Link, most: usize, is_of_kind: impl Fn(&What) -> bool) {
    if slot.iter().filter(|link| is_of_kind(&link.what)).count() >= most
        && let Some(oldest) = slot.iter().position(|link| is_of_kind(&link.what))
    {
        slot.remove(oldest);
    }
    slot.push(link);
}

fn take_cancelled(slot: &mut Slot, session: SessionKey, id: IdKey) -> Option<Time> {
    let cancelled = |link: &Link| match link.what {
        What::Cancelled(known, at) if link.is(session) && known == id => Some(at),
        _ => None,
    };
    let (index, at) = slot.iter().enumerate().find_map(|(index, link)| Some((index, cancelled(link)?)))?;
    slot.remove(index);
    Some(at)
}

/// The oldest links give way until the slot is within its bound.
fn make_room(slot: &mut Slot) -> Ended {
    let mut bytes: usize = slot.iter().map(Link::size).sum();
    let mut gone = Slot::new();
    while bytes > MOST_BYTES && !slot.is_empty() {
        let link = slot.remove(0);
        bytes -= link.size();
        gone.push(link);
    }
    Ended::of(gone)
}

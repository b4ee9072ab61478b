//! The streams of one plugin in one VM whose request is held.
//!
//! A held request waits for its body. Envoy sends the body only if the plugin's configuration in Envoy has
//! `allow_on_headers_stop_iteration: true`; without it, the request would wait for ever. So a request without any callback of its
//! body is released after [`MAX_WAIT`], until the body of one held request came. A body that follows its release at once was kept
//! back by Envoy: then the field is missing, and nothing is held for a while. A body that comes later is that of a slow client, and
//! is judged as any other.
//!
//! A request whose body is not complete after [`MAX_HOLD`] is released too, so that clients which never end a body do not keep
//! all places.
//!
//! **Memory:** Envoy keeps at most [`MAX_HELD`] bodies of 64 KiB and what it reads at once.

use crate::host::Time;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Requests of one VM that are held at the same time. Further ones are not read.
const MAX_HELD: usize = 1024;
/// How long a request is held without its body.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How long a request is held whose body is not complete.
const MAX_HOLD: Duration = Duration::from_secs(60);
/// A body that Envoy kept back comes this soon after the release: Envoy sends it before it does anything else.
const KEPT_BACK: Duration = Duration::from_millis(10);
/// If Envoy keeps bodies back, one request is held in this time, to find out whether it still does.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// Whether a stream is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Held,
    /// There are [`MAX_HELD`] already.
    Full,
    /// Its body would never come.
    NoBodies,
}

/// How the first part of a body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstPart {
    /// While its request was held.
    Held,
    /// After the release, and at once.
    KeptBack,
    /// After the release, because the client is slow.
    Late,
}

/// The held streams.
#[derive(Debug, Default)]
pub(super) struct HeldStreams {
    /// A list, because most of the time there are few.
    streams: RefCell<Vec<Held>>,
    bodies: Cell<Bodies>,
    /// When the latest stream was released of whose body nothing came.
    released_at: Cell<Option<Time>>,
}

#[derive(Debug)]
struct Held {
    stream: u32,
    since: Time,
    /// Its headers are held.
    has_headers: bool,
    /// A part of its body is held.
    has_body: bool,
}

/// Whether Envoy sends the body of a request whose headers are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Bodies {
    #[default]
    Unknown,
    Come,
    KeptBack {
        /// When the next request is held.
        until: Time,
    },
}

// === impl HeldStreams ===

impl HeldStreams {
    /// Holds a stream from its headers on, if that is possible.
    pub(super) fn hold(&self, stream: u32, now: Time) -> Hold {
        match self.bodies.get() {
            Bodies::KeptBack { until } if now < until => return Hold::NoBodies,
            Bodies::KeptBack { .. } => self.bodies.set(Bodies::KeptBack { until: now.plus(PROBE_INTERVAL) }),
            Bodies::Unknown | Bodies::Come => {}
        }
        self.add(Held { stream, since: now, has_headers: true, has_body: false })
    }

    /// Holds only the body of a stream, or keeps a place for a copy of it.
    pub(super) fn hold_body(&self, stream: u32, now: Time, has_body: bool) -> Hold {
        self.add(Held { stream, since: now, has_headers: false, has_body })
    }

    fn add(&self, held: Held) -> Hold {
        let mut streams = self.streams.borrow_mut();
        if streams.len() >= MAX_HELD {
            return Hold::Full;
        }
        streams.push(held);
        Hold::Held
    }

    /// The first part of the body came, or the trailers.
    pub(super) fn body_came(&self, stream: u32, now: impl FnOnce() -> Time) -> FirstPart {
        if let Some(held) = self.streams.borrow_mut().iter_mut().find(|held| held.stream == stream) {
            held.has_body = true;
            if held.has_headers {
                self.bodies.set(Bodies::Come);
            }
            return FirstPart::Held;
        }
        let released_at = self.released_at.get().filter(|_| self.bodies.get() != Bodies::Come);
        let now = now();
        if released_at.is_none_or(|at| now > at.plus(KEPT_BACK)) {
            return FirstPart::Late;
        }
        self.bodies.set(Bodies::KeptBack { until: now.plus(PROBE_INTERVAL) });
        FirstPart::KeptBack
    }

    /// Whether a stream is held, and was not released.
    pub(super) fn is_held(&self, stream: u32) -> bool {
        self.streams.borrow().iter().any(|held| held.stream == stream)
    }

    /// Whether Envoy keeps the bodies of held requests back.
    pub(super) fn lacks_bodies(&self) -> bool {
        matches!(self.bodies.get(), Bodies::KeptBack { .. })
    }

    /// A stream that was held passes on, or is over.
    pub(super) fn end(&self, stream: u32) {
        self.streams.borrow_mut().retain(|held| held.stream != stream);
    }

    /// Releases the streams that waited too long. Returns those that the shell has to resume.
    pub(super) fn release_overdue(&self, now: Time) -> Vec<u32> {
        let have_come = self.bodies.get() == Bodies::Come;
        let waits = |held: &Held| !have_come && held.has_headers && !held.has_body;
        let is_due = |held: &Held| now >= held.since.plus(if waits(held) { MAX_WAIT } else { MAX_HOLD });
        if self.streams.borrow().iter().any(|held| waits(held) && is_due(held)) {
            self.bodies.set(Bodies::Unknown);
            self.released_at.set(Some(now));
        }
        self.release(is_due)
    }

    /// Releases the streams of whose body nothing came, because no further tick comes.
    pub(super) fn release_all(&self) -> Vec<u32> {
        self.release(|held| !held.has_body)
    }

    fn release(&self, is_due: impl Fn(&Held) -> bool) -> Vec<u32> {
        let mut resumed = Vec::new();
        self.streams.borrow_mut().retain(|held| {
            let is_due = is_due(held);
            if is_due && (held.has_headers || held.has_body) {
                resumed.push(held.stream);
            }
            !is_due
        });
        resumed
    }
}

#[cfg(test)]
mod tests {
    use super::{FirstPart, HeldStreams, Hold, KEPT_BACK, MAX_HELD, MAX_HOLD, MAX_WAIT, PROBE_INTERVAL};
    use crate::host::Time;
    use crate::test;

    const START: Time = Time(0);
    const RELEASE: Time = START.plus(MAX_WAIT);
    const LATER: Time = Time(RELEASE.plus(KEPT_BACK).0 + 1);

    fn hold(held: &HeldStreams, stream: u32, now: Time) -> bool {
        held.hold(stream, now) == Hold::Held
    }

    #[test]
    fn stream_without_a_body_is_released_after_the_wait() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START));
        assert!(held.release_overdue(Time(RELEASE.0 - 1)).is_empty());
        assert_eq!(held.release_overdue(RELEASE), [1]);
        assert!(held.release_overdue(RELEASE).is_empty() && !held.is_held(1));
    }

    #[test]
    fn no_stream_is_released_after_the_wait_once_a_body_came() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        assert_eq!(held.body_came(1, || START), FirstPart::Held);
        assert!(held.release_overdue(RELEASE).is_empty());
        assert_eq!(held.body_came(2, || RELEASE), FirstPart::Held);
    }

    #[test]
    fn body_that_follows_its_release_at_once_was_kept_back() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        assert_eq!(held.release_overdue(RELEASE), [1]);
        assert_eq!(held.body_came(1, || RELEASE.plus(KEPT_BACK)), FirstPart::KeptBack);
        assert!(held.lacks_bodies());
        assert_eq!(held.hold(2, RELEASE), Hold::NoBodies);
    }

    #[test]
    fn body_of_a_slow_client_does_not_end_the_limit() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        assert_eq!(held.release_overdue(RELEASE), [1]);
        assert_eq!(held.body_came(1, || LATER), FirstPart::Late);
        assert!(!held.lacks_bodies() && hold(&held, 2, LATER));
        // It says nothing about bodies of held headers: Envoy would have kept it back if it had been there.
        assert_eq!(held.release_overdue(LATER.plus(MAX_WAIT)), [2]);
    }

    #[test]
    fn probe_without_a_body_does_not_end_the_limit_again() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        held.release_overdue(RELEASE);
        held.body_came(1, || RELEASE);
        let probe = RELEASE.plus(PROBE_INTERVAL);
        assert!(hold(&held, 2, probe));
        assert_eq!(held.hold(3, probe), Hold::NoBodies);
        assert_eq!(held.release_overdue(probe.plus(MAX_WAIT)), [2]);
        assert!(!held.lacks_bodies() && hold(&held, 4, probe.plus(MAX_WAIT)));
    }

    #[test]
    fn probe_with_a_body_shows_that_bodies_come() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        held.release_overdue(RELEASE);
        held.body_came(1, || RELEASE);
        let probe = RELEASE.plus(PROBE_INTERVAL);
        assert!(hold(&held, 2, probe));
        assert_eq!(held.body_came(2, || probe), FirstPart::Held);
        assert!(!held.lacks_bodies() && hold(&held, 3, probe));
        assert!(held.release_overdue(probe.plus(MAX_WAIT)).is_empty());
    }

    #[test]
    fn body_without_held_headers_shows_nothing() {
        let held = HeldStreams::default();
        assert_eq!(held.hold_body(1, START, false), Hold::Held);
        assert_eq!(held.body_came(1, || START), FirstPart::Held);
        hold(&held, 2, START);
        assert_eq!(held.release_overdue(RELEASE), [2]);
    }

    #[test]
    fn unfinished_body_is_released_after_the_longest_hold() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        held.body_came(1, || START);
        // A place without anything that is held needs no resumption.
        held.hold_body(3, START, false);
        assert_eq!(held.release_overdue(START.plus(MAX_HOLD)), [1, 2]);
        assert!([1, 2, 3].iter().all(|stream| !held.is_held(*stream)));
        assert_eq!(held.body_came(2, || START.plus(MAX_HOLD)), FirstPart::Late);
    }

    #[test]
    fn streams_beyond_the_bound_are_not_held() {
        let held = HeldStreams::default();
        let count = u32::try_from(MAX_HELD).unwrap();
        assert!((0..count).all(|stream| hold(&held, stream, START)));
        assert_eq!(held.hold(count, START), Hold::Full);
        held.end(7);
        assert!(hold(&held, count, START));
    }

    #[test]
    fn streams_without_a_body_are_released_at_the_end() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        held.body_came(1, || START);
        assert_eq!(held.release_all(), [2]);
    }
}

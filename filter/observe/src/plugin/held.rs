//! The streams of one plugin in one VM whose request is held.
//!
//! A held request waits for its body. Envoy sends the body only if the plugin's configuration in Envoy has
//! `allow_on_headers_stop_iteration: true`; without it, the request would wait for ever. So a request without any callback of its
//! body is released after [`MAX_WAIT`], until the body of one held request came. If Envoy received a part of its body by then, Envoy
//! kept it back: the field is missing, and nothing is held for a while. Otherwise the client is slow, and its body is judged
//! when it comes.
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
    /// After the release, because Envoy kept it back.
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
}

#[derive(Debug)]
struct Held {
    stream: u32,
    since: Time,
    /// Its headers are held.
    has_headers: bool,
    /// A part of its body is held.
    has_body: bool,
    /// Bytes that Envoy had received when it was held.
    received: u64,
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
    /// Holds a stream from its headers on, if that is possible. `received` returns how many bytes of the request Envoy received.
    pub(super) fn hold(&self, stream: u32, now: Time, received: impl FnOnce() -> u64) -> Hold {
        match self.bodies.get() {
            Bodies::KeptBack { until } if now < until => return Hold::NoBodies,
            Bodies::KeptBack { .. } => self.bodies.set(Bodies::KeptBack { until: now.plus(PROBE_INTERVAL) }),
            Bodies::Unknown | Bodies::Come => {}
        }
        let received = if self.bodies.get() == Bodies::Come { 0 } else { received() };
        self.add(Held { stream, since: now, has_headers: true, has_body: false, received })
    }

    /// Holds only the body of a stream, or keeps a place for a copy of it.
    pub(super) fn hold_body(&self, stream: u32, now: Time, has_body: bool) -> Hold {
        self.add(Held { stream, since: now, has_headers: false, has_body, received: 0 })
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
    pub(super) fn body_came(&self, stream: u32) -> FirstPart {
        let mut streams = self.streams.borrow_mut();
        let Some(held) = streams.iter_mut().find(|held| held.stream == stream) else {
            return if self.lacks_bodies() { FirstPart::KeptBack } else { FirstPart::Late };
        };
        held.has_body = true;
        if held.has_headers {
            self.bodies.set(Bodies::Come);
        }
        FirstPart::Held
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

    /// Releases the streams that waited too long. Returns those that the shell has to resume. `received` returns how many bytes of
    /// a stream's request Envoy received.
    pub(super) fn release_overdue(&self, now: Time, received: impl Fn(u32) -> u64) -> Vec<u32> {
        let have_come = self.bodies.get() == Bodies::Come;
        let waits = |held: &Held| !have_come && held.has_headers && !held.has_body;
        let is_due = |held: &Held| now >= held.since.plus(if waits(held) { MAX_WAIT } else { MAX_HOLD });
        let is_kept_back = |held: &Held| received(held.stream) > held.received;
        let mut waited = None;
        for held in self.streams.borrow().iter().filter(|held| waits(held) && is_due(held)) {
            waited = Some(waited.unwrap_or_default() || is_kept_back(held));
        }
        match waited {
            Some(true) => self.bodies.set(Bodies::KeptBack { until: now.plus(PROBE_INTERVAL) }),
            Some(false) => self.bodies.set(Bodies::Unknown),
            None => {}
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
    use super::{FirstPart, HeldStreams, Hold, MAX_HELD, MAX_HOLD, MAX_WAIT, PROBE_INTERVAL};
    use crate::host::Time;
    use crate::test;

    const START: Time = Time(0);
    const RELEASE: Time = START.plus(MAX_WAIT);
    const HEADERS: u64 = 100;

    fn hold(held: &HeldStreams, stream: u32, now: Time) -> bool {
        held.hold(stream, now, || HEADERS) == Hold::Held
    }

    /// Releases streams of which nothing but the headers came to Envoy.
    fn release(held: &HeldStreams, now: Time) -> Vec<u32> {
        held.release_overdue(now, |_| HEADERS)
    }

    /// Streams of which Envoy keeps the body back.
    fn kept_back() -> HeldStreams {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        assert_eq!(held.release_overdue(RELEASE, |_| HEADERS + 1), [1]);
        held
    }

    #[test]
    fn stream_without_a_body_is_released_after_the_wait() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START));
        assert!(release(&held, Time(RELEASE.0 - 1)).is_empty());
        assert_eq!(release(&held, RELEASE), [1]);
        assert!(release(&held, RELEASE).is_empty() && !held.is_held(1));
    }

    #[test]
    fn no_stream_is_released_after_the_wait_once_a_body_came() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        assert_eq!(held.body_came(1), FirstPart::Held);
        assert!(release(&held, RELEASE).is_empty());
        assert_eq!(held.body_came(2), FirstPart::Held);
    }

    #[test]
    fn body_that_was_received_and_did_not_come_was_kept_back() {
        let held = kept_back();
        assert_eq!(held.body_came(1), FirstPart::KeptBack);
        assert!(held.lacks_bodies());
        assert_eq!(held.hold(2, RELEASE, || HEADERS), Hold::NoBodies);
    }

    #[test]
    fn body_of_a_slow_client_does_not_end_the_limit() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        assert_eq!(release(&held, RELEASE), [1]);
        assert_eq!(held.body_came(1), FirstPart::Late);
        assert!(!held.lacks_bodies() && hold(&held, 2, RELEASE));
        // It says nothing about bodies of held headers: its own were released.
        assert_eq!(release(&held, RELEASE.plus(MAX_WAIT)), [2]);
    }

    #[test]
    fn probe_without_a_body_does_not_end_the_limit_again() {
        let held = kept_back();
        let probe = RELEASE.plus(PROBE_INTERVAL);
        assert!(hold(&held, 2, probe));
        assert_eq!(held.hold(3, probe, || HEADERS), Hold::NoBodies);
        assert_eq!(release(&held, probe.plus(MAX_WAIT)), [2]);
        assert!(!held.lacks_bodies() && hold(&held, 4, probe.plus(MAX_WAIT)));
    }

    #[test]
    fn probe_with_a_body_shows_that_bodies_come() {
        let held = kept_back();
        let probe = RELEASE.plus(PROBE_INTERVAL);
        assert!(hold(&held, 2, probe));
        assert_eq!(held.body_came(2), FirstPart::Held);
        assert!(!held.lacks_bodies() && hold(&held, 3, probe));
        assert!(release(&held, probe.plus(MAX_WAIT)).is_empty());
    }

    #[test]
    fn body_without_held_headers_shows_nothing() {
        let held = HeldStreams::default();
        assert_eq!(held.hold_body(1, START, false), Hold::Held);
        assert_eq!(held.body_came(1), FirstPart::Held);
        hold(&held, 2, START);
        assert_eq!(release(&held, RELEASE), [2]);
    }

    #[test]
    fn unfinished_body_is_released_after_the_longest_hold() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        held.body_came(1);
        // A place without anything that is held needs no resumption.
        held.hold_body(3, START, false);
        assert_eq!(release(&held, START.plus(MAX_HOLD)), [1, 2]);
        assert!([1, 2, 3].iter().all(|stream| !held.is_held(*stream)));
        assert_eq!(held.body_came(2), FirstPart::Late);
    }

    #[test]
    fn streams_beyond_the_bound_are_not_held() {
        let held = HeldStreams::default();
        let count = u32::try_from(MAX_HELD).unwrap();
        assert!((0..count).all(|stream| hold(&held, stream, START)));
        assert_eq!(held.hold(count, START, || HEADERS), Hold::Full);
        held.end(7);
        assert!(hold(&held, count, START));
    }

    #[test]
    fn streams_without_a_body_are_released_at_the_end() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        held.body_came(1);
        assert_eq!(held.release_all(), [2]);
    }
}

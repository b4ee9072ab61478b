//! The streams of one plugin in one VM whose request is held.
//!
//! A held request waits for its body. Envoy sends the body only if the plugin's configuration in Envoy has
//! `allow_on_headers_stop_iteration: true`; without it, the request would wait for ever. So a request without any callback of its
//! body is released after [`MAX_WAIT`]. As soon as the body of one held request came, the field is set, and later ones are
//! not released, because a client that delays its body would get past the limit.
//!
//! **Memory:** Envoy keeps at most [`MAX_HELD`] bodies of 64 KiB and what it reads at once.

use crate::host::Time;
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Requests of one VM that are held at the same time. Further ones pass, and count as not read.
const MAX_HELD: usize = 1024;
/// How long a request is held without its body.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// After a request was released, only one request is held in this time, to find out whether its body comes.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// Whether a stream is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Held,
    /// There are [`MAX_HELD`] already.
    Full,
    /// Its body may never come.
    NoBodies,
}

/// The held streams.
#[derive(Debug, Default)]
pub(super) struct HeldStreams {
    count: Cell<usize>,
    /// Those of whose body nothing came. Once the body of one came, only those that were released before.
    without_body: RefCell<Vec<WithoutBody>>,
    has_bodies: Cell<bool>,
    /// When the next request is held, after one was released.
    next_probe: Cell<Option<Time>>,
}

/// A stream of whose body nothing came.
#[derive(Debug)]
struct WithoutBody {
    stream: u32,
    since: Time,
    is_released: bool,
}

// === impl HeldStreams ===

impl HeldStreams {
    /// Holds a stream, if that is possible.
    pub(super) fn hold(&self, stream: u32, now: impl FnOnce() -> Time) -> Hold {
        if self.count.get() >= MAX_HELD {
            return Hold::Full;
        }
        if !self.has_bodies.get() {
            let since = now();
            match self.next_probe.get() {
                Some(at) if since < at => return Hold::NoBodies,
                Some(_) => self.next_probe.set(Some(since.plus(PROBE_INTERVAL))),
                None => {}
            }
            self.without_body.borrow_mut().push(WithoutBody { stream, since, is_released: false });
        }
        self.count.set(self.count.get() + 1);
        Hold::Held
    }

    /// The first part of the body came, or the trailers. Returns whether the stream was held until now, and not released.
    pub(super) fn body_came(&self, stream: u32) -> bool {
        let mut without_body = self.without_body.borrow_mut();
        let is_held = !without_body.iter().any(|held| held.stream == stream && held.is_released);
        if is_held && !self.has_bodies.replace(true) {
            without_body.retain(|held| held.is_released);
        }
        is_held
    }

    /// A stream that was held passes on, or is over.
    pub(super) fn end(&self, stream: u32) {
        self.without_body.borrow_mut().retain(|held| held.stream != stream);
        self.count.set(self.count.get().saturating_sub(1));
    }

    /// Releases the streams that waited too long, and returns them.
    pub(super) fn release_overdue(&self, now: Time) -> Vec<u32> {
        let overdue = self.release(|held| now >= held.since.plus(MAX_WAIT));
        if !overdue.is_empty() {
            self.next_probe.set(Some(now.plus(PROBE_INTERVAL)));
        }
        overdue
    }

    /// Releases all streams, because no further tick comes.
    pub(super) fn release_all(&self) -> Vec<u32> {
        self.release(|_| true)
    }

    fn release(&self, is_due: impl Fn(&WithoutBody) -> bool) -> Vec<u32> {
        let mut without_body = self.without_body.borrow_mut();
        let due = without_body.iter_mut().filter(|held| !held.is_released && is_due(held));
        due.map(|held| {
            held.is_released = true;
            held.stream
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{HeldStreams, Hold, MAX_HELD, MAX_WAIT, PROBE_INTERVAL};
    use crate::host::Time;
    use crate::test;

    const START: Time = Time(0);

    fn hold(held: &HeldStreams, stream: u32, now: Time) -> bool {
        held.hold(stream, || now) == Hold::Held
    }

    #[test]
    fn stream_without_a_body_is_released_after_the_wait() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START));
        let late = START.plus(MAX_WAIT);
        assert!(held.release_overdue(Time(late.0 - 1)).is_empty());
        assert_eq!(held.release_overdue(late), [1]);
        assert!(held.release_overdue(late).is_empty());
        assert!(!held.body_came(1));
    }

    #[test]
    fn no_stream_is_released_once_a_body_came() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        assert!(held.body_came(1));
        assert!(held.release_overdue(START.plus(PROBE_INTERVAL)).is_empty());
        assert!(held.release_all().is_empty());
        assert!(held.body_came(2));
    }

    #[test]
    fn one_stream_is_held_per_interval_after_a_release() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        let released = START.plus(MAX_WAIT);
        assert_eq!(held.release_overdue(released), [1]);
        assert_eq!(held.hold(2, || released), Hold::NoBodies);
        let probe = released.plus(PROBE_INTERVAL);
        assert!(hold(&held, 3, probe) && !hold(&held, 4, probe));
        assert!(held.body_came(3));
        assert!(hold(&held, 5, probe) && hold(&held, 6, probe));
    }

    #[test]
    fn released_stream_stays_released_when_the_body_of_another_comes() {
        let held = HeldStreams::default();
        hold(&held, 1, START);
        let released = START.plus(MAX_WAIT);
        held.release_overdue(released);
        hold(&held, 2, released.plus(PROBE_INTERVAL));
        assert!(held.body_came(2) && !held.body_came(1));
        held.end(1);
        assert!(held.without_body.borrow().is_empty());
    }

    #[test]
    fn streams_beyond_the_bound_are_not_held() {
        let held = HeldStreams::default();
        let count = u32::try_from(MAX_HELD).unwrap();
        assert!((0..count).all(|stream| hold(&held, stream, START)));
        assert_eq!(held.hold(count, || START), Hold::Full);
        held.end(7);
        assert!(hold(&held, count, START));
    }

    #[test]
    fn all_streams_are_released_at_the_end() {
        let held = HeldStreams::default();
        assert!(hold(&held, 1, START) && hold(&held, 2, START));
        assert_eq!(held.release_all(), [1, 2]);
    }
}

//! Streams that broke, and what their clients take up with `Last-Event-ID`.

use super::{call, data, log, open, read, result};
use crate::bridge::router::Router;
use std::task::{Context, Poll, Waker};

#[test]
fn stream_is_taken_up_after_an_event() {
    let mut router = Router::default();
    let get = router.get(None);
    for text in ["a", "b", "c"] {
        router.route(&log(text));
    }
    let (events, _) = read(&mut router, get);
    router.route(&log("not taken"));
    router.leave(get);
    let again = router.get(Some(&events[0].0));
    assert_eq!(again.stream, get.stream);
    router.route(&log("live"));
    let texts = data(&mut router, again);
    assert_eq!(texts.len(), 4);
    for (text, part) in texts.iter().zip(["\"b\"", "\"c\"", "not taken", "live"]) {
        assert!(text.contains(part), "{text}");
    }
    assert!(router.poll_next(get, &mut Context::from_waker(Waker::noop())) == Poll::Ready(None));
}

#[test]
fn event_that_is_taken_up_again_and_again_comes_once_each_time() {
    let mut router = Router::default();
    let mut reader = router.get(None);
    for text in ["a", "b", "c"] {
        router.route(&log(text));
    }
    let (events, _) = read(&mut router, reader);
    for is_taken in [true, true, false, true, false, false, true] {
        router.leave(reader);
        reader = router.get(Some(&events[0].0));
        if is_taken {
            assert_eq!(read(&mut router, reader).0, events[1..]);
        }
    }
    // A reader that has taken none is followed by one that knows more.
    reader = router.get(Some(&events[0].0));
    assert_ne!(reader, router.get(Some(&events[1].0)));
    reader = router.get(Some(&events[1].0));
    assert_eq!(read(&mut router, reader).0, events[2..]);
}

#[test]
fn answer_of_a_call_whose_client_left_is_taken_up() {
    let mut router = Router::default();
    router.set_version("2025-11-25");
    let reader = open(&mut router, &[call(1, 1)]);
    let (first, _) = read(&mut router, reader);
    assert_eq!(first[0].1, "");
    router.leave(reader);
    assert!(!router.has_readers());
    router.route(&result(1));
    let again = router.get(Some(&first[0].0));
    let (events, is_over) = read(&mut router, again);
    assert!(is_over && events.len() == 1, "{events:?}");
    // The last event that the client has is the answer.
    let none = router.get(Some(&events[0].0));
    assert_eq!(read(&mut router, none), (Vec::new(), true));
}

#[test]
fn later_reader_takes_the_place_of_an_earlier_one() {
    let mut router = Router::default();
    let get = router.get(None);
    router.route(&log("a"));
    let (events, _) = read(&mut router, get);
    let again = router.get(Some(&events[0].0));
    // That the first one is gone is seen late.
    router.leave(get);
    router.route(&log("b"));
    assert_eq!(data(&mut router, again).len(), 1);
}

#[test]
fn event_ids_of_nobody_open_a_stream_or_end_at_once() {
    let mut router = Router::default();
    for id in ["", "x", "g", "p1", "g-1", "\u{0}", "g99999999999999999999-1"] {
        let reader = router.get(Some(id));
        assert!(!read(&mut router, reader).1, "{id}");
    }
    let reader = router.get(Some("p77-1"));
    assert!(read(&mut router, reader).1);
}

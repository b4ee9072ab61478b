//! Calls that their client cancelled.

use super::{call, cancel, open, read, result};
use crate::bridge::router::{Cancelled, Router};
use crate::message::Id;

#[test]
fn cancelled_call_that_is_given_up_is_not_a_later_one() {
    let mut router = Router::default();
    let one = Id::from(1);
    let reader = open(&mut router, &[call(1, 1)]);
    let number = cancel(&mut router, 1);
    router.route(&result(1));
    assert!(read(&mut router, reader).1);
    let later = open(&mut router, &[call(1, 1)]);
    router.give_up(&one, number);
    assert!(!read(&mut router, later).1);
    let number = cancel(&mut router, 1);
    router.give_up(&one, number);
    assert_eq!(read(&mut router, later), (Vec::new(), true));
}

#[test]
fn end_answers_no_cancelled_call() {
    let mut router = Router::default();
    let reader = open(&mut router, &[call(1, 1)]);
    cancel(&mut router, 1);
    router.end("why");
    assert_eq!(read(&mut router, reader), (Vec::new(), true));
}

#[test]
fn call_that_was_cancelled_before_it_came_is_opened_as_cancelled() {
    let mut router = Router::default();
    assert_eq!(router.cancel(&Id::from(1)), Cancelled::Early);
    assert_eq!(router.cancel(&Id::from(2)), Cancelled::Early);
    router.forget_early(&Id::from(2));
    let (reader, opened) = router.post(&[call(1, 1), call(2, 2)]).unwrap();
    assert_eq!(opened.iter().map(|call| call.is_cancelled).collect::<Vec<_>>(), [true, false]);
    assert_eq!(router.cancel(&Id::from(1)), Cancelled::Other);
    router.end("why");
    let (events, is_over) = read(&mut router, reader);
    assert!(is_over && events.len() == 1 && events[0].1.contains("\"id\":2,"), "{events:?}");
}

#[test]
fn cancel_notifications_that_wait_are_bounded() {
    let mut router = Router::default();
    for id in 0..64 {
        assert_eq!(router.cancel(&Id::from(id)), Cancelled::Early);
        assert_eq!(router.cancel(&Id::from(id)), Cancelled::Other);
    }
    assert_eq!(router.cancel(&Id::from(64)), Cancelled::Other);
    router.forget_early(&Id::from(0));
    let long = Id::read(&format!("\"{}\"", "x".repeat(5000))).unwrap();
    assert_eq!(router.cancel(&long), Cancelled::Other);
    let calls: Vec<_> = (0..65).map(|id| call(id, id)).collect();
    let (_, opened) = router.post(&calls).unwrap();
    let not_cancelled: Vec<_> = opened.iter().filter(|call| !call.is_cancelled).map(|call| call.id.clone()).collect();
    assert_eq!(not_cancelled, [Id::from(0), Id::from(64)]);
}

//! How a held request ends without an answer: the client leaves, or the body never comes.

use std::time::Duration;

use fake_envoy::{Exchange, Host, Pause, Plugin, Step, Upstream};

use super::{CALL, RULE, call, limited, lines, outcomes, passed, play};
use crate::support;

#[test]
fn client_that_leaves_a_held_request_takes_no_token() {
    let (host, vm) = limited(RULE, "");
    let mut exchange = Exchange::post(CALL.trim_end_matches('}'));
    exchange.steps.pop();
    let played = play(&vm, &exchange.in_chunks_of(20));
    assert_eq!((played.upstream, played.local_reply), (Upstream::default(), None));
    assert_eq!(lines(&host, &vm, "mcp_parse_skipped"), ["mcp_parse_skipped_total{direction=in,reason=truncated} 1"]);
    assert_eq!(play(&vm, &call()).local_reply, None);
    assert_eq!(outcomes(&host, &vm), ["r allowed 1"]);
}

/// A plugin without `allow_on_headers_stop_iteration`.
#[test]
fn request_whose_body_never_comes_is_released() {
    let host = Host::new().unwrap();
    let configuration = format!(r#"{{"rate_limit":{{"unread":"refuse","rules":[{RULE}]}}}}"#);
    let vm = host.start(&Plugin::new(&configuration).pausing(Pause::HoldsAll)).unwrap();
    let (headers, body) = (Exchange::post(""), CALL.as_bytes());
    let Some(Step::RequestHeaders(headers)) = headers.steps.first() else { panic!("no headers") };
    let mut streams = [vm.open(), vm.open()];
    for stream in &mut streams {
        stream.request_headers(&support::borrow(headers), false).unwrap();
        stream.request_body(body, true).unwrap();
    }
    vm.advance(Duration::from_millis(4_999));
    vm.tick().unwrap();
    vm.advance(Duration::from_millis(1));
    vm.tick().unwrap();
    vm.tick().unwrap();
    for mut stream in streams {
        stream.deliver().unwrap();
        assert_eq!(*stream.upstream(), Upstream { has_headers: true, body: body.to_vec() });
        stream.close().unwrap();
    }
    vm.tick().unwrap();
    vm.tick().unwrap();
    assert_eq!(outcomes(&host, &vm), ["r unread 2"]);
    let errors: Vec<_> = host.log().into_iter().filter(|line| line.level == 4).map(|line| line.message).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("allow_on_headers_stop_iteration"), "{errors:?}");
    // For a minute, requests pass at once.
    let played = play(&vm, &call());
    assert_eq!((played.upstream, played.local_reply), (passed(&call()), None));
    assert_eq!(outcomes(&host, &vm), ["r unread 3"]);
}

/// Nothing shows that Envoy keeps bodies back, so the limit stays.
#[test]
fn body_of_a_slow_client_is_judged_after_its_headers_were_released() {
    let (host, vm) = limited(RULE, "");
    let exchange = Exchange::post(CALL);
    let Some(Step::RequestHeaders(headers)) = exchange.steps.first() else { panic!("no headers") };
    let mut slow = vm.open();
    slow.request_headers(&support::borrow(headers), false).unwrap();
    vm.advance(Duration::from_secs(5));
    vm.tick().unwrap();
    slow.deliver().unwrap();
    assert!(slow.upstream().has_headers);
    vm.advance(Duration::from_secs(1));
    assert_eq!(play(&vm, &call()).local_reply, None);
    slow.request_body(&CALL.as_bytes()[..9], false).unwrap();
    slow.request_body(&CALL.as_bytes()[9..], true).unwrap();
    assert!(slow.local_reply().is_some());
    assert!(slow.upstream().body.is_empty());
    slow.close().unwrap();
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r limited 1"]);
    assert!(host.log().iter().all(|line| line.level < 4));
}

#[test]
fn body_that_is_not_complete_in_a_minute_is_let_go() {
    for (unread, passes) in [("pass", true), ("refuse", false)] {
        let (host, vm) = limited(RULE, &format!(r#","unread":"{unread}""#));
        let exchange = Exchange::post(CALL);
        let Some(Step::RequestHeaders(headers)) = exchange.steps.first() else { panic!("no headers") };
        let mut stream = vm.open();
        stream.request_headers(&support::borrow(headers), false).unwrap();
        stream.request_body(&CALL.as_bytes()[..9], false).unwrap();
        vm.advance(Duration::from_millis(59_999));
        vm.tick().unwrap();
        stream.deliver().unwrap();
        assert!(!stream.upstream().has_headers);
        vm.advance(Duration::from_millis(1));
        vm.tick().unwrap();
        stream.deliver().unwrap();
        assert!(stream.upstream().has_headers);
        stream.request_body(&CALL.as_bytes()[9..], true).unwrap();
        assert_eq!(stream.local_reply().is_none(), passes);
        let expected = if passes { CALL.as_bytes() } else { &CALL.as_bytes()[..9] };
        assert_eq!(stream.upstream().body, expected);
        stream.close().unwrap();
        assert_eq!(outcomes(&host, &vm), ["r unread 1"]);
    }
}

#[test]
fn client_that_expects_100_reaches_the_server_with_its_headers_only() {
    let (host, vm) = limited(RULE, "");
    play(&vm, &call());
    let exchange = Exchange::post(CALL);
    let Some(Step::RequestHeaders(headers)) = exchange.steps.first() else { panic!("no headers") };
    let mut headers = support::borrow(headers);
    headers.push(("expect", b"100-continue"));
    let mut stream = vm.open();
    stream.request_headers(&headers, false).unwrap();
    assert!(stream.upstream().has_headers);
    stream.request_body(CALL.as_bytes(), true).unwrap();
    assert!(stream.local_reply().is_some());
    assert!(stream.upstream().body.is_empty());
    stream.close().unwrap();
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r limited 1"]);
}

#[test]
fn request_is_held_without_its_body_once_bodies_came() {
    let (host, vm) = limited(RULE, "");
    play(&vm, &call());
    let exchange = Exchange::post(CALL);
    let Some(Step::RequestHeaders(headers)) = exchange.steps.first() else { panic!("no headers") };
    let mut stream = vm.open();
    stream.request_headers(&support::borrow(headers), false).unwrap();
    for _ in 0..4 {
        vm.advance(Duration::from_secs(5));
        vm.tick().unwrap();
    }
    stream.deliver().unwrap();
    assert!(!stream.upstream().has_headers);
    stream.request_body(CALL.as_bytes(), true).unwrap();
    assert!(stream.local_reply().is_some());
    stream.close().unwrap();
    assert_eq!(outcomes(&host, &vm), ["r allowed 1", "r limited 1"]);
}

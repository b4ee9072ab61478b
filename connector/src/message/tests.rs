use super::{Body, Id, Kind, Message, Place, Unreadable};
use bytes::Bytes;

fn read(text: &str) -> Message {
    Message::read(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn id(text: &str) -> Id {
    Id::read(text).unwrap()
}

#[test]
fn kind_follows_from_the_members() {
    let cases = [
        (r#"{"id":1,"method":"ping","jsonrpc":"2.0"}"#, Kind::Request("ping".to_owned(), id("1"))),
        (r#"{"method":"ping","id":null}"#, Kind::Notification("ping".to_owned())),
        (r#"{"method":"notifications/initialized"}"#, Kind::Notification("notifications/initialized".to_owned())),
        (r#"{"result":{},"jsonrpc":"2.0","id":"a"}"#, Kind::Result(id("\"a\""))),
        (r#"{"error":{"code":-32601,"message":""},"id":2}"#, Kind::Error(Some(id("2")))),
        (r#"{"error":{"code":-32700,"message":""},"id":null}"#, Kind::Error(None)),
        (r#"{"error":{"code":-32700,"message":""}}"#, Kind::Error(None)),
    ];
    for (text, kind) in cases {
        assert_eq!(*read(text).kind(), kind, "{text}");
    }
}

#[test]
fn what_is_no_message_has_its_reason() {
    let cases = [
        ("", "not JSON"),
        ("hello", "not JSON"),
        (r#"{"id":1"#, "not JSON"),
        ("[]", "not an object"),
        ("17", "not an object"),
        (r#"{"id":1,"id":2,"method":"ping"}"#, "each of its members once"),
        ("{}", "neither"),
        (r#"{"id":1}"#, "neither"),
        (r#"{"result":1}"#, "a result without an id"),
        (r#"{"id":1,"result":1,"error":{}}"#, "both"),
        (r#"{"id":[1],"method":"ping"}"#, "`id` is not"),
        (r#"{"id":1,"method":7}"#, "`method` is not"),
    ];
    for (text, reason) in cases {
        let error = Message::read(&Bytes::from(text)).unwrap_err();
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
    assert_eq!(Message::read(&Bytes::from_static(b"\xff")).unwrap_err(), Unreadable::Json("not UTF-8".to_owned()));
}

#[test]
fn text_is_one_line_and_otherwise_unchanged() {
    let message = read("{\r\n \"id\" : 1.0,\n\"method\":\"a\\nb\" , \"x\":[1,  2]}\n");
    assert_eq!(message.text(), "{   \"id\" : 1.0, \"method\":\"a\\nb\" , \"x\":[1,  2]} ");
}

#[test]
fn values_are_replaced_and_every_other_byte_stays() {
    let message = read(r#"{"params":{"_meta": {"progressToken" :"é\n"},"z":1e5},"id": 7 ,"method":"tools/call"}"#);
    assert_eq!(message.raw(Place::RequestToken), Some(r#""é\n""#));
    assert_eq!(
        message.with(&[(Place::Id, "100"), (Place::RequestToken, "200"), (Place::Subscription, "300")]),
        r#"{"params":{"_meta": {"progressToken" :200},"z":1e5},"id": 100 ,"method":"tools/call"}"#
    );
    assert_eq!(message.with(&[]), message.text());
}

#[test]
fn every_place_is_found() {
    let cases = [
        (r#"{"id":1,"method":"m"}"#, Place::Id),
        (r#"{"id":7,"method":"m","params":{"_meta":{"progressToken":1}}}"#, Place::RequestToken),
        (r#"{"method":"notifications/progress","params":{"progressToken":1}}"#, Place::ProgressToken),
        (r#"{"method":"notifications/cancelled","params":{"requestId":1}}"#, Place::CancelledRequest),
        (r#"{"method":"n","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#, Place::Subscription),
        (r#"{"id":7,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#, Place::ResultSubscription),
    ];
    for (text, place) in cases {
        assert_eq!(read(text).value(place), Some(Id::from(1)), "{text}");
        assert_eq!(
            read(text).with(&[(place, "\"x\"")]),
            text.replace(":1}", ":\"x\"}").replace(":1,", ":\"x\","),
            "{text}"
        );
    }
}

#[test]
fn strings_inside_are_decoded() {
    let request = read(
        r#"{"id":1,"method":"tools/call","params":{"name":"a\u0062","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    );
    assert_eq!(request.param("name").as_deref(), Some("ab"));
    assert_eq!(request.protocol_version().as_deref(), Some("2026-07-28"));
    assert_eq!(request.param("_meta"), None);
    let answer = read(r#"{"id":1,"result":{"protocolVersion":"2025-11-25"}}"#);
    assert_eq!(answer.result_member("protocolVersion").as_deref(), Some("2025-11-25"));
    assert_eq!(answer.error_code(), None);
    assert_eq!(read(r#"{"id":1,"error":{"message":"","code":-32601}}"#).error_code(), Some(-32601));
}

#[test]
fn array_is_a_batch() {
    let Body::Batch(messages) =
        Body::read(&Bytes::from("\n[ {\"id\":1,\"method\":\"a\"} ,{\"method\":\"b\"}]")).unwrap()
    else {
        unreachable!("an array")
    };
    let texts: Vec<_> = messages.iter().map(|message| message.text().clone()).collect();
    assert_eq!(texts, [r#"{"id":1,"method":"a"}"#, r#"{"method":"b"}"#]);
    assert!(matches!(Body::read(&Bytes::from("[]")), Ok(Body::Batch(messages)) if messages.is_empty()));
    assert!(matches!(Body::read(&Bytes::from("[1]")), Err(Unreadable::Message(_))));
    assert!(matches!(Body::read(&Bytes::from("[{}")), Err(Unreadable::Json(_))));
}

#[test]
fn member_of_params_or_meta_that_stands_twice_is_missing_and_named() {
    let meta = |members: &str| format!(r#"{{"id":1,"method":"m","params":{{"_meta":{{{members}}}}}}}"#);
    let params = |members: &str| format!(r#"{{"id":1,"method":"m","params":{{{members}}}}}"#);
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    for (text, name) in [
        (meta(r#""progressToken":1,"progressToken":2"#), "progressToken"),
        (meta(&format!("{version},{version}")), "io.modelcontextprotocol/protocolVersion"),
        (params(&format!(r#""_meta":{{{version}}},"_met\u0061":{{}}"#)), "_meta"),
        (params(r#""name":"a","name":"b""#), "name"),
        (params(r#""uri":"a","uri":"b""#), "uri"),
        (params(r#""taskId":"a","taskId":"b""#), "taskId"),
        (params(r#""arguments":{},"arguments":{}"#), "arguments"),
    ] {
        let message = read(&text);
        assert_eq!(message.twice(), Some(name), "{text}");
        assert_eq!((message.param(name), message.protocol_version()), (None, None), "{text}");
        assert_eq!(message.value(Place::RequestToken), None, "{text}");
    }
    assert_eq!(read(&params(r#""other":1,"other":2,"arguments":{"name":1,"name":2}"#)).twice(), None);
    assert_eq!(read(r#"{"id":1,"method":"m","params":[1]}"#).twice(), None);
}

#[test]
fn version_of_json_rpc_is_known() {
    for (text, has_version) in [
        (r#"{"id":1,"jsonrpc" : "2.0","method":"m"}"#, true),
        (r#"{"id":1,"method":"m"}"#, false),
        (r#"{"id":1,"jsonrpc":2.0,"method":"m"}"#, false),
        (r#"{"id":1,"jsonrpc":"1.0","method":"m"}"#, false),
    ] {
        assert_eq!(read(text).has_version(), has_version, "{text}");
    }
    assert!(Message::read(&Bytes::from(r#"{"id":1,"jsonrpc":"2.0","jsonrpc":"1.0","method":"m"}"#)).is_err());
}

#[test]
fn batch_has_at_most_so_many_messages() {
    for (count, is_read) in [(0, true), (1, true), (100, true), (101, false), (100_000, false)] {
        let text = Bytes::from(format!("[{}]", vec![r#"{"method":"a"}"#; count].join(",")));
        assert_eq!(Body::read_at_most(&text, 100).is_ok(), is_read, "{count}");
        assert!(matches!(Body::read(&text), Ok(Body::Batch(messages)) if messages.len() == count));
    }
    assert!(matches!(Body::read_at_most(&Bytes::from("[{},{}"), 1), Err(Unreadable::Json(_))));
}

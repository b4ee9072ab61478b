use super::pool::{BodyPool, MAX_IDLE};
use super::{Body, Format, Part};
use crate::digest::DigestKey;
use crate::label::{ListKind, SkipReason};
use crate::read::message::Message;
use crate::read::message::RpcErrorCode;
use crate::read::message::{MessageKind, ResultType};
use crate::test;

/// A part, owned.
#[derive(Debug, PartialEq)]
enum Kept {
    Message(Box<Message>),
    Skipped(SkipReason),
    Event,
    Endpoint,
}

fn keep(part: Part<'_>) -> Kept {
    match part {
        Part::Message(message) => Kept::Message(Box::new(std::mem::take(message))),
        Part::Skipped(reason) => Kept::Skipped(reason),
        Part::Event { .. } => Kept::Event,
        Part::Endpoint(_) => Kept::Endpoint,
    }
}

fn read(format: Format, text: &[u8], mut chunk: impl FnMut() -> usize) -> Vec<Kept> {
    let mut body = Body::new(format);
    body.set_lists(Some(DigestKey::default()));
    body.set_endpoint();
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(chunk().clamp(1, rest.len()));
        body.push(now, &mut |part| parts.push(keep(part)));
        rest = later;
    }
    body.finish(&mut |part| parts.push(keep(part)));
    parts
}

fn json(text: &str) -> Vec<Kept> {
    read(Format::Json, text.as_bytes(), || usize::MAX)
}

fn one(text: &str) -> Message {
    match json(text).as_slice() {
        [Kept::Message(message)] => *message.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn members_are_read_in_any_order_at_their_path_only() {
    let message = one(
        r#"{"params":{"arguments":{"name":"decoy","method":"x"},"name":"add"},"id":"a","me\u0074hod":"tools/call","jsonrpc":"2.0"}"#,
    );
    assert_eq!(message.kind(), MessageKind::Request);
    assert_eq!(message.params.unwrap().name.unwrap().whole(), Some(b"add".as_slice()));
    let message = one(
        r#"{"result":{"structuredContent":{"isError":true},"content":[{"isError":true}],"isError":false},"jsonrpc":"2.0","id":1}"#,
    );
    assert!(!message.result.unwrap().is_error);
}

#[test]
fn last_duplicate_member_counts() {
    let message =
        one(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"a"},"params":{}}"#);
    assert_eq!(message.method.unwrap().whole(), Some(b"tools/call".as_slice()));
    assert_eq!(message.params.unwrap().name, None);
    let message = one(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":false,"resultType":"task"}}"#);
    let result = message.result.unwrap();
    assert_eq!((result.is_error, result.result_type), (false, ResultType::Task));
}

#[test]
fn lists_are_counted_and_named() {
    let message =
        one(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","inputSchema":{"name":"x"}},{"name":"b"},3]}}"#);
    let list = message.result.unwrap().lists.remove(0);
    assert_eq!((list.kind, list.items), (ListKind::Tools, 3));
    let names: Vec<&[u8]> = list.published.iter().map(|item| &*item.name).collect();
    assert_eq!(names, [b"a", b"b"]);
}

#[test]
fn item_digest_ignores_white_space() {
    let digests = |items: &str| -> Vec<u64> {
        let message = one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{items}]}}}}"#));
        message.result.unwrap().lists.remove(0).published.iter().map(|item| item.digest).collect()
    };
    let plain = digests(r#"{"name":"a","d":"x y","s":{"r":[1,true,"b c"]}}"#);
    let spaced = "\n\t{ \"name\" :\"a\", \"d\":\"x y\"\r\n,\"s\":{\"r\" : [ 1 ,true , \"b c\" ] } } ";
    assert_eq!(digests(spaced), plain);
    for other in [
        r#"{"name":"a","d":"x  y","s":{"r":[1,true,"b c"]}}"#,
        r#"{"name":"a","d":"x y","s":{"r":[1,true,"b d"]}}"#,
        r#"{"name":"a","d":"x y","s":{"r":[1,true,"b c"]},"z":0}"#,
        r#"{"name":"b","d":"x y","s":{"r":[1,true,"b c"]}}"#,
    ] {
        assert_ne!(digests(other), plain, "{other}");
    }
    let two = digests(r#"{"name":"a"},{"x":0},{"name":"a"} , {"name":"b","name":"c"}"#);
    assert!(two.len() == 3 && two[0] == two[1] && two[1] != two[2], "{two:?}");
}

#[test]
fn cursors_are_digested() {
    let next =
        |result: &str| one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{result}}}}}"#)).result.unwrap().next_cursor;
    assert_eq!(next(r#""tools":[]"#), None);
    assert_eq!(next(r#""nextCursor":null"#), None);
    assert_eq!(next(r#""nextCursor":"""#), None);
    let cursor = |cursor: &str| {
        one(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"cursor":{cursor}}}}}"#))
            .params
            .unwrap()
            .cursor
    };
    assert_eq!(cursor("null"), None);
    assert!(cursor(r#""p2""#).is_some());
    assert_eq!(next(r#""nextCursor":"p2""#), cursor(r#""p2""#));
    assert_ne!(next(r#""nextCursor":"p3""#), cursor(r#""p2""#));
}

#[test]
fn published_items_are_bounded() {
    for item in [r#"{"name":""}"#, r#"{"name":"0123456789012345678901234567890123456789"}"#] {
        let items = vec![item; 20_000].join(",");
        let message = one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{items}]}}}}"#));
        assert!(message.retained() < 18 * 1024, "{}", message.retained());
        assert_eq!(message.result.unwrap().lists[0].items, 20_000);
    }
}

#[test]
fn error_codes_are_integers_or_invalid() {
    let code = |text: &str| one(&format!(r#"{{"jsonrpc":"2.0","id":null,"error":{text}}}"#)).error;
    assert_eq!(code(r#"{"code":-32602.0,"message":"x"}"#), Some(RpcErrorCode::Integer(-32602)));
    assert_eq!(code(r#"{"message":"x"}"#), Some(RpcErrorCode::Invalid));
    assert_eq!(code(r#"{"code":"x"}"#), Some(RpcErrorCode::Invalid));
    assert_eq!(code(r#""broken""#), Some(RpcErrorCode::Invalid));
    assert_eq!(code("null"), None);
    let both = one(r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":-1}}"#);
    assert_eq!((both.result, both.error), (None, Some(RpcErrorCode::Integer(-1))));
    assert!(one(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).result.is_some());
}

#[test]
fn batch_gives_its_messages_and_skips_the_rest() {
    let count = |text| json(text).len();
    assert_eq!(count(r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#), 2);
    assert_eq!(json("[]"), [Kept::Skipped(SkipReason::NotJsonRpc)]);
    assert_eq!(json("[1,[]]"), [Kept::Skipped(SkipReason::NotJsonRpc), Kept::Skipped(SkipReason::NotJsonRpc)]);
    assert_eq!(json(&"[".repeat(5000)), [Kept::Skipped(SkipReason::TooDeep)]);
    assert_eq!(json("5"), [Kept::Skipped(SkipReason::NotJsonRpc)]);
    assert_eq!(one("{}").kind(), MessageKind::Invalid);
    assert_eq!(json(r#"{"a":"#), [Kept::Skipped(SkipReason::Truncated)]);
    assert_eq!(json("{]"), [Kept::Skipped(SkipReason::InvalidJson)]);
}

#[test]
fn size_is_that_of_the_message() {
    assert_eq!(one(" {\"jsonrpc\":\"2.0\"} \n").bytes, 17);
    let parts = read(Format::Sse, b"data: {\"a\":\ndata: 1}\n\n", || 1);
    assert!(matches!(parts.as_slice(), [Kept::Event, Kept::Message(message)] if message.bytes == 8), "{parts:?}");
}

#[test]
fn event_has_room_for_responses_of_whole_batch() {
    let answers: Vec<_> =
        (0..100).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"isError":true}}}}"#)).collect();
    let parts = read(Format::Sse, format!("data: [{}]\n\n", answers.join(",")).as_bytes(), || 1000);
    assert_eq!(parts.iter().filter(|part| matches!(part, Kept::Message(_))).count(), 100);
    let more = vec![answers.join(","); 5].join(",");
    let parts = read(Format::Sse, format!("data: [{more}]\n\n").as_bytes(), || 1000);
    assert_eq!(parts.last(), Some(&Kept::Skipped(SkipReason::TooLong)));
}

#[test]
fn empty_names_of_result_are_bounded() {
    let items = vec![r#"{"name":""}"#; 5_000].join(",");
    let lists = ["tools", "prompts", "resources"].map(|kind| format!(r#""{kind}":[{items}]"#)).join(",");
    let message = one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{lists}}}}}"#));
    assert!(message.retained() < 18 * 1024, "{}", message.retained());
    let lists = message.result.unwrap().lists;
    assert_eq!(lists.iter().map(|list| list.items).collect::<Vec<_>>(), [5_000; 3]);
}

#[test]
fn event_after_broken_event_is_read() {
    let text =
        b"data: {bad\n\nevent: ping\ndata: {\"x\":1}\n\ndata: {}\n\nevent: endpoint\ndata: /m\n\ndata: {\"cut\":1}";
    let parts = read(Format::Sse, text, || usize::MAX);
    assert!(
        matches!(
            parts.as_slice(),
            [Kept::Event, Kept::Skipped(SkipReason::InvalidJson), Kept::Event, Kept::Message(_), Kept::Endpoint]
        ),
        "{parts:?}"
    );
}

#[test]
fn any_chunking_gives_the_same_parts() {
    let mut random = fastrand::Rng::with_seed(5);
    let pieces = [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\u00e9"}}"#,
        r#"{"result":{"tools":[{"name":"x"}],"isError":true},"jsonrpc":"2.0","id":"b"}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-1}}"#,
        "data: ",
        "\n",
        "\r\n",
        "\n\n",
        "[",
        "]",
        ",",
        "{",
        "}",
        "event: endpoint\n",
        "id: 4\n",
        " ",
        "null",
    ];
    for round in 0..4_000 {
        let text: String = (0..random.usize(1..12)).map(|_| *random.choice(&pieces).unwrap()).collect();
        let format = if round % 2 == 0 { Format::Json } else { Format::Sse };
        let expected = read(format, text.as_bytes(), || usize::MAX);
        assert_eq!(read(format, text.as_bytes(), || 1), expected, "{text:?}");
        let mut sizes = random.fork();
        assert_eq!(read(format, text.as_bytes(), || sizes.usize(1..40)), expected, "{text:?}");
    }
}

#[test]
fn reader_from_the_pool_reads_like_a_new_one() {
    let stream = "id: 7\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"a\"}]}}\n\n";
    let request = r#"[{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"add","arguments":{"a":[1]}}}]"#;
    let escapes = r#"{"jsonrpc":"2.0","id":"a\u00e9","method":"a\ud83d\ude00\n","x":{"y":"\u00e9\t"},"z":"\uZ"}"#;
    let escaped = "data: {\"jsonrpc\":\"2.0\",\"method\":\"a\\u00e9\\ud83d\",\"x\":[\"\\u00e9\"]}\n\n";
    let texts = [
        (Format::Json, request),
        (Format::Json, escapes),
        (Format::Json, r#"{"a":[tru"#),
        (Format::Sse, stream),
        (Format::Sse, escaped),
    ];
    let pool = BodyPool::default();
    for (earlier_format, earlier) in texts {
        for cut in 0..earlier.len() {
            let mut body = pool.take(earlier_format);
            body.set_lists(Some(DigestKey::default()));
            body.set_attributes(true);
            body.push(&earlier.as_bytes()[..cut], &mut |_| {});
            pool.put(body);
            for (format, text) in texts {
                let parts = |mut body: Box<Body>| {
                    let mut parts = Vec::new();
                    body.push(text.as_bytes(), &mut |part| parts.push(keep(part)));
                    body.finish(&mut |part| parts.push(keep(part)));
                    parts
                };
                let reused = pool.take(format);
                assert_eq!(parts(reused.clone()), parts(Body::new(format)), "{earlier:?} up to {cut}, then {text:?}");
                pool.put(reused);
            }
        }
    }
}

#[test]
fn pool_keeps_few_readers() {
    let pool = BodyPool::default();
    let bodies: Vec<_> = (0..100).map(|_| pool.take(Format::Json)).collect();
    bodies.into_iter().for_each(|body| pool.put(body));
    assert_eq!(pool.idle_readers(), MAX_IDLE);
}

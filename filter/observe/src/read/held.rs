//! Reads the whole body of a held request: its requests, and whether a server could read something else in it.
//!
//! A rate limit must know every request that a server may find. So a body is *unread* unless it is JSON to its end, and each of its
//! values is a JSON-RPC message or a batch of them. A member whose name differs from one of JSON-RPC only in case makes a body
//! unread too: servers in Go accept it.
//!
//! **Cost:** one pass of the scanner and one of [`Found`], and 200 bytes for each of at most [`MAX_REQUESTS`] requests.

use crate::label::SkipReason;
use crate::read::body::pool::BodyPool;
use crate::read::body::{Format, Part};
use crate::read::found::Found;
use crate::read::message::{Message, MessageKind};
use crate::text::Text;
use std::rc::Rc;

/// Most requests and notifications of a body that are read. SDKs refuse larger batches.
pub(crate) const MAX_REQUESTS: usize = 100;

/// A message with a method: a request, or a notification.
#[derive(Debug)]
pub(crate) struct HeldRequest<'a> {
    pub(crate) method: Text,
    /// `params.name`
    pub(crate) name: Option<Text>,
    /// `params._meta["io.modelcontextprotocol/clientInfo"].name`
    pub(crate) client: Option<Rc<Text>>,
    /// The text of the id, if it is a string or a number.
    pub(crate) id: Option<&'a [u8]>,
    /// Its place among the objects that can be messages.
    place: usize,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct HeldBody<'a> {
    pub(crate) requests: Vec<HeldRequest<'a>>,
    /// The requests may not be all that a server finds.
    pub(crate) is_unread: bool,
    /// Its messages were read, and another reader may read others in it.
    pub(crate) is_ambiguous: bool,
    /// It is not JSON to its end.
    pub(crate) is_broken: bool,
    /// A message has the member `jsonrpc`, in any case.
    pub(crate) shows_json_rpc: bool,
    pub(crate) is_batch: bool,
    /// The number of objects that can be messages.
    objects: usize,
}

// === impl HeldBody ===

impl<'a> HeldBody<'a> {
    /// Reads a whole body.
    pub(crate) fn read(bytes: &'a [u8], bodies: &BodyPool) -> Self {
        let mut held = Self::default();
        let mut body = bodies.take(Format::Json);
        body.push(bytes, &mut |part| held.part(part));
        body.finish(&mut |part| held.part(part));
        bodies.put(body);
        if held.is_broken {
            return held;
        }
        let found = Found::of(bytes);
        for request in &mut held.requests {
            request.id = found.ids.get(request.place).copied().flatten();
        }
        held.is_unread |= found.has_other_case || held.objects == 0;
        held.is_ambiguous = found.is_ambiguous;
        (held.shows_json_rpc, held.is_batch) = (found.shows_json_rpc, found.is_batch);
        held
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Message(message) => self.message(message),
            Part::Skipped(reason) => {
                self.is_unread = true;
                self.is_broken |= reason != SkipReason::NotJsonRpc;
            }
            Part::Event { .. } | Part::Endpoint(_) => {}
        }
    }

    fn message(&mut self, message: &mut Message) {
        let place = self.objects;
        self.objects += 1;
        self.is_unread |= message.kind() == MessageKind::Invalid;
        let Some(method) = message.method.take() else { return };
        if self.requests.len() >= MAX_REQUESTS {
            self.is_unread = true;
            return;
        }
        let params = message.params.take().unwrap_or_default();
        let (name, client) = (params.name, params.meta_client_name);
        self.requests.push(HeldRequest { method, name, client, id: None, place });
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyPool, Format, Found, HeldBody, HeldRequest, MAX_REQUESTS, Part};
    use crate::test;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","_meta":{"io.modelcontextprotocol/clientInfo":{"name":"cli"}}}}"#;

    fn read(text: &str) -> HeldBody<'_> {
        HeldBody::read(text.as_bytes(), &BodyPool::default())
    }

    /// Method and name of each request, or `unread`.
    fn requests(text: &str) -> Vec<String> {
        let held = read(text);
        if held.is_unread {
            return vec!["unread".to_owned()];
        }
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let name = |request: &HeldRequest<'_>| {
            request.name.as_ref().map_or_else(|| "-".to_owned(), |name| shown(name.start()))
        };
        held.requests.iter().map(|request| format!("{} {}", shown(request.method.start()), name(request))).collect()
    }

    #[test]
    fn requests_of_every_shape_are_found() {
        assert_eq!(requests(CALL), ["tools/call add"]);
        assert_eq!(requests(&format!("\u{feff}\n{CALL} \n{CALL}")), ["tools/call add", "tools/call add"]);
        assert_eq!(requests(&format!("[{CALL},{CALL}]")), ["tools/call add", "tools/call add"]);
        assert_eq!(requests(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), Vec::<String>::new());
        assert_eq!(requests(r#"{"jsonrpc":"2.0","method":"tools/call","id":null}"#), ["tools/call -"]);
        assert_eq!(read(CALL).requests[0].client.as_ref().unwrap().start(), b"cli");
    }

    #[test]
    fn last_of_duplicate_members_counts() {
        let twice =
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"a","name":"b"},"method":"tools/call"}"#;
        assert_eq!(requests(twice), ["tools/call b"]);
        let params = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{}}"#;
        assert_eq!(requests(params), ["tools/call -"]);
        assert_eq!(requests(r#"{"jsonrpc":"2.0","id":1,"\u006dethod":"tools\/call"}"#), ["tools/call -"]);
    }

    #[test]
    fn what_a_server_may_read_otherwise_is_unread() {
        let call = |from: &str, to: &str| CALL.replacen(from, to, 1);
        for text in [
            call("jsonrpc", "JsonRpc"),
            call("\"id\"", "\"ID\""),
            call("method", "Method"),
            call("params", "PARAMS"),
            call("params", "param\u{17f}"),
            call("\"name\":\"add\"", "\"Name\":\"add\""),
            CALL.replace("\"name\":\"add\"", "\"name\":\"add\",\"NAME\":\"other\""),
            call("\"jsonrpc\":\"2.0\",", ""),
            call("2.0", "1.0"),
            call("}}}}", "}}}"),
            format!("{CALL},"),
            format!("[[{CALL}]]"),
            format!("[{CALL},1]"),
            "[]".to_owned(),
            "1".to_owned(),
            "null".to_owned(),
            " ".to_owned(),
            String::new(),
            format!("[{CALL}"),
            "not JSON".to_owned(),
        ] {
            assert_eq!(requests(&text), ["unread"], "{text}");
        }
    }

    #[test]
    fn names_outside_of_messages_and_params_do_not_matter() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"NAME":1,"Id":2}},"NAME":3}"#;
        assert_eq!(requests(text), ["tools/call a"]);
    }

    #[test]
    fn json_rpc_is_shown_in_any_case() {
        assert!(read(r#"{"JSONRPC":"2.0"}"#).shows_json_rpc && read(CALL).shows_json_rpc);
        assert!(!read(r#"{"name":"jsonrpc"}"#).shows_json_rpc);
    }

    #[test]
    fn more_requests_than_the_bound_are_unread() {
        let batch = |count: usize| format!("[{}]", vec![CALL; count].join(","));
        assert_eq!(requests(&batch(MAX_REQUESTS)).len(), MAX_REQUESTS);
        assert_eq!(requests(&batch(MAX_REQUESTS + 1)), ["unread"]);
        assert!(!read(&batch(MAX_REQUESTS + 1)).is_broken);
    }

    #[test]
    fn broken_text_is_told_from_text_that_is_not_json_rpc() {
        assert!(read("{").is_broken && read("{]").is_broken && read(&"[".repeat(2_000)).is_broken);
        assert!(!read("[]").is_broken && !read("{}").is_broken && !read("7").is_broken);
    }

    /// Messages with any members, as a batch or one after the other, of which some are broken.
    fn any_body(random: &mut fastrand::Rng) -> String {
        const MEMBERS: [&str; 12] = [
            r#""id":1"#,
            r#""id":"\\\"}""#,
            r#""\u0069d":4.0"#,
            r#""id":null"#,
            r#""method":"tools/call""#,
            r#""method":"x""#,
            r#""params":{"name":"a","arguments":{"id":2}}"#,
            r#""params":[{"id":5}]"#,
            r#""x":[{"id":6}]"#,
            r#""result":{}"#,
            r#""jsonrpc":"1.0""#,
            r#""ID":3"#,
        ];
        const ENDS: [&str; 8] = ["", "", "", " \n", ",", "}", "7", "\""];
        let mut message = || {
            let count = random.usize(0..5);
            let members = (0..count).map(|_| MEMBERS[random.usize(0..MEMBERS.len())]);
            let all: Vec<&str> = [r#""jsonrpc":"2.0""#].into_iter().chain(members).collect();
            format!("{{{}}}", all.join(","))
        };
        let messages = [message(), message(), message()];
        let count = random.usize(1..=messages.len());
        let end = ENDS[random.usize(0..ENDS.len())];
        if random.bool() { messages[..count].concat() + end } else { format!("[{}]{end}", messages[..count].join(",")) }
    }

    /// What is not unread is what an exchange observes without a rate limit, and each id has its own text.
    #[test]
    fn any_body_is_read_as_an_exchange_reads_it_or_not_at_all() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut read = 0;
        for _ in 0..20_000 {
            let body = any_body(&mut random);
            let held = HeldBody::read(body.as_bytes(), &BodyPool::default());
            let ids = Found::of(body.as_bytes()).ids;
            if held.is_broken {
                continue;
            }
            assert_eq!(ids.len(), held.objects, "{body}");
            for id in ids.into_iter().flatten() {
                let value: serde_json::Value = serde_json::from_slice(id).unwrap();
                assert!(value.is_string() || value.is_number(), "{body}");
            }
            if held.is_unread {
                continue;
            }
            read += 1;
            let mut methods = Vec::new();
            let mut reader = BodyPool::default().take(Format::Json);
            let mut add = |part: Part<'_>| {
                if let Part::Message(message) = part {
                    methods.extend(message.method.take());
                }
            };
            reader.push(body.as_bytes(), &mut add);
            reader.finish(&mut add);
            let found: Vec<_> = held.requests.into_iter().map(|request| request.method).collect();
            assert_eq!(found, methods, "{body}");
        }
        assert!(read > 100, "{read} bodies were read");
    }
}

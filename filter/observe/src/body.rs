//! The body of one HTTP message: JSON documents, or an event stream of them; out come [`Part`]s.
//!
//! **Cost:** about 1 KiB while a body is read, plus the messages of one event that was not dispatched yet, at most
//! [`MOST_EVENT_BYTES`]. A compressed body adds its decoder (`inflate`), and may keep less: [`MOST_INFLATED_EVENT_BYTES`].

use crate::closed::SkipReason;
use crate::digest::DigestKey;
use crate::inflate::{Coding, Decoder};
use crate::json::{Broken, Ending, Progress, Scanner};
use crate::message::Message;
use crate::reader::{Messages, Reader, Reading};
use crate::sse::{EventName, Events, Framer};
use crate::text::Text;

/// What is kept of one event until its end shows that it counts, bytes.
const MOST_EVENT_BYTES: usize = 21 * 1024;
/// Longest address in an `endpoint` event that is understood.
const MOST_ENDPOINT_BYTES: usize = 2048;
/// The same where a decoder needs its place.
const MOST_INFLATED_EVENT_BYTES: usize = 5 * 1024;
/// What the names of a list result may take there.
const MOST_INFLATED_PUBLISHED_BYTES: usize = 4 * 1024;

/// How a body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `application/json`: one document, or several in a row.
    Json,
    /// `text/event-stream`.
    Sse,
}

/// Something that a body held.
#[derive(Debug, PartialEq)]
pub(crate) enum Part<'a> {
    /// A JSON object; [`Message::kind`] tells whether it is JSON-RPC. Whoever needs it longer takes it.
    Message(&'a mut Message),
    /// Something that was not read.
    Skipped(SkipReason),
    /// An event with data was dispatched; what it held follows.
    Event {
        /// Digest of the event's id, if it has one.
        id: Option<u64>,
    },
    /// The `endpoint` event of HTTP+SSE; its data, of which [`MOST_ENDPOINT_BYTES`] are kept.
    Endpoint(&'a Text),
}

/// Reads one body.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    decoder: Option<Box<Decoder>>,
    documents: Documents,
    stream: Option<Box<Stream>>,
}

/// Reads documents one after the other.
#[derive(Clone, Debug, Default)]
struct Documents {
    scanner: Scanner,
    reader: Reader,
    broken: bool,
}

/// What an event stream needs beside its documents.
#[derive(Clone, Debug, Default)]
struct Stream {
    framer: Framer,
    event: Event,
}

/// The event at hand: whether it counts is only known at its end.
#[derive(Clone, Debug)]
struct Event {
    held: Vec<Held>,
    kept: usize,
    most: usize,
    overflowed: bool,
    id: Option<Text>,
    has_ids: bool,
    /// The event's data, where an `endpoint` event is wanted.
    endpoint: Option<Text>,
}

/// A part that waits for the end of its event.
#[derive(Clone, Debug)]
enum Held {
    Message(Box<Message>),
    Skipped(SkipReason),
}

/// Passes messages on as parts.
struct Pass<'a>(&'a mut dyn FnMut(Part<'_>));

/// An event stream at work.
struct Dispatching<'a> {
    documents: &'a mut Documents,
    event: &'a mut Event,
    out: &'a mut dyn FnMut(Part<'_>),
}

// === impl Body ===

impl Body {
    pub(crate) fn new(format: Format) -> Self {
        let stream = (format == Format::Sse).then(Box::default);
        Self { decoder: None, documents: Documents::default(), stream }
    }

    /// Items of list results are kept, told apart by digests under this key.
    pub(crate) fn with_lists(mut self, key: Option<DigestKey>) -> Self {
        self.documents.reader.list_key = key;
        self
    }

    /// The text of ids is kept.
    pub(crate) fn with_ids(mut self, wanted: bool) -> Self {
        self.documents.reader.wants_ids = wanted;
        self
    }

    /// The stream may be one of HTTP+SSE.
    pub(crate) fn with_endpoint(mut self) -> Self {
        if let Some(stream) = &mut self.stream {
            stream.event.endpoint = Some(Text::start_of(b"", MOST_ENDPOINT_BYTES));
        }
        self
    }

    /// The body is compressed; said before its first byte.
    pub(crate) fn set_coding(&mut self, coding: Coding) {
        self.decoder = Some(Box::new(Decoder::new(coding)));
        self.documents.reader.most_published_bytes = MOST_INFLATED_PUBLISHED_BYTES;
        if let Some(stream) = &mut self.stream {
            stream.event.most = MOST_INFLATED_EVENT_BYTES;
        }
    }

    /// Reads a chunk and hands over what became known.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
        let Self { decoder, documents, stream } = self;
        let Some(decoder) = decoder else { return read(documents, stream, bytes, out) };
        let result = decoder.push(bytes, &mut |decoded| read(documents, stream, decoded, out));
        // Where the text was broken before, nothing more is lost.
        if result.is_err() && !self.has_broken_text() {
            self.restart();
            out(Part::Skipped(SkipReason::ContentEncoding));
        }
    }

    /// The body ended. An event without its blank line is dropped, as a client drops it.
    pub(crate) fn finish(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        if !self.is_done() && self.decoder.as_ref().is_some_and(|decoder| decoder.is_cut()) {
            self.restart();
            return out(Part::Skipped(SkipReason::Truncated));
        }
        match &mut self.stream {
            Some(stream) => stream.event.restart(),
            None => self.documents.finish(out),
        }
    }

    /// Forgets what is not complete.
    fn restart(&mut self) {
        self.documents.restart();
        if let Some(stream) = &mut self.stream {
            stream.event.restart();
        }
    }

    /// Nothing more can be learnt: the content ended or is broken, or the JSON is and there is no next event to begin anew
    /// with.
    pub(crate) fn is_done(&self) -> bool {
        self.decoder.as_ref().is_some_and(|decoder| decoder.is_done()) || self.has_broken_text()
    }

    fn has_broken_text(&self) -> bool {
        self.stream.is_none() && self.documents.broken
    }

    /// An event id was given, so the stream may go on elsewhere.
    pub(crate) fn has_event_ids(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.event.has_ids)
    }
}

/// Reads text that bears no coding any more.
fn read(documents: &mut Documents, stream: &mut Option<Box<Stream>>, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
    match stream.as_deref_mut() {
        Some(Stream { framer, event }) => framer.push(bytes, &mut Dispatching { documents, event, out }),
        None => documents.scan(bytes, out),
    }
}

// === impl Documents ===

impl Documents {
    fn scan(&mut self, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.broken {
            let mut reading = Reading { reader: &mut self.reader, messages: &mut Pass(out) };
            match self.scanner.scan(rest, &mut reading) {
                Progress::Partial => return,
                Progress::Complete(used) => rest = rest.get(used..).unwrap_or_default(),
                Progress::Broken(broken) => {
                    self.broken = true;
                    out(Part::Skipped(match broken {
                        Broken::Invalid => SkipReason::InvalidJson,
                        Broken::TooDeep => SkipReason::TooDeep,
                    }));
                }
            }
        }
    }

    fn finish(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        let mut reading = Reading { reader: &mut self.reader, messages: &mut Pass(out) };
        if self.scanner.finish(&mut reading) == Ending::Truncated {
            out(Part::Skipped(SkipReason::Truncated));
        }
        self.restart();
    }

    fn restart(&mut self) {
        self.scanner.reset();
        self.reader.reset();
        self.broken = false;
    }
}

impl Messages for Pass<'_> {
    fn message(&mut self, message: &mut Message) {
        (self.0)(Part::Message(message));
    }

    fn no_message(&mut self) {
        (self.0)(Part::Skipped(SkipReason::NotJsonRpc));
    }
}

// === impl Event ===

impl Default for Event {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            kept: 0,
            most: MOST_EVENT_BYTES,
            overflowed: false,
            id: None,
            has_ids: false,
            endpoint: None,
        }
    }
}

impl Event {
    fn hold(&mut self, part: Part<'_>) {
        let (size, held) = match part {
            Part::Message(message) => (message.retained(), Held::Message(Box::new(std::mem::take(message)))),
            Part::Skipped(reason) => (size_of::<Held>(), Held::Skipped(reason)),
            Part::Event { .. } | Part::Endpoint(_) => return,
        };
        self.kept += size;
        if self.kept <= self.most {
            self.held.push(held);
        } else if !std::mem::replace(&mut self.overflowed, true) {
            self.held.push(Held::Skipped(SkipReason::TooLong));
        }
    }

    fn release(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        for held in self.held.drain(..) {
            match held {
                Held::Message(mut message) => out(Part::Message(&mut message)),
                Held::Skipped(reason) => out(Part::Skipped(reason)),
            }
        }
    }

    fn restart(&mut self) {
        self.held.clear();
        self.kept = 0;
        self.overflowed = false;
        self.id = None;
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.restart(MOST_ENDPOINT_BYTES);
        }
    }
}

// === impl Dispatching ===

impl Events for Dispatching<'_> {
    fn data(&mut self, bytes: &[u8]) {
        if let Some(endpoint) = &mut self.event.endpoint {
            endpoint.push(bytes);
        }
        self.documents.scan(bytes, &mut |part| self.event.hold(part));
    }

    fn dispatch(&mut self, name: EventName, data: bool) {
        match name {
            EventName::Message => {
                if data {
                    (self.out)(Part::Event { id: self.event.id.as_ref().map(Text::digest) });
                }
                self.documents.finish(&mut |part| self.event.hold(part));
                self.event.release(self.out);
            }
            EventName::Endpoint => {
                if let Some(endpoint) = &self.event.endpoint {
                    (self.out)(Part::Endpoint(endpoint));
                }
            }
            EventName::Other => {}
        }
        self.event.restart();
        self.documents.restart();
    }

    fn begin_id(&mut self) {
        self.event.id = None;
    }

    fn id(&mut self, bytes: &[u8]) {
        self.event.has_ids = true;
        self.event.id.get_or_insert_default().push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Format, Part};
    use crate::closed::SkipReason;
    use crate::digest::DigestKey;
    use crate::message::Message;
    use crate::message::{ListKind, MessageKind, ResultType};
    use crate::test;

    /// A part of one's own.
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
        let mut body = Body::new(format).with_lists(Some(DigestKey::default())).with_endpoint();
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
    fn ok_members_in_any_order_and_decoys_unseen() {
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
    fn ok_the_last_duplicate_counts() {
        let message =
            one(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"a"},"params":{}}"#);
        assert_eq!(message.method.unwrap().whole(), Some(b"tools/call".as_slice()));
        assert_eq!(message.params.unwrap().name, None);
        let message = one(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":false,"resultType":"task"}}"#);
        let result = message.result.unwrap();
        assert_eq!((result.is_error, result.result_type), (false, ResultType::Task));
    }

    #[test]
    fn ok_lists_are_counted_and_named() {
        let message = one(
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","inputSchema":{"name":"x"}},{"name":"b"},3]}}"#,
        );
        let list = message.result.unwrap().lists.remove(0);
        assert_eq!((list.kind, list.items), (ListKind::Tools, 3));
        let names: Vec<&[u8]> = list.published.iter().map(|item| &*item.name).collect();
        assert_eq!(names, [b"a", b"b"]);
    }

    #[test]
    fn ok_an_item_is_told_by_its_text_but_for_spacing() {
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
    fn ok_cursors() {
        let next = |result: &str| {
            one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{result}}}}}"#)).result.unwrap().next_cursor
        };
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
    fn ok_published_items_are_bounded() {
        for item in [r#"{"name":""}"#, r#"{"name":"0123456789012345678901234567890123456789"}"#] {
            let items = vec![item; 20_000].join(",");
            let message = one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{items}]}}}}"#));
            assert!(message.retained() < 18 * 1024, "{}", message.retained());
            assert_eq!(message.result.unwrap().lists[0].items, 20_000);
        }
    }

    #[test]
    fn ok_error_codes() {
        let code = |text: &str| one(&format!(r#"{{"jsonrpc":"2.0","id":null,"error":{text}}}"#)).error;
        assert_eq!(code(r#"{"code":-32602.0,"message":"x"}"#), Some(Some(-32602)));
        assert_eq!(code(r#"{"message":"x"}"#), Some(None));
        assert_eq!(code(r#"{"code":"x"}"#), Some(None));
        assert_eq!(code(r#""broken""#), Some(None));
        assert_eq!(code("null"), None);
        let both = one(r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":-1}}"#);
        assert_eq!((both.result, both.error), (None, Some(Some(-1))));
        assert!(one(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).result.is_some());
    }

    #[test]
    fn ok_batches_and_what_is_no_message() {
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
    fn ok_size_is_that_of_the_message() {
        assert_eq!(one(" {\"jsonrpc\":\"2.0\"} \n").bytes, 17);
        let parts = read(Format::Sse, b"data: {\"a\":\ndata: 1}\n\n", || 1);
        assert!(matches!(parts.as_slice(), [Kept::Event, Kept::Message(message)] if message.bytes == 8), "{parts:?}");
    }

    #[test]
    fn ok_an_event_holds_the_answers_of_a_whole_batch() {
        let answers: Vec<_> =
            (0..100).map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"isError":true}}}}"#)).collect();
        let parts = read(Format::Sse, format!("data: [{}]\n\n", answers.join(",")).as_bytes(), || 1000);
        assert_eq!(parts.iter().filter(|part| matches!(part, Kept::Message(_))).count(), 100);
        let more = vec![answers.join(","); 5].join(",");
        let parts = read(Format::Sse, format!("data: [{more}]\n\n").as_bytes(), || 1000);
        assert_eq!(parts.last(), Some(&Kept::Skipped(SkipReason::TooLong)));
    }

    #[test]
    fn ok_names_of_a_result_are_bounded_also_when_empty() {
        let items = vec![r#"{"name":""}"#; 5_000].join(",");
        let lists = ["tools", "prompts", "resources"].map(|kind| format!(r#""{kind}":[{items}]"#)).join(",");
        let message = one(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{{lists}}}}}"#));
        assert!(message.retained() < 18 * 1024, "{}", message.retained());
        let lists = message.result.unwrap().lists;
        assert_eq!(lists.iter().map(|list| list.items).collect::<Vec<_>>(), [5_000; 3]);
    }

    #[test]
    fn ok_events_begin_anew_after_a_broken_one() {
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
    fn ok_any_chunking_gives_the_same_parts() {
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
}

use super::{EventName, Events, Framer};
use crate::test;

#[derive(Default)]
struct Log {
    data: String,
    events: Vec<String>,
}

impl Events for Log {
    fn data(&mut self, bytes: &[u8]) {
        self.data.push_str(&bytes.iter().map(|&byte| char::from(byte)).collect::<String>());
    }
    fn dispatch(&mut self, name: EventName, data: bool) {
        let text = std::mem::take(&mut self.data);
        assert_eq!(data, text.bytes().any(|byte| byte != b'\n'));
        self.events.push(format!("{name:?} {text:?}"));
    }
    fn begin_id(&mut self) {}
    fn id(&mut self, _: &[u8]) {
        if self.events.last().is_none_or(|last| last != "id") {
            self.events.push("id".to_owned());
        }
    }
}

fn read(text: &str, mut chunk: impl FnMut() -> usize) -> Vec<String> {
    let (mut framer, mut log) = (Framer::default(), Log::default());
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(chunk().clamp(1, rest.len()));
        framer.push(now, &mut log);
        rest = later;
    }
    log.events
}

#[test]
fn fields_are_read_in_any_order_with_any_line_end() {
    let whole = |text| read(text, || usize::MAX);
    assert_eq!(whole("event: message\ndata: {}\n\n"), ["Message \"{}\""]);
    assert_eq!(whole("data:{}\r\nid: 1\r\nretry: 3\r\n\r\n"), ["id", "Message \"{}\""]);
    assert_eq!(whole("data: a\rdata:  b\rdata\r\r"), ["Message \"a\\n b\\n\""]);
    assert_eq!(whole("\u{feff}event: endpoint\ndata: /m?s=1\n\n"), ["Endpoint \"/m?s=1\""]);
    assert_eq!(whole(": ping\n\n:\n\nevent: x\n\ndata: y\nevent: other\n\n"), ["Other \"y\""]);
    assert_eq!(whole("id: 7\ndata: \n\n"), ["id", "Message \"\""]);
    assert_eq!(whole("id\n\nid:\n\n"), Vec::<String>::new());
    assert_eq!(whole("data: never ended\n"), Vec::<String>::new());
    assert_eq!(whole("data : x\n\nDATA: x\n\n"), Vec::<String>::new());
    assert_eq!(whole("data::x\nevent::\n\ndata: :\n\n"), ["Other \":x\"", "Message \":\""]);
    assert_eq!(whole("event: message with a very long name\ndata: x\n\n"), ["Other \"x\""]);
}

#[test]
fn any_chunking_gives_the_same_events() {
    let mut random = fastrand::Rng::with_seed(3);
    let pieces = [
        "data",
        "data: ",
        "event: message",
        "event:endpoint",
        "id: 1",
        "id",
        ":",
        ": ping",
        " ",
        "\r",
        "\n",
        "\r\n",
        "\n\n",
        "\r\n\r\n",
        "retry: 9",
        "{\"a\":1}",
        "\u{feff}",
        "é",
        "long value that is longer than any name",
    ];
    for _ in 0..5_000 {
        let text: String = (0..random.usize(1..30)).map(|_| *random.choice(&pieces).unwrap()).collect();
        let expected = read(&text, || usize::MAX);
        assert_eq!(read(&text, || 1), expected, "{text:?}");
        let mut sizes = random.fork();
        assert_eq!(read(&text, || sizes.usize(1..9)), expected, "{text:?}");
    }
}

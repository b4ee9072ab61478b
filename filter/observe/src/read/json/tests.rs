use super::{Broken, Container, Ending, Interest, Progress, Scalar, Scanner, Visitor};
use crate::digest::{Digest, DigestKey};
use crate::test;

/// Records every part, and enters every container except those under a key that begins with `skip`.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
}

impl Visitor for Log {
    fn key(&mut self, name: &[u8]) -> Interest {
        self.lines.push(format!("key {}", String::from_utf8_lossy(name)));
        if name.starts_with(b"skip") { Interest::Skip } else { Interest::Keep(64) }
    }

    fn element(&mut self) -> Interest {
        Interest::Keep(64)
    }

    fn begin(&mut self, container: Container, at: u64) -> bool {
        self.lines.push(format!("{container:?} at {at}"));
        true
    }

    fn begin_digest(&mut self) -> Digest {
        DigestKey::default().begin()
    }

    fn end_digest(&mut self, _: u64) {}

    fn end(&mut self, at: u64) {
        self.lines.push(format!("end at {at}"));
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        self.lines.push(match scalar {
            Scalar::String(text) => {
                format!("string {:?} of {}", text.start().escape_ascii().to_string(), text.length())
            }
            Scalar::Number(text) => format!("number {}", text.start().escape_ascii()),
            Scalar::Bool(value) => format!("{value}"),
            Scalar::Null => "null".to_owned(),
        });
    }
}

/// The lines of a text that is scanned in chunks of the given sizes (the last size repeats).
fn read(text: &[u8], chunk: impl FnMut() -> usize) -> Vec<String> {
    let mut chunk = chunk;
    let mut scanner = Scanner::default();
    let mut log = Log::default();
    let mut rest = text;
    while !rest.is_empty() {
        let (mut now, later) = rest.split_at(chunk().clamp(1, rest.len()));
        rest = later;
        loop {
            match scanner.scan(now, &mut log) {
                Progress::Partial => break,
                Progress::Complete(used) => {
                    log.lines.push("document".to_owned());
                    now = &now[used..];
                }
                Progress::Broken(broken) => {
                    log.lines.push(format!("{broken:?}"));
                    return log.lines;
                }
            }
        }
    }
    let ending = scanner.finish(&mut log);
    if ending != Ending::Clean {
        log.lines.push(format!("{ending:?}"));
    }
    log.lines
}

fn whole(text: &str) -> Vec<String> {
    read(text.as_bytes(), || usize::MAX)
}

#[test]
fn visitor_gets_the_parts_of_a_document() {
    assert_eq!(
        whole(r#" {"a":[1,-2.5e+3,true],"skip":{"b":[{}]},"c":"x","d":null} "#),
        [
            "Object at 1",
            "key a",
            "Array at 6",
            "number 1",
            "number -2.5e+3",
            "true",
            "end at 22",
            "key skip",
            "key c",
            "string \"x\" of 1",
            "key d",
            "null",
            "end at 58",
            "document",
        ]
    );
}

#[test]
fn escapes_are_decoded() {
    assert_eq!(
        whole(r#"{"me\u0074hod":"a\n\u00e9\ud83d\ude00\/"}"#)[1..3],
        ["key method", r#"string "a\\n\\xc3\\xa9\\xf0\\x9f\\x98\\x80/" of 9"#]
    );
    // Lone surrogates stay separate from each other and from the following text.
    assert_eq!(
        whole(r#"["\ud83d","\ud83dx","\ud83d\ud83d\ude00","\ude00"]"#)[1..5],
        [
            r#"string "\\xed\\xa0\\xbd" of 3"#,
            r#"string "\\xed\\xa0\\xbdx" of 4"#,
            r#"string "\\xed\\xa0\\xbd\\xf0\\x9f\\x98\\x80" of 7"#,
            r#"string "\\xed\\xb8\\x80" of 3"#,
        ]
    );
}

#[test]
fn several_documents_and_byte_order_mark_are_read() {
    assert_eq!(whole("\u{feff}{}\n[]1 \"x\"").iter().filter(|line| *line == "document").count(), 4);
    assert_eq!(whole("12").last().map(String::as_str), Some("Complete"));
}

#[test]
fn invalid_grammar_is_broken() {
    for text in [
        "{,}",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "[1 2]",
        "01",
        "-",
        "1.",
        "1e",
        "+1",
        ".5",
        "[1}",
        "tru ",
        "nul1",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"a\u{0}b\"",
        "'a'",
        "{a:1}",
        "]",
        "}",
        "[1]]",
        "\u{fffd}",
        "//",
        "NaN",
        "1x",
    ] {
        let lines = whole(&format!("{text} "));
        assert_eq!(lines.last().map(String::as_str), Some("Invalid"), "{text}: {lines:?}");
    }
    for text in ["{", "[1,", "\"a", "\"\\", "tr", "{\"a\":[", "-"] {
        assert_eq!(whole(text).last().map(String::as_str), Some("Truncated"), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(whole(&deep(super::stack::MAX_DEPTH)).last().map(String::as_str), Some("document"));
    assert_eq!(whole(&deep(super::stack::MAX_DEPTH + 1)).last().map(String::as_str), Some("TooDeep"));
    assert_eq!(whole(&deep(100_000)).last().map(String::as_str), Some("TooDeep"));
    let mut scanner = Scanner::default();
    assert_eq!(scanner.scan(b"]", &mut Log::default()), Progress::Broken(Broken::Invalid));
    assert_eq!(scanner.scan(b"[", &mut Log::default()), Progress::Broken(Broken::Invalid));
}

/// A random text that is JSON or nearly so.
fn random_text(random: &mut fastrand::Rng) -> Vec<u8> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"skip\"",
        "\"\\u00e9\\n\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "1",
        "-0.5e-7",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "\"long long long long long long text\"",
        "\"",
        "\\",
        "\u{feff}",
        "{\"a\":1}",
        "[]",
    ];
    let mut text = Vec::new();
    for _ in 0..random.usize(1..20) {
        text.extend_from_slice(random.choice(pieces).unwrap().as_bytes());
    }
    text
}

fn random_value(random: &mut fastrand::Rng, depth: usize) -> serde_json::Value {
    match random.u8(0..if depth == 0 { 5 } else { 7 }) {
        0 => serde_json::Value::Null,
        1 => random.bool().into(),
        2 => random.i64(..).into(),
        3 => (random.f64() * 1e9).into(),
        4 => (0..random.usize(0..40)).map(|_| random.char('\0'..'\u{20000}')).collect::<String>().into(),
        5 => (0..random.usize(0..5)).map(|_| random_value(random, depth - 1)).collect(),
        _ => serde_json::Value::Object(
            (0..random.usize(0..5))
                .map(|index| {
                    (format!("{}{index}", random.choice(["k", "skip"]).unwrap()), random_value(random, depth - 1))
                })
                .collect(),
        ),
    }
}

#[test]
fn any_chunking_gives_the_same_parts() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..3_000 {
        let text = if round % 3 == 0 {
            serde_json::to_vec_pretty(&random_value(&mut random, 4)).unwrap()
        } else {
            random_text(&mut random)
        };
        let expected = read(&text, || usize::MAX);
        let bytewise = read(&text, || 1);
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(bytewise, expected, "byte by byte: {shown}");
        let mut sizes = random.fork();
        assert_eq!(read(&text, || sizes.usize(1..12)), expected, "in random chunks: {shown}");
    }
}

#[test]
fn grammar_agrees_with_serde_json() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let text = random_text(&mut random);
        // serde_json refuses lone surrogates, byte order marks and a second document; the scanner allows them.
        let shown = String::from_utf8_lossy(&text).into_owned();
        if shown.contains("\\ud83d\"") || shown.contains('\u{feff}') {
            continue;
        }
        let lines = read(&text, || usize::MAX);
        let documents = lines.iter().filter(|line| *line == "document" || *line == "Complete").count();
        let failed = lines.iter().any(|line| line == "Invalid" || line == "Truncated" || line == "TooDeep");
        let expected = serde_json::from_slice::<serde_json::Value>(&text).is_ok();
        assert_eq!(documents == 1 && !failed, expected, "{shown}: {lines:?}");
    }
}

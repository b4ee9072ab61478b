//! Entry points for the fuzz targets, with the feature `fuzzing` only: internal parts, which read their input in chunks.

use crate::config::Config;
use crate::digest::{Digest, DigestKey};
use crate::host::{SharedData, Time};
use crate::label::{KnownMethod, Method};
use crate::limit::{Caller, LimitedRequest, RateLimiter};
use crate::read::body::{Format, Part, pool::BodyPool};
use crate::read::found::Found;
use crate::read::held::HeldBody;
use crate::read::inflate::{Coding, Decoder};
use crate::read::json::{Broken, Container, Ending, Interest, Progress, Scalar, Scanner, Visitor};
use crate::read::sse::{EventName, Events, Framer};
use crate::text::Text;

/// Bytes of the correlation store with its keys, at most.
pub const MAX_STORE_BYTES: usize = crate::correlation::MAX_BYTES;

/// The calls of a scanner to its visitor.
#[derive(Debug, Default, PartialEq)]
pub struct Scanned {
    /// One line per call, in order.
    pub lines: Vec<String>,
    /// Number of documents that ended.
    pub documents: usize,
    /// The input is nested deeper than the scanner reads.
    pub too_deep: bool,
    /// The input is broken or truncated.
    pub broken: bool,
    /// Number of open containers.
    depth: usize,
}

/// One event of a stream.
#[derive(Debug, Default, PartialEq)]
pub struct Framed {
    /// `message`, `endpoint`, or `other`.
    pub name: &'static str,
    /// Lines joined by line feeds.
    pub data: Vec<u8>,
}

/// The result of a decoder.
#[derive(Debug, Default, PartialEq)]
pub struct Inflated {
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// The content is not valid in its coding, or grows beyond the limit.
    pub unread: Option<String>,
    /// The content is truncated.
    pub is_cut: bool,
}

/// Collects events.
#[derive(Default)]
struct Dispatched {
    data: Vec<u8>,
    events: Vec<Framed>,
}

/// Scans JSON, looking into every container but those under a key that begins with `s`, and digesting the objects in an
/// outermost array, in which it looks into nothing else.
pub fn scan<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Scanned {
    let mut scanner = Scanner::default();
    let mut scanned = Scanned::default();
    for chunk in chunks {
        let mut rest = chunk;
        while !rest.is_empty() {
            match scanner.scan(rest, &mut scanned) {
                Progress::Partial => break,
                Progress::Complete(used) => {
                    scanned.documents += 1;
                    rest = rest.get(used..).unwrap_or_default();
                }
                Progress::Broken(broken) => {
                    scanned.too_deep = broken == Broken::TooDeep;
                    scanned.broken = true;
                    return scanned;
                }
            }
        }
    }
    match scanner.finish(&mut scanned) {
        Ending::Clean => {}
        Ending::Complete => scanned.documents += 1,
        Ending::Truncated | Ending::Broken => scanned.broken = true,
    }
    scanned
}

/// The requests and notifications of a whole body, as the rate limit reads them: method and `params.name`. `None` if it is not
/// read.
pub fn hold(body: &[u8]) -> Option<Vec<(Vec<u8>, Option<u64>)>> {
    let held = HeldBody::read(body, &BodyPool::default());
    let requests =
        held.requests.iter().map(|request| (request.method.start().to_vec(), request.name.as_ref().map(Text::digest)));
    (!held.is_unread).then(|| requests.collect())
}

/// The same, as an exchange reads them that is not limited.
pub fn observe(body: &[u8]) -> Vec<(Vec<u8>, Option<u64>)> {
    let mut found = Vec::new();
    let mut reader = BodyPool::default().take(Format::Json);
    let mut add = |part: Part<'_>| {
        if let Part::Message(message) = part
            && let Some(method) = &message.method
        {
            let name = message.params.as_ref().and_then(|params| params.name.as_ref());
            found.push((method.start().to_vec(), name.map(Text::digest)));
        }
    };
    reader.push(body, &mut add);
    reader.finish(&mut add);
    found
}

/// The texts of the ids in a body.
pub fn id_texts(body: &[u8]) -> Vec<&[u8]> {
    Found::of(body).ids.into_iter().flatten().collect()
}

/// The events of a stream.
pub fn frame<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Framed> {
    let mut framer = Framer::default();
    let mut dispatched = Dispatched::default();
    for chunk in chunks {
        framer.push(chunk, &mut dispatched);
    }
    dispatched.events
}

/// Decodes content; `None` if the coding is not one that is read.
pub fn inflate<'a>(content_encoding: &str, chunks: impl IntoIterator<Item = &'a [u8]>) -> Option<Inflated> {
    let mut decoder = Decoder::new(Coding::of(content_encoding.as_bytes())?);
    let mut inflated = Inflated::default();
    for chunk in chunks {
        if let Err(unread) = decoder.push(chunk, &mut |bytes| inflated.bytes.extend_from_slice(bytes)) {
            inflated.unread = Some(format!("{unread:?}"));
        }
    }
    inflated.is_cut = decoder.is_cut();
    Some(inflated)
}

/// As [`inflate`], but keeps no bytes. Returns the number of decoded bytes.
pub fn measure<'a>(content_encoding: &str, chunks: impl IntoIterator<Item = &'a [u8]>) -> Option<u64> {
    let mut decoder = Decoder::new(Coding::of(content_encoding.as_bytes())?);
    let mut count = 0;
    for chunk in chunks {
        // The bytes before an error were passed on.
        let _ = decoder.push(chunk, &mut |bytes| count += bytes.len() as u64);
    }
    Some(count)
}

/// Charges one body of this many `tools/call` of a session to the rules of a configuration. Returns after how many milliseconds it
/// may come back; 0 if it passes, `None` without rules.
pub fn charge(config: &Config, session: u64, requests: usize, now: Time, shared: &dyn SharedData) -> Option<u64> {
    let limiter = RateLimiter::new(config)?;
    let request = LimitedRequest { method: Method::Known(KnownMethod::ToolsCall), tool: None };
    let caller = Caller { session: Some(session), ..Caller::default() };
    let decision = limiter.charge(None, &caller, &vec![request; requests], now, shared);
    Some(decision.refused.map_or(0, |refused| refused.retry_after_ms))
}

impl Visitor for Scanned {
    fn key(&mut self, name: &[u8]) -> Interest {
        self.lines.push(format!("key {}", name.escape_ascii()));
        if name.starts_with(b"s") { Interest::Skip } else { Interest::Keep(16) }
    }

    fn element(&mut self) -> Interest {
        if self.depth == 1 { Interest::Digest } else { Interest::Keep(16) }
    }

    fn begin(&mut self, container: Container, at: u64) -> bool {
        self.lines.push(format!("{container:?} at {at}"));
        // Only objects are ever digested.
        let entered = self.depth != 1 || container == Container::Object;
        self.depth += usize::from(entered);
        entered
    }

    fn begin_digest(&mut self) -> Digest {
        DigestKey::default().begin()
    }

    fn end_digest(&mut self, digest: u64) {
        self.lines.push(format!("digest {digest}"));
    }

    fn end(&mut self, at: u64) {
        self.lines.push(format!("end at {at}"));
        self.depth -= 1;
    }

    fn scalar(&mut self, scalar: Scalar<'_>) {
        self.lines.push(match scalar {
            Scalar::String(text) => format!("string {} of {}", text.start().escape_ascii(), text.length()),
            Scalar::Number(text) => format!("number {} of {}", text.start().escape_ascii(), text.length()),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Null => "null".to_owned(),
        });
    }
}

impl Events for Dispatched {
    fn data(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
    }

    fn dispatch(&mut self, name: EventName, data: bool) {
        let bytes = std::mem::take(&mut self.data);
        let name = match name {
            EventName::Message => "message",
            EventName::Endpoint => "endpoint",
            EventName::Other => "other",
        };
        assert_eq!(data, bytes.iter().any(|&byte| byte != b'\n'), "said to have data");
        self.events.push(Framed { name, data: bytes });
    }

    fn begin_id(&mut self) {}

    fn id(&mut self, _: &[u8]) {}
}

//! HTTP exchanges written as text: headers, an empty line, the body. A line `<<<` precedes the response, a line `===` the next
//! exchange. Any bytes are a script.
//!
//! `:end` in the headers is how that side ends: `chunk` (with the last one), `trailers`, `headers` (no body) or `never`;
//! without it, with an empty chunk. `:failure` (a number) and `:details` in the response are what
//! the proxy says about its end.

/// How one side of an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    LastChunk,
    EmptyChunk,
    Trailers,
    Headers,
    Never,
}

/// One side of an exchange.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    headers: Vec<(&'a [u8], &'a [u8])>,
    pub body: &'a [u8],
    pub end: End,
}

/// One exchange.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    pub request: Side<'a>,
    /// `None`: the exchange was reset before the response's headers.
    pub response: Option<Side<'a>>,
}

impl<'a> Script<'a> {
    /// Parses the exchanges of a script.
    pub fn all(text: &'a [u8]) -> Vec<Self> {
        separate(text, b"\n===\n").into_iter().map(Self::one).collect()
    }

    pub fn one(text: &'a [u8]) -> Self {
        let mut sides = separate(text, b"\n<<<\n").into_iter();
        Self { request: Side::read(sides.next().unwrap_or_default()), response: sides.next().map(Side::read) }
    }

    /// Bytes of the longest header value, which a callback copies.
    pub fn longest_header(&self) -> usize {
        let sides = [Some(&self.request), self.response.as_ref()];
        let headers = sides.into_iter().flatten().flat_map(|side| &side.headers);
        headers.map(|(_, value)| value.len()).max().unwrap_or(0)
    }
}

impl<'a> Side<'a> {
    fn read(text: &'a [u8]) -> Self {
        let gap = text.windows(2).position(|pair| pair == b"\n\n");
        let (head, body) = match gap {
            Some(at) => (&text[..at], &text[at + 2..]),
            None => (text, &b""[..]),
        };
        let fields = head.split(|&byte| byte == b'\n').filter_map(|line| {
            // The colon at the start of `:method` is not a separator.
            let colon = 1 + line.get(1..)?.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        });
        let mut side = Self { headers: fields.collect(), body, end: End::EmptyChunk };
        side.end = match side.header(":end") {
            Some(b"chunk") if !body.is_empty() => End::LastChunk,
            Some(b"trailers") => End::Trailers,
            Some(b"headers") => End::Headers,
            Some(b"never") => End::Never,
            _ => End::EmptyChunk,
        };
        if side.end == End::Headers {
            side.body = b"";
        }
        side
    }

    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.headers.iter().find(|(given, _)| *given == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        std::str::from_utf8(self.header(name)?).ok()?.parse().ok()
    }
}

fn separate<'a>(text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(separator.len()).position(|window| window == separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

//! Finds in a body what its reader does not keep: the text of JSON-RPC ids, and names of members in another case.
//!
//! A response repeats the id of its request exactly, and a reader keeps only what compares ids: of a number like `1.0` or of an
//! escape the text is needed. So the body of a held request is passed a second time.
//!
//! **What it does not do:** check the grammar. In text that is not JSON it finds nothing, or something else.
//!
//! **Cost:** one pass of the body and two of `params`; 8 bytes for each object that can be a message.

use std::borrow::Cow;

/// What was found in a body.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Found<'a> {
    /// One for each object that is a document or an element of an array that is a document: the text of its id, if it is a
    /// string or a number.
    pub(crate) ids: Vec<Option<&'a [u8]>>,
    /// The first document is an array.
    pub(crate) is_batch: bool,
    /// A member that JSON-RPC defines, or `params.name`, has its name in another case.
    pub(crate) has_other_case: bool,
    /// Another reader may read another request: a member that decides is there twice, or its value is no string. Some servers take
    /// the first of two, or the last that is not `null`.
    pub(crate) is_ambiguous: bool,
    /// A message has the member `jsonrpc`, in any case.
    pub(crate) shows_json_rpc: bool,
}

/// The rest of the text.
struct Cursor<'a>(&'a [u8]);

// === impl Found ===

impl<'a> Found<'a> {
    /// Passes a body, which is JSON to its end.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let mut cursor = Cursor(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let mut found = Self { is_batch: cursor.next() == Some(b'['), ..Self::default() };
        while let Some(byte) = cursor.next() {
            match byte {
                b'{' => found.message(cursor.value()),
                b'[' => cursor.elements(|value| {
                    if value.first() == Some(&b'{') {
                        found.message(value);
                    }
                }),
                _ => _ = cursor.value(),
            }
        }
        found
    }

    /// An object that can be a message. The last of several ids counts.
    fn message(&mut self, object: &'a [u8]) {
        const KNOWN: [&[u8]; 4] = [b"jsonrpc", b"id", b"method", b"params"];
        let (mut id, mut seen) = (None, [false; KNOWN.len()]);
        Cursor(object).members(|name, value| {
            let known = KNOWN.iter().position(|known| is_fold(name, known));
            let Some((known, seen)) = known.and_then(|place| KNOWN.get(place).zip(seen.get_mut(place))) else { return };
            self.shows_json_rpc |= *known == b"jsonrpc";
            if name != *known {
                self.has_other_case = true;
                return;
            }
            self.is_ambiguous |= std::mem::replace(seen, true);
            match name {
                b"id" => id = Some(value).filter(|value| matches!(value, [b'"' | b'-' | b'0'..=b'9', ..])),
                b"method" => self.is_ambiguous |= !is_string(value),
                b"params" if value.first() == Some(&b'{') => self.params(value),
                _ => {}
            }
        });
        self.ids.push(id);
    }

    fn params(&mut self, object: &'a [u8]) {
        let mut has_name = false;
        Cursor(object).members(|name, value| {
            if name == b"name" {
                self.is_ambiguous |= std::mem::replace(&mut has_name, true) || !is_string(value);
            }
            self.has_other_case |= name != b"name" && is_fold(name, b"name");
        });
    }
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    /// The next byte that is not white space, which is not taken.
    fn next(&mut self) -> Option<u8> {
        self.0 = self.0.trim_ascii_start();
        self.0.first().copied()
    }

    /// Takes the first byte.
    fn take(&mut self) {
        self.0 = self.0.split_first().map_or(&[], |(_, rest)| rest);
    }

    /// Takes an array, and passes the text of each element on.
    fn elements(&mut self, mut element: impl FnMut(&'a [u8])) {
        self.take();
        loop {
            match self.next() {
                None => return,
                Some(b']') => return self.take(),
                Some(b',') => self.take(),
                Some(_) => element(self.value()),
            }
        }
    }

    /// Takes an object, and passes the name and the text of each member on.
    fn members(&mut self, mut member: impl FnMut(&[u8], &'a [u8])) {
        self.take();
        loop {
            match self.next() {
                None | Some(b'}') => return self.take(),
                Some(b'"') => {
                    let name = unescaped(self.value());
                    if self.next() == Some(b':') {
                        self.take();
                    }
                    self.next();
                    member(&name, self.value());
                }
                Some(_) => self.take(),
            }
        }
    }

    /// Takes a value, at least one byte, and returns its text.
    fn value(&mut self) -> &'a [u8] {
        let all = self.0;
        match all.first() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => self.container(),
            _ => {
                let is_end = |byte: &u8| {
                    matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'{' | b'[') || byte.is_ascii_whitespace()
                };
                let length = all.iter().position(is_end).unwrap_or(all.len()).max(1);
                self.0 = all.get(length..).unwrap_or_default();
            }
        }
        all.get(..all.len() - self.0.len()).unwrap_or_default()
    }

    fn string(&mut self) {
        self.take();
        while let Some(at) = memchr::memchr2(b'"', b'\\', self.0) {
            let is_escape = self.0.get(at) == Some(&b'\\');
            self.0 = self.0.get(at + 1 + usize::from(is_escape)..).unwrap_or_default();
            if !is_escape {
                return;
            }
        }
        self.0 = &[];
    }

    fn container(&mut self) {
        let mut depth = 0_usize;
        while let Some(&byte) = self.0.first() {
            match byte {
                b'"' => {
                    self.string();
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.take();
            if depth == 0 {
                return;
            }
        }
    }
}

/// A member's name from its text with quotation marks. An escape of what no known name has becomes `?`.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    let name = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if !name.contains(&b'\\') {
        return name.into();
    }
    let mut decoded = Vec::new();
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail) {
            (b'\\', [b'u', digits @ ..]) => {
                let (digits, tail) = digits.split_at_checked(4).unwrap_or((digits, &[]));
                let code = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let letter = code.and_then(char::from_u32).unwrap_or('?');
                decoded.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail;
            }
            (b'\\', [_, tail @ ..]) => {
                decoded.push(b'?');
                rest = tail;
            }
            _ => decoded.push(byte),
        }
    }
    decoded.into()
}

fn is_string(value: &[u8]) -> bool {
    value.first() == Some(&b'"')
}

/// Whether a name equals a known one under Unicode's simple case folding, as servers in Go compare them. Beside the two cases of
/// ASCII, only `ſ` folds to a letter of the known names.
fn is_fold(name: &[u8], known: &[u8]) -> bool {
    let mut rest = name;
    for &letter in known {
        rest = match rest {
            [first, tail @ ..] if first.eq_ignore_ascii_case(&letter) => tail,
            [0xc5, 0xbf, tail @ ..] if letter == b's' => tail,
            _ => return false,
        };
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Found, is_fold};
    use crate::test;

    fn found(text: &str) -> Vec<Option<String>> {
        Found::of(text.as_bytes())
            .ids
            .into_iter()
            .map(|id| id.map(|id| String::from_utf8_lossy(id).into_owned()))
            .collect()
    }

    fn some(ids: &[&str]) -> Vec<Option<String>> {
        ids.iter().map(|id| Some((*id).to_owned())).collect()
    }

    #[test]
    fn ids_keep_their_text() {
        for id in ["1", "1.0", "1e3", "-0", "123456789012345678901234567890", r#""a""#, r#""\u0061\"\\""#, r#""é""#] {
            assert_eq!(found(&format!(r#"{{"method":"x","id":{id}}}"#)), some(&[id]));
            assert_eq!(found(&format!("\u{feff}{{ \"id\" : {id}\n, \"params\":{{\"id\":7}}}}")), some(&[id]));
        }
    }

    #[test]
    fn last_of_duplicate_ids_counts() {
        assert_eq!(found(r#"{"id":1,"id":"b"}"#), some(&["\"b\""]));
        assert_eq!(found(r#"{"id":1,"\u0069d":2}"#), some(&["2"]));
        assert_eq!(found(r#"{"id":1,"id":null}"#), [None]);
    }

    #[test]
    fn ids_that_are_neither_string_nor_number_are_none() {
        for id in ["null", "true", "{}", "[1]"] {
            assert_eq!(found(&format!(r#"{{"id":{id}}}"#)), [None]);
        }
        assert_eq!(found(r#"{"params":{"id":1},"ID":2}"#), [None]);
    }

    #[test]
    fn each_object_of_a_batch_has_its_id() {
        assert_eq!(
            found(r#"[{"id":1},{"a":[{"id":5}]},7,[{"id":6}], {"id":"x"}]"#),
            [Some("1".to_owned()), None, Some("\"x\"".to_owned())]
        );
        assert!(Found::of(b" [{}]").is_batch && !Found::of(b"{}[]").is_batch);
    }

    #[test]
    fn each_document_has_its_ids() {
        assert_eq!(found(r#"{"id":1}{"id":2} [{"id":3}]"#), some(&["1", "2", "3"]));
    }

    #[test]
    fn text_that_is_not_json_ends() {
        for text in ["", "{", "[", "{\"id", "{\"id\":", "{\"id\":\"\\", "]]", "::", "{,}", "[:"] {
            assert!(found(text).len() <= 2, "{text}");
        }
    }

    #[test]
    fn names_in_another_case_are_found() {
        let has = |text: &str| Found::of(text.as_bytes()).has_other_case;
        for text in [
            r#"{"Id":1}"#,
            r#"[{"id":1},{"METHOD":"x"}]"#,
            r#"{"\u0049d":1}"#,
            r#"{"param\u017f":1}"#,
            r#"{"paramſ":1}"#,
            r#"{"params":{"Name":1}}"#,
            r#"{"JSONRPC":1}"#,
        ] {
            assert!(has(text), "{text}");
        }
        for text in
            [r#"{"id":1,"\u0069d":2}"#, r#"{"x":{"ID":1}}"#, r#"{"params":{"a":{"NAME":1}}}"#, r#"{"params":["NAME"]}"#]
        {
            assert!(!has(text), "{text}");
        }
        assert!(Found::of(b"{\"JsonRpc\":1}").shows_json_rpc && !Found::of(b"{\"x\":\"jsonrpc\"}").shows_json_rpc);
    }

    #[test]
    fn what_readers_read_differently_is_ambiguous() {
        let is_ambiguous = |text: &str| Found::of(text.as_bytes()).is_ambiguous;
        for text in [
            r#"{"method":"a","method":"b"}"#,
            r#"{"method":"a","\u006dethod":null}"#,
            r#"{"params":{},"params":null}"#,
            r#"{"params":{"name":"a","name":null}}"#,
            r#"{"params":{"name":["a"]}}"#,
            r#"{"jsonrpc":"2.0","jsonrpc":"2.0"}"#,
            r#"[{"id":1},{"id":1,"id":2}]"#,
            r#"{"method":["a"]}"#,
        ] {
            assert!(is_ambiguous(text), "{text}");
        }
        for text in [r#"{"method":"a","params":{"name":"b","x":{"name":1,"name":2}},"x":1,"x":2}"#, "[{},{}]", "1"] {
            assert!(!is_ambiguous(text), "{text}");
        }
    }

    #[test]
    fn names_fold_as_in_unicode() {
        assert!(is_fold(b"PARAMS", b"params") && is_fold("paramſ".as_bytes(), b"params"));
        assert!(!is_fold(b"param", b"params") && !is_fold(b"paramss", b"params") && !is_fold(b"", b"id"));
    }
}

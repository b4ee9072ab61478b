//! Finds the text of JSON-RPC ids in a body that was read before.
//!
//! A response repeats the id of its request exactly, and a reader keeps only what compares ids: of a number like `1.0` or of an
//! escape the text is needed. So the body is passed a second time, when it is known that an answer is needed.
//!
//! **What it does not do:** check the grammar. In text that is not JSON it finds nothing, or something else.

/// The ids of a body.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ids<'a> {
    /// One for each object that is a document or an element of an array that is a document: the text of its id, if it is a
    /// string or a number.
    pub(crate) of_objects: Vec<Option<&'a [u8]>>,
    /// The first document is an array.
    pub(crate) is_batch: bool,
}

/// The rest of the text.
struct Cursor<'a>(&'a [u8]);

/// Finds the ids of a body, which is JSON to its end.
pub(crate) fn ids(bytes: &[u8]) -> Ids<'_> {
    let mut cursor = Cursor(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let mut of_objects = Vec::new();
    let is_batch = cursor.next() == Some(b'[');
    while let Some(byte) = cursor.next() {
        match byte {
            b'{' => of_objects.push(cursor.object()),
            b'[' => cursor.batch(&mut of_objects),
            _ => _ = cursor.value(),
        }
    }
    Ids { of_objects, is_batch }
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

    /// Takes an array of messages.
    fn batch(&mut self, objects: &mut Vec<Option<&'a [u8]>>) {
        self.take();
        loop {
            match self.next() {
                None => return,
                Some(b']') => return self.take(),
                Some(b',') => self.take(),
                Some(b'{') => objects.push(self.object()),
                Some(_) => _ = self.value(),
            }
        }
    }

    /// Takes an object and returns the text of its id. The last of several counts.
    fn object(&mut self) -> Option<&'a [u8]> {
        self.take();
        let mut id = None;
        loop {
            match self.next()? {
                b'}' => break self.take(),
                b'"' => {
                    let is_id = is_id(self.value());
                    if self.next() == Some(b':') {
                        self.take();
                    }
                    self.next();
                    let value = self.value();
                    if is_id {
                        id = Some(value).filter(|value| matches!(value, [b'"' | b'-' | b'0'..=b'9', ..]));
                    }
                }
                _ => self.take(),
            }
        }
        id
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

/// Whether the text of a member's name means `id`.
fn is_id(name: &[u8]) -> bool {
    name == b"\"id\"" || name.contains(&b'\\') && serde_json::from_slice::<String>(name).is_ok_and(|name| name == "id")
}

#[cfg(test)]
mod tests {
    use super::ids;
    use crate::test;

    fn found(text: &str) -> Vec<Option<String>> {
        ids(text.as_bytes())
            .of_objects
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
        assert!(ids(b" [{}]").is_batch && !ids(b"{}[]").is_batch);
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
}

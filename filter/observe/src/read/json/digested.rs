//! The digest of a container's text without its insignificant white space, computed during the scan.
//!
//! A run of bytes without such white space is digested at once, however many tokens it has.

use super::Scanner;
use crate::digest::Digest;

/// A container whose text is digested.
#[derive(Clone, Debug)]
pub(super) struct Digested {
    pub(super) digest: Digest,
    /// Depth outside of it.
    pub(super) depth: usize,
    /// Every byte before this position is digested or left out.
    pub(super) to: u64,
}

// === impl Scanner ===

impl Scanner {
    /// Begins the digest of a container, directly after its brace.
    #[cold]
    pub(super) fn digest_from_here(&mut self, digest: Digest) {
        self.is_digesting = true;
        let digested = Digested { digest, depth: self.stack.depth, to: self.position };
        match &mut self.digested {
            Some(place) => **place = digested,
            None => self.digested = Some(Box::new(digested)),
        }
    }

    /// A container that was entered ended. Returns its digest, if it is the digested one.
    #[cold]
    pub(super) fn digest_ended(&mut self) -> Option<u64> {
        let digested = self.digested.as_ref().filter(|digested| digested.depth == self.stack.depth)?;
        self.is_digesting = false;
        Some(digested.digest.finish())
    }

    /// Digests the part of `bytes` before `rest`; `bytes` begins at position `begun`.
    pub(super) fn digest_to(&mut self, begun: u64, bytes: &[u8], rest: &[u8]) {
        let Some(digested) = &mut self.digested else { return };
        let end = bytes.len() - rest.len();
        let start = usize::try_from(digested.to - begun).unwrap_or(end);
        digested.digest.push(bytes.get(start..end).unwrap_or_default());
        digested.to = begun + end as u64;
    }

    /// The first byte of `rest` is white space between tokens, which is left out, or may end the container.
    #[inline(never)]
    pub(super) fn digest_before(&mut self, byte: u8, begun: u64, bytes: &[u8], rest: &[u8]) {
        self.digest_to(begun, bytes, rest);
        if let Some(digested) = self.digested.as_mut().filter(|_| byte != b'}') {
            digested.to += 1;
        }
    }

    /// Skips hidden values as [`Scanner::pass_hidden`] does, and digests them.
    #[inline(never)]
    pub(super) fn digest_hidden<'a>(&mut self, begun: u64, bytes: &'a [u8], rest: &'a [u8]) -> &'a [u8] {
        let to = self.digested.as_ref().map_or(begun, |digested| digested.to);
        let run = usize::try_from(to - begun).ok().and_then(|start| bytes.get(start..)).unwrap_or(rest);
        self.pass_hidden::<true>(run, rest)
    }

    /// Digests the part of `run` before `rest`, and leaves out the white space at the start of `rest`.
    pub(super) fn digest_run(&mut self, run: &[u8], rest: &[u8]) {
        if let Some(digested) = &mut self.digested {
            digested.digest.push(run.get(..run.len() - rest.len()).unwrap_or_default());
            digested.to += (run.len() - rest.len()) as u64 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Container, Interest, Progress, Scalar, Scanner, Visitor};
    use crate::digest::{Digest, DigestKey};
    use crate::test;

    /// Digests the elements of the document's array; hides members whose name begins with `h`.
    #[derive(Default)]
    struct Digests {
        depth: usize,
        found: Vec<u64>,
    }

    impl Visitor for Digests {
        fn key(&mut self, name: &[u8]) -> Interest {
            if name.starts_with(b"h") { Interest::Skip } else { Interest::Keep(8) }
        }

        fn element(&mut self) -> Interest {
            if self.depth == 1 { Interest::Digest } else { Interest::Keep(0) }
        }

        fn begin(&mut self, _: Container, _: u64) -> bool {
            self.depth += 1;
            true
        }

        fn begin_digest(&mut self) -> Digest {
            DigestKey::default().begin()
        }

        fn end_digest(&mut self, digest: u64) {
            assert_eq!(self.depth, 2);
            self.found.push(digest);
        }

        fn end(&mut self, _: u64) {
            self.depth -= 1;
        }

        fn scalar(&mut self, _: Scalar<'_>) {}
    }

    fn digests(text: &str, mut chunk: impl FnMut() -> usize) -> Vec<u64> {
        let mut scanner = Scanner::default();
        let mut visitor = Digests::default();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chunk().clamp(1, rest.len()));
            assert!(!matches!(scanner.scan(now, &mut visitor), Progress::Broken(_)), "{text}");
            rest = later;
        }
        visitor.found
    }

    #[test]
    fn digest_leaves_out_only_white_space_between_tokens() {
        let mut random = fastrand::Rng::with_seed(11);
        let values =
            ["1", "-2.5e3", "true", "null", r#""a b""#, r#""\\\" \u0041""#, "{}", "[]", r#"{"k":[1,{"h":" "}]}"#];
        for _ in 0..3_000 {
            let mut tokens = vec!["[".to_owned()];
            let mut plain = Vec::new();
            for item in 0..random.usize(1..3) {
                let members: Vec<String> = (0..random.usize(0..4))
                    .map(|_| format!(r#""{}":{}"#, random.choice(["h", "k"]).unwrap(), random.choice(values).unwrap()))
                    .collect();
                let text = format!("{{{}}}", members.join(","));
                plain.push(
                    DigestKey::default().digest(text.strip_prefix('{').unwrap().strip_suffix('}').unwrap().as_bytes()),
                );
                tokens.extend((item > 0).then(|| ",".to_owned()));
                tokens.extend(split(&text));
            }
            tokens.push("]".to_owned());
            assert_eq!(digests(&tokens.concat(), || usize::MAX), plain, "{tokens:?}");
            let spaced: String = tokens
                .iter()
                .flat_map(|token| [token.clone(), random.choice(["", "", " ", "\n", "\r\n \t "]).unwrap().to_owned()])
                .collect();
            assert_eq!(digests(&spaced, || usize::MAX), plain, "{spaced}");
            assert_eq!(digests(&spaced, || 1), plain, "{spaced}");
            assert_eq!(digests(&spaced, || random.usize(1..20)), plain, "{spaced}");
        }
    }

    /// Tokens of a text without white space between them.
    fn split(text: &str) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        let (mut in_string, mut escaped, mut goes_on) = (false, false, false);
        for character in text.chars() {
            let is_mark = !in_string && "{}[]:,".contains(character);
            match tokens.last_mut() {
                Some(token) if goes_on && !is_mark => token.push(character),
                _ => tokens.push(character.to_string()),
            }
            in_string ^= character == '"' && !escaped;
            escaped = in_string && character == '\\' && !escaped;
            goes_on = !is_mark;
        }
        tokens
    }
}

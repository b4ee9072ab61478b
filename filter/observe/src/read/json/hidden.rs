//! The fast path for values that the visitor did not ask for, which are most of the bytes.
//!
//! It reads whole tokens, keeps the state in locals and calls no visitor. A token that is not plain, complete in
//! the chunk and valid is left to [`Scanner::scan`], so the fast path may stop anywhere and reports no error itself.

use super::number::Number;
use super::string::plain_run;
use super::{Container, Scanner, State};

// === impl Scanner ===

impl Scanner {
    /// Returns the part of `bytes` that the fast path did not read. With `DIGEST`, `run` is the part not digested yet, up to
    /// the same end.
    pub(super) fn pass_hidden<'a, const DIGEST: bool>(&mut self, run: &'a [u8], bytes: &'a [u8]) -> &'a [u8] {
        let Some(floor) = self.hidden else { return bytes };
        let mut rest = bytes;
        let mut run = run;
        let mut state = self.state;
        let mut in_object = self.stack.top() == Some(Container::Object);
        while let Some((&byte, tail)) = rest.split_first() {
            (state, rest) = match (state, byte) {
                (State::StringText, _) => match pass_string(rest) {
                    (after, true) => (State::Next, after),
                    // The end of the chunk, or a byte for the general path.
                    (after, false) => {
                        rest = after;
                        break;
                    }
                },
                (State::StringEscape | State::KeyEscape | State::KeyText | State::Number | State::Literal(_), _) => {
                    break;
                }
                (_, b' ' | b'\t' | b'\n' | b'\r') => {
                    if DIGEST {
                        self.digest_run(run, rest);
                        run = tail;
                    }
                    (state, tail)
                }
                (State::Next, b',') => (if in_object { State::Key } else { State::Value }, tail),
                (State::Colon, b':') => (State::Value, tail),
                (State::Key | State::FirstKey, b'"') => match pass_string(tail) {
                    (after, true) => (State::Colon, after),
                    _ => break,
                },
                (State::Value | State::FirstElement, b'{' | b'[') => {
                    in_object = byte == b'{';
                    let (container, first) = if in_object {
                        (Container::Object, State::FirstKey)
                    } else {
                        (Container::Array, State::FirstElement)
                    };
                    if !self.stack.push(container) {
                        break;
                    }
                    (first, tail)
                }
                // The end of the hidden value itself is left to the general path.
                (State::Next | State::FirstKey, b'}') if in_object && self.stack.depth > floor + 1 => {
                    in_object = self.leave() == Some(Container::Object);
                    (State::Next, tail)
                }
                (State::Next | State::FirstElement, b']') if !in_object && self.stack.depth > floor + 1 => {
                    in_object = self.leave() == Some(Container::Object);
                    (State::Next, tail)
                }
                (State::Value | State::FirstElement, _) => match whole_scalar(byte, tail) {
                    Some(after) => (State::Next, after),
                    None => break,
                },
                _ => break,
            };
        }
        self.state = state;
        rest
    }

    /// Closes a container. Returns the one around it.
    fn leave(&mut self) -> Option<Container> {
        self.stack.depth -= 1;
        self.stack.top()
    }
}

/// Skips the inside of a string, up to the first unusual byte. Returns the rest, and whether the closing quote was read.
fn pass_string(bytes: &[u8]) -> (&[u8], bool) {
    let mut rest = bytes;
    loop {
        rest = rest.get(plain_run(rest)..).unwrap_or_default();
        match rest {
            [b'"', after @ ..] => return (after, true),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', after @ ..] => rest = after,
            _ => return (rest, false),
        }
    }
}

/// The bytes after a scalar that is complete in these bytes; `None` if it is not.
fn whole_scalar(byte: u8, tail: &[u8]) -> Option<&[u8]> {
    match byte {
        b'"' => match pass_string(tail) {
            (after, true) => Some(after),
            _ => None,
        },
        b't' => tail.strip_prefix(b"rue"),
        b'f' => tail.strip_prefix(b"alse"),
        b'n' => tail.strip_prefix(b"ull"),
        b'-' | b'0'..=b'9' => {
            let mut number = Number::begin(byte);
            let (_, after) = number.run(tail);
            let ends = matches!(after.first(), Some(b',' | b'}' | b']'));
            (ends && number.is_complete()).then_some(after)
        }
        _ => None,
    }
}

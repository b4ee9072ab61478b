//! A push scanner for JSON (RFC 8259): chunks in, calls to a [`Visitor`] out.
//!
//! The scanner checks the whole grammar and keeps only what the visitor asks for, so a document may have any size and be split
//! anywhere. It makes one pass, without recursion and without looking back. Plain bytes of a string are compared 16 at a time.
//!
//! **What it does not do:** check that strings are UTF-8 (peers disagree, and no observation depends on it), build values,
//! convert numbers.
//!
//! **Cost:** about 350 bytes per scanner, plus what the visitor asked to keep; a digest adds about an instruction per byte of
//! the container that it was asked for and nothing elsewhere.

mod digested;
mod hidden;
mod number;
mod stack;
mod string;
mod visitor;

use crate::text::Text;
use digested::Digested;
use number::Number;
use stack::Stack;
use string::Escape;
pub(crate) use visitor::{Container, Interest, Scalar, Visitor};

/// Longest member name that is compared; the visitor does not get a longer one.
const KEY_BYTES: usize = 64;

/// Why a document cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not JSON.
    Invalid,
    /// Nested deeper than [`stack::MAX_DEPTH`].
    TooDeep,
}

/// The progress after a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The chunk was read to its end.
    Partial,
    /// One document ended after this many bytes of the chunk.
    Complete(usize),
    /// The document cannot be read any further, until [`Scanner::reset`].
    Broken(Broken),
}

/// How the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Between documents.
    Clean,
    /// A number at the top level ended with the input.
    Complete,
    /// Inside a document.
    Truncated,
    /// [`Progress::Broken`] was reported before.
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a document, after this many bytes of a byte order mark.
    Start(u8),
    Value,
    /// After `[`.
    FirstElement,
    /// After `{`.
    FirstKey,
    /// After `,` in an object.
    Key,
    Colon,
    /// After a value inside a container.
    Next,
    KeyText,
    StringText,
    KeyEscape,
    StringEscape,
    Number,
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Broken(Broken),
}

/// The scanner. Reads one document after the other, separated by nothing or white space.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    state: State,
    stack: Stack,
    /// Depth of the container that the visitor did not enter, while inside it.
    hidden: Option<usize>,
    /// Inside a container that the visitor wants a digest of.
    is_digesting: bool,
    /// The container that is digested, or the last one that was.
    digested: Option<Box<Digested>>,
    interest: Interest,
    literal: Scalar<'static>,
    text: Text,
    escape: Escape,
    number: Number,
    position: u64,
}

// === impl Scanner ===

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Start(0),
            stack: Stack::default(),
            hidden: None,
            is_digesting: false,
            digested: None,
            interest: Interest::Skip,
            literal: Scalar::Null,
            text: Text::default(),
            escape: Escape::default(),
            number: Number::default(),
            position: 0,
        }
    }
}

impl Scanner {
    /// Drops an unfinished or broken document; the next byte begins a new one.
    pub(crate) fn reset(&mut self) {
        // The compiler names a new field here. What is not reset is set before it is read.
        let Self {
            state,
            stack,
            hidden,
            is_digesting,
            escape,
            digested: _,
            interest: _,
            literal: _,
            text: _,
            number: _,
            position: _,
        } = self;
        (*state, stack.depth) = (State::Start(0), 0);
        (*hidden, *is_digesting) = (None, false);
        // A document can end inside an escape sequence.
        *escape = Escape::default();
    }

    /// Reads `bytes` up to the end of a document or of the chunk.
    pub(crate) fn scan<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> Progress {
        let begun = self.position;
        let mut rest = bytes;
        let progress = loop {
            if self.hidden.is_some() {
                rest = if self.is_digesting {
                    self.digest_hidden(begun, bytes, rest)
                } else {
                    self.pass_hidden::<false>(rest, rest)
                };
            }
            let Some((&byte, tail)) = rest.split_first() else { break self.partial() };
            match self.state {
                State::StringText | State::KeyText => rest = self.string(rest, visitor),
                State::Number => rest = self.number(rest, visitor),
                State::Broken(broken) => break Progress::Broken(broken),
                _ => {
                    if self.is_digesting && matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'}') {
                        self.digest_before(byte, begun, bytes, rest);
                    }
                    rest = tail;
                    self.position = begun + (bytes.len() - rest.len()) as u64;
                    self.structure(byte, visitor);
                }
            }
            if self.stack.depth == 0 && self.state == State::Next {
                self.state = State::Start(3);
                break Progress::Complete(bytes.len() - rest.len());
            }
        };
        self.position = begun + (bytes.len() - rest.len()) as u64;
        if self.is_digesting {
            self.digest_to(begun, bytes, rest);
        }
        progress
    }

    /// The input ended here.
    pub(crate) fn finish<V: Visitor>(&mut self, visitor: &mut V) -> Ending {
        let ending = match self.state {
            State::Start(0 | 3) => Ending::Clean,
            State::Broken(_) => Ending::Broken,
            State::Number if self.stack.depth == 0 && self.number.is_complete() => {
                self.number_ended(b' ', visitor);
                Ending::Complete
            }
            _ => Ending::Truncated,
        };
        self.reset();
        ending
    }

    /// At the end of a chunk.
    fn partial(&self) -> Progress {
        match self.state {
            State::Broken(broken) => Progress::Broken(broken),
            _ => Progress::Partial,
        }
    }

    fn broken(&mut self) {
        self.state = State::Broken(Broken::Invalid);
    }

    /// Everything but the inside of strings and numbers.
    fn structure<V: Visitor>(&mut self, byte: u8, visitor: &mut V) {
        match (self.state, byte) {
            (State::Literal(rest), _) => self.literal_byte(rest, byte, visitor),
            (State::KeyEscape | State::StringEscape, _) => self.escaped(byte),
            (State::Start(1 | 2), _) | (State::Start(0), 0xef) => self.byte_order_mark(byte),
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (State::Next, b',') => {
                self.state = if self.stack.top() == Some(Container::Object) { State::Key } else { State::Value };
            }
            (State::Next, b'}') | (State::FirstKey, b'}') => self.close(Container::Object, visitor),
            (State::Next, b']') | (State::FirstElement, b']') => self.close(Container::Array, visitor),
            (State::Key | State::FirstKey, b'"') => {
                self.state = State::KeyText;
                self.interest = Interest::Keep(KEY_BYTES);
                self.restart_text();
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Value | State::FirstElement | State::Start(_), _) => self.value(byte, visitor),
            _ => self.broken(),
        }
    }

    fn value<V: Visitor>(&mut self, byte: u8, visitor: &mut V) {
        if self.hidden.is_none() && self.stack.top() != Some(Container::Object) {
            self.interest = visitor.element();
        }
        match byte {
            b'"' => {
                self.state = State::StringText;
                self.restart_text();
            }
            b'{' => self.open(Container::Object, visitor),
            b'[' => self.open(Container::Array, visitor),
            b'-' | b'0'..=b'9' => {
                self.state = State::Number;
                self.restart_text();
                self.number = Number::begin(byte);
                self.keep(&[byte]);
            }
            b't' => self.literal(b"rue", Scalar::Bool(true)),
            b'f' => self.literal(b"alse", Scalar::Bool(false)),
            b'n' => self.literal(b"ull", Scalar::Null),
            _ => self.broken(),
        }
    }

    fn open<V: Visitor>(&mut self, container: Container, visitor: &mut V) {
        if self.hidden.is_none() {
            let entered = self.interest != Interest::Skip && visitor.begin(container, self.position - 1);
            if !entered {
                self.hidden = Some(self.stack.depth);
            } else if self.interest == Interest::Digest {
                let digest = visitor.begin_digest();
                self.digest_from_here(digest);
            }
        }
        if !self.stack.push(container) {
            self.state = State::Broken(Broken::TooDeep);
            return;
        }
        self.state = if container == Container::Object { State::FirstKey } else { State::FirstElement };
    }

    fn close<V: Visitor>(&mut self, container: Container, visitor: &mut V) {
        if self.stack.top() != Some(container) {
            return self.broken();
        }
        self.stack.depth -= 1;
        self.state = State::Next;
        match self.hidden {
            Some(depth) if depth == self.stack.depth => self.hidden = None,
            Some(_) => {}
            None => {
                if self.is_digesting
                    && let Some(digest) = self.digest_ended()
                {
                    visitor.end_digest(digest);
                }
                visitor.end(self.position);
            }
        }
    }

    fn literal(&mut self, rest: &'static [u8], scalar: Scalar<'static>) {
        self.state = State::Literal(rest);
        self.literal = scalar;
    }

    fn literal_byte<V: Visitor>(&mut self, rest: &'static [u8], byte: u8, visitor: &mut V) {
        match rest.split_first() {
            Some((&expected, left)) if expected == byte => {
                self.state = State::Literal(left);
                if left.is_empty() {
                    self.state = State::Next;
                    if self.is_wanted() {
                        visitor.scalar(self.literal);
                    }
                }
            }
            _ => self.broken(),
        }
    }

    fn number<'a, V: Visitor>(&mut self, bytes: &'a [u8], visitor: &mut V) -> &'a [u8] {
        let (digits, rest) = self.number.run(bytes);
        self.keep(digits);
        if let Some(&next) = rest.first() {
            self.number_ended(next, visitor);
        }
        rest
    }

    fn number_ended<V: Visitor>(&mut self, next: u8, visitor: &mut V) {
        if !self.number.is_complete() || !matches!(next, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']') {
            return self.broken();
        }
        self.state = State::Next;
        if self.is_wanted() {
            visitor.scalar(Scalar::Number(&self.text));
        }
    }

    fn byte_order_mark(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Start(0), 0xef) => State::Start(1),
            (State::Start(1), 0xbb) => State::Start(2),
            (State::Start(2), 0xbf) => State::Start(3),
            _ => State::Broken(Broken::Invalid),
        };
    }

    /// Whether the visitor asked for the current value.
    fn is_wanted(&self) -> bool {
        self.hidden.is_none() && self.interest != Interest::Skip
    }

    fn restart_text(&mut self) {
        match (self.hidden, self.interest) {
            (None, Interest::Keep(limit)) => self.text.restart(limit),
            (None, Interest::Digest) => self.text.restart(0),
            _ => {}
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_wanted() {
            self.text.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests;

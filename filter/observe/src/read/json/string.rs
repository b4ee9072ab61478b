//! The inside of strings (RFC 8259, section 7): the fast run over plain bytes, and escape sequences.

use super::{Interest, KEY_BYTES, Scalar, Scanner, State, Visitor};
use crate::text::Text;

/// How many bytes at the start of `bytes` are neither a quote, a backslash nor a control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    // Most strings are this short.
    if let Some(&word) = bytes.first_chunk::<8>() {
        let found = special_bytes(u64::from_le_bytes(word));
        if found != 0 {
            return (found.trailing_zeros() / 8) as usize;
        }
    }
    let (steps, _) = bytes.as_chunks::<16>();
    let mut run = 16 * steps.iter().take_while(|step| is_plain(step)).count();
    let (words, _) = bytes.get(run..).unwrap_or_default().as_chunks::<8>();
    for &word in words {
        let found = special_bytes(u64::from_le_bytes(word));
        if found != 0 {
            return run + (found.trailing_zeros() / 8) as usize;
        }
        run += 8;
    }
    run + bytes.iter().skip(run).take_while(|&&byte| special_bytes(u64::from(byte) | PLAIN) == 0).count()
}

/// Whether none of the bytes is special. The compiler generates five vector instructions for it: a special
/// byte, and only that, becomes 0.
fn is_plain(step: &[u8; 16]) -> bool {
    let mut least = [0; 16];
    for (least, &byte) in least.iter_mut().zip(step) {
        *least = (byte ^ b'"').min(byte ^ b'\\').min(byte.saturating_sub(0x1f));
    }
    !least.iter().fold(false, |found, &least| found | (least == 0))
}

/// Seven plain bytes above the byte to check.
const PLAIN: u64 = 0x6161_6161_6161_6100;

/// Sets the high bit of special bytes in a word; only the lowest one is exact. The method is the usual search for a zero byte.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let less = |value: u64, than: u64| value.wrapping_sub(ONES * than) & !value;
    (less(word ^ (ONES * 0x22), 1) | less(word ^ (ONES * 0x5c), 1) | less(word, 0x20)) & HIGHS
}

/// An escape sequence in progress, and a high surrogate whose low surrogate has not come yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Escape {
    /// Hexadecimal digits still to come.
    digits: u8,
    unit: u16,
    high: Option<u16>,
}

/// Whether an escape sequence is complete.
enum EscapeProgress {
    More,
    Done,
    Invalid,
}

// === impl Scanner ===

impl Scanner {
    /// Inside a string: reads plain bytes, then the first byte that is not plain.
    pub(super) fn string<'a, V: Visitor>(&mut self, bytes: &'a [u8], visitor: &mut V) -> &'a [u8] {
        let (plain, rest) = bytes.split_at_checked(plain_run(bytes)).unwrap_or((bytes, &[]));
        let is_key = self.state == State::KeyText;
        // Most member names are complete in one chunk and need not be copied.
        if is_key
            && self.hidden.is_none()
            && self.text.length() == 0
            && rest.first() == Some(&b'"')
            && self.escape.is_idle()
        {
            self.interest = if plain.len() <= KEY_BYTES { visitor.key(plain) } else { Interest::Skip };
            // The colon mostly follows at once.
            let after = rest.get(1..).unwrap_or_default();
            let colon = after.strip_prefix(b":");
            self.state = if colon.is_some() { State::Value } else { State::Colon };
            return colon.unwrap_or(after);
        }
        if !plain.is_empty() && self.is_wanted() {
            self.end_text();
            self.text.push(plain);
        }
        let Some((&byte, rest)) = rest.split_first() else { return &[] };
        match byte {
            b'\\' => self.state = if is_key { State::KeyEscape } else { State::StringEscape },
            b'"' if is_key => {
                self.end_text();
                self.state = State::Colon;
                if self.hidden.is_none() {
                    self.interest = self.text.whole().map_or(Interest::Skip, |name| visitor.key(name));
                }
            }
            b'"' => {
                self.end_text();
                self.state = State::Next;
                if self.is_wanted() {
                    visitor.scalar(Scalar::String(&self.text));
                }
            }
            _ => self.broken(),
        }
        rest
    }

    /// After a backslash; returns to the text when the escape sequence is complete.
    pub(super) fn escaped(&mut self, byte: u8) {
        let wanted = self.is_wanted();
        let text = wanted.then_some(&mut self.text);
        match self.escape.push(byte, text) {
            EscapeProgress::More => {}
            EscapeProgress::Done => {
                self.state = if self.state == State::KeyEscape { State::KeyText } else { State::StringText };
            }
            EscapeProgress::Invalid => self.broken(),
        }
    }

    fn end_text(&mut self) {
        let wanted = self.is_wanted();
        self.escape.flush(wanted.then_some(&mut self.text));
    }
}

// === impl Escape ===

impl Escape {
    /// Reads the next byte after a backslash and appends the decoded character to `text`.
    fn push(&mut self, byte: u8, text: Option<&mut Text>) -> EscapeProgress {
        if self.digits > 0 {
            return self.digit(byte, text);
        }
        let decoded = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.digits = 4;
                self.unit = 0;
                return EscapeProgress::More;
            }
            _ => return EscapeProgress::Invalid,
        };
        if let Some(text) = text {
            self.flush(Some(text));
            text.push(&[decoded]);
        }
        EscapeProgress::Done
    }

    /// There is no pending high surrogate.
    fn is_idle(&self) -> bool {
        self.high.is_none()
    }

    /// Appends a lone high surrogate, at the end of a text or before anything but a low surrogate.
    fn flush(&mut self, text: Option<&mut Text>) {
        if let (Some(high), Some(text)) = (self.high.take(), text) {
            push_unit(text, high);
        }
    }

    fn digit(&mut self, byte: u8, text: Option<&mut Text>) -> EscapeProgress {
        let Some(digit) = char::from(byte).to_digit(16) else { return EscapeProgress::Invalid };
        self.unit = self.unit << 4 | digit as u16;
        self.digits -= 1;
        if self.digits > 0 {
            return EscapeProgress::More;
        }
        let Some(text) = text else { return EscapeProgress::Done };
        match (self.high.take(), self.unit) {
            (Some(high), low @ 0xdc00..=0xdfff) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(low) - 0xdc00);
                if let Some(character) = char::from_u32(code) {
                    text.push(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            (before, unit) => {
                if let Some(high) = before {
                    push_unit(text, high);
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    _ => push_unit(text, unit),
                }
            }
        }
        EscapeProgress::Done
    }
}

/// Appends a code unit as UTF-8. A lone surrogate has the same three-byte form, so that texts can still be compared.
fn push_unit(text: &mut Text, unit: u16) {
    match char::from_u32(u32::from(unit)) {
        Some(character) => text.push(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let [high, low] = unit.to_be_bytes();
            let middle = 0x80 | (high << 2 | low >> 6) & 0x3f;
            text.push(&[0xe0 | high >> 4, middle, 0x80 | low & 0x3f]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain_run;
    use crate::test;

    #[test]
    fn run_ends_at_first_special_byte() {
        for length in 0..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let special = byte == b'"' || byte == b'\\' || byte < 0x20;
                    assert_eq!(plain_run(&bytes), if special { at } else { length }, "{byte} at {at} of {length}");
                }
            }
        }
        assert_eq!(plain_run(&[0xff; 100]), 100);
    }
}

//! The inside of strings (RFC 8259, section 7): the fast run over plain bytes, and escapes.

use crate::text::Text;

/// Bytes looked at in one step; the compiler turns the step into vector compares.
const STEP: usize = 16;

/// How many bytes at the start of `bytes` are neither a quote, a backslash nor a control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    for step in bytes.chunks_exact(STEP) {
        if step.iter().fold(false, |found, &byte| found | is_special(byte)) {
            break;
        }
        run += STEP;
    }
    run + bytes.iter().skip(run).take_while(|&&byte| !is_special(byte)).count()
}

fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// An escape sequence in progress, and the high surrogate that waits for its partner.
#[derive(Clone, Debug, Default)]
pub(super) struct Escape {
    /// Hexadecimal digits still to come.
    digits: u8,
    unit: u16,
    high: Option<u16>,
}

/// Whether an escape is whole.
pub(super) enum EscapeProgress {
    More,
    Done,
    Invalid,
}

// === impl Escape ===

impl Escape {
    /// Takes the next byte behind a backslash and adds what it means to `text`.
    pub(super) fn push(&mut self, byte: u8, text: Option<&mut Text>) -> EscapeProgress {
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

    /// A lone high surrogate at the end of a text, or before something else.
    pub(super) fn flush(&mut self, text: Option<&mut Text>) {
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

/// Adds a code unit as UTF-8; a lone surrogate in the same three-byte form, so that texts can still be compared.
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

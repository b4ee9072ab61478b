//! The grammar of numbers (RFC 8259, section 6), one byte at a time.

/// The part of a number that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Number {
    /// `-`
    #[default]
    Minus,
    /// A leading zero: no digit may follow.
    Zero,
    Integer,
    /// `.`
    Point,
    Fraction,
    /// `e`
    Exponent,
    /// `e-`
    ExponentSign,
    ExponentDigits,
    Invalid,
}

// === impl Number ===

impl Number {
    /// A number begins with `byte`, a minus or a digit.
    pub(super) fn begin(byte: u8) -> Self {
        match byte {
            b'-' => Self::Minus,
            b'0' => Self::Zero,
            _ => Self::Integer,
        }
    }

    /// Whether the number may end here.
    pub(super) fn is_complete(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits)
    }

    /// Splits the bytes into those of the number and the rest.
    pub(super) fn run<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let mut length = 0;
        for &byte in bytes {
            if !matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-') {
                break;
            }
            *self = self.next(byte);
            length += 1;
        }
        bytes.split_at_checked(length).unwrap_or((bytes, &[]))
    }

    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus | Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Self::ExponentDigits,
            _ => Self::Invalid,
        }
    }
}

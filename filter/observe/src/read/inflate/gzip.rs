//! Reads the header of a gzip member (RFC 1952, 2.3) byte by byte. No field is kept.

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;

/// Bits of the flags.
const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// The state of the header.
#[derive(Clone, Debug)]
pub(super) struct Header {
    field: Field,
    /// Bytes read of the field; in [`Field::Extra`], the bytes that are still missing.
    count: u16,
    /// The optional fields that follow.
    flags: u8,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Magic,
    Method,
    Flags,
    /// Time, hints and system: six bytes.
    Fixed,
    ExtraLength,
    Extra,
    /// Ends with a zero byte, as the comment does.
    Name,
    Comment,
    Checksum,
}

/// The result of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    /// The blocks begin after this byte.
    Complete,
    /// Not gzip.
    Invalid,
}

// === impl Header ===

impl Default for Header {
    fn default() -> Self {
        Self { field: Field::Magic, count: 0, flags: 0 }
    }
}

impl Header {
    /// The magic number was seen, so this is gzip or broken.
    pub(super) fn is_sure(&self) -> bool {
        self.field != Field::Magic
    }

    /// At least one byte was read.
    pub(super) fn has_begun(&self) -> bool {
        self.is_sure() || self.count > 0
    }

    pub(super) fn push(&mut self, byte: u8) -> Step {
        let is_last = match self.field {
            Field::Magic => {
                if MAGIC.get(usize::from(self.count)) != Some(&byte) {
                    return Step::Invalid;
                }
                self.counted(2)
            }
            Field::Method if byte != DEFLATE => return Step::Invalid,
            Field::Method => true,
            Field::Flags if byte & RESERVED != 0 => return Step::Invalid,
            Field::Flags => {
                self.flags = byte;
                true
            }
            Field::Fixed => self.counted(6),
            Field::ExtraLength => return self.extra_length(byte),
            Field::Extra => {
                self.count -= 1;
                self.count == 0
            }
            Field::Name | Field::Comment => byte == 0,
            Field::Checksum => self.counted(2),
        };
        if is_last { self.next_field() } else { Step::More }
    }

    /// Counts a byte of a field of `bytes` bytes. Returns whether it was the last one.
    fn counted(&mut self, bytes: u16) -> bool {
        self.count += 1;
        self.count == bytes
    }

    /// Two bytes, the lower one first; the length goes to `count`.
    fn extra_length(&mut self, byte: u8) -> Step {
        if self.flags & EXTRA != 0 {
            self.flags &= !EXTRA;
            self.count = u16::from(byte);
            return Step::More;
        }
        self.count |= u16::from(byte) << 8;
        if self.count == 0 {
            return self.next_field();
        }
        self.field = Field::Extra;
        Step::More
    }

    fn next_field(&mut self) -> Step {
        let field = self.field;
        self.count = 0;
        self.field = match field {
            Field::Magic => Field::Method,
            Field::Method => Field::Flags,
            Field::Flags => Field::Fixed,
            _ if self.flags & EXTRA != 0 => Field::ExtraLength,
            _ if self.take_flag(NAME) => Field::Name,
            _ if self.take_flag(COMMENT) => Field::Comment,
            _ if self.take_flag(HEADER_CHECKSUM) => Field::Checksum,
            _ => return Step::Complete,
        };
        Step::More
    }

    fn take_flag(&mut self, flag: u8) -> bool {
        let is_set = self.flags & flag != 0;
        self.flags &= !flag;
        is_set
    }
}

//! A decoded string or number of which only the beginning is kept.

use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// FNV-1a, 64 bit.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// Initial capacity in bytes; most texts are shorter.
const USUAL_BYTES: usize = 64;

/// The first bytes of a text, and the length and digest of all of it.
///
/// Two texts are equal when length and digest are equal, so ids and names of any length can be compared while at most
/// `limit` bytes are kept. The digest is not cryptographic: a peer that forges a collision affects only the counts of its own
/// exchange.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Text {
    start: Vec<u8>,
    limit: usize,
    length: u64,
    /// Digest of everything so far, once there is more than is kept.
    overflow: Option<NonZeroU64>,
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        let is_equal = match (self.whole(), other.whole()) {
            (Some(whole), Some(other)) => whole == other,
            _ => self.digest() == other.digest(),
        };
        is_equal && self.length == other.length
    }
}

// === impl Text ===

impl Text {
    /// The text of `bytes`, all of it kept.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { start: bytes.to_vec(), limit: bytes.len(), length: bytes.len() as u64, overflow: None }
    }

    /// The text of `bytes`, of which at most `limit` are kept. A text within the limit is not copied.
    pub(crate) fn start_of(bytes: Vec<u8>, limit: usize) -> Self {
        let length = bytes.len() as u64;
        if bytes.len() <= limit {
            return Self { start: bytes, limit, length, overflow: None };
        }
        // A buffer that is shrunk in place would leave a gap in memory that the next buffer of that length does not fit into.
        let mut text = Self { limit, ..Self::default() };
        text.push(&bytes);
        text
    }

    /// The [`Text::digest`] of a text with these bytes.
    pub(crate) fn digest_of(bytes: &[u8]) -> u64 {
        digest(OFFSET, bytes)
    }

    /// Empties the text; from now on at most `limit` bytes are kept.
    pub(crate) fn restart(&mut self, limit: usize) {
        self.start.clear();
        if self.start.capacity() == 0 {
            // Enough for most texts, so that the buffer does not grow step by step.
            self.start.reserve_exact(limit.min(USUAL_BYTES));
        }
        self.limit = limit;
        self.length = 0;
        self.overflow = None;
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = self.limit - self.start.len();
        if let (None, true) = (self.overflow, bytes.len() <= room) {
            return self.start.extend_from_slice(bytes);
        }
        let (kept, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.start.extend_from_slice(kept);
        let digest = self.digest();
        // One digest in 2^64 is 0 and becomes 1.
        self.overflow = NonZeroU64::new(self::digest(digest, rest)).or(Some(NonZeroU64::MIN));
    }

    /// The bytes that were kept.
    pub(crate) fn start(&self) -> &[u8] {
        &self.start
    }

    /// The whole text, if all of it was kept.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        (self.length == self.start.len() as u64).then_some(self.start.as_slice())
    }

    /// Length of the whole text in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Digest of the whole text.
    pub(crate) fn digest(&self) -> u64 {
        self.overflow.map_or_else(|| digest(OFFSET, &self.start), NonZeroU64::get)
    }
}

fn digest(begin: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(begin, |digest, &byte| (digest ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::test;

    #[test]
    fn texts_compare_by_the_whole_though_only_the_start_is_kept() {
        let long = [b'a'; 1000];
        let mut cut = Text::default();
        cut.restart(4);
        cut.push(&long[..300]);
        cut.push(&long[300..]);
        assert_eq!(cut.start(), b"aaaa");
        assert_eq!(cut.whole(), None);
        assert_eq!(cut, Text::of(&long));
        assert_ne!(cut, Text::of(&long[1..]));
        let mut none = Text::default();
        none.push(&long);
        assert_eq!(none, cut);
    }
}

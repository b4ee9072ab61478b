//! A keyed digest of bytes that come in pieces, to tell names and definitions apart without keeping them.
//!
//! Not cryptographic, but nobody outside the process knows the key, so nobody can prepare two texts that look the same.
//! How the bytes are cut makes no difference. **Cost:** about one instruction per byte.

/// What makes a process' digests its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigestKey {
    seed: u64,
    multiplier: u64,
}

/// A digest in the making.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    state: u64,
    multiplier: u64,
    /// Bytes that do not make a word yet, the first one lowest.
    word: u64,
    filled: u32,
    length: u64,
}

// === impl DigestKey ===

impl Default for DigestKey {
    /// For tests, and for whoever has no other process to agree with.
    fn default() -> Self {
        Self::of(b"")
    }
}

impl DigestKey {
    /// The key that a secret stands for.
    pub(crate) fn of(secret: &[u8]) -> Self {
        let mut digest = Digest { state: 0x243f_6a88_85a3_08d3, multiplier: MULTIPLIER, word: 0, filled: 0, length: 0 };
        digest.push(secret);
        let seed = digest.finish();
        digest.push(b"multiplier");
        Self { seed, multiplier: digest.finish() | 1 }
    }

    /// The digest of one piece.
    pub(crate) fn digest(self, bytes: &[u8]) -> u64 {
        let mut digest = self.begin();
        digest.push(bytes);
        digest.finish()
    }

    /// A digest of nothing yet.
    pub(crate) fn begin(self) -> Digest {
        Digest { state: self.seed, multiplier: self.multiplier, word: 0, filled: 0, length: 0 }
    }
}

/// Odd, with no pattern: digits of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl Digest ===

impl Digest {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let missing = if self.filled == 0 { 0 } else { 8 - self.filled as usize };
        let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        self.fill(head);
        let (words, tail) = rest.as_chunks::<8>();
        for &word in words {
            self.mix(u64::from_le_bytes(word));
        }
        self.fill(tail);
    }

    pub(crate) fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.mix(self.word);
        last.mix(self.length);
        // Every bit of the state shows in every bit of the digest.
        let state = (last.state ^ last.state >> 32).wrapping_mul(MULTIPLIER);
        state ^ state >> 29
    }

    /// At most as many bytes as the word at hand has room for.
    fn fill(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.word |= u64::from(byte) << (8 * self.filled);
            self.filled += 1;
        }
        if self.filled == 8 {
            self.mix(self.word);
            self.word = 0;
            self.filled = 0;
        }
    }

    fn mix(&mut self, word: u64) {
        self.state = (self.state.rotate_left(23) ^ word).wrapping_mul(self.multiplier);
    }
}

#[cfg(test)]
mod tests {
    use super::DigestKey;
    use crate::test;
    use std::collections::BTreeSet;

    #[test]
    fn ok_cuts_make_no_difference() {
        let mut random = fastrand::Rng::with_seed(3);
        let bytes: Vec<u8> = (0..200).map(|_| random.u8(..)).collect();
        let key = DigestKey::of(b"secret");
        for _ in 0..500 {
            let mut digest = key.begin();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.usize(0..=rest.len().min(20)));
                digest.push(piece);
                rest = after;
            }
            assert_eq!(digest.finish(), key.digest(&bytes));
        }
    }

    #[test]
    fn ok_texts_and_keys_differ() {
        let mut seen = BTreeSet::new();
        for key in [DigestKey::of(b"one"), DigestKey::of(b"two"), DigestKey::default()] {
            assert!(seen.insert(key.digest(b"")));
            for length in 1..=64 {
                assert!(seen.insert(key.digest(&vec![0; length])));
                for at in 0..length {
                    let mut bytes = vec![0; length];
                    bytes[at] = 1;
                    assert!(seen.insert(key.digest(&bytes)), "{length} {at}");
                }
            }
        }
    }
}

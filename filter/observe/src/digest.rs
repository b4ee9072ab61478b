//! A keyed digest of bytes that come in pieces, to compare names and definitions without keeping them.
//!
//! The digest is not cryptographic. But the key is secret, so a peer cannot prepare two texts with the same digest.
//! The result does not depend on the size of the pieces. **Cost:** about one instruction per byte.

use std::num::NonZeroU64;

/// The key of a process' digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DigestKey(NonZeroU64);

/// A digest of the bytes so far.
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
    /// For tests, and where no other process has to agree.
    fn default() -> Self {
        Self::of(b"")
    }
}

impl DigestKey {
    /// The key that is derived from a secret.
    pub(crate) fn of(secret: &[u8]) -> Self {
        let mut digest = Self(NonZeroU64::MIN).begin();
        digest.push(secret);
        Self(NonZeroU64::MIN.saturating_add(digest.finish() >> 1))
    }

    /// The digest of one piece.
    pub(crate) fn digest(self, bytes: &[u8]) -> u64 {
        let mut digest = self.begin();
        digest.push(bytes);
        digest.finish()
    }

    /// The digest of no bytes.
    pub(crate) fn begin(self) -> Digest {
        let seed = self.0.get();
        // The multiplier is as secret as the initial state, and odd, so that the multiplication is reversible.
        Digest { state: seed, multiplier: scatter(seed) | 1, word: 0, filled: 0, length: 0 }
    }
}

/// Odd, with no pattern: digits of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl Digest ===

impl Digest {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (words, tail) = bytes.as_chunks::<8>();
        let bits = 8 * self.filled;
        let multiplier = self.multiplier;
        if bits == 0 {
            let mix = |state, word: &[u8; 8]| mix(state, u64::from_le_bytes(*word), multiplier);
            // Four words per iteration: one iteration of the loop costs as much as one word.
            let (fours, words) = words.as_chunks::<4>();
            let state = fours
                .iter()
                .fold(self.state, |state, [one, two, three, four]| mix(mix(mix(mix(state, one), two), three), four));
            self.state = words.iter().fold(state, mix);
        } else {
            (self.state, self.word) = words.iter().fold((self.state, self.word), |(state, before), word| {
                let word = u64::from_le_bytes(*word);
                (mix(state, before | word << bits, multiplier), word >> (64 - bits))
            });
        }
        let last = tail.iter().rev().fold(0, |last, &byte| last << 8 | u64::from(byte));
        self.word |= last << bits;
        self.filled += tail.len() as u32;
        if self.filled >= 8 {
            self.push_word(self.word);
            self.word = last >> (64 - bits);
            self.filled -= 8;
        }
    }

    pub(crate) fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.push_word(self.word);
        last.push_word(self.length);
        scatter(last.state)
    }

    fn push_word(&mut self, word: u64) {
        self.state = mix(self.state, word, self.multiplier);
    }
}

/// Mixes the bits: each input bit affects every output bit.
fn scatter(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 32).wrapping_mul(MULTIPLIER);
    let bits = (bits ^ bits >> 29).wrapping_mul(MULTIPLIER);
    bits ^ bits >> 32
}

/// Adds a digest to another one. The key is already in both, so this only has to keep the order.
pub(crate) fn combine(digest: u64, next: u64) -> u64 {
    mix(digest, next, MULTIPLIER)
}

fn mix(state: u64, word: u64, multiplier: u64) -> u64 {
    (state.rotate_left(23) ^ word).wrapping_mul(multiplier)
}

#[cfg(test)]
mod tests {
    use super::DigestKey;
    use crate::test;
    use std::collections::BTreeSet;

    #[test]
    fn any_chunking_gives_the_same_digest() {
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
    fn different_texts_and_keys_differ() {
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

//! Keyed hashes of values that must not be shown: session ids, users, resource URIs.
//!
//! **Cost:** the key is prepared once. A hash of a short value costs two blocks of SHA-256, instead of four from the raw key.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// A key of HMAC-SHA-256, with its inner and outer state computed.
#[derive(Clone)]
pub(crate) struct HashKey(Option<Hmac<Sha256>>);

// === impl HashKey ===

impl HashKey {
    /// Prepares a key of any length.
    pub(crate) fn of(key: &[u8]) -> Self {
        // HMAC takes keys of any length; the error type exists for other MACs.
        Self(Hmac::new_from_slice(key).ok())
    }

    /// Sixteen hexadecimal digits. Equal texts have equal values; without the key, a value does not show its text.
    #[must_use]
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> String {
        let Some(mut mac) = self.0.clone() else { return String::new() };
        parts.iter().for_each(|part| mac.update(part));
        let bytes = mac.finalize().into_bytes();
        let start = bytes.first_chunk().copied().unwrap_or_default();
        format!("{:016x}", u64::from_be_bytes(start))
    }
}

impl Default for HashKey {
    fn default() -> Self {
        Self::of(b"")
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HashKey")
    }
}

/// Different keys have different hashes of one text.
impl PartialEq for HashKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash(&[]) == other.hash(&[])
    }
}

impl Eq for HashKey {}

#[cfg(test)]
mod tests {
    use super::HashKey;
    use crate::test;

    /// The first eight bytes of the values in RFC 4231, sections 4.3 and 4.7 (a key longer than a block).
    #[test]
    fn hashes_are_those_of_hmac_sha_256() {
        let key = HashKey::of(b"Jefe");
        for _ in 0..2 {
            assert_eq!(key.hash(&[b"what do ya want ", b"for nothing?"]), "5bdcc146bf60754e");
        }
        let long = HashKey::of(&[0xaa; 131]);
        assert_eq!(long.hash(&[b"Test Using Larger Than Block-Size Key - Hash Key First"]), "60e431591ee0b67f");
    }

    #[test]
    fn keys_are_equal_by_their_bytes() {
        assert_eq!(HashKey::of(b"one"), HashKey::of(b"one"));
        assert_ne!(HashKey::of(b"one"), HashKey::of(b"two"));
    }
}

//! The form of values in the shared data: numbers of fixed size, little endian, one after the other.
//!
//! Postcard, which the correlation store uses, writes numbers of variable size. Digests take all of their 64 bits, so its
//! values would be larger, and so would the module (by 1.6 KB, measured).

/// A value in the shared data.
pub(super) trait Stored: Default {
    /// Reads a value; `None` if the bytes are not one.
    fn read(bytes: &mut Reader<'_>) -> Option<Self>;

    /// Appends the value.
    fn write(&self, bytes: &mut Vec<u8>);

    /// The value that fills `bytes`; the default if the bytes are not one.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut reader = Reader(bytes);
        Self::read(&mut reader).filter(|_| reader.is_empty()).unwrap_or_default()
    }

    /// The bytes of the value.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }
}

/// The bytes that are not read yet. Every method returns `None` if there are too few.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn u64s(&mut self, count: usize) -> Option<Vec<u64>> {
        let (words, _) = self.bytes(count.checked_mul(8)?)?.as_chunks::<8>();
        Some(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }
}

/// Appends numbers as [`Reader::u64s`] reads them.
pub(super) fn write_u64s(bytes: &mut Vec<u8>, numbers: &[u64]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// Appends a count as [`Reader::u16`] reads it.
pub(super) fn write_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
}

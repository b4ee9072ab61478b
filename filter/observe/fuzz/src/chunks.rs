//! Ways to split an input into chunks. They use no bytes of the input, so a corpus file is the input itself.

/// How to split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// One chunk.
    Whole,
    /// Byte by byte.
    Bytes,
    /// Chunks of up to this many bytes; their sizes follow from the input.
    Pieces(usize),
}

/// All ways to split, which must give the same result.
pub const EVERY: [Chunking; 4] = [Chunking::Whole, Chunking::Bytes, Chunking::Pieces(9), Chunking::Pieces(700)];

/// The chunks of an input.
pub fn cut(input: &[u8], chunking: Chunking) -> Vec<&[u8]> {
    let mut random = digest(input) | 1;
    let mut rest = input;
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let size = match chunking {
            Chunking::Whole => rest.len(),
            Chunking::Bytes => 1,
            Chunking::Pieces(max) => {
                // xorshift64
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                1 + random as usize % max
            }
        };
        let (chunk, later) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk);
        rest = later;
    }
    chunks
}

/// FNV-1a.
pub fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

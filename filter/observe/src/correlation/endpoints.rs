//! Addresses of HTTP+SSE. Those that carry the session in an unusual place, as `endpoint` events gave them: servers that put it
//! into a query parameter, as all SDKs do, never come here; for the others one small value is read per POST without any
//! session. And the paths of the streams that such events came on: read where an `initialize` is refused.

use super::Correlation;

/// Of at most 10 bytes each; the oldest goes first.
const MOST: usize = 256;

impl Correlation {
    /// A stream told its client to post to this path.
    pub(crate) fn note_endpoint(&self, path: &[u8]) {
        self.note_address('p', self.hash(&[b"endpoint", path]));
    }

    /// Whether a stream told its client to post to this path.
    pub(crate) fn is_endpoint(&self, path: &[u8]) -> bool {
        self.is_address('p', || self.hash(&[b"endpoint", path]))
    }

    /// A stream of HTTP+SSE is at this path of the server.
    pub(crate) fn note_stream_path(&self, server: &[u8], path: &[u8]) {
        self.note_address('g', self.hash(&[b"stream", server, path]));
    }

    /// Whether a stream of HTTP+SSE is, or was, at this path of the server.
    pub(crate) fn is_stream_path(&self, server: &[u8], path: &[u8]) -> bool {
        self.is_address('g', || self.hash(&[b"stream", server, path]))
    }

    fn note_address(&self, table: char, address: u64) {
        self.edit(&self.key(table, 0), |slot: &mut Vec<u64>| {
            if slot.contains(&address) {
                return (false, ());
            }
            slot.push(address);
            slot.drain(..slot.len().saturating_sub(MOST));
            (true, ())
        });
    }

    fn is_address(&self, table: char, address: impl Fn() -> u64) -> bool {
        let known: Vec<u64> = self.read(&self.key(table, 0));
        !known.is_empty() && known.contains(&address())
    }
}

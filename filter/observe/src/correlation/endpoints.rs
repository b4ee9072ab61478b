//! Addresses of HTTP+SSE that carry the session in an unusual place, as `endpoint` events gave them. Servers that put it into a
//! query parameter, as all SDKs do, never come here; for the others one small value is read per POST without any session.

use super::Correlation;

/// Of at most 10 bytes each; the oldest goes first.
const MOST: usize = 256;

impl Correlation {
    /// A stream told its client to post to this path.
    pub(crate) fn note_endpoint(&self, path: &[u8]) {
        let path = self.hash(&[b"endpoint", path]);
        self.edit(&self.key('p', 0), |slot: &mut Vec<u64>| {
            if slot.contains(&path) {
                return (false, ());
            }
            slot.push(path);
            slot.drain(..slot.len().saturating_sub(MOST));
            (true, ())
        });
    }

    /// Whether a stream told its client to post to this path.
    pub(crate) fn is_endpoint(&self, path: &[u8]) -> bool {
        let known: Vec<u64> = self.read(&self.key('p', 0));
        !known.is_empty() && known.contains(&self.hash(&[b"endpoint", path]))
    }
}

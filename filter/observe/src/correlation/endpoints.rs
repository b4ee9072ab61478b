//! Addresses of HTTP+SSE (MCP 2024-11-05).
//!
//! | table | entries |
//! |---|---|
//! | `endpoints` | addresses of `endpoint` events without a session id in the query. All SDKs put the session id into the query; their addresses are not stored |
//! | `stream paths` | paths of the streams that brought `endpoint` events; read when a server refuses an `initialize` |
//!
//! **Cost:** one read of a small value per POST without any session.

use super::{Correlation, Table};
use crate::shared_data::{append_records, records};

/// The oldest address is evicted.
const MAX_ADDRESSES: usize = 256;
/// A hash.
const ADDRESS_BYTES: usize = 8;

pub(super) const ENDPOINTS: Table = Table { letter: 'p', slots: 1, max_bytes: MAX_ADDRESSES * ADDRESS_BYTES };
pub(super) const STREAM_PATHS: Table = Table { letter: 'g', slots: 1, max_bytes: MAX_ADDRESSES * ADDRESS_BYTES };

impl Correlation {
    /// An `endpoint` event named this path.
    pub(crate) fn remember_endpoint(&self, path: &[u8]) {
        self.remember_address(&ENDPOINTS, self.hash(&[b"endpoint", path]));
    }

    /// Whether an `endpoint` event named this path.
    pub(crate) fn is_endpoint(&self, path: &[u8]) -> bool {
        self.is_address(&ENDPOINTS, || self.hash(&[b"endpoint", path]))
    }

    /// A stream of HTTP+SSE opened at this path of the server.
    pub(crate) fn remember_stream_path(&self, server: &[u8], path: &[u8]) {
        self.remember_address(&STREAM_PATHS, self.hash(&[b"stream", server, path]));
    }

    /// Whether a stream of HTTP+SSE is or was at this path of the server.
    pub(crate) fn is_stream_path(&self, server: &[u8], path: &[u8]) -> bool {
        self.is_address(&STREAM_PATHS, || self.hash(&[b"stream", server, path]))
    }

    fn remember_address(&self, table: &Table, address: u64) {
        let address = address.to_le_bytes();
        self.edit_bytes(table, 0, &mut |bytes| {
            let is_new = !records(bytes, MAX_ADDRESSES).contains(&address);
            if is_new {
                append_records::<ADDRESS_BYTES>(bytes, MAX_ADDRESSES, &address);
            }
            is_new
        });
    }

    /// Makes the hash only if there is an address to compare it with.
    fn is_address(&self, table: &Table, address: impl Fn() -> u64) -> bool {
        let bytes = self.read_bytes(table, 0);
        let known = records(&bytes, MAX_ADDRESSES);
        !known.is_empty() && known.contains(&address().to_le_bytes())
    }
}

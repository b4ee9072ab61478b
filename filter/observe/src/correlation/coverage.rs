//! Which part of a session's traffic this process saw: its streams, its requests.
//!
//! With several replicas behind a load balancer, a stream of a session may pass through one process and its requests through
//! another. Then an operation without an answer is not an error, and neither is an answer without an operation.
//!
//! | traffic | noted |
//! |---|---|
//! | streams | when a GET of the session opens an event stream |
//! | requests that are in [`links`](super::links) | when they are added |
//! | other requests | in this VM at once; for the other VMs within a minute, or when the session starts |
//!
//! A slot holds the latest sessions, as [`records`] of eight bytes. A record is the session's hash; its last two bits are the
//! traffic that was seen. An evicted session counts as one without traffic.

use super::{Correlation, SessionKey, Table};
use crate::shared_data::{append_records, records};

const ENTRY_BYTES: usize = 8;
/// The oldest entry is evicted.
const MAX_ENTRIES: usize = 256;

pub(super) const TABLE: Table = Table { letter: 'h', slots: 64, max_bytes: MAX_ENTRIES * ENTRY_BYTES };

/// A part of a session's traffic, as its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Event streams that a GET opened.
    Streams = 1,
    /// POST requests.
    Requests = 2,
}

const BITS: u64 = Traffic::Streams as u64 | Traffic::Requests as u64;

// === impl Traffic ===

impl Traffic {
    fn is_in(self, entry: u64) -> bool {
        entry & self as u64 != 0
    }
}

// === impl Correlation ===

impl Correlation {
    /// This process saw this part of the session's traffic.
    pub(crate) fn remember_traffic(&self, session: SessionKey, traffic: Traffic) {
        self.edit_bytes(&TABLE, session.0, &mut |bytes| {
            let known = find(bytes, session);
            let entry = known.map_or(session.0 & !BITS, |(_, entry)| entry);
            if traffic.is_in(entry) {
                return false;
            }
            if let Some((index, _)) = known {
                bytes.drain(index * ENTRY_BYTES..(index + 1) * ENTRY_BYTES);
            }
            append_records::<ENTRY_BYTES>(bytes, MAX_ENTRIES, &(entry | traffic as u64).to_le_bytes());
            true
        });
    }

    /// Whether this process saw this part of the session's traffic.
    #[inline(never)]
    pub(crate) fn saw_traffic(&self, session: SessionKey, traffic: Traffic) -> bool {
        if traffic == Traffic::Requests && (self.has_local_requests(session) || self.session_start(session).is_some()) {
            return true;
        }
        find(&self.read_bytes(&TABLE, session.0), session).is_some_and(|(_, entry)| traffic.is_in(entry))
    }
}

/// The index of a session's entry in a slot, and the entry.
fn find(slot: &[u8], session: SessionKey) -> Option<(usize, u64)> {
    let entries = records(slot, MAX_ENTRIES).iter().map(|entry| u64::from_le_bytes(*entry));
    entries.enumerate().find(|(_, entry)| (entry ^ session.0) & !BITS == 0)
}

#[cfg(test)]
mod tests {
    use super::{TABLE, Traffic};
    use crate::correlation::SessionKey;
    use crate::correlation::tests::pair;
    use crate::host::SharedData as _;
    use crate::test;

    #[test]
    fn traffic_noted_by_one_vm_is_seen_by_all() {
        let (one, other, _) = pair();
        let (session, neighbour) = (SessionKey(0x1240), SessionKey(0x1280));
        assert!(!other.saw_traffic(session, Traffic::Streams));
        one.remember_traffic(session, Traffic::Streams);
        assert!(other.saw_traffic(session, Traffic::Streams) && !other.saw_traffic(session, Traffic::Requests));
        other.remember_traffic(session, Traffic::Requests);
        one.remember_traffic(session, Traffic::Requests);
        assert!(one.saw_traffic(session, Traffic::Streams) && one.saw_traffic(session, Traffic::Requests));
        assert!(!one.saw_traffic(neighbour, Traffic::Streams));
    }

    #[test]
    fn full_slot_keeps_the_latest_sessions() {
        let (one, _, shared) = pair();
        for number in 0..1_000_u64 {
            one.remember_traffic(SessionKey(number << 6), Traffic::Streams);
        }
        let key = one.key(&TABLE, 0);
        assert_eq!(shared.read(&key).unwrap().bytes.len(), TABLE.max_bytes);
        assert!(one.saw_traffic(SessionKey(999 << 6), Traffic::Streams));
        assert!(!one.saw_traffic(SessionKey(1 << 6), Traffic::Streams));
    }

    #[test]
    fn value_of_unexpected_size_counts_as_missing() {
        let (one, _, shared) = pair();
        let session = SessionKey(1 << 6);
        one.remember_traffic(session, Traffic::Streams);
        let key = one.key(&TABLE, 0);
        let version = shared.read(&key).map(|value| value.version);
        assert!(shared.write(&key, &[1; 9], version));
        assert!(!one.saw_traffic(session, Traffic::Streams));
        one.remember_traffic(session, Traffic::Streams);
        assert!(one.saw_traffic(session, Traffic::Streams));
    }
}

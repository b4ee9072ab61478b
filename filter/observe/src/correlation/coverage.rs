//! Which halves of a session's traffic this process saw: its streams, its requests. With replicas behind a balancer the other
//! half may pass elsewhere, and then an answer that does not come, or that answers nothing, shows no fault.
//!
//! A stream is the GET of a session, noted when it opens; requests are its POSTs. Those that are entered in [`super::links`] are
//! noted then, plain ones are known at once in their own VM and to the others within a minute, or from the session's beginning.
//!
//! A slot is the latest sessions, eight bytes each: a hash whose last two bits say what was seen. Of a session that younger
//! ones pushed out nothing is known, as if all of it passed elsewhere.

use super::sessions::SessionStart;
use super::{Correlation, SessionKey};
use crate::shared_data::update;

const SLOTS: u64 = 64;
const ENTRY_BYTES: usize = 8;
const MAX_IN_SLOT: usize = 256;

/// One of the two, as its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    Streams = 1,
    Requests = 2,
}

const BITS: u64 = Traffic::Streams as u64 | Traffic::Requests as u64;

// === impl Half ===

impl Traffic {
    fn is_in(self, entry: u64) -> bool {
        entry & self as u64 != 0
    }
}

// === impl Correlation ===

impl Correlation {
    /// This half of the session passes here.
    pub(crate) fn note_traffic(&self, session: SessionKey, half: Traffic) {
        update(self.shared.as_ref(), &self.halves_key(session), |bytes| {
            bytes.truncate(entries(bytes).as_flattened().len());
            let known = place(bytes, session);
            let entry = known.map_or(session.0 & !BITS, |(_, entry)| entry);
            if half.is_in(entry) {
                return (false, ());
            }
            if let Some((index, _)) = known {
                bytes.drain(index * ENTRY_BYTES..(index + 1) * ENTRY_BYTES);
            }
            bytes.extend_from_slice(&(entry | half as u64).to_le_bytes());
            bytes.drain(..bytes.len().saturating_sub(MAX_IN_SLOT * ENTRY_BYTES));
            (true, ())
        });
    }

    /// Whether this half of the session passed here.
    #[inline(never)]
    pub(crate) fn saw_traffic(&self, session: SessionKey, half: Traffic) -> bool {
        if half == Traffic::Requests && (self.has_local_requests(session) || self.begun(session).is_some()) {
            return true;
        }
        let slot = self.shared.read(&self.halves_key(session)).map(|value| value.bytes).unwrap_or_default();
        place(&slot, session).is_some_and(|(_, entry)| half.is_in(entry))
    }

    fn begun(&self, session: SessionKey) -> Option<SessionStart> {
        self.session_entry(session).and_then(|known| known.begun)
    }

    fn halves_key(&self, session: SessionKey) -> String {
        self.key('h', session.0 % SLOTS)
    }
}

/// The place of a session in a slot, and its entry.
fn place(slot: &[u8], session: SessionKey) -> Option<(usize, u64)> {
    let entries = entries(slot).iter().map(|entry| u64::from_le_bytes(*entry));
    entries.enumerate().find(|(_, entry)| (entry ^ session.0) & !BITS == 0)
}

/// The entries of a slot. A value of unexpected shape counts as absent.
fn entries(slot: &[u8]) -> &[[u8; ENTRY_BYTES]] {
    match slot.as_chunks() {
        (entries, []) if entries.len() <= MAX_IN_SLOT => entries,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::Traffic;
    use crate::correlation::SessionKey;
    use crate::correlation::tests::pair;
    use crate::host::SharedData as _;
    use crate::test;

    #[test]
    fn ok_halves_are_known_to_all_workers() {
        let (one, other, _) = pair();
        let (session, neighbour) = (SessionKey(0x1240), SessionKey(0x1280));
        assert!(!other.saw_traffic(session, Traffic::Streams));
        one.note_traffic(session, Traffic::Streams);
        assert!(other.saw_traffic(session, Traffic::Streams) && !other.saw_traffic(session, Traffic::Requests));
        other.note_traffic(session, Traffic::Requests);
        one.note_traffic(session, Traffic::Requests);
        assert!(one.saw_traffic(session, Traffic::Streams) && one.saw_traffic(session, Traffic::Requests));
        assert!(!one.saw_traffic(neighbour, Traffic::Streams));
    }

    #[test]
    fn ok_a_slot_keeps_the_latest_sessions() {
        let (one, _, shared) = pair();
        for number in 0..1_000_u64 {
            one.note_traffic(SessionKey(number << 6), Traffic::Streams);
        }
        assert_eq!(shared.read(&one.key('h', 0)).unwrap().bytes.len(), 2048);
        assert!(
            one.saw_traffic(SessionKey(999 << 6), Traffic::Streams)
                && !one.saw_traffic(SessionKey(1 << 6), Traffic::Streams)
        );
        let version = shared.read(&one.key('h', 0)).map(|value| value.version);
        assert!(shared.write(&one.key('h', 0), &[1; 9], version));
        assert!(!one.saw_traffic(SessionKey(999 << 6), Traffic::Streams));
    }
}

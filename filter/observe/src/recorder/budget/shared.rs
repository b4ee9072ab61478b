//! The names of one label that all workers of a process share, as digests.
//!
//! **Memory:** one key with at most [`max_bytes`] in the shared data: 1.8 KiB for 200 names.

use super::UNCONFIRMED;
use crate::shared_data::{StoredDigest, decode};
use serde::{Deserialize, Serialize};

/// Where a name is in a [`SharedBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Confirmed,
    Unconfirmed,
    /// The name has no place, and there is no room for it.
    None,
}

/// The names of one label, by their digests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SharedBudget {
    confirmed: Vec<StoredDigest>,
    unconfirmed: Vec<StoredDigest>,
}

/// The size of the value in the shared data, with all confirmed and all unconfirmed names. Each of the two numbers of names takes
/// at most two bytes.
pub(super) const fn max_bytes(limit: u16) -> usize {
    2 * 2 + size_of::<StoredDigest>() * (limit as usize + UNCONFIRMED as usize)
}

const _: () = assert!(max_bytes(200) <= 1_843);

// === impl SharedBudget ===

impl SharedBudget {
    /// The names in a value of the shared data; none if it is not such a value.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let budget: Self = decode(bytes);
        if budget.unconfirmed.len() <= usize::from(UNCONFIRMED) { budget } else { Self::default() }
    }

    /// The place of a name; `None` if the name has no place yet and there is room for it.
    pub(super) fn find(&self, digest: StoredDigest, confirmed: bool, limit: u16) -> Option<Place> {
        let has_room = self.confirmed.len() < usize::from(limit);
        if self.confirmed.contains(&digest) {
            return Some(Place::Confirmed);
        }
        if self.unconfirmed.contains(&digest) {
            return (!confirmed || !has_room).then_some(Place::Unconfirmed);
        }
        let is_full = if confirmed { !has_room } else { self.unconfirmed.len() >= usize::from(UNCONFIRMED) };
        is_full.then_some(Place::None)
    }

    /// Takes a place for a name. A name that becomes confirmed is removed from the unconfirmed ones.
    pub(super) fn take(&mut self, digest: StoredDigest, confirmed: bool, limit: u16) -> Place {
        if let Some(place) = self.find(digest, confirmed, limit) {
            return place;
        }
        if confirmed {
            self.unconfirmed.retain(|&other| other != digest);
            self.confirmed.push(digest);
            return Place::Confirmed;
        }
        self.unconfirmed.push(digest);
        Place::Unconfirmed
    }
}

#[cfg(test)]
mod tests {
    use super::{SharedBudget, UNCONFIRMED, max_bytes};
    use crate::shared_data::{StoredDigest, encode};
    use crate::test;

    fn digests(count: u64) -> Vec<StoredDigest> {
        (0..count).map(|number| StoredDigest(u64::MAX - number)).collect()
    }

    #[test]
    fn bytes_of_budget_are_read_back() {
        let budget = SharedBudget { confirmed: digests(2), unconfirmed: digests(1) };
        assert_eq!(SharedBudget::from_bytes(&encode(&budget)), budget);
    }

    #[test]
    fn foreign_bytes_are_an_empty_budget() {
        let crowded = SharedBudget { confirmed: Vec::new(), unconfirmed: digests(u64::from(UNCONFIRMED) + 1) };
        let longer = [encode(&SharedBudget { confirmed: digests(1), unconfirmed: digests(1) }), vec![0]].concat();
        for bytes in [&b""[..], b"x", &[0xff; 1000], &[3; 18], &longer, &encode(&crowded)] {
            assert_eq!(SharedBudget::from_bytes(bytes), SharedBudget::default());
        }
    }

    #[test]
    fn full_budget_is_within_its_bound() {
        for limit in [1, 200, 1000] {
            let budget = SharedBudget { confirmed: digests(limit), unconfirmed: digests(UNCONFIRMED.into()) };
            assert!(encode(&budget).len() <= max_bytes(limit as u16));
        }
    }
}

//! The names of one label that all workers of a process share, as digests.
//!
//! **Memory:** at most [`max_bytes`] in the shared data, 1.8 KiB for 200 names.

use super::UNCONFIRMED;

/// Where a name is in a [`SharedBudget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Confirmed,
    Unconfirmed,
    /// The name has no place, and there is no room for it.
    None,
}

/// The names of one label, by their digests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SharedBudget {
    confirmed: Vec<u64>,
    unconfirmed: Vec<u64>,
}

// === impl SharedBudget ===

impl SharedBudget {
    /// The place of a name; `None` if the name has no place yet and there is room for it.
    pub(super) fn find(&self, digest: u64, confirmed: bool, limit: u16) -> Option<Place> {
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

    /// Takes a place for a name. A confirmed name leaves the unconfirmed ones.
    pub(super) fn take(&mut self, digest: u64, confirmed: bool, limit: u16) -> Place {
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

    /// Reads what [`SharedBudget::to_bytes`] wrote; any other value is an empty budget.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let parse = || {
            let (count, digests) = bytes.split_first_chunk::<2>()?;
            let count = usize::from(u16::from_le_bytes(*count));
            let (digests, []) = digests.as_chunks::<8>() else { return None };
            let (confirmed, unconfirmed) = digests.split_at_checked(count)?;
            let read = |digests: &[[u8; 8]]| digests.iter().map(|&digest| u64::from_le_bytes(digest)).collect();
            (unconfirmed.len() <= usize::from(UNCONFIRMED))
                .then(|| Self { confirmed: read(confirmed), unconfirmed: read(unconfirmed) })
        };
        parse().unwrap_or_default()
    }

    /// The number of confirmed names, their digests, and the digests of the others.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let count = u16::try_from(self.confirmed.len()).unwrap_or(u16::MAX);
        let digests = self.confirmed.iter().chain(&self.unconfirmed).flat_map(|digest| digest.to_le_bytes());
        count.to_le_bytes().into_iter().chain(digests).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::SharedBudget;
    use crate::test;

    #[test]
    fn bytes_of_budget_are_read_back() {
        let budget = SharedBudget { confirmed: vec![1, 2], unconfirmed: vec![3] };
        assert_eq!(SharedBudget::from_bytes(&budget.to_bytes()), budget);
    }

    #[test]
    fn foreign_bytes_are_an_empty_budget() {
        let crowded = SharedBudget { confirmed: Vec::new(), unconfirmed: vec![7; 21] };
        for bytes in [&b""[..], b"x", &[0xff; 1000], &[3; 18], &[0, 0, 1], &crowded.to_bytes()] {
            assert_eq!(SharedBudget::from_bytes(bytes), SharedBudget::default());
        }
    }
}

//! The names of one label that all workers of a process share, as digests.
//!
//! **Memory:** one key with at most [`max_bytes`] in the shared data: 1.8 KiB for 200 names.

use super::UNCONFIRMED;
use crate::recorder::stored::{Reader, Stored, write_count, write_u64s};

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

/// The size of the value in the shared data, with all confirmed and all unconfirmed names.
pub(super) const fn max_bytes(limit: u16) -> usize {
    2 * size_of::<u16>() + size_of::<u64>() * (limit as usize + UNCONFIRMED as usize)
}

const _: () = assert!(max_bytes(200) <= 1_843);

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

    /// Takes a place for a name. A name that becomes confirmed is removed from the unconfirmed ones.
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
}

/// The number of confirmed names, their digests, the number of the others, their digests.
impl Stored for SharedBudget {
    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let mut names = || {
            let count = bytes.u16()?;
            bytes.u64s(count.into())
        };
        let (confirmed, unconfirmed) = (names()?, names()?);
        (unconfirmed.len() <= usize::from(UNCONFIRMED)).then_some(Self { confirmed, unconfirmed })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for names in [&self.confirmed, &self.unconfirmed] {
            write_count(bytes, names.len());
            write_u64s(bytes, names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SharedBudget;
    use crate::recorder::stored::Stored as _;
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

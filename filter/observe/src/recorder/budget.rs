//! How many values a label may take: few, whatever arrives, and the same few on all workers.
//!
//! Names that the server confirmed (by publishing them in a list, or by a call that succeeded) have the configured limit to
//! themselves; all the others share [`UNCONFIRMED`]. What finds no room is `other`.
//!
//! The workers of a process share one [`Roll`] per label: digests of the names that have a place. A worker asks for it only
//! when it meets a name for the first time, or sees one confirmed for the first time. A roll without room is remembered:
//! for the names of the server for ever, since they never leave; for the others until the next tick.
//!
//! **Cost:** for a known name one look-up in this VM. For a new one a read of the roll and, where it finds room, a write.
//! **Memory:** a roll is at most 2 + 8 * (limit + 20) bytes under one key of its own: 1.8 KiB for 200 names.

use crate::digest::DigestKey;
use crate::host::SharedData;
use crate::shared_data::update;
use rustc_hash::FxHashMap;

/// Names that no answer ever confirmed: probing clients, typing errors.
pub(crate) const UNCONFIRMED: u16 = 20;

/// One of a label's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// By its place in [`Names`].
    Admitted(u16),
    /// No room, or no name at all.
    Other,
}

/// What came of asking for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) name: Name,
    /// This VM met it for the first time.
    pub(crate) is_new: bool,
    /// Became `other` for want of room.
    pub(crate) overflowed: bool,
}

/// Where a name stands in a [`Roll`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Confirmed,
    Unconfirmed,
    /// Nowhere, and there is no room.
    Refused,
}

/// The names of one label that have a place in this process, by their digests.
#[derive(Clone, Debug, Default, PartialEq)]
struct Roll {
    confirmed: Vec<u64>,
    unconfirmed: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    index: u16,
    confirmed: bool,
}

/// The values of one label, as this VM knows them.
///
/// Memory: at most `limit + 20` values of `limits.label_bytes` each, twice, and the roll.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// Where the roll is in the shared data.
    key: String,
    limit: u16,
    digest_key: DigestKey,
    entries: FxHashMap<Box<str>, Entry>,
    values: Vec<Box<str>>,
    /// As it was when it was last read.
    roll: Roll,
    /// It was read since the last tick.
    is_fresh: bool,
}

// === impl Names ===

impl Names {
    pub(crate) fn new(key: String, limit: u16, digest_key: DigestKey) -> Self {
        Self {
            key,
            limit,
            digest_key,
            entries: FxHashMap::default(),
            values: Vec::new(),
            roll: Roll::default(),
            is_fresh: false,
        }
    }

    /// Time passed: names that found no room may ask again.
    pub(crate) fn tick(&mut self) {
        self.is_fresh = false;
    }

    /// The value to use for `label`, a text that [`crate::label::clean`] made. Without shared data the roll is this VM's own.
    pub(crate) fn admit(&mut self, label: &str, confirmed: bool, shared: Option<&dyn SharedData>) -> Admission {
        match self.entries.get(label) {
            Some(&Entry { index, confirmed: known }) if known || !confirmed => {
                Admission { name: Name::Admitted(index), is_new: false, overflowed: false }
            }
            Some(&Entry { index, .. }) => self.promote(label, index, shared),
            None => self.meet(label, confirmed, shared),
        }
    }

    /// A known name is confirmed for the first time.
    #[cold]
    fn promote(&mut self, label: &str, index: u16, shared: Option<&dyn SharedData>) -> Admission {
        if self.standing(label, true, shared) == Standing::Confirmed {
            self.entries.insert(label.into(), Entry { index, confirmed: true });
        }
        Admission { name: Name::Admitted(index), is_new: false, overflowed: false }
    }

    /// A name that this VM does not know.
    #[cold]
    fn meet(&mut self, label: &str, confirmed: bool, shared: Option<&dyn SharedData>) -> Admission {
        let standing = self.standing(label, confirmed, shared);
        let index = u16::try_from(self.values.len()).unwrap_or(u16::MAX);
        // The roll has no more names than this; whoever writes to it wrongly does not get more out of it.
        if standing == Standing::Refused || index >= self.limit.saturating_add(UNCONFIRMED) {
            return Admission { name: Name::Other, is_new: false, overflowed: true };
        }
        self.entries.insert(label.into(), Entry { index, confirmed: standing == Standing::Confirmed });
        self.values.push(label.into());
        Admission { name: Name::Admitted(index), is_new: true, overflowed: false }
    }

    pub(crate) fn text(&self, name: Name) -> &str {
        match name {
            Name::Admitted(index) => self.values.get(usize::from(index)).map_or("other", |value| value),
            Name::Other => "other",
        }
    }

    /// Where a name stands; it takes a place if there is one.
    fn standing(&mut self, label: &str, confirmed: bool, shared: Option<&dyn SharedData>) -> Standing {
        let digest = self.digest_key.digest(label.as_bytes());
        if let Some(standing) = self.roll.find(digest, confirmed, self.limit) {
            // Places of confirmed names are never given back, so a full roll stays full.
            if standing != Standing::Refused || confirmed || self.is_fresh {
                return standing;
            }
        }
        let Self { key, limit, roll, is_fresh, .. } = self;
        let Some(shared) = shared else { return roll.take(digest, confirmed, *limit) };
        let found = update(shared, key, |bytes| {
            *roll = Roll::from_bytes(bytes);
            if let Some(standing) = roll.find(digest, confirmed, *limit) {
                return (false, standing);
            }
            let standing = roll.take(digest, confirmed, *limit);
            *bytes = roll.to_bytes();
            (true, standing)
        });
        *is_fresh = found.is_some();
        found.unwrap_or_else(|| {
            // What was not written is not so.
            *roll = Roll::default();
            Standing::Refused
        })
    }
}

// === impl Roll ===

impl Roll {
    /// What is known of a name without changing anything; `None` if it can take a place.
    fn find(&self, digest: u64, confirmed: bool, limit: u16) -> Option<Standing> {
        let has_room = self.confirmed.len() < usize::from(limit);
        if self.confirmed.contains(&digest) {
            return Some(Standing::Confirmed);
        }
        if self.unconfirmed.contains(&digest) {
            return (!confirmed || !has_room).then_some(Standing::Unconfirmed);
        }
        let is_full = if confirmed { !has_room } else { self.unconfirmed.len() >= usize::from(UNCONFIRMED) };
        is_full.then_some(Standing::Refused)
    }

    /// Where a name stands after it took a place, or left the small budget for a confirmed one.
    fn take(&mut self, digest: u64, confirmed: bool, limit: u16) -> Standing {
        if let Some(standing) = self.find(digest, confirmed, limit) {
            return standing;
        }
        if confirmed {
            self.unconfirmed.retain(|&other| other != digest);
            self.confirmed.push(digest);
            return Standing::Confirmed;
        }
        self.unconfirmed.push(digest);
        Standing::Unconfirmed
    }

    /// Anything that is no roll is an empty one.
    fn from_bytes(bytes: &[u8]) -> Self {
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

    /// How many confirmed ones, these, and the others.
    fn to_bytes(&self) -> Vec<u8> {
        let count = u16::try_from(self.confirmed.len()).unwrap_or(u16::MAX);
        let digests = self.confirmed.iter().chain(&self.unconfirmed).flat_map(|digest| digest.to_le_bytes());
        count.to_le_bytes().into_iter().chain(digests).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Names, Roll, UNCONFIRMED};
    use crate::digest::DigestKey;
    use crate::host::{SharedData, Versioned};
    use crate::shared_data::InMemory;
    use crate::test;
    use std::cell::Cell;

    /// Shared data that counts how often it is asked.
    #[derive(Default)]
    struct Counting {
        data: InMemory,
        reads: Cell<u32>,
        writes: Cell<u32>,
    }

    impl SharedData for Counting {
        fn read(&self, key: &str) -> Option<Versioned> {
            self.reads.set(self.reads.get() + 1);
            self.data.read(key)
        }

        fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
            self.writes.set(self.writes.get() + 1);
            self.data.write(key, value, version)
        }
    }

    impl Counting {
        /// Reads and writes since the last time.
        fn taken(&self) -> (u32, u32) {
            (self.reads.take(), self.writes.take())
        }
    }

    fn workers(limit: u16) -> [Names; 2] {
        [0, 1].map(|_| Names::new("names".to_owned(), limit, DigestKey::default()))
    }

    #[test]
    fn ok_confirmed_names_are_not_crowded_out() {
        let mut names = Names::new(String::new(), 3, DigestKey::default());
        for index in 0..100 {
            names.admit(&format!("invented{index}"), false, None);
        }
        assert!(names.admit("invented99", false, None).overflowed);
        for (index, label) in ["a", "b", "c"].iter().enumerate() {
            let admission = names.admit(label, true, None);
            assert_eq!(admission.name, Name::Admitted(UNCONFIRMED + index as u16));
            assert!(admission.is_new);
            assert_eq!(names.text(admission.name), *label);
        }
        assert_eq!(names.admit("d", true, None).name, Name::Other);
        assert!(!names.admit("a", true, None).is_new);
    }

    #[test]
    fn ok_a_confirmed_name_frees_the_small_budget() {
        let mut names = Names::new(String::new(), 100, DigestKey::default());
        for index in 0..UNCONFIRMED {
            assert!(names.admit(&format!("n{index}"), false, None).is_new);
        }
        assert!(names.admit("late", false, None).overflowed);
        assert!(!names.admit("n0", true, None).is_new);
        assert!(names.admit("late", false, None).is_new);
    }

    #[test]
    fn ok_workers_share_both_budgets() {
        let shared = Counting::default();
        let [mut one, mut two] = workers(3);
        for index in 0..UNCONFIRMED {
            assert!(one.admit(&format!("n{index}"), false, Some(&shared)).is_new);
        }
        assert!(two.admit("late", false, Some(&shared)).overflowed);
        assert!(two.admit("n7", false, Some(&shared)).is_new, "known to the process");
        for name in ["a", "b", "c"] {
            assert!(one.admit(name, true, Some(&shared)).is_new);
        }
        assert!(two.admit("d", true, Some(&shared)).overflowed);
        assert!(two.admit("b", false, Some(&shared)).is_new, "confirmed by the other");
        assert!(shared.data.size() <= "names".len() + 2 + 8 * (3 + usize::from(UNCONFIRMED)));
    }

    #[test]
    fn ok_a_known_name_costs_nothing() {
        let shared = Counting::default();
        let [mut one, mut two] = workers(200);
        one.admit("a", false, Some(&shared));
        assert_eq!(shared.taken(), (1, 1));
        one.admit("a", true, Some(&shared));
        assert_eq!(shared.taken(), (1, 1), "it was confirmed");
        two.admit("a", true, Some(&shared));
        assert_eq!(shared.taken(), (1, 0));
        for names in [&mut one, &mut two] {
            for _ in 0..100 {
                names.tick();
                names.admit("a", true, Some(&shared));
                names.admit("a", false, Some(&shared));
            }
        }
        assert_eq!(shared.taken(), (0, 0));
    }

    #[test]
    fn ok_names_without_a_place_cost_one_read_a_tick() {
        let shared = Counting::default();
        let [mut one, mut two] = workers(5);
        for index in 0..10_000 {
            one.admit(&format!("n{index}"), false, Some(&shared));
        }
        assert_eq!(shared.taken(), (u32::from(UNCONFIRMED), u32::from(UNCONFIRMED)));
        one.tick();
        for index in 10_000..20_000 {
            one.admit(&format!("n{index}"), false, Some(&shared));
            two.admit(&format!("n{index}"), false, Some(&shared));
        }
        assert_eq!(shared.taken(), (2, 0));
        for index in 0..10_000 {
            one.tick();
            one.admit(&format!("confirmed{index}"), true, Some(&shared));
        }
        assert_eq!(shared.taken(), (5, 5), "a full limit stays full");
    }

    #[test]
    fn ok_anything_but_a_roll_is_an_empty_one() {
        let roll = Roll { confirmed: vec![1, 2], unconfirmed: vec![3] };
        assert_eq!(Roll::from_bytes(&roll.to_bytes()), roll);
        let crowded = Roll { confirmed: Vec::new(), unconfirmed: vec![7; 21] };
        for bytes in [&b""[..], b"x", &[0xff; 1000], &[3; 18], &[0, 0, 1], &crowded.to_bytes()] {
            assert_eq!(Roll::from_bytes(bytes), Roll::default());
        }
        let shared = InMemory::default();
        shared.write("names", &[0xff; 99], None);
        let [mut one, mut two] = workers(1);
        assert!(one.admit("a", true, Some(&shared)).is_new);
        assert!(two.admit("b", true, Some(&shared)).overflowed);
    }

    #[test]
    fn ok_a_roll_that_cannot_be_written_admits_nothing() {
        struct Stubborn;
        impl SharedData for Stubborn {
            fn read(&self, _: &str) -> Option<Versioned> {
                None
            }
            fn write(&self, _: &str, _: &[u8], _: Option<u32>) -> bool {
                false
            }
        }
        let [mut one, _] = workers(10);
        assert!(one.admit("a", true, Some(&Stubborn)).overflowed);
        assert!(one.admit("a", true, Some(&InMemory::default())).is_new);
    }
}

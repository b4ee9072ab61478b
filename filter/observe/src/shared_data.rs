//! Small values that all VMs of a process share, and how one is changed while others change it too.
//!
//! Envoy's shared data is one map per process behind one lock. Values are copied in and out, and a key cannot be deleted. So
//! everything kept there has a fixed set of keys and a stated bound. [`InMemory`] is the same for one VM and for tests.
//!
//! **Codec:** a value whose entries differ in size is written by postcard. A value of [records], all of the same size, is the
//! records and nothing else, so it needs no codec: it is read in place, and costs a tenth of the code and of the instructions.
//!
//! **Cost on Envoy:** a read or a write of a small value takes about as long as a header look-up (`docs/performance.md`).
//!
//! [records]: records

use crate::host::{SharedData, Versioned};
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// The prefix of every key. The number changes when the layout of a value changes, and when the place of a stored variant in its
/// enum does.
pub(crate) const KEY_PREFIX: &str = "mcp_observability/5/";

/// Attempts per update. Each failed attempt means that another VM succeeded in between. If all workers change one value at
/// the same time, each has to expect as many failures as there are workers.
const MAX_ATTEMPTS: usize = 1024;

/// Reads, changes and writes a value until no other VM writes it in between. `change` gets the value, which is empty if there
/// is none; it returns whether to write the value, and a result. It runs once per attempt. Returns the result of the last
/// attempt, or `None` if all attempts failed.
pub(crate) fn update<T>(
    shared: &dyn SharedData,
    key: &str,
    mut change: impl FnMut(&mut Vec<u8>) -> (bool, T),
) -> Option<T> {
    let mut result = None;
    let is_done = update_bytes(shared, key, &mut |bytes| {
        let (is_changed, new) = change(bytes);
        result = Some(new);
        is_changed
    });
    result.filter(|_| is_done)
}

/// [`update`] without a result, compiled once for all of them. Returns whether an attempt succeeded.
#[inline(never)]
pub(crate) fn update_bytes(shared: &dyn SharedData, key: &str, change: &mut dyn FnMut(&mut Vec<u8>) -> bool) -> bool {
    for _ in 0..MAX_ATTEMPTS {
        let (mut bytes, version) = match shared.read(key) {
            Some(Versioned { bytes, version }) => (bytes, Some(version)),
            None => (Vec::new(), None),
        };
        if !change(&mut bytes) || shared.write(key, &bytes, version) {
            return true;
        }
    }
    false
}

/// Reads a value that [`encode`] wrote; the default for other bytes.
pub(crate) fn decode<T: Default + DeserializeOwned>(bytes: &[u8]) -> T {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => value,
        _ => T::default(),
    }
}

/// Writes a value.
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    // Writing to a `Vec` does not fail.
    postcard::to_allocvec(value).unwrap_or_default()
}

/// A number that changes whenever other values change, so that a VM knows when to read them again; 0 at first.
#[inline(never)]
pub(crate) fn generation(shared: &dyn SharedData, key: &str) -> u64 {
    shared.read(key).map(|value| decode(&value.bytes)).unwrap_or_default()
}

/// Changes a [`generation`]. Returns the new one, or `None` if it could not be written.
#[inline(never)]
pub(crate) fn change_generation(shared: &dyn SharedData, key: &str) -> Option<u64> {
    update(shared, key, |bytes| {
        let next = decode::<u64>(bytes).wrapping_add(1);
        *bytes = encode(&next);
        (true, next)
    })
}

/// A digest in a value. It takes eight bytes, where a number of variable size would take ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct StoredDigest(#[serde(with = "postcard::fixint::le")] pub(crate) u64);

/// The records of a value, `N` bytes each, the oldest first. A value that is no list of at most `max` records counts as empty.
pub(crate) fn records<const N: usize>(value: &[u8], max: usize) -> &[[u8; N]] {
    match value.as_chunks() {
        (records, []) if records.len() <= max => records,
        _ => &[],
    }
}

/// Appends whole records to a value; the oldest are dropped, so that `max` remain.
pub(crate) fn append_records<const N: usize>(value: &mut Vec<u8>, max: usize, new: &[u8]) {
    value.truncate(records::<N>(value, max).as_flattened().len());
    value.extend_from_slice(new);
    value.drain(..value.len().saturating_sub(max * N));
}

/// Shared data of one VM, for tests and for a host that has none.
#[derive(Debug, Default)]
pub struct InMemory {
    values: RefCell<FxHashMap<String, (Vec<u8>, u32)>>,
    /// Every write fails, as if another VM always wrote first.
    #[cfg(test)]
    refuses: std::cell::Cell<bool>,
    /// How many times a value was read.
    #[cfg(test)]
    reads: std::cell::Cell<u32>,
}

// === impl InMemory ===

impl InMemory {
    /// Bytes of all keys and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.values.borrow().iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }
}

#[cfg(test)]
impl InMemory {
    /// Whether every write fails from now on.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.set(refuses);
    }

    /// How many times a value was read.
    pub(crate) fn reads(&self) -> u32 {
        self.reads.get()
    }
}

impl SharedData for InMemory {
    fn read(&self, key: &str) -> Option<Versioned> {
        #[cfg(test)]
        self.reads.set(self.reads.get() + 1);
        self.values.borrow().get(key).map(|(bytes, version)| Versioned { bytes: bytes.clone(), version: *version })
    }

    fn write(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        #[cfg(test)]
        if self.refuses.get() {
            return false;
        }
        let mut values = self.values.borrow_mut();
        let current = values.get(key).map(|(_, version)| *version);
        if current != version {
            return false;
        }
        values.insert(key.to_owned(), (value.to_vec(), current.unwrap_or(0).wrapping_add(1)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{InMemory, append_records, records, update};
    use crate::host::SharedData as _;
    use crate::test;

    #[test]
    fn write_over_an_unread_version_fails() {
        let shared = InMemory::default();
        assert!(shared.write("a", b"1", None));
        assert!(!shared.write("a", b"2", None));
        let version = shared.read("a").map(|value| value.version);
        assert!(shared.write("a", b"3", version));
        assert!(!shared.write("a", b"4", version));
        assert_eq!(shared.read("a").unwrap().bytes, b"3");
    }

    #[test]
    fn update_is_repeated_after_a_write_of_another_vm() {
        let shared = InMemory::default();
        let mut attempts = 0;
        let found = update(&shared, "a", |value| {
            attempts += 1;
            if attempts == 1 {
                shared.write("a", b"x", None);
            }
            value.push(b'y');
            (true, value.len())
        });
        assert_eq!((found, attempts), (Some(2), 2));
        assert_eq!(shared.read("a").unwrap().bytes, b"xy");
    }

    #[test]
    fn update_that_is_always_overtaken_returns_none() {
        let shared = InMemory::default();
        let found = update(&shared, "a", |value| {
            let version = shared.read("a").map(|value| value.version);
            shared.write("a", b"theirs", version);
            value.clear();
            (true, ())
        });
        assert_eq!(found, None);
    }

    #[test]
    fn records_beyond_the_maximum_drop_the_oldest() {
        let mut value = Vec::new();
        append_records::<2>(&mut value, 3, b"aabb");
        append_records::<2>(&mut value, 3, b"ccdd");
        assert_eq!(records::<2>(&value, 3), [*b"bb", *b"cc", *b"dd"]);
    }

    #[test]
    fn value_of_unexpected_size_has_no_records() {
        assert!(records::<2>(b"aab", 3).is_empty());
        assert!(records::<2>(b"aabbccdd", 3).is_empty());
        let mut value = b"aab".to_vec();
        append_records::<2>(&mut value, 3, b"cc");
        assert_eq!(value, b"cc");
    }
}

//! What all VMs of one proxy share: small values under keys, written only over what was read.
//!
//! Envoy's shared data is one map per process behind one lock. Values are copied in and out and a key can never be deleted,
//! so everything kept there has a fixed set of keys and a stated bound. [`InMemory`] is the same for one VM and for tests.
//!
//! **Cost on Envoy:** a read or a write of a small value takes about as long as a header look-up (`docs/performance.md`).

use crate::host::{SharedData, Versioned};
use rustc_hash::FxHashMap;
use std::cell::RefCell;

/// Tries before an update is given up: each failure means that another VM succeeded in between. When all workers are at one
/// value at once, each has to expect as many failures as there are workers.
const MAX_TRIES: usize = 1024;

/// Reads, changes and writes back until no other VM interferes. `change` gets the value (empty where there is none), says
/// whether to write it, and returns what it found; it runs once per try. `None` where every try failed.
pub(crate) fn update<T>(
    shared: &dyn SharedData,
    key: &str,
    mut change: impl FnMut(&mut Vec<u8>) -> (bool, T),
) -> Option<T> {
    for _ in 0..MAX_TRIES {
        let (mut bytes, version) = match shared.read(key) {
            Some(Versioned { bytes, version }) => (bytes, Some(version)),
            None => (Vec::new(), None),
        };
        let (changed, found) = change(&mut bytes);
        if !changed || shared.write(key, &bytes, version) {
            return Some(found);
        }
    }
    None
}

/// Shared data of one VM, for tests and for whoever has no other.
#[derive(Debug, Default)]
pub struct InMemory {
    values: RefCell<FxHashMap<String, (Vec<u8>, u32)>>,
    /// Another VM is always faster.
    #[cfg(test)]
    refuses: std::cell::Cell<bool>,
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
    /// From now on every write fails, or none does.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.set(refuses);
    }
}

impl SharedData for InMemory {
    fn read(&self, key: &str) -> Option<Versioned> {
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
    use super::{InMemory, update};
    use crate::host::SharedData as _;
    use crate::test;

    #[test]
    fn ok_nothing_is_written_over_what_was_not_read() {
        let shared = InMemory::default();
        assert!(shared.write("a", b"1", None));
        assert!(!shared.write("a", b"2", None));
        let version = shared.read("a").map(|value| value.version);
        assert!(shared.write("a", b"3", version));
        assert!(!shared.write("a", b"4", version));
        assert_eq!(shared.read("a").unwrap().bytes, b"3");
    }

    #[test]
    fn ok_an_update_begins_again_when_another_came_between() {
        let shared = InMemory::default();
        let mut tries = 0;
        let found = update(&shared, "a", |value| {
            tries += 1;
            if tries == 1 {
                shared.write("a", b"x", None);
            }
            value.push(b'y');
            (true, value.len())
        });
        assert_eq!((found, tries), (Some(2), 2));
        assert_eq!(shared.read("a").unwrap().bytes, b"xy");
    }

    #[test]
    fn ok_an_update_that_never_wins_is_given_up() {
        let shared = InMemory::default();
        let lost = update(&shared, "a", |value| {
            let version = shared.read("a").map(|value| value.version);
            shared.write("a", b"theirs", version);
            value.clear();
            (true, ())
        });
        assert_eq!(lost, None);
    }
}

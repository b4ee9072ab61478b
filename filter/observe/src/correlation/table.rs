//! The tables of the store, and how a slot is read and changed.

use super::Correlation;
use crate::shared_data::{KEY_PREFIX, decode, encode, update_bytes};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// End of a key: the table's letter, and two hexadecimal digits.
const SLOT_KEY_BYTES: usize = 3;

/// A table of the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    /// Identifies the table in the keys of its slots.
    pub(super) letter: char,
    /// At most 256.
    pub(super) slots: u64,
    /// Bytes of a slot as written.
    pub(super) max_bytes: usize,
}

// === impl Table ===

impl Table {
    /// The slot of an entry with this hash.
    pub(super) const fn slot_of(&self, hash: u64) -> u64 {
        hash % self.slots
    }
}

/// Bytes of all slots with their keys, at most.
pub(super) const fn max_bytes(tables: &[Table]) -> usize {
    // The namespace is a hash in hexadecimal digits, and a separator.
    let key_bytes = KEY_PREFIX.len() + 16 + 1 + SLOT_KEY_BYTES;
    let (mut bytes, mut rest) = (0, tables);
    while let [table, others @ ..] = rest {
        bytes += table.slots as usize * (table.max_bytes + key_bytes);
        rest = others;
    }
    bytes
}

// === impl Correlation ===

impl Correlation {
    /// The key of the slot of an entry with this hash.
    #[inline(never)]
    pub(super) fn key(&self, table: &Table, hash: u64) -> String {
        let slot = table.slot_of(hash) as u32;
        let digits = [slot / 16, slot % 16].map(|digit| char::from_digit(digit, 16).unwrap_or_default());
        let mut key = String::with_capacity(self.prefix.len() + SLOT_KEY_BYTES);
        // `format!` would take ten times as many instructions.
        key.push_str(&self.prefix);
        key.extend([table.letter, digits[0], digits[1]]);
        key
    }

    /// The bytes of the slot of an entry with this hash; empty if the slot was never written.
    pub(super) fn read_bytes(&self, table: &Table, hash: u64) -> Vec<u8> {
        self.read_value(table, hash).unwrap_or_default()
    }

    #[inline(never)]
    fn read_value(&self, table: &Table, hash: u64) -> Option<Vec<u8>> {
        self.shared.read(&self.key(table, hash)).map(|value| value.bytes)
    }

    /// Changes the bytes of a slot. `change` returns whether it changed them. Returns `false` if the slot could not be written.
    #[inline(never)]
    pub(super) fn edit_bytes(&self, table: &Table, hash: u64, change: &mut dyn FnMut(&mut Vec<u8>) -> bool) -> bool {
        update_bytes(self.shared.as_ref(), &self.key(table, hash), change)
    }

    /// Reads the slot of an entry with this hash. A value that cannot be decoded counts as missing.
    pub(super) fn read<S: Default + DeserializeOwned>(&self, table: &Table, hash: u64) -> S {
        self.read_value(table, hash).map_or_else(S::default, |bytes| decode(&bytes))
    }

    /// Changes a slot. `change` returns whether it changed the slot, and a result. Returns the result, or `None` if the slot could
    /// not be written. A value that cannot be decoded counts as missing.
    pub(super) fn edit<S, T>(&self, table: &Table, hash: u64, mut change: impl FnMut(&mut S) -> (bool, T)) -> Option<T>
    where
        S: Default + Serialize + DeserializeOwned,
    {
        let mut result = None;
        let is_done = self.edit_slot(table, hash, &mut |slot: &mut S| {
            let (is_changed, new) = change(slot);
            result = Some(new);
            is_changed
        });
        result.filter(|_| is_done)
    }

    /// [`edit`](Self::edit) without a result, compiled once per table.
    #[inline(never)]
    fn edit_slot<S>(&self, table: &Table, hash: u64, change: &mut dyn FnMut(&mut S) -> bool) -> bool
    where
        S: Default + Serialize + DeserializeOwned,
    {
        self.edit_bytes(table, hash, &mut |bytes| {
            let mut slot: S = decode(bytes);
            let is_changed = change(&mut slot);
            if is_changed {
                *bytes = encode(&slot);
            }
            is_changed
        })
    }
}

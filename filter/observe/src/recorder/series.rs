//! A series as one number: its family and its label values.

use super::label_code::{CODE_BITS, Code};

/// Bits of the family, below those of the labels.
const FAMILY_BITS: u32 = u8::BITS;
/// How many labels a family has at most.
pub(super) const MAX_LABELS: usize = 6;

const _: () = assert!(FAMILY_BITS + MAX_LABELS as u32 * CODE_BITS <= u128::BITS);

/// A family with the values of its labels. Different series are different numbers.
///
/// Only the structs of [`super::families`] make one, so it has the labels of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Series(u128);

// === impl Series ===

impl Series {
    /// `family` is its index in the table, and `codes` are in the order of its labels.
    #[inline]
    pub(super) fn new(family: u8, codes: &[Code]) -> Self {
        let labels = codes.iter().fold(0, |labels, code| labels << CODE_BITS | u128::from(code.bits()));
        Self(labels << FAMILY_BITS | u128::from(family))
    }

    /// The index of the family in the table.
    #[inline]
    pub(super) fn family(self) -> usize {
        (self.0 & ((1 << FAMILY_BITS) - 1)) as usize
    }

    /// The lowest bit of the last label but one. It differs between the two values of a set such as the directions.
    #[inline]
    pub(super) fn is_odd(self) -> bool {
        self.0 >> (FAMILY_BITS + CODE_BITS) & 1 == 1
    }

    /// In the order of the family's labels, of which there are `count`.
    pub(super) fn codes(self, count: usize) -> impl Iterator<Item = Code> {
        let shift = move |index| FAMILY_BITS + CODE_BITS * index as u32;
        (0..count).rev().map(move |index| Code::from_bits((self.0 >> shift(index)) as u32 & ((1 << CODE_BITS) - 1)))
    }
}

//! A series as one number: its family and its label values.

use super::budgets::Budgets;
use super::families::FamilyName;
use super::label_code::{CODE_BITS, Code};
use crate::config::Config;

/// Bits of the family, below those of the labels.
const FAMILY_BITS: u32 = u8::BITS;
/// How many labels a family has at most.
pub(super) const MAX_LABELS: usize = 6;

const _: () = assert!(FAMILY_BITS + MAX_LABELS as u32 * CODE_BITS <= u128::BITS);

/// A family with the values of its labels. Different series are different numbers.
///
/// The struct of a family in [`super::families`] makes one, so that its labels fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Series(u128);

/// What turns a series into text.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelTexts<'a> {
    pub(super) budgets: &'a Budgets,
    pub(super) config: &'a Config,
}

// === impl Series ===

impl Series {
    /// `codes` are in the order of the family's labels.
    #[inline]
    pub(super) fn new(family: FamilyName, codes: &[Code]) -> Self {
        let labels = codes.iter().fold(0, |labels, code| labels << CODE_BITS | u128::from(code.bits()));
        Self(labels << FAMILY_BITS | family as u128)
    }

    /// `None` for a number that [`Series::new`] did not make.
    pub(super) fn family(self) -> Option<FamilyName> {
        FamilyName::ALL.get((self.0 & ((1 << FAMILY_BITS) - 1)) as usize).copied()
    }

    /// In the order of the family's labels, of which there are `count`.
    fn codes(self, count: usize) -> impl Iterator<Item = Code> {
        let shift = move |index| FAMILY_BITS + CODE_BITS * index as u32;
        (0..count).rev().map(move |index| Code::from_bits((self.0 >> shift(index)) as u32 & ((1 << CODE_BITS) - 1)))
    }
}

// === impl LabelTexts ===

impl<'a> LabelTexts<'a> {
    /// Names and values of the series' labels. A label without a value, which only an optional label can be, is left out.
    pub(super) fn labels(self, series: Series) -> Vec<(&'static str, &'a str)> {
        let names = series.family().map_or(&[][..], FamilyName::labels);
        let codes = series.codes(names.len());
        let labels = names.iter().zip(codes);
        let mut texts = Vec::with_capacity(MAX_LABELS);
        texts.extend(labels.filter_map(|(name, code)| Some((*name, code.text(self.budgets, self.config)?))));
        texts
    }
}

//! A series as text: its label names and values.

use super::budgets::Budgets;
use super::families::FamilyName;
use super::series::{MAX_LABELS, Series};
use crate::config::Config;

/// What turns a series into text.
#[derive(Clone, Copy, Debug)]
pub(super) struct LabelTexts<'a> {
    pub(super) budgets: &'a Budgets,
    pub(super) config: &'a Config,
}

// === impl LabelTexts ===

impl<'a> LabelTexts<'a> {
    /// Names and values of the series' labels. A label without a value, which only an optional label can be, is left out.
    pub(super) fn labels(self, series: Series) -> Vec<(&'static str, &'a str)> {
        let names = FamilyName::of(series).map_or(&[][..], FamilyName::labels);
        let codes = series.codes(names.len());
        let labels = names.iter().zip(codes);
        let mut texts = Vec::with_capacity(MAX_LABELS);
        texts.extend(labels.filter_map(|(name, code)| Some((*name, code.text(self.budgets, self.config)?))));
        texts
    }
}

//! The name of an Envoy stat, and the patterns that take the labels out of it.
//!
//! Envoy's stats have names and no labels. The name of a series is `label=.=value;.;` for each label, then the family; the
//! shell joins it. Envoy puts [`STAT_PREFIX`] in front of it, and `stats_tags` with [`tag_regex`] take the labels out again.
//! No label value contains `=` or `;`.

/// What Envoy puts in front of the names of the stats that a filter defines.
pub(crate) const STAT_PREFIX: &str = "wasmcustom.";
/// Between the name of a label and its value.
pub const LABEL_ASSIGN: &str = "=.=";
/// After the value of a label.
pub const LABEL_END: &str = ";.;";

/// The pattern for Envoy's `stats_tags` that takes one label out of the name of a stat.
///
/// It begins with `wasmcustom.`, so that Envoy tries it on the stats of filters only.
#[must_use]
pub fn tag_regex(label: &str) -> String {
    let [prefix, assign, end] = [STAT_PREFIX, LABEL_ASSIGN, LABEL_END].map(|text| text.replace('.', r"\."));
    format!("^{prefix}(?:.*?{end})?({label}{assign}(.*?){end})")
}

#[cfg(test)]
mod tests {
    use super::tag_regex;
    use crate::test;

    #[test]
    fn pattern_has_its_dots_escaped() {
        assert_eq!(tag_regex("method"), r"^wasmcustom\.(?:.*?;\.;)?(method=\.=(.*?);\.;)");
    }
}

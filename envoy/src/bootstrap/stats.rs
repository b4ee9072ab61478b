//! How the filter's stats become series: one tag per label, one set of buckets per histogram family.

use mcp_observe::{FAMILIES, Kind, LABELS, tag_regex};
use serde_json::{Value, json};

/// `stats_config`, from the filter's own table of families.
pub(super) fn config() -> Value {
    let tags: Vec<_> = LABELS.iter().map(|label| json!({"tag_name": label, "regex": tag_regex(label)})).collect();
    let buckets: Vec<_> = FAMILIES
        .iter()
        .filter(|family| family.kind == Kind::Histogram)
        // Labels come before the family in a stat's name, so only its end tells the family.
        .map(|family| json!({"match": {"suffix": family.name}, "buckets": family.bounds}))
        .collect();
    json!({"use_all_default_tags": true, "stats_tags": tags, "histogram_bucket_settings": buckets})
}

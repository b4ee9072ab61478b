//! `stats_config`, which turns the filter's stats into series: one tag per label, one set of buckets per histogram family.

use mcp_observe::{FAMILIES, LABELS, MetricKind, tag_regex};
use serde_json::{Value, json};

/// `stats_config`, from the filter's own table of families.
pub(super) fn config() -> Value {
    let tags: Vec<_> = LABELS.iter().map(|label| json!({"tag_name": label, "regex": tag_regex(label)})).collect();
    let buckets: Vec<_> = FAMILIES
        .iter()
        .filter(|family| family.kind == MetricKind::Histogram)
        // A stat's name has the labels first and ends with the family.
        .map(|family| json!({"match": {"suffix": family.name}, "buckets": family.bounds}))
        .collect();
    json!({"use_all_default_tags": true, "stats_tags": tags, "histogram_bucket_settings": buckets})
}

#[cfg(test)]
mod tests {
    use super::config;
    use mcp_observe::{FAMILIES, LABELS, MetricKind, tag_regex};
    use std::fmt::Write;
    use std::{env, fs};

    /// The second block of `snippet.yaml`.
    fn block() -> String {
        let mut block = "stats_config:\n  stats_tags:\n".to_owned();
        for label in LABELS {
            writeln!(block, "    - {{tag_name: {label}, regex: '{}'}}", tag_regex(label)).unwrap();
        }
        block.push_str("  histogram_bucket_settings:\n");
        for family in FAMILIES.iter().filter(|family| family.kind == MetricKind::Histogram) {
            let bounds: Vec<_> = family.bounds.iter().map(u64::to_string).collect();
            writeln!(block, "    - match: {{suffix: {}}}\n      buckets: [{}]", family.name, bounds.join(", "))
                .unwrap();
        }
        block
    }

    #[test]
    fn snippet_has_every_label_and_bucket() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/snippet.yaml");
        let snippet = fs::read_to_string(path).unwrap();
        let (before, rest) = snippet.split_once("# BEGIN 2: labels and buckets\n").unwrap();
        let (found, after) = rest.split_once("# END 2\n").unwrap();
        if env::var_os("UPDATE_SNIPPET").is_some() {
            fs::write(path, format!("{before}# BEGIN 2: labels and buckets\n{}# END 2\n{after}", block())).unwrap();
        } else {
            assert_eq!(found, block(), "run this test once with UPDATE_SNIPPET=1");
        }
    }

    #[test]
    fn each_label_has_a_tag_and_each_histogram_has_buckets() {
        let config = config();
        assert_eq!(config["stats_tags"].as_array().unwrap().len(), LABELS.len());
        let buckets = config["histogram_bucket_settings"].as_array().unwrap();
        let histograms = FAMILIES.iter().filter(|family| family.kind == MetricKind::Histogram);
        assert_eq!(buckets.len(), histograms.clone().count());
        for (family, settings) in histograms.zip(buckets) {
            assert_eq!(settings["match"]["suffix"], family.name);
            assert_eq!(settings["buckets"].as_array().unwrap().len(), family.bounds.len());
            assert!(!family.bounds.is_empty(), "{}", family.name);
        }
    }
}

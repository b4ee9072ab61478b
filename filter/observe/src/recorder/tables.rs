//! The tables of the core, for documentation, dashboards and tests. The filter does not use them.

use super::Recorder;
use super::budget::{Name, UNCONFIRMED};
use super::budgets::limit;
use super::families::{FAMILIES, FamilyName, FilterInfo, LABELS};
use super::family::{Family, Labels as _};
use super::initial;
use super::label_code::{BudgetedValue as _, FilterVersion, LabelValues, Server, closed_sets};
use super::label_texts::LabelTexts;
use super::series::Series;
use super::stat_tags::{STAT_PREFIX, tag_regex};
use crate::config::{Config, Limits, MAX_LABEL_BYTES, MAX_VALUES, MIN_LABEL_BYTES};
use crate::label::BudgetedLabel;
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// The name of the server, and of every tool, resource and prompt, in the initial series of [`tables`].
const ANY: &str = "*";

/// All tables as one JSON object:
///
/// | member | content |
/// |---|---|
/// | `families` | an array: `name`, `kind`, `help`, `bounds`, and `labels` with `name`, `optional`, `values` (those known without traffic) and `budget` (of the others, or null) |
/// | `label_values` | the values of each closed set, by the name of its type |
/// | `limits` | `default`, `least` and `most` of each limit of the configuration |
/// | `budgets` | how many values each budget has by default, `unconfirmed` for those that no server confirmed |
/// | `initial_series` | arrays of `family` and `labels`, names as `*`: `plugin`, `server`, `server_with_semconv`, and `name` by budget |
/// | `stats` | `prefix`, `tag_regex` by label |
#[must_use]
pub fn tables() -> Value {
    let config = Config::default();
    json!({
        "families": FamilyName::ALL.iter().zip(FAMILIES).map(|(name, family)| row(*name, family)).collect::<Vec<_>>(),
        "label_values": closed_sets().into_iter().map(|(name, values)| (name, values.fixed)).collect::<Value>(),
        "limits": limits(&config),
        "budgets": budgets(&config),
        "initial_series": initial_series(config),
        "stats": {
            "prefix": STAT_PREFIX,
            "tag_regex": LABELS.iter().map(|label| (*label, tag_regex(label))).collect::<Value>(),
        },
    })
}

/// The table of families in Markdown, for `docs/metrics.md`.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = String::from("| family | kind | labels | counts |\n|---|---|---|---|\n");
    for Family { name, kind, labels, optional_labels, help, .. } in FAMILIES {
        let labels: Vec<_> = labels.iter().chain(*optional_labels).map(|label| format!("`{label}`")).collect();
        table.push_str(&format!("| `{name}` | {} | {} | {help} |\n", kind.as_str(), labels.join(", ")));
    }
    table
}

fn row(name: FamilyName, family: &Family) -> Value {
    let label = |(label, LabelValues { fixed, budget }): (&str, LabelValues)| {
        json!({
            "name": label,
            "optional": family.optional_labels.contains(&label),
            "values": fixed,
            "budget": budget.map(BudgetedLabel::as_str),
        })
    };
    json!({
        "name": family.name,
        "kind": family.kind.as_str(),
        "labels": name.label_values().into_iter().map(label).collect::<Vec<_>>(),
        "bounds": family.bounds,
        "help": family.help,
    })
}

fn limits(config: &Config) -> Value {
    let limit = |default: u64, least: u64, most: u64| json!({"default": default, "least": least, "most": most});
    let values = |default: u16| limit(default.into(), 1, MAX_VALUES);
    let Limits { tool_names, prompt_names, resource_uris, client_names, error_codes, label_bytes } = config.limits;
    json!({
        "tool_names": values(tool_names),
        "prompt_names": values(prompt_names),
        "resource_uris": values(resource_uris),
        "client_names": values(client_names),
        "error_codes": values(error_codes),
        "label_bytes": limit(label_bytes as u64, MIN_LABEL_BYTES, MAX_LABEL_BYTES as u64),
    })
}

fn budgets(config: &Config) -> Value {
    let budget = |label: &BudgetedLabel| (label.as_str().to_owned(), json!(limit(*label, &config.limits)));
    let mut budgets: Map<String, Value> = BudgetedLabel::ALL.iter().map(budget).collect();
    budgets.insert("unconfirmed".to_owned(), json!(UNCONFIRMED));
    Value::Object(budgets)
}

fn initial_series(config: Config) -> Value {
    let semconv = Config { semconv: true, ..config.clone() };
    let mut recorder = Recorder::new(Rc::new(config));
    let mut admit = |label| recorder.budgets.admit(label, ANY, true, None).name;
    let server = Server::new(admit(BudgetedLabel::ServerName));
    let names: Vec<(BudgetedLabel, Name)> = BudgetedLabel::ALL.iter().map(|&label| (label, admit(label))).collect();
    let texts = LabelTexts { budgets: &recorder.budgets, config: &recorder.config };
    let server_series = |config: &Config| all(texts, |add| initial::of_server(server, config, add));
    let name_series = |&(label, name): &(BudgetedLabel, Name)| {
        (label.as_str(), all(texts, |add| initial::of_name(label, name, server, add)))
    };
    let plugin = FilterInfo { filter_version: FilterVersion }.series();
    json!({
        "plugin": all(texts, |add| add(plugin)),
        "server": server_series(&recorder.config),
        "server_with_semconv": server_series(&semconv),
        "name": names.iter().map(name_series).collect::<Value>(),
    })
}

/// All series that a function adds, as text.
fn all(texts: LabelTexts<'_>, of: impl FnOnce(&mut dyn FnMut(Series))) -> Value {
    let mut found = Vec::new();
    of(&mut |series| {
        let family = FamilyName::of(series).map_or("", FamilyName::name);
        let labels: Value = texts.labels(series).into_iter().collect();
        found.push(json!({"family": family, "labels": labels}));
    });
    Value::Array(found)
}

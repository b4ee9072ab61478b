//! The budgets of all labels whose values clients and servers choose, and of the histogram of `semconv`.
//!
//! | budget | values |
//! |---|---|
//! | tools, prompts, resources, clients, error codes | `limits` of the configuration |
//! | servers | [`MAX_SERVERS`] |
//! | histogram of `semconv` | [`MAX_SEMCONV`] |

use super::budget::{Admission, Budget, Name, UNCONFIRMED};
use crate::config::{Config, Limits, MAX_VALUES};
use crate::host::SharedData;
use crate::label::BudgetedLabel;

/// How many servers `server_name_from: "cluster"` shows at most. Clusters come from the configuration of the proxy, so this
/// only guards against a mistake.
pub(super) const MAX_SERVERS: u16 = 256;
/// How many combinations of label values the histogram of `semconv` has at most, because its labels multiply. A server of a
/// hundred tools needs a fifth of it.
pub(super) const MAX_SEMCONV: u16 = 1000;

/// One [`Budget`] for each [`BudgetedLabel`], in the order of declaration.
#[derive(Debug)]
pub(super) struct Budgets([Budget; BudgetedLabel::ALL.len()]);

// === impl Budgets ===

impl Budgets {
    /// How many names a budget can have, whatever is configured.
    pub(super) const MAX_NAMES: usize = MAX_VALUES as usize + UNCONFIRMED as usize;

    /// `namespace` is the prefix of the keys in the shared data.
    pub(super) fn new(config: &Config, namespace: &str) -> Self {
        Self(std::array::from_fn(|index| {
            let label = BudgetedLabel::ALL.get(index).copied().unwrap_or(BudgetedLabel::Semconv);
            let key = format!("{namespace}/names/{}", label.as_str());
            Budget::new(key, limit(label, &config.limits), config.digest_key)
        }))
    }

    /// The value to use for `text`, see [`Budget::admit`].
    pub(super) fn admit(
        &mut self,
        label: BudgetedLabel,
        text: &str,
        confirmed: bool,
        shared: Option<&dyn SharedData>,
    ) -> Admission {
        let budget = self.0.get_mut(label as usize);
        budget.map_or(Admission::OVERFLOW, |budget| budget.admit(text, confirmed, shared))
    }

    /// The label value of a name.
    pub(super) fn text(&self, label: BudgetedLabel, name: Name) -> &str {
        self.0.get(label as usize).map_or(Name::OTHER_TEXT, |budget| budget.text(name))
    }

    /// See [`Budget::tick`].
    pub(super) fn tick(&mut self) {
        self.0.iter_mut().for_each(Budget::tick);
    }
}

/// How many confirmed values a label may take.
pub(super) fn limit(label: BudgetedLabel, limits: &Limits) -> u16 {
    match label {
        BudgetedLabel::ToolName => limits.tool_names,
        BudgetedLabel::PromptName => limits.prompt_names,
        BudgetedLabel::ResourceUri => limits.resource_uris,
        BudgetedLabel::ClientName => limits.client_names,
        BudgetedLabel::ErrorCode => limits.error_codes,
        BudgetedLabel::ServerName => MAX_SERVERS,
        BudgetedLabel::Semconv => MAX_SEMCONV,
    }
}

//! The budgets of all labels whose values peers choose, and of the histogram that has them all.

use crate::config::{Config, ServerNameFrom};
use crate::correlation::KEY_PREFIX;
use crate::label::BudgetedLabel;
use crate::recorder::budget::Names;
use crate::text::Text;

/// Most servers of `server_name_from: "cluster"`; clusters come from the proxy's configuration, so this is a safety net.
const MAX_SERVERS: u16 = 256;
/// Most series of the joint histogram, whose labels multiply. Five times what a server of a hundred tools needs.
const MAX_JOINT: u16 = 1000;

/// One [`Names`] per label.
#[derive(Debug)]
pub(super) struct Budgets {
    /// Not shared: every worker meets the same few clusters.
    pub(super) servers: Names,
    tools: Names,
    prompts: Names,
    resources: Names,
    clients: Names,
    codes: Names,
    joint: Names,
}

// === impl Budgets ===

impl Budgets {
    /// `namespace` begins the keys of the shared data.
    pub(super) fn new(config: &Config, namespace: &str) -> Self {
        let limits = &config.limits;
        let names = |label: BudgetedLabel, limit| {
            Names::new(format!("{namespace}/names/{}", label.as_str()), limit, config.digest_key)
        };
        Self {
            servers: names(BudgetedLabel::ServerName, MAX_SERVERS),
            tools: names(BudgetedLabel::ToolName, limits.tool_names),
            prompts: names(BudgetedLabel::PromptName, limits.prompt_names),
            resources: names(BudgetedLabel::ResourceUri, limits.resource_uris),
            clients: names(BudgetedLabel::ClientName, limits.client_names),
            codes: names(BudgetedLabel::ErrorCode, limits.error_codes),
            joint: names(BudgetedLabel::Joint, MAX_JOINT),
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self) {
        for &label in BudgetedLabel::ALL {
            self.of(label).tick();
        }
    }

    pub(super) fn of(&mut self, label: BudgetedLabel) -> &mut Names {
        match label {
            BudgetedLabel::ToolName => &mut self.tools,
            BudgetedLabel::PromptName => &mut self.prompts,
            BudgetedLabel::ResourceUri => &mut self.resources,
            BudgetedLabel::ClientName => &mut self.clients,
            BudgetedLabel::ErrorCode => &mut self.codes,
            BudgetedLabel::ServerName => &mut self.servers,
            BudgetedLabel::Joint => &mut self.joint,
        }
    }

    pub(super) fn get(&self, label: BudgetedLabel) -> &Names {
        match label {
            BudgetedLabel::ToolName => &self.tools,
            BudgetedLabel::PromptName => &self.prompts,
            BudgetedLabel::ResourceUri => &self.resources,
            BudgetedLabel::ClientName => &self.clients,
            BudgetedLabel::ErrorCode => &self.codes,
            BudgetedLabel::ServerName => &self.servers,
            BudgetedLabel::Joint => &self.joint,
        }
    }
}

/// Where plugins whose series are the same ones keep what their workers share.
pub(super) fn namespace(config: &Config) -> String {
    let by_cluster = config.server_name_from == ServerNameFrom::Cluster;
    let name = if by_cluster { String::new() } else { format!("={}", config.server_name) };
    format!("{KEY_PREFIX}{:016x}", Text::of(name.as_bytes()).digest())
}

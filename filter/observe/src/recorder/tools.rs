//! The families about what servers list as their tools: sizes of definitions, and calls of tools that are not listed.

use super::Recorder;
use super::budget::Name;
use super::families::{ToolDefinitionBytes, UnlistedToolCalls};
use super::family::Labels as _;
use super::label_code::{BudgetedValue as _, Server, ToolName};
use super::tool_lists::Definition;
use crate::host::{Metrics, SharedData, Time};
use crate::label::{BudgetedLabel, clean};
use crate::observation::Page;

// === impl Recorder ===

impl Recorder {
    /// A page of a list of tools passed. `varies`: the definition of one of them was found to vary.
    pub(super) fn tools_listed(&mut self, server: Server, page: &Page<'_>, varies: bool, metrics: &dyn Metrics) {
        // Servers without room for their names have different tools.
        if server.is_other() {
            return;
        }
        let Self { config, budgets, lists, .. } = self;
        let Some(added) = lists.of(server, budgets, config).tools.add(page, varies, metrics) else { return };
        let mut definitions = Vec::with_capacity(page.items.len());
        let mut labels = Vec::new();
        for item in page.items {
            let label = clean(&item.name, self.config.limits.label_bytes).into_boxed_str();
            let Some(series) = self.definition_of(&label, server, metrics) else { continue };
            // Another worker, or a plugin before this one, has set the gauge; but perhaps not in this plugin's stats.
            if !self.stats.contains(series.series()) {
                labels.push(label.clone());
            }
            definitions.push(Definition::new(&item.name, label, item.bytes));
        }
        let Self { config, budgets, lists, .. } = self;
        let lists = &mut lists.of(server, budgets, config).tools;
        labels.extend(lists.add_definitions(added, &definitions, metrics));
        self.set_sizes(server, &labels, metrics);
    }

    /// Sets the sizes of definitions, and hands them to the host before another worker has a newer list.
    fn set_sizes(&mut self, server: Server, labels: &[Box<str>], metrics: &dyn Metrics) {
        let mut set = Vec::new();
        while !labels.is_empty() {
            let Self { config, budgets, lists, .. } = self;
            let sizes = lists.of(server, budgets, config).tools.sizes(labels, metrics);
            // If another worker changed them in between, its sizes may have been set before these.
            if sizes == set {
                return;
            }
            for (label, &size) in labels.iter().zip(&sizes) {
                if let Some(series) = self.definition_of(label, server, metrics) {
                    self.set(series, size);
                    self.flush_one(series, metrics);
                }
            }
            set = sizes;
        }
    }

    /// The series of a tool's definition; `None` if there is no room for the tool's label.
    fn definition_of(&mut self, label: &str, server: Server, shared: &dyn SharedData) -> Option<ToolDefinitionBytes> {
        let name = self.admit(BudgetedLabel::ToolName, label, true, server, shared).name;
        let tool_name = ToolName::new(name);
        (name != Name::Other).then_some(ToolDefinitionBytes { tool_name, server_name: server })
    }

    /// A request for a list of tools ended, and its answer could not be read.
    #[inline(never)]
    pub(super) fn tools_list_missed(&mut self, server: Server, shared: &dyn SharedData) {
        let Self { config, budgets, lists, .. } = self;
        if !server.is_other() {
            lists.of(server, budgets, config).tools.miss(shared);
        }
    }

    /// A call of the tool with this digest of its name ended, whatever its status.
    pub(super) fn tool_called(&mut self, server_name: Server, tool: u64, at: Option<Time>, shared: &dyn SharedData) {
        if server_name.is_other() {
            return;
        }
        let Self { config, budgets, lists, .. } = self;
        let unlisted = lists.of(server_name, budgets, config).tools.called(tool, at, shared);
        if unlisted > 0 {
            self.count(UnlistedToolCalls { server_name }, unlisted);
        }
    }

    /// Counts the calls that waited for this tick.
    pub(super) fn tick_tools(&mut self, shared: &dyn SharedData) {
        let Self { stats, lists, .. } = self;
        for (server_name, tools) in lists.all_tools() {
            let unlisted = tools.tick(shared);
            if unlisted > 0 {
                stats.change(UnlistedToolCalls { server_name }.series(), unlisted as i64);
            }
        }
    }
}

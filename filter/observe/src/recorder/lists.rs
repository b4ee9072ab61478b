//! The lists of the servers: listed names are confirmed, changed definitions count, and resources are kept for the labels of
//! reads.

use super::Recorder;
use super::catalogue::{Catalogue, Changes};
use super::families::ListChanges;
use super::label_code::Server;
use super::listed_resources::ListedResources;
use super::tool_lists::ToolLists;
use crate::config::Config;
use crate::host::{Metrics, SharedData};
use crate::label::{BudgetedLabel, KnownMethod, ListChange, Method, ProtocolVersion, ResourceUriLabel, clean};
use crate::observation::Page;
use crate::text::Text;
use rustc_hash::FxHashMap;

/// The lists of all servers.
#[derive(Debug)]
pub(super) struct Lists {
    /// The prefix of the keys in the shared data.
    key_prefix: String,
    catalogues: FxHashMap<(Server, Method, Option<ProtocolVersion>), Catalogue>,
    resources: FxHashMap<Server, ListedResources>,
    tools: FxHashMap<Server, ToolLists>,
}

// === impl Lists ===

impl Lists {
    pub(super) fn new(key_prefix: String) -> Self {
        Self {
            key_prefix,
            catalogues: FxHashMap::default(),
            resources: FxHashMap::default(),
            tools: FxHashMap::default(),
        }
    }

    /// `server_name` returns the name of `server`.
    #[inline]
    pub(super) fn tools<'a>(&mut self, server: Server, server_name: impl FnOnce() -> &'a str) -> &mut ToolLists {
        let Self { key_prefix, tools, .. } = self;
        tools.entry(server).or_insert_with(|| ToolLists::new(format!("{key_prefix}/tools/{}", server_name())))
    }

    /// The tools of all servers.
    pub(super) fn all_tools(&mut self) -> impl Iterator<Item = (Server, &mut ToolLists)> {
        self.tools.iter_mut().map(|(server, tools)| (*server, tools))
    }

    /// `server_name` is the name of `server`.
    fn catalogue(
        &mut self,
        server: Server,
        server_name: &str,
        method: KnownMethod,
        protocol_version: Option<ProtocolVersion>,
    ) -> &mut Catalogue {
        let Self { key_prefix, catalogues, .. } = self;
        catalogues.entry((server, Method::Known(method), protocol_version)).or_insert_with(|| {
            let protocol_version = protocol_version.map_or("", ProtocolVersion::as_str);
            Catalogue::new(format!("{key_prefix}/definitions/{server_name}/{}/{protocol_version}", method.as_str()))
        })
    }

    fn resources(&mut self, server: Server, server_name: &str, config: &Config) -> &mut ListedResources {
        let Self { key_prefix, resources, .. } = self;
        resources.entry(server).or_insert_with(|| {
            let key = format!("{key_prefix}/resources/{server_name}");
            ListedResources::new(key, config.limits.resource_uris, config.limits.label_bytes, config.digest_key)
        })
    }
}

// === impl Recorder ===

impl Recorder {
    /// The label of a resource that the server listed; `None` if it is not known.
    pub(crate) fn published_label(&mut self, server: Server, uri: &[u8], shared: &dyn SharedData) -> Option<Box<str>> {
        let Self { config, budgets, lists, .. } = self;
        lists.resources(server, server.text(budgets), config).label(uri, shared)
    }

    /// Counts the changes of a page, admits its names as confirmed, and follows which tools are listed.
    #[inline(never)]
    pub(super) fn list_page(
        &mut self,
        server: Server,
        method: Method,
        protocol_version: Option<ProtocolVersion>,
        page: &Page<'_>,
        metrics: &dyn Metrics,
    ) {
        let Method::Known(method) = method else { return };
        let label = match method {
            KnownMethod::ToolsList => BudgetedLabel::ToolName,
            KnownMethod::PromptsList => BudgetedLabel::PromptName,
            KnownMethod::ResourcesList | KnownMethod::ResourceTemplatesList => BudgetedLabel::ResourceUri,
            _ => return,
        };
        let server_name = server.text(&self.budgets);
        let catalogue = self.lists.catalogue(server, server_name, method, protocol_version);
        let changes = catalogue.compare(page, self.config.digest_key, metrics);
        let varies = changes.is_some_and(|changes| changes.varies > 0);
        if let Some(changes) = changes {
            self.count_changes(server, Method::Known(method), changes);
            self.admit_listed(server, method, label, page, metrics);
        }
        if method == KnownMethod::ToolsList {
            self.tools_listed(server, page, varies, metrics);
        }
    }

    fn count_changes(&mut self, server_name: Server, method: Method, changes: Changes) {
        let counts = [
            (ListChange::Added, changes.added),
            (ListChange::Changed, changes.changed),
            (ListChange::Varies, changes.varies),
        ];
        for (change, count) in counts {
            self.count(ListChanges { method, change, server_name }, count.into());
        }
    }

    /// Admits the names of a page as confirmed.
    fn admit_listed(
        &mut self,
        server: Server,
        method: KnownMethod,
        label: BudgetedLabel,
        page: &Page<'_>,
        shared: &dyn SharedData,
    ) {
        let is_template = method == KnownMethod::ResourceTemplatesList;
        if label == BudgetedLabel::ResourceUri {
            return self.resources_published(server, page, is_template, shared);
        }
        for item in page.items {
            let text = clean(&item.name, self.config.limits.label_bytes);
            self.admit(label, &text, true, server, shared);
        }
    }

    fn resources_published(&mut self, server: Server, page: &Page<'_>, is_template: bool, shared: &dyn SharedData) {
        if self.config.resource_uri == ResourceUriLabel::Published {
            let Self { config, budgets, lists, .. } = self;
            let resources = lists.resources(server, server.text(budgets), config);
            resources.add(page.items.iter().map(|item| &*item.name), is_template, shared);
        }
        for item in page.items {
            let listed =
                self.lists.resources.get(&server).and_then(|resources| resources.listed(&item.name, is_template));
            let text = match listed {
                Some(label) => label,
                // No read has the label of a template that was not kept.
                None if is_template => continue,
                None => self.config.resource_label(&Text::of(&item.name)).into_boxed_str(),
            };
            self.admit(BudgetedLabel::ResourceUri, &text, true, server, shared);
        }
    }
}

//! The lists of the servers: listed names are confirmed, changed definitions count, and resources are kept for the labels of
//! reads.

use super::Recorder;
use super::budgets::Budgets;
use super::catalogue::{Catalogue, Changes};
use super::families::ListChanges;
use super::label_code::Server;
use super::listed_resources::ListedResources;
use super::tool_lists::ToolLists;
use crate::config::Config;
use crate::digest::DigestKey;
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
    servers: FxHashMap<Server, ServerLists>,
}

/// The lists of one server.
#[derive(Debug)]
pub(super) struct ServerLists {
    pub(super) tools: ToolLists,
    resources: ListedResources,
    /// The prefix of the catalogues' keys.
    catalogue_key: String,
    /// One for each list method and protocol version that was used.
    catalogues: Vec<((KnownMethod, Option<ProtocolVersion>), Catalogue)>,
}

// === impl Lists ===

impl Lists {
    pub(super) fn new(key_prefix: String) -> Self {
        Self { key_prefix, servers: FxHashMap::default() }
    }

    #[inline]
    pub(super) fn of(&mut self, server: Server, budgets: &Budgets, config: &Config) -> &mut ServerLists {
        let Self { key_prefix, servers } = self;
        servers.entry(server).or_insert_with(|| ServerLists::new(key_prefix, server.text(budgets), config))
    }

    /// The tools of all servers.
    pub(super) fn all_tools(&mut self) -> impl Iterator<Item = (Server, &mut ToolLists)> {
        self.servers.iter_mut().map(|(server, lists)| (*server, &mut lists.tools))
    }
}

// === impl ServerLists ===

impl ServerLists {
    #[inline(never)]
    fn new(key_prefix: &str, server_name: &str, config: &Config) -> Self {
        let Config { limits, digest_key, .. } = config;
        let resources = format!("{key_prefix}/resources/{server_name}");
        Self {
            tools: ToolLists::new(format!("{key_prefix}/tools/{server_name}")),
            resources: ListedResources::new(resources, limits.resource_uris, limits.label_bytes, *digest_key),
            catalogue_key: format!("{key_prefix}/definitions/{server_name}"),
            catalogues: Vec::new(),
        }
    }

    /// What is new in a page; `None` if this VM saw the page before.
    fn compare(
        &mut self,
        method: KnownMethod,
        protocol_version: Option<ProtocolVersion>,
        page: &Page<'_>,
        digest_key: DigestKey,
        shared: &dyn SharedData,
    ) -> Option<Changes> {
        let list = (method, protocol_version);
        if !self.catalogues.iter().any(|(other, _)| *other == list) {
            let protocol_version = protocol_version.map_or("", ProtocolVersion::as_str);
            let key = format!("{}/{}/{protocol_version}", self.catalogue_key, method.as_str());
            self.catalogues.push((list, Catalogue::new(key)));
        }
        let (_, catalogue) = self.catalogues.iter_mut().find(|(other, _)| *other == list)?;
        catalogue.compare(page, digest_key, shared)
    }
}

// === impl Recorder ===

impl Recorder {
    /// The label of a resource that the server listed; `None` if it is not known.
    pub(crate) fn published_label(&mut self, server: Server, uri: &[u8], shared: &dyn SharedData) -> Option<Box<str>> {
        let Self { config, budgets, lists, .. } = self;
        lists.of(server, budgets, config).resources.label(uri, shared)
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
        let Self { config, budgets, lists, .. } = self;
        let lists = lists.of(server, budgets, config);
        let changes = lists.compare(method, protocol_version, page, config.digest_key, metrics);
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
            let resources = &mut lists.of(server, budgets, config).resources;
            resources.add(page.items.iter().map(|item| &*item.name), is_template, shared);
        }
        for item in page.items {
            let Self { config, budgets, lists, .. } = self;
            let listed = lists.of(server, budgets, config).resources.listed(&item.name, is_template);
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

//! What the servers published: whose names have a place of their own, what reads are called, which definitions changed.

use super::Recorder;
use super::catalogue::Catalogue;
use super::families::ListChanges;
use super::label_code::Server;
use super::published::Published;
use crate::config::Config;
use crate::host::SharedData;
use crate::label::{BudgetedLabel, KnownMethod, ListChange, Method, ProtocolVersion, ResourceUriLabel, clean};
use crate::observation::Page;
use crate::text::Text;
use rustc_hash::FxHashMap;

/// The lists of all servers.
#[derive(Debug)]
pub(super) struct Lists {
    /// Begins the keys of the shared data.
    namespace: String,
    catalogues: FxHashMap<(Server, Method, Option<ProtocolVersion>), Catalogue>,
    published: FxHashMap<Server, Published>,
}

// === impl Lists ===

impl Lists {
    pub(super) fn new(namespace: String) -> Self {
        Self { namespace, catalogues: FxHashMap::default(), published: FxHashMap::default() }
    }

    /// `server_name` is the one of `server`.
    fn catalogue(
        &mut self,
        server: Server,
        server_name: &str,
        method: KnownMethod,
        protocol_version: Option<ProtocolVersion>,
    ) -> &mut Catalogue {
        let Self { namespace, catalogues, .. } = self;
        catalogues.entry((server, Method::Known(method), protocol_version)).or_insert_with(|| {
            let protocol_version = protocol_version.map_or("", ProtocolVersion::as_str);
            Catalogue::new(format!("{namespace}/definitions/{server_name}/{}/{protocol_version}", method.as_str()))
        })
    }

    fn published(&mut self, server: Server, server_name: &str, config: &Config) -> &mut Published {
        let Self { namespace, published, .. } = self;
        published.entry(server).or_insert_with(|| {
            let key = format!("{namespace}/resources/{server_name}");
            Published::new(key, config.limits.resource_uris, config.limits.label_bytes, config.digest_key)
        })
    }
}

// === impl Recorder ===

impl Recorder {
    /// The label of a resource that the server published; `None` where it did not, or is not asked for that form.
    pub fn published_label(&mut self, server: Server, uri: &[u8], shared: &dyn SharedData) -> Option<Box<str>> {
        let Self { config, budgets, lists, .. } = self;
        lists.published(server, budgets.server_name(server), config).label(uri, shared)
    }

    /// A page came: its changes are counted, and its names have a place of their own from now on.
    #[inline(never)]
    pub(super) fn published(
        &mut self,
        server: Server,
        method: Method,
        protocol_version: Option<ProtocolVersion>,
        page: &Page<'_>,
        shared: &dyn SharedData,
    ) {
        let Method::Known(method) = method else { return };
        let label = match method {
            KnownMethod::ToolsList => BudgetedLabel::ToolName,
            KnownMethod::PromptsList => BudgetedLabel::PromptName,
            KnownMethod::ResourcesList | KnownMethod::ResourceTemplatesList => BudgetedLabel::ResourceUri,
            _ => return,
        };
        let server_name = self.budgets.server_name(server);
        let catalogue = self.lists.catalogue(server, server_name, method, protocol_version);
        let Some(changes) = catalogue.compare(page, self.config.digest_key, shared) else { return };
        let counts = [
            (ListChange::Added, changes.added),
            (ListChange::Changed, changes.changed),
            (ListChange::Varies, changes.varies),
        ];
        for (change, count) in counts {
            self.count(ListChanges { method: Method::Known(method), change, server_name: server }, count.into());
        }
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
        let by_list = self.config.resource_uri == ResourceUriLabel::Published;
        if by_list {
            let Self { config, budgets, lists, .. } = self;
            let published = lists.published(server, budgets.server_name(server), config);
            published.add(page.items.iter().map(|item| &*item.name), is_template, shared);
        }
        for item in page.items {
            let listed =
                self.lists.published.get(&server).and_then(|published| published.listed(&item.name, is_template));
            let text = match listed {
                Some(label) => label,
                // Reads never have the form of a template that is not followed.
                None if is_template => continue,
                None => self.config.resource_label(&Text::of(&item.name)).into_boxed_str(),
            };
            self.admit(BudgetedLabel::ResourceUri, &text, true, server, shared);
        }
    }
}

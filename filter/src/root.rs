//! The root context: reads the configuration, creates streams, and flushes the plugin's stats at every tick and at its end.

use crate::host::{self, Envoy};
use crate::http::{HeldStream, Stream};
use mcp_observe::{Config, HttpStream, LimitedStream, Plugin};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::rc::Rc;
use std::time::Duration;

/// Maximum delay of counters, gauges and histograms.
const FLUSH_PERIOD: Duration = Duration::from_millis(500);
/// The root context.
#[derive(Default)]
pub(crate) struct Root {
    plugin: Option<Rc<Plugin<Envoy>>>,
    /// Whether the log says that Envoy does not send the body of held requests.
    has_reported: bool,
}

// === impl Root ===

impl Root {
    fn report_missing_bodies(&mut self) {
        if !std::mem::replace(&mut self.has_reported, true) {
            log::error!(
                "rate_limit: Envoy sends no body of a held request, so no limit is applied; set \
                 allow_on_headers_stop_iteration to true in the plugin's config (PluginConfig)"
            );
        }
    }
}

/// The plugin ends: requests that wait for their body would wait for ever, because no tick comes.
fn end(plugin: &Plugin<Envoy>) {
    plugin.end();
    plugin.release_all().into_iter().for_each(host::resume_request);
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        if let Some(plugin) = &self.plugin {
            end(plugin);
        }
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = host::plugin_configuration(size);
        let config = match Config::from_json(&text, &|name| std::env::var(name).ok()) {
            Ok(config) => config,
            Err(error) => {
                for problem in error.problems() {
                    log::error!("plugin configuration refused: {problem}");
                }
                return false;
            }
        };
        // If a configuration replaces another in the same root context, the stats gathered so far are flushed.
        if let Some(before) = self.plugin.replace(Rc::new(Plugin::new(config, Envoy))) {
            end(&before);
        }
        if let Some(plugin) = &self.plugin {
            plugin.flush();
        }
        host::set_tick_period(FLUSH_PERIOD);
        true
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &self.plugin else { return };
        plugin.tick();
        let (overdue, lacks_bodies) = (plugin.release_overdue(host::received_bytes), plugin.lacks_bodies());
        overdue.into_iter().for_each(host::resume_request);
        if lacks_bodies {
            self.report_missing_bodies();
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        // Without a plugin the configuration was refused; Envoy then sends no traffic.
        let plugin = self.plugin.clone().unwrap_or_else(|| Rc::new(Plugin::new(Config::default(), Envoy)));
        if plugin.has_rate_limit() {
            return Some(Box::new(HeldStream(LimitedStream::new(plugin, context_id))));
        }
        Some(Box::new(Stream(HttpStream::new(plugin))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

//! The root context: reads the configuration, creates streams, and flushes the plugin's stats at every tick and at its end.

use crate::host::{self, Envoy};
use crate::http::Stream;
use mcp_observe::{Config, HttpStream, Plugin};
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
}

// === impl Root ===

impl Context for Root {
    fn on_done(&mut self) -> bool {
        if let Some(plugin) = &self.plugin {
            plugin.end();
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
            before.end();
        }
        if let Some(plugin) = &self.plugin {
            plugin.flush();
        }
        host::set_tick_period(FLUSH_PERIOD);
        true
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.tick();
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        // Without a plugin the configuration was refused; Envoy then sends no traffic.
        let plugin = self.plugin.clone().unwrap_or_else(|| Rc::new(Plugin::new(Config::default(), Envoy)));
        Some(Box::new(Stream(HttpStream::new(plugin))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

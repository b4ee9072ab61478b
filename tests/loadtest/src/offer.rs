//! Lists the tools and resources of the server before the load begins.
//!
//! Every tool is called once, except those marked as destructive. A tool that does not respond in time, or sends a server request,
//! is not in the mix and is reported. Tools that the user named are in the mix without such a call.

use crate::arguments::fitting;
use crate::client::{Client, Dialect};
use crate::message::{Method, Template};
use crate::mix::{Action, Kind};
use crate::outcome::Outcome;
use crate::protocol_version::{ProtocolVersion, Transport};
use crate::settings::Settings;
use crate::world::World;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longest response time of a tool in the mix.
const TRIAL: Duration = Duration::from_secs(1);
/// The filter's default budget is 200 names; other clients may have used some of them.
const MOST_TOOLS: usize = 100;
const MOST_RESOURCES: usize = 1000;

/// The requests that the load can send.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) dialect: Dialect,
    /// The protocol version, as the server sent it.
    pub(crate) version: String,
    /// Names of tools; the template of a call has the index of its tool.
    pub(crate) tools: Vec<String>,
    /// Tools that are not in the mix, with the reason.
    pub(crate) left_out: Vec<(String, &'static str)>,
    discover: Template,
    list_tools: Template,
    calls: Vec<Template>,
    /// `None` if the server has no resources.
    list_resources: Option<Template>,
    reads: Vec<Template>,
}

// === impl Offer ===

impl Offer {
    /// Finds out the protocol version, the transport, and the lists of the server.
    pub(crate) async fn learn(world: &Arc<World>, settings: &Settings) -> Result<Self> {
        let mut client = negotiate(world, settings.protocol_version).await?;
        let dialect = client.dialect();
        let version = client.version().to_owned();
        let template = |method, params| Template::new(method, params, dialect.protocol_version);
        let list_tools = template(Method::ToolsList, json!({}));
        let tools = listed(&mut client, &list_tools, "tools").await.unwrap_or_default();
        let list_resources = template(Method::ResourcesList, json!({}));
        let resources = listed(&mut client, &list_resources, "resources").await;
        let uris = resources.iter().flatten().filter_map(|resource| resource.get("uri").cloned()).take(MOST_RESOURCES);
        let mut offer = Self {
            dialect,
            version,
            tools: Vec::new(),
            left_out: Vec::new(),
            discover: template(Method::Discover, json!({})),
            list_tools,
            calls: Vec::new(),
            reads: uris.map(|uri| template(Method::ResourcesRead, json!({ "uri": uri }))).collect(),
            list_resources: resources.is_some().then_some(list_resources),
        };
        offer.choose_tools(&mut client, &tools, settings).await;
        client.close().await;
        Ok(offer)
    }

    async fn choose_tools(&mut self, client: &mut Client, tools: &[Value], settings: &Settings) {
        for name in &settings.tools {
            let tool = tools.iter().find(|tool| name_of(tool) == name);
            let schema = tool.and_then(|tool| tool.get("inputSchema")).unwrap_or(&Value::Null);
            let call = self.call(name, schema, settings);
            self.calls.push(call);
        }
        if !settings.tools.is_empty() {
            return;
        }
        for tool in tools {
            let name = name_of(tool);
            if self.tools.len() == MOST_TOOLS {
                self.left_out.push((name.to_owned(), "one too many"));
            } else if tool.pointer("/annotations/destructiveHint") == Some(&Value::Bool(true)) {
                self.left_out.push((name.to_owned(), "says that it destroys"));
            } else {
                let call = self.call(name, tool.get("inputSchema").unwrap_or(&Value::Null), settings);
                match trial(client, &call).await {
                    None => self.calls.push(call),
                    Some(reason) => self.left_out.push((name.to_owned(), reason)),
                }
            }
        }
    }

    fn call(&mut self, name: &str, schema: &Value, settings: &Settings) -> Template {
        let params = json!({"name": name, "arguments": fitting(schema, &settings.given)});
        let mut call = Template::new(Method::ToolsCall, params, self.dialect.protocol_version);
        call.tool = Some(self.tools.len());
        self.tools.push(name.to_owned());
        call
    }

    /// The request for an action of the mix. If the server has no tool or resource for it, the request of a list.
    pub(crate) fn request(&self, action: Action) -> &Template {
        let one_of = |templates: &'_ [Template]| action.pick.checked_rem(templates.len());
        let listing = self.list_resources.as_ref().unwrap_or(&self.list_tools);
        let chosen = match action.kind {
            Kind::Open => Some(&self.discover),
            Kind::ListTools => Some(&self.list_tools),
            Kind::ListResources => Some(listing),
            Kind::Call => one_of(&self.calls).and_then(|place| self.calls.get(place)),
            Kind::Read => one_of(&self.reads).and_then(|place| self.reads.get(place)).or(Some(listing)),
        };
        chosen.unwrap_or(&self.list_tools)
    }

    pub(crate) fn tools_called(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn resources(&self) -> usize {
        self.reads.len()
    }
}

/// Why a tool is not in the mix; `None` if it is.
async fn trial(client: &mut Client, call: &Template) -> Option<&'static str> {
    client.ensure_open().await;
    let reply = client.call(call, TRIAL).await;
    match reply.outcome {
        _ if reply.asked => Some("asks its client"),
        Outcome::Cancelled => Some("takes longer than 1 s"),
        outcome if outcome.is_unanswered() => Some("was not answered"),
        _ => None,
    }
}

async fn listed(client: &mut Client, list: &Template, member: &str) -> Option<Vec<Value>> {
    let reply = client.call(list, client.limit()).await;
    let answer: Value = serde_json::from_slice(&reply.text).ok()?;
    Some(answer.get("result")?.get(member)?.as_array()?.clone())
}

fn name_of(tool: &Value) -> &str {
    tool.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Finds the protocol version and the transport: those of the settings, else `initialize`, then `server/discover`, then HTTP+SSE.
/// `initialize` comes first, because it is part of the mix if the server supports it.
async fn negotiate(world: &Arc<World>, wanted: Option<ProtocolVersion>) -> Result<Client> {
    let attempts = match wanted {
        Some(protocol_version) => vec![protocol_version],
        None => vec![ProtocolVersion::V2025_11_25, ProtocolVersion::V2026_07_28, ProtocolVersion::V2024_11_05],
    };
    let mut refusals = Vec::new();
    for protocol_version in attempts {
        let transport = if protocol_version == ProtocolVersion::V2024_11_05 {
            Transport::HttpSse
        } else {
            Transport::StreamableHttp
        };
        let mut client = Client::new(world.clone(), Dialect { protocol_version, transport });
        let opened = client.open().await;
        let reply = match opened {
            Some(reply) => reply,
            None => client.call(&Template::new(Method::Discover, json!({}), protocol_version), world.timeout).await,
        };
        if reply.outcome == Outcome::Ok {
            return Ok(client);
        }
        client.close().await;
        let reason = match reply.outcome {
            Outcome::NotSent => world.unreachable().unwrap_or_default(),
            outcome => format!(
                "{} {}",
                outcome.name(),
                reply.status.map_or(String::new(), |status| format!("(HTTP {status})"))
            ),
        };
        refusals.push(format!("{}: {}", protocol_version.name(), reason.trim_end()));
    }
    bail!("{} cannot be spoken to; {}", world.url, refusals.join("; "))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Offer;
    use crate::client::Dialect;
    use crate::message::{Method, Template};
    use crate::mix::{Action, Kind};
    use crate::protocol_version::{ProtocolVersion, Transport};
    use serde_json::json;

    pub(crate) fn offer(calls: usize, reads: usize, has_resources: bool) -> Offer {
        let protocol_version = ProtocolVersion::V2025_11_25;
        let template = |method| Template::new(method, json!({}), protocol_version);
        Offer {
            dialect: Dialect { protocol_version, transport: Transport::StreamableHttp },
            version: String::new(),
            tools: Vec::new(),
            left_out: Vec::new(),
            discover: template(Method::Discover),
            list_tools: template(Method::ToolsList),
            calls: vec![template(Method::ToolsCall); calls],
            list_resources: has_resources.then(|| template(Method::ResourcesList)),
            reads: vec![template(Method::ResourcesRead); reads],
        }
    }

    #[test]
    fn requests_use_only_what_the_server_offers() {
        let methods = |offer: &Offer| {
            [Kind::ListTools, Kind::Call, Kind::ListResources, Kind::Read]
                .map(|kind| offer.request(Action { kind, pick: 11 }).method)
        };
        use Method::{ResourcesList, ResourcesRead, ToolsCall, ToolsList};
        assert_eq!(methods(&offer(2, 3, true)), [ToolsList, ToolsCall, ResourcesList, ResourcesRead]);
        assert_eq!(methods(&offer(0, 0, true)), [ToolsList, ToolsList, ResourcesList, ResourcesList]);
        assert_eq!(methods(&offer(1, 0, false)), [ToolsList, ToolsCall, ToolsList, ToolsList]);
    }
}

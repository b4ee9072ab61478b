//! The body of responses that Envoy generates itself: the failure, and the variable to check.
//!
//! Envoy's own text is appended where it adds detail. The reason why a certificate is refused is reported to the operator
//! only (`notices`).

use crate::environment::{Scheme, Server, Settings};
use crate::machine::Machine;
use serde_json::{Value, json};

/// `local_reply_config` of the MCP listener. Envoy's status codes are kept.
pub(super) fn config(settings: &Settings, machine: Machine) -> Value {
    let upstream = &settings.upstream;
    let (name, server) = match &upstream.server {
        Server::Url(endpoint) => (endpoint.url(), format!("{} (MCP_UPSTREAM_URL)", endpoint.url())),
        // Clients do not see the arguments, which may be secrets.
        Server::Program(program) => {
            let name = program.bridge.command.name();
            (name.clone().into_owned(), format!("the bridge of {name}"))
        }
    };
    let timeout = format!("no answer within MCP_UPSTREAM_TIMEOUT_MS={}", upstream.timeout_ms);
    let through = upstream.proxy.as_ref().map(|proxy| format!(" through the proxy {} (HTTPS_PROXY)", proxy.url()));
    let connect = format!("cannot connect to {server}{}", through.unwrap_or_default());
    let unresolved = format!("cannot connect to {server}: its name has no address");
    let closed = format!("{server} closed the connection before it answered");
    let full = format!("too many requests at once: this machine's limit of open files allows {}", machine.connections);
    let is_plain = upstream.endpoint().is_some_and(|endpoint| endpoint.scheme == Scheme::Http);
    let tls = if is_plain { "; if the server speaks TLS, MCP_UPSTREAM_URL must begin with https://" } else { "" };
    let framing = format!("the response of {name} is not HTTP that Envoy accepts (docs/limits.md){tls}");
    let texts = [
        (["UT"], timeout, false),
        (["UH"], unresolved, false),
        (["UF"], connect, true),
        (["UC"], closed, true),
        (["UO"], full, false),
        (["UPE"], framing, true),
    ];
    let mappers: Vec<_> = texts.into_iter().map(|(flags, text, append)| mapper(&flags, &text, append)).collect();
    json!({"mappers": mappers})
}

fn mapper(flags: &[&str], text: &str, append: bool) -> Value {
    // A percent sign starts a command operator.
    let text = text.replace('%', "%%");
    let rest = if append { ": %LOCAL_REPLY_BODY%" } else { "" };
    json!({
        "filter": {"response_flag_filter": {"flags": flags}},
        "body_format_override": {"text_format_source": {"inline_string": format!("{text}{rest}\n")}},
    })
}

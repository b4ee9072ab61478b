//! `HTTPS_PROXY`, `NO_PROXY` and the other proxy variables, read as curl reads them: the lower-case name takes precedence.

use super::endpoint::{Endpoint, Scheme};
use super::forward_proxy::{ForwardProxy, is_excepted};
use super::reader::Reader;
use crate::problem::Problem;

impl Reader<'_> {
    /// The forward proxy for an `https://` endpoint, if one is set.
    pub(super) fn proxy_to(&mut self, endpoint: &Endpoint) -> Option<ForwardProxy> {
        let (variable, value) = self.first_of(&["https_proxy", "HTTPS_PROXY"])?;
        if endpoint.scheme == Scheme::Http || self.is_excepted(endpoint) {
            return None;
        }
        ForwardProxy::parse(&value)
            .map_err(|message| {
                let problem = Problem::new(variable, message);
                // The MCP server and the OTLP receiver use the same variable.
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            })
            .ok()
    }

    /// Adds a remark for each proxy variable that other programs use and this one ignores.
    pub(super) fn remark_ignored_proxies(&mut self, endpoint: &Endpoint) {
        if self.is_excepted(endpoint) {
            return;
        }
        let of_scheme = match endpoint.scheme {
            Scheme::Http => self.first_of(&["http_proxy", "HTTP_PROXY"]),
            Scheme::Https => None,
        };
        let is_proxied = self.first_of(&["https_proxy", "HTTPS_PROXY"]).is_some() && endpoint.scheme == Scheme::Https;
        let any = if is_proxied { None } else { self.first_of(&["all_proxy", "ALL_PROXY"]) };
        for (variable, _) in [of_scheme, any].into_iter().flatten() {
            let message = format!(
                "is ignored; connections to {} are direct; only HTTPS_PROXY is used, and only for https:// URLs",
                endpoint.url()
            );
            self.remarks.push(Problem::new(variable, message));
        }
    }

    fn is_excepted(&self, endpoint: &Endpoint) -> bool {
        self.first_of(&["no_proxy", "NO_PROXY"]).is_some_and(|(_, list)| is_excepted(endpoint, &list))
    }

    fn first_of(&self, variables: &[&'static str]) -> Option<(&'static str, String)> {
        variables.iter().find_map(|&variable| Some((variable, self.text(variable)?)))
    }
}

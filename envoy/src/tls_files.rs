//! Certificates and keys that Envoy would refuse at its start, by the names of their variables.

use crate::bootstrap;
use crate::environment::Settings;
use crate::problem::Problem;
use std::path::Path;
use std::process::Command;

/// A problem for the file that Envoy cannot use, as Envoy itself says: one that is no PEM, has a password, or belongs to
/// another certificate.
#[must_use]
pub fn refused_files(settings: &Settings) -> Vec<Problem> {
    let Some(bootstrap) = bootstrap::render_tls(settings) else { return Vec::new() };
    let output = Command::new(&settings.envoy.program)
        .args(["--mode", "validate", "--log-level", "critical", "--config-yaml", &bootstrap.to_string()])
        .output();
    let said = match &output {
        Ok(output) if !output.status.success() => String::from_utf8_lossy(&output.stderr),
        // What else is wrong with Envoy its start will show.
        _ => return Vec::new(),
    };
    problem(settings, &said).into_iter().collect()
}

/// Which file a refusal is about.
fn problem(settings: &Settings, said: &str) -> Option<Problem> {
    let reason = said.lines().find_map(|line| Some(line.split_once("Failed to load ")?.1))?;
    let client = settings.upstream.client_certificate.as_ref();
    let refused = |variable, file: Option<&Path>, allowed: &str| {
        Some(Problem::refused(variable, &file?.to_string_lossy(), &format!("{allowed} (Envoy: {reason})")))
    };
    if reason.contains("private key") {
        let allowed = "the PEM file of the private key that belongs to MCP_UPSTREAM_CERT_FILE, without a password";
        return refused("MCP_UPSTREAM_KEY_FILE", client.map(|client| client.key.as_path()), allowed);
    }
    if reason.contains("certificate chain") {
        let allowed = "the PEM file of a certificate and those between it and its authority";
        return refused("MCP_UPSTREAM_CERT_FILE", client.map(|client| client.certificate.as_path()), allowed);
    }
    let ca_file = settings.upstream.ca_file.as_deref();
    refused("MCP_UPSTREAM_CA_FILE", ca_file, "a PEM file of certificate authorities")
}

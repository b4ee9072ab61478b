//! Certificates and keys that Envoy refuses at its start.

use crate::bootstrap;
use crate::environment::Settings;
use crate::problem::Problem;
use std::path::Path;
use std::process::Command;

/// A problem for the file that Envoy refuses: it is not PEM, has a password, or belongs to another certificate. Envoy itself
/// checks the files, in its validation mode.
#[must_use]
pub fn refused_files(settings: &Settings) -> Vec<Problem> {
    let Some(bootstrap) = bootstrap::render_tls(settings) else { return Vec::new() };
    let output = Command::new(&settings.envoy.program)
        .args(["--mode", "validate", "--log-level", "critical", "--config-yaml", &bootstrap.to_string()])
        .output();
    let errors = match &output {
        Ok(output) if !output.status.success() => String::from_utf8_lossy(&output.stderr),
        // Envoy's start reports other failures.
        _ => return Vec::new(),
    };
    problem(settings, &errors).into_iter().collect()
}

/// The problem for the file that Envoy's errors are about.
fn problem(settings: &Settings, errors: &str) -> Option<Problem> {
    let reason = errors.lines().find_map(|line| Some(line.split_once("Failed to load ")?.1))?;
    let client = settings.upstream.client_certificate.as_ref();
    let refused = |variable, file: Option<&Path>, allowed: &str| {
        let message = format!("{:?} is refused by Envoy ({reason}); allowed: {allowed}", file?.to_string_lossy());
        Some(Problem::new(variable, message))
    };
    if reason.contains("private key") {
        let allowed = "a PEM file of the private key that belongs to MCP_UPSTREAM_CERT_FILE, without a password";
        return refused("MCP_UPSTREAM_KEY_FILE", client.map(|client| client.key.as_path()), allowed);
    }
    if reason.contains("certificate chain") {
        let allowed = "a PEM file of the certificate, followed by the intermediate certificates";
        return refused("MCP_UPSTREAM_CERT_FILE", client.map(|client| client.certificate.as_path()), allowed);
    }
    let ca_file = settings.upstream.ca_file.as_deref();
    refused("MCP_UPSTREAM_CA_FILE", ca_file, "a PEM file of certificate authorities")
}

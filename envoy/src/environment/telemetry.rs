//! Settings of spans and logs: OTLP, sampling, the audit log.

use super::endpoint::Scheme;
use super::envoy_binary::EnvoyBinary;
use super::reader::Reader;
use super::{Otlp, OtlpProtocol, Sampler, Service};
use crate::problem::Problem;
use std::path::PathBuf;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
const RATIO: &str = "0, or a number from 0.000001 to 1, such as 0.25";
/// The unit of Envoy's sampler.
const SMALLEST_RATIO: f64 = 0.000_001;

impl Reader<'_> {
    pub(super) fn service(&self) -> Service {
        let or = |variable, default: &str| self.text(variable).unwrap_or_else(|| default.to_owned());
        Service {
            name: or("OTEL_SERVICE_NAME", "mcp-sidecar"),
            version: or("SERVICE_VERSION", env!("CARGO_PKG_VERSION")),
            environment: or("OTEL_ENV", "dev"),
        }
    }

    /// The OTLP receiver.
    pub(super) fn otlp(&mut self, envoy: Option<&EnvoyBinary>) -> Option<Otlp> {
        let protocols = [("http/protobuf", OtlpProtocol::Http), ("grpc", OtlpProtocol::Grpc)];
        let protocol = self.choice("OTEL_EXPORTER_OTLP_PROTOCOL", &protocols);
        let sampler = self.sampler();
        let endpoint = self.endpoint("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        self.refuse_old_envoy("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint.url(), envoy);
        // Without a protocol the port decides: 4317 is registered for gRPC, 4318 for HTTP.
        let by_port = if endpoint.port == 4317 { OtlpProtocol::Grpc } else { OtlpProtocol::Http };
        let ca_file = match endpoint.scheme {
            Scheme::Http => None,
            Scheme::Https => self.system_roots("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        };
        let proxy = self.proxy_to(&endpoint);
        Some(Otlp { endpoint, protocol: protocol.unwrap_or(by_port), ca_file, proxy, sampler })
    }

    /// The sampler, as OpenTelemetry defines the two variables.
    fn sampler(&mut self) -> Sampler {
        let (all, none) = (Some(Sampler::ALL), Some(Sampler::NONE));
        let choices = [
            ("always_on", (false, all)),
            ("always_off", (false, none)),
            ("traceidratio", (false, None)),
            ("parentbased_always_on", (true, all)),
            ("parentbased_always_off", (true, none)),
            ("parentbased_traceidratio", (true, None)),
        ];
        let (parent_based, millionths) = self.choice(SAMPLER, &choices).unwrap_or((true, all));
        // The argument of other samplers is ignored, as OpenTelemetry specifies.
        Sampler { parent_based, millionths: millionths.unwrap_or_else(|| self.ratio()) }
    }

    /// The share of traces, in millionths. A smaller share is refused: Envoy would trace nothing.
    fn ratio(&mut self) -> u32 {
        let Some(value) = self.text(SAMPLER_ARG) else { return Sampler::ALL };
        let ratio = value.parse().ok().filter(|&ratio| ratio == 0.0 || (SMALLEST_RATIO..=1.0).contains(&ratio));
        let Some(ratio) = ratio else {
            self.problems.push(Problem::refused(SAMPLER_ARG, &value, RATIO));
            return Sampler::ALL;
        };
        Sampler::millionths(ratio)
    }

    /// The path of the audit log.
    pub(super) fn audit_log(&mut self, envoy: Option<&EnvoyBinary>) -> Option<PathBuf> {
        let path = self.text("MCP_AUDIT_LOG")?;
        self.refuse_old_envoy("MCP_AUDIT_LOG", &path, envoy);
        Some(path.into())
    }

    fn refuse_old_envoy(&mut self, variable: &'static str, value: &str, envoy: Option<&EnvoyBinary>) {
        if let Some(envoy) = envoy.filter(|envoy| !envoy.has_telemetry) {
            let message = format!(
                "{value:?} needs Envoy 1.37 or newer, and ENVOY_BIN is Envoy {}; use a newer Envoy, or unset the variable",
                envoy.version
            );
            self.problems.push(Problem::new(variable, message));
        }
    }
}

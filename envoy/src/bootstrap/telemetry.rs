//! Spans and access logs over OTLP, where an endpoint is set.
//!
//! Traffic that is not MCP has spans too (`sampler`). They have no `mcp.method.name`, and the collector removes them. Logs are
//! only written for MCP. A request whose `traceparent` header Envoy cannot read has no span: Envoy's tracer then starts no trace,
//! with every sampler, and the header goes to the server as it is.

use super::{OTLP_CLUSTER, attributes, audit, sampler, set};
use crate::environment::{Otlp, OtlpProtocol, Service, Settings};
use serde_json::{Map, Value, json};

/// Adds tracing to a connection manager, if an endpoint is set.
pub(super) fn extend(connection_manager: &mut Value, settings: &Settings) {
    let Some(otlp) = &settings.otlp else { return };
    // Envoy's tracer needs a request id. A client's own id is not changed: by default Envoy writes the sampling decision into it.
    set(connection_manager, "generate_request_id", true);
    set(connection_manager, "request_id_extension", request_id());
    set(connection_manager, "tracing", tracing(settings, otlp));
}

fn request_id() -> Value {
    json!({"typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        "pack_trace_reason": false,
        "use_request_id_for_trace_sampling": false,
    }})
}

/// Spans and logs are exported every second, so that a drain waits at most that long for the last ones.
pub(super) fn runtime() -> Value {
    json!({"tracing.opentelemetry.flush_interval_ms": 1000})
}

fn tracing(settings: &Settings, otlp: &Otlp) -> Value {
    let tags = attributes::of_spans(settings).into_iter().map(|(name, value)| json!({"tag": name, "value": value}));
    let resource: Map<String, Value> =
        resource(&settings.service).map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut tracer = json!({
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": settings.service.name,
        "resource_detectors": [{
            "name": "envoy.tracers.opentelemetry.resource_detectors.static_config",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
                "attributes": resource,
            },
        }],
        "sampler": sampler::config(otlp.sampler),
    });
    exporter(otlp, "traces", &mut tracer);
    json!({
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": tracer},
        "custom_tags": tags.collect::<Vec<_>>(),
        // Envoy's own URL tag includes the query; `url.path` does not.
        "max_path_tag_length": 0,
        "operation": attributes::SPAN_NAME,
    })
}

/// The access log, if an endpoint is set.
pub(super) fn access_log(settings: &Settings) -> Option<Value> {
    let otlp = settings.otlp.as_ref()?;
    let list = |pairs: Vec<(&str, String)>| {
        let values: Vec<_> =
            pairs.into_iter().map(|(key, value)| json!({"key": key, "value": {"string_value": value}})).collect();
        json!({"values": values})
    };
    let name = ("service.name", settings.service.name.clone());
    let mut logger = json!({
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
        "disable_builtin_labels": true,
        "resource_attributes": list(resource(&settings.service).chain([name]).collect()),
        "attributes": list(attributes::of_logs(settings)),
    });
    exporter(otlp, "logs", &mut logger);
    Some(json!({"name": "envoy.access_loggers.open_telemetry", "filter": audit::only_mcp(), "typed_config": logger}))
}

fn resource(service: &Service) -> impl Iterator<Item = (&'static str, String)> {
    [("service.version", &service.version), ("deployment.environment", &service.environment)]
        .map(|(name, value)| (name, value.clone()))
        .into_iter()
}

/// Adds the OTLP receiver to an exporter. The path of the signal is appended to the endpoint's path, as OTLP specifies.
fn exporter(otlp: &Otlp, signal: &str, target: &mut Value) {
    match otlp.protocol {
        OtlpProtocol::Grpc => {
            target["grpc_service"] = json!({"timeout": "5s", "envoy_grpc": {"cluster_name": OTLP_CLUSTER, "authority": otlp.endpoint.authority}});
        }
        OtlpProtocol::Http => {
            let uri = format!("{}/v1/{signal}", otlp.endpoint.url().trim_end_matches('/'));
            let receiver = json!({"uri": uri, "cluster": OTLP_CLUSTER, "timeout": "5s"});
            set(target, "http_service", json!({"http_uri": receiver}));
        }
    }
}

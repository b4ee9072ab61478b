//! Spans and access logs over OTLP, where an endpoint is set.
//!
//! Attributes come from the filter state that the filter writes. Request headers and bodies are not exported. Of the URL only
//! the path is exported: the query of HTTP+SSE holds a session id.

use super::{OTLP_CLUSTER, set};
use crate::environment::{Otlp, OtlpProtocol, Service, Settings};
use serde_json::{Map, Value, json};

/// Keys of the filter state, which are also the names of the attributes.
const FILTER_STATE: &[&str] = &[
    "mcp.method",
    "mcp.tool",
    "mcp.prompt",
    "mcp.resource",
    "mcp.status",
    "mcp.error_type",
    "mcp.error_code",
    "mcp.protocol_version",
    "mcp.transport",
    "mcp.request_id",
    "mcp.session",
];

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
    let tags: Vec<_> = attributes().map(|(name, value)| json!({"tag": name, "value": value})).collect();
    let resource: Map<String, Value> = resource(&settings.service).map(|(name, value)| (name, value.into())).collect();
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
    });
    exporter(otlp, "traces", &mut tracer);
    json!({
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": tracer},
        "custom_tags": tags,
        // Envoy's own URL tag includes the query; `url.path` does not.
        "max_path_tag_length": 0,
        "operation": "%FILTER_STATE(wasm.mcp.method:PLAIN)%",
    })
}

/// The access log, if an endpoint is set.
pub(super) fn access_log(settings: &Settings) -> Option<Value> {
    let otlp = settings.otlp.as_ref()?;
    let list = |pairs: Vec<(String, String)>| {
        let values: Vec<_> =
            pairs.into_iter().map(|(key, value)| json!({"key": key, "value": {"string_value": value}})).collect();
        json!({"values": values})
    };
    let request = [
        ("http.request.method", "%REQ(:METHOD)%"),
        ("http.response.status_code", "%RESPONSE_CODE%"),
        ("response_flags", "%RESPONSE_FLAGS%"),
        ("duration_ms", "%DURATION%"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut logger = json!({
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
        "disable_builtin_labels": true,
        "resource_attributes": list(
            resource(&settings.service).chain([("service.name".to_owned(), settings.service.name.clone())]).collect(),
        ),
        "attributes": list(attributes().chain(request).collect()),
    });
    exporter(otlp, "logs", &mut logger);
    Some(json!({"name": "envoy.access_loggers.open_telemetry", "typed_config": logger}))
}

fn attributes() -> impl Iterator<Item = (String, String)> {
    let state = FILTER_STATE.iter().map(|&name| (name.to_owned(), format!("%FILTER_STATE(wasm.{name}:PLAIN)%")));
    state.chain([("url.path".to_owned(), "%PATH(NQ)%".to_owned())])
}

fn resource(service: &Service) -> impl Iterator<Item = (String, String)> {
    [("service.version", &service.version), ("deployment.environment", &service.environment)]
        .map(|(name, value)| (name.to_owned(), value.clone()))
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

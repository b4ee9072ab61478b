//! Which requests have a span: Envoy's samplers, as OpenTelemetry's variables choose them.
//!
//! Envoy decides at the headers of a request; the filter reads the body later. So traffic that is not MCP has spans too, and
//! the collector removes them. Envoy has a sampler with a condition on the headers, but it is marked as work in progress. The
//! tracing settings of routes have no effect, because request ids of clients, which need not be UUIDs, do not decide.

use crate::environment::Sampler;
use serde_json::{Value, json};

/// The sampler.
pub(super) fn config(sampler: Sampler) -> Value {
    let root = match sampler.millionths {
        Sampler::ALL => of_kind("always_on", "AlwaysOn", &json!({})),
        // Envoy has no sampler that is always off; this one with 0 is the same.
        share => {
            let percentage = json!({"numerator": share, "denominator": "MILLION"});
            of_kind("trace_id_ratio_based", "TraceIdRatioBased", &json!({"sampling_percentage": percentage}))
        }
    };
    if sampler.parent_based {
        return of_kind("parent_based", "ParentBased", &json!({"wrapped_sampler": root}));
    }
    root
}

fn of_kind(name: &str, kind: &str, fields: &Value) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.{kind}SamplerConfig");
    let mut config = json!({"@type": kind});
    for (field, value) in fields.as_object().into_iter().flatten() {
        super::set(&mut config, field, value.clone());
    }
    json!({"name": format!("envoy.tracers.opentelemetry.samplers.{name}"), "typed_config": config})
}

"""A real API server accepts each manifest unchanged, Istio's chart accepts the mesh's settings, and both agree with the filter."""

import json
import re

import pytest
import yaml
from harness.cluster import must
from support.peers import ROOT

from mesh.collector import rendered
from mesh.istiod import Istiod
from mesh.manifests import MANIFESTS, MESH, RESOURCES, injected_annotations, injector, mesh_config, objects, only, text


@pytest.mark.parametrize("argument", [*(f"-f{MANIFESTS / name}" for name in RESOURCES), f"-k{MANIFESTS / 'collector'}", f"-k{MANIFESTS / 'otlp'}"])
def test_everything_is_taken_without_a_warning(istiod: Istiod, argument: str) -> None:
    """In a namespace that warns about pods above the level `restricted`."""
    try:
        must(istiod.cluster.apply(argument))
        difference = istiod.cluster.kubectl("diff", "--server-side", argument)
        assert (difference.returncode, difference.stdout) == (0, ""), difference.stdout + difference.stderr
    finally:
        must(istiod.cluster.kubectl("delete", argument))


@pytest.mark.parametrize(("name", "kind", "place", "says"), [
    ("wasmplugin.yaml", "WasmPlugin", ("failStrategie", "FAIL_OPEN"), "failStrategie"),
    ("wasmplugin.yaml", "WasmPlugin", ("failStrategy", "OPEN"), "failStrategy"),
    ("wasmplugin.yaml", "WasmPlugin", ("sha256", "abc"), "sha256"),
    ("telemetry.yaml", "Telemetry", ("tracings", []), "tracings"),
])
def test_a_bad_field_is_refused_by_its_name(istiod: Istiod, name: str, kind: str, place: tuple[str, object], says: str) -> None:
    spoilt = only(kind, name)
    spoilt["spec"][place[0]] = place[1]
    result = istiod.cluster.apply("-f-", text=text(spoilt))
    assert result.returncode != 0 and says in result.stderr, result


def snippet() -> dict:
    """The labels and buckets of envoy/snippet.yaml, which another test compares with the filter."""
    return yaml.safe_load((ROOT / "envoy/snippet.yaml").read_text(encoding="utf-8"))["stats_config"]


def test_the_mesh_knows_the_filters_labels() -> None:
    assert mesh_config()["defaultConfig"]["extraStatTags"] == [tag["tag_name"] for tag in snippet()["stats_tags"]]


def test_buckets_are_those_of_operations() -> None:
    (operations,) = [
        each["buckets"] for each in snippet()["histogram_bucket_settings"]
        if each["match"]["suffix"] == "mcp_request_duration_microseconds"
    ]
    assert json.loads(injected_annotations()["sidecar.istio.io/statsHistogramBuckets"]) == {"wasmcustom": operations}
    waypoint = only("Gateway", "waypoint.yaml")["spec"]["infrastructure"]["annotations"]
    assert waypoint == injected_annotations()


# Attributes of a span, each with its key of the filter state.
SPAN = {
    "mcp.method.name": "method", "gen_ai.tool.name": "tool", "gen_ai.prompt.name": "prompt", "mcp.resource.uri": "resource",
    "mcp.protocol.version": "protocol_version", "mcp.session.id": "session", "jsonrpc.request.id": "request_id",
    "rpc.response.status_code": "error_code", "error.type": "error_type", "mcp.client.name": "client", "mcp.status": "status",
    "mcp.batch_size": "batch_size", "user.id": "user", "mcp.trace_parent": "trace_parent",
}


def test_spans_have_the_documented_filter_state() -> None:
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    section = page.partition("## Access logs and spans")[2].partition("\n## ")[0]
    tags = only("Telemetry", "telemetry.yaml")["spec"]["tracing"][0]["customTags"]
    state = {name: tag["formatter"]["value"] for name, tag in tags.items() if "FILTER_STATE" in tag.get("formatter", {}).get("value", "")}
    assert state == {name: f"%FILTER_STATE(wasm.mcp.{key}:PLAIN)%" for name, key in SPAN.items()}
    assert {f"mcp.{key}" for key in SPAN.values()} <= set(re.findall(r"`(mcp\.[a-z_]+)`", section))
    # By this tag the collector recognizes them.
    assert tags["mcp.observed"] == {"literal": {"value": "true"}}


def test_the_plugins_differ_in_place_and_name_alone() -> None:
    plugins = [each for name in RESOURCES for each in objects(name) if each["kind"] == "WasmPlugin"]
    assert len(plugins) == 4
    for plugin in plugins:
        spec = plugin["spec"]
        assert (spec["phase"], spec["priority"], spec["failStrategy"]) == ("AUTHN", 1000, "FAIL_OPEN")
        assert spec["pluginConfig"]["filter_state"] is True
        assert set(spec["pluginConfig"]) == {"filter_state", "server_name_from"}


def test_each_kind_of_plugin_has_its_default() -> None:
    """The patch is the same for each kind, with the name that Istio gives to the plugin."""
    patches = set()
    for name, plugin in (("envoyfilter.yaml", "wasmplugin.yaml"), ("gateway.yaml", "gateway.yaml"), ("waypoint.yaml", "waypoint.yaml")):
        guard, metadata, spec = only("EnvoyFilter", name), only("WasmPlugin", plugin)["metadata"], only("WasmPlugin", plugin)["spec"]
        assert guard["spec"].get("targetRefs") == spec.get("targetRefs")
        (patch,) = guard["spec"]["configPatches"]
        own = f"{metadata['namespace']}.{metadata['name']}~"
        assert json.dumps(patch).count(own) == 2
        assert patch["match"].pop("context") == ("GATEWAY" if name == "gateway.yaml" else "SIDECAR_INBOUND")
        patches.add(json.dumps(patch).replace(own, ""))
    assert len(patches) == 1


def test_the_collector_asks_for_each_kind_of_proxy() -> None:
    """It uses headless Services. Each selects the same pods as the plugin of that kind, or sidecars by the label from injection."""
    ours = {(each["kind"], each["metadata"]["name"]): each for each in rendered()}
    (container,) = ours["Deployment", "mcp-collector"]["spec"]["template"]["spec"]["containers"]
    (asked,) = yaml.safe_load(next(each["value"] for each in container["env"] if each["name"] == "MCP_SIDECAR_DNS_SD"))
    services = {
        "mcp-proxies": (ours["Service", "mcp-proxies"], {"security.istio.io/tlsMode": "istio"}),
        "mcp-gateways": (only("Service", "gateway.yaml"), only("WasmPlugin", "gateway.yaml")["spec"]["selector"]["matchLabels"]),
        "mcp-waypoints": (only("Service", "waypoint.yaml"), {
            "gateway.networking.k8s.io/gateway-name": only("WasmPlugin", "waypoint.yaml")["spec"]["targetRefs"][0]["name"],
        }),
    }
    assert asked["names"] == [f"{name}.mcp.svc.cluster.local" for name in services]
    for name, (service, selector) in services.items():
        assert service["metadata"]["name"] == name
        assert (service["spec"]["clusterIP"], service["spec"]["selector"]) == ("None", selector)
        assert [port["port"] for port in service["spec"]["ports"]] == [asked["port"]]


def test_injection_labels_sidecars_alone() -> None:
    """This is why the collector needs more than one name."""
    label = 'security.istio.io/tlsMode: {{'
    templates = injector()["templates"]
    assert {name for name, template in templates.items() if label in template} == {"sidecar"}
    assert {"sidecar", "gateway", "waypoint"} <= templates.keys()


def test_the_page_names_the_settings_file() -> None:
    assert f"-f k8s/istio/{MESH.name}" in (MANIFESTS / "README.md").read_text(encoding="utf-8")

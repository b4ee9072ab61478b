"""Rate limits in a mesh: rate-limit.yaml refuses calls over the limit. A WasmPlugin cannot, and lets them pass late."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.cases import rpc
from support.client import JSON, Connection
from support.processes import free_port, wait_for

from mesh import labels
from mesh.edge import Edge
from mesh.istiod import Istiod
from mesh.manifests import NAMESPACE, limited, only
from mesh.proxy import Proxy, serving
from mesh.registry import Registry
from mesh.traffic import answering_stub, call, inbound

RULE = {"name": "daily", "method": "tools/call", "requests": 2, "interval_ms": 86_400_000}
FIELD = "allow_on_headers_stop_iteration"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def sidecar(istiod: Istiod, registry: Registry, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The module is an image, as in the shipped file."""
    with closing(answering_stub()) as stub:
        applied = [inbound("limited", port, stub.port), limited(registry.image, [RULE])]
        with serving(istiod, applied, port, tmp_path_factory.mktemp("limited"), "limited", "sidecar") as proxy:
            yield proxy


def counted(proxy: Proxy) -> dict[tuple[str, str, str], float]:
    """The outcomes that are not zero: rule, outcome, server."""
    found = {}
    for (family, pairs), value in proxy.samples().items():
        if family == "mcp_rate_limit_total" and value:
            series = dict(pairs)
            found[series["rule"], series["outcome"], series["server_name"]] = value
    return found


def test_a_call_over_the_limit_is_refused(sidecar: Proxy, port: int) -> None:
    wait_for("the plugin", lambda: sidecar.plugins()["config_reload"] > 0)
    assert [call(port, "any") for _ in range(2)] == [200, 200]
    with closing(Connection(port)) as connection:
        answer = connection.post(rpc("tools/call", {"name": "any"}, "third"), JSON)
    assert answer.head.status == 429
    assert int(answer.head.get("retry-after")) > 0
    error = json.loads(answer.body)
    assert (error["id"], error["error"]["data"]["rule"]) == ("third", "daily")
    # Each worker tells its own counts.
    wait_for("the counts", lambda: counted(sidecar) == {("daily", "allowed", "limited"): 2.0, ("daily", "limited", "limited"): 1.0})
    wait_for("the calls", lambda: labels.calls(sidecar).get(("limited", "any", "ok")) == 2)


def test_the_series_have_their_labels(sidecar: Proxy, port: int) -> None:
    labels.compare(sidecar)


def test_a_wasmplugin_lets_pass_and_says_which_field_is_missing(istiod: Istiod, module: Path, tmp_path: Path) -> None:
    """It has no field that lets the filter see the body of a held request."""
    edge = Edge(istiod, tmp_path, "unlimited")
    try:
        edge.apply(edge.plugin(module, rate_limit={"rules": [RULE]}))
        proxy = edge.start()
        assert [edge.call("any") for _ in range(3)] == [200, 200, 200]
        wait_for("the missing field in the log", lambda: FIELD in proxy.process.log())
        wait_for("the counts", lambda: counted(proxy) == {("daily", "unread", "upstream"): 3.0})
    finally:
        edge.stop()


def test_the_two_plugins_differ_in_the_rate_limit_alone() -> None:
    """rate-limit.yaml does what wasmplugin.yaml and envoyfilter.yaml do."""
    place, extension, _ = (patch["patch"]["value"] for patch in only("EnvoyFilter", "rate-limit.yaml")["spec"]["configPatches"])
    guard = only("EnvoyFilter", "envoyfilter.yaml")["spec"]["configPatches"][0]["patch"]["value"]
    assert place["config_discovery"] == guard["config_discovery"]
    config = extension["typed_config"]["config"]
    assert extension["name"] == place["name"] == config["name"]
    assert config[FIELD] is True
    ours, theirs = json.loads(config["configuration"]["value"]), only("WasmPlugin", "wasmplugin.yaml")["spec"]
    assert ours.pop("rate_limit")["shadow"] is True
    assert ours == theirs["pluginConfig"]
    assert (config["root_id"], config["failure_policy"]) == (theirs["pluginName"], theirs["failStrategy"])
    assert config["vm_config"]["code"]["remote"]["http_uri"]["uri"] == theirs["url"]


def test_a_gateway_with_the_documented_changes(istiod: Istiod, module: Path, tmp_path: Path) -> None:
    edge = Edge(istiod, tmp_path, "gated")
    changed = limited(module, [RULE], server_name_from="cluster")
    for patch in changed["spec"]["configPatches"]:
        if "match" in patch:
            patch["match"]["context"] = "GATEWAY"
    changed["spec"]["workloadSelector"] = {"labels": {"app": "gated"}}
    try:
        edge.apply(changed)
        proxy = edge.start({"proxy.istio.io/config": json.dumps({"connectionSettings": {"profile": "EDGE"}})})
        wait_for("the plugin", lambda: proxy.plugins()["config_reload"] > 0)
        with closing(Connection(edge.port)) as connection:
            body = rpc("tools/call", {"name": "any", "arguments": {"text": "x" * 50_000}})
            assert connection.post(body, JSON).head.status == 200
        assert [edge.call("any") for _ in range(2)] == [200, 429]
        server = f"outbound_8000__gated.{NAMESPACE}.svc.cluster.local"
        wait_for("the counts", lambda: counted(proxy) == {("daily", "allowed", server): 2.0, ("daily", "limited", server): 1.0})
    finally:
        edge.stop()
